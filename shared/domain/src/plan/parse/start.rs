//! When a wave starts, and when its cutovers may be launched.

use jiff::{SignedDuration, Timestamp};

use super::OverWindow;
use super::errors::Errors;
use super::field::{Field, Fields};
use super::scalar::{self, Bounds};
use super::time::{self, Zone};
use crate::plan::{Start, Window};

/// The keys of a start.
const START_KEYS: &[&str] = &["on", "at", "time_zone"];

/// The keys of a window.
const WINDOW_KEYS: &[&str] = &["opens", "lasts", "time_zone"];

const LASTS: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(7 * 24),
    text: "1s to 7d",
};

/// What could be read of a window.
#[derive(Debug)]
pub(super) struct WindowParts {
    /// The whole of it.
    pub(super) window: Option<Window>,
    /// Its zone, which `start.at` is local to as well.
    zone: Option<Zone>,
}

/// What starts a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Replication,
    Schedule,
    Manual,
}

/// Read `window`.
pub(super) fn window(
    field: Field<'_>,
    now: Timestamp,
    over: OverWindow,
    errors: &mut Errors,
) -> WindowParts {
    let Some(fields) = Fields::of("a window", field.node, WINDOW_KEYS, &[], errors) else {
        return WindowParts {
            window: None,
            zone: None,
        };
    };
    let zone = fields
        .required("time_zone", errors)
        .and_then(|field| time::zone(field, errors));
    let opens_field = fields.required("opens", errors);
    let opens =
        opens_field.and_then(|field| time::instant(field, zone.as_ref(), None, now, errors));
    let lasts = fields
        .required("lasts", errors)
        .and_then(|field| scalar::duration(field, LASTS, errors));
    let window = match (opens, lasts, &zone, opens_field) {
        (Some(opens), Some(lasts), Some(zone), Some(opens_field)) => {
            let closes = opens.checked_add(lasts).ok();
            let window = closes.map(|closes| Window {
                opens,
                closes,
                time_zone: zone.name.clone(),
            });
            window.filter(|window| {
                let wrong = over == OverWindow::IsWrong && window.is_over(now);
                if wrong {
                    opens_field.wrong(
                        format!(
                            "the window is over: it closed at {}, and now it is {}",
                            time::local(window.closes, zone),
                            time::local(now, zone)
                        ),
                        errors,
                    );
                }
                !wrong
            })
        }
        _ => None,
    };
    WindowParts { window, zone }
}

/// Read `start`, beside the window if there is one.
pub(super) fn start(
    field: Field<'_>,
    window: Option<&WindowParts>,
    now: Timestamp,
    errors: &mut Errors,
) -> Option<Start> {
    let fields = Fields::of("a start", field.node, START_KEYS, &[], errors)?;
    let on = fields.required("on", errors).and_then(|field| {
        scalar::choice(
            field,
            &[
                ("replication", On::Replication),
                ("schedule", On::Schedule),
                ("manual", On::Manual),
            ],
            errors,
        )
    });
    match on {
        Some(On::Schedule) => schedule(&fields, window, now, errors),
        Some(other) => {
            for name in ["at", "time_zone"] {
                if let Some(at) = fields.key_at(name) {
                    errors.push(
                        at,
                        format!(
                            "`{name}` goes only with `on: schedule`: leave it out, or write \
                             `on: schedule`"
                        ),
                    );
                }
            }
            Some(if other == On::Manual {
                Start::Manual
            } else {
                Start::Replication
            })
        }
        None => None,
    }
}

fn schedule(
    fields: &Fields<'_>,
    window: Option<&WindowParts>,
    now: Timestamp,
    errors: &mut Errors,
) -> Option<Start> {
    let own = fields.optional("time_zone");
    let zone = match own {
        Some(field) => time::zone(field, errors),
        None => window.and_then(|parts| parts.zone.clone()),
    };
    let missing = (own.is_none() && window.is_none()).then_some(
        "in which time zone? Write `time_zone` beside it, such as time_zone: Europe/Berlin",
    );
    let Some(field) = fields.optional("at") else {
        errors.push(
            fields.at,
            "`at` is missing; `on: schedule` needs it, such as at: 2026-12-05T18:00",
        );
        return None;
    };
    let at = time::instant(field, zone.as_ref(), missing, now, errors)?;
    if let Some(window) = window.and_then(|parts| parts.window.as_ref())
        && at >= window.closes
    {
        field.wrong(
            match &zone {
                Some(zone) => format!(
                    "the wave would start when its window has closed, at {}; start it earlier",
                    time::local(window.closes, zone)
                ),
                None => {
                    "the wave would start when its window has closed; start it earlier".to_owned()
                }
            },
            errors,
        );
        return None;
    }
    Some(Start::Schedule(at))
}
