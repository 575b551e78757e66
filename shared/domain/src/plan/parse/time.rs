//! Points in time as people write them: local, with the zone beside them.
//!
//! A local time that does not exist (the clocks go forward over it) or exists twice (they go
//! back) is refused, not guessed. Zones come from the compiled-in IANA database.

use jiff::civil::DateTime;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::errors::{Errors, nearest, shown};
use super::field::Field;
use super::scalar;

/// The furthest that a time may lie ahead; what lies further is a slip of the pen.
const MOST_AHEAD: SignedDuration = SignedDuration::from_hours(5 * 366 * 24);

/// A time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    /// Its IANA name.
    pub(super) name: String,
    /// Its rules.
    pub(super) rules: TimeZone,
}

/// A time zone by its IANA name.
pub(super) fn zone(field: Field<'_>, errors: &mut Errors) -> Option<Zone> {
    const WHAT: &str = "an IANA time zone such as Europe/Berlin or UTC";
    let given = scalar::text(field, WHAT, errors)?;
    let database = TimeZoneDatabase::bundled();
    if let Ok(rules) = database.get(given) {
        let name = rules.iana_name().unwrap_or(given).to_owned();
        return Some(Zone { name, rules });
    }
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    match nearest(given, names.iter().map(String::as_str)) {
        Some(meant) => field.wrong(
            format!(
                "unknown time zone {}; did you mean `{meant}`?",
                shown(given)
            ),
            errors,
        ),
        None => field.expected(WHAT, errors),
    }
    None
}

/// A point in time. Without an offset of its own it is local to `zone`; `None` for a zone says
/// that an error was told about it, or that there is none: then `zone_missing` is told.
pub(super) fn instant(
    field: Field<'_>,
    zone: Option<&Zone>,
    zone_missing: Option<&str>,
    now: Timestamp,
    errors: &mut Errors,
) -> Option<Timestamp> {
    const WHAT: &str = "a local date and time such as 2026-12-05T22:00";
    let given = scalar::text(field, WHAT, errors)?;
    let Some((local, offset)) = pieces(given) else {
        field.expected(WHAT, errors);
        return None;
    };
    let instant = match (offset, zone) {
        (Some(offset), zone) => with_offset(field, local, offset, zone, errors)?,
        (None, Some(zone)) => without_offset(field, local, zone, errors)?,
        (None, None) => {
            if let Some(sentence) = zone_missing {
                field.wrong(sentence, errors);
            }
            return None;
        }
    };
    if instant.duration_since(now) > MOST_AHEAD {
        field.wrong(
            "this is more than five years ahead; is the year right?",
            errors,
        );
        return None;
    }
    Some(instant)
}

/// A point in time as people read it: local, with its offset.
pub(super) fn local(at: Timestamp, zone: &Zone) -> String {
    at.to_zoned(zone.rules.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

fn pieces(given: &str) -> Option<(DateTime, Option<PiecesOffset>)> {
    let pieces = Pieces::parse(given).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    Some((pieces.date().to_datetime(pieces.time()?), pieces.offset()))
}

fn with_offset(
    field: Field<'_>,
    local: DateTime,
    given: PiecesOffset,
    zone: Option<&Zone>,
    errors: &mut Errors,
) -> Option<Timestamp> {
    let offset = given.to_numeric_offset();
    let instant = at_offset(field, local, offset, errors)?;
    // `Z` names an instant and says nothing of the site, so it contradicts no zone.
    if let (PiecesOffset::Numeric(_), Some(zone)) = (given, zone) {
        let right = zone.rules.to_offset(instant);
        if right != offset {
            field.wrong(
                format!(
                    "{} is not the offset of {} then; {} is",
                    hours(offset),
                    zone.name,
                    hours(right)
                ),
                errors,
            );
            return None;
        }
    }
    Some(instant)
}

fn at_offset(
    field: Field<'_>,
    local: DateTime,
    offset: Offset,
    errors: &mut Errors,
) -> Option<Timestamp> {
    let instant = offset.to_timestamp(local).ok();
    if instant.is_none() {
        field.wrong("this time is outside of what a calendar has", errors);
    }
    instant
}

fn without_offset(
    field: Field<'_>,
    local: DateTime,
    zone: &Zone,
    errors: &mut Errors,
) -> Option<Timestamp> {
    match zone.rules.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => at_offset(field, local, offset, errors),
        AmbiguousOffset::Gap { before, after } => {
            let (last, first) = around_gap(local, before, after, &zone.rules)?;
            let (last, first) = (minutes(last), minutes(first));
            field.wrong(
                format!(
                    "{} does not exist in {}: the clocks go from {last} to {first}; write a \
                     time before {last}, or {first} or later",
                    minutes(local),
                    zone.name
                ),
                errors,
            );
            None
        }
        AmbiguousOffset::Fold { before, after } => {
            let local = minutes(local);
            field.wrong(
                format!(
                    "{local} comes twice in {}, where the clocks go back: write {local}{} for \
                     the first or {local}{} for the second",
                    zone.name,
                    hours(before),
                    hours(after)
                ),
                errors,
            );
            None
        }
    }
}

/// The local times on either side of the gap that swallows `local`.
fn around_gap(
    local: DateTime,
    before: Offset,
    after: Offset,
    rules: &TimeZone,
) -> Option<(DateTime, DateTime)> {
    // Read with the old offset, a time in the gap lies at or after the moment of the change.
    let later = before
        .to_timestamp(local)
        .ok()?
        .checked_add(SignedDuration::from_secs(1))
        .ok()?;
    let change = rules.preceding(later).next()?.timestamp();
    Some((before.to_datetime(change), after.to_datetime(change)))
}

/// A local time, without its seconds if there are none.
fn minutes(local: DateTime) -> String {
    let format = if local.second() == 0 {
        "%Y-%m-%dT%H:%M"
    } else {
        "%Y-%m-%dT%H:%M:%S"
    };
    local.strftime(format).to_string()
}

/// An offset as it is written behind a time: `+01:00`.
fn hours(offset: Offset) -> String {
    let minutes = offset.seconds().abs() / 60;
    let sign = if offset.is_negative() { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
