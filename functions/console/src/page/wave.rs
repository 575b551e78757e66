//! The page of a wave: where it stands, what it waits for, its gates, its servers by stage and
//! application, replication, timeline. Short however large the wave is: lists have pages.

mod gate;
mod replication;
mod servers;
mod timeline;

use std::collections::BTreeMap;

use askama::Template;
use jiff::Timestamp;
use tidegate_domain::audit::AuditRecord;
use tidegate_domain::gate::Gate;
use tidegate_domain::view::{self, WaveView};
use tidegate_domain::wave::Phase;
use tidegate_domain::words::{self, one_line};
use tidegate_ports::waves::WholeWave;

use super::chart::{Stretch, stacked};
use super::filter::{Filter, Sheet};
use super::{Frame, LONGEST_TEXT, MOST_SERVERS, html};
use crate::payload::Response;

use gate::{GateCard, card};
use replication::{Copied, Lag, replication};
use servers::{
    Application, Row, StageCount, application, applications, by_class, server_row, shown_text,
    stages,
};
use timeline::{Line, Span, earlier, spans, timeline};

/// After how many seconds the page loads itself again.
const REFRESH: u32 = 15;

/// The most applications on one page.
const MOST_APPLICATIONS: usize = 25;

/// A wave to be shown.
#[derive(Debug)]
pub(crate) struct Glance<'a> {
    /// The wave with its servers.
    pub(crate) whole: &'a WholeWave,
    /// Its latest audit records, in order.
    pub(crate) records: &'a [AuditRecord],
    /// Where the holder of the pass decides, by gate.
    pub(crate) decide: BTreeMap<Gate, String>,
    /// The time.
    pub(crate) now: Timestamp,
}

#[derive(Template)]
#[template(path = "wave.html")]
struct Page<'a> {
    frame: Frame<'a>,
    wave: &'a str,
    phase: &'static str,
    since: String,
    ended: bool,
    waiting_for: String,
    servers_in_all: String,
    hold: Option<Hold>,
    steps: Vec<Step>,
    gates: Vec<GateCard>,
    bar: Vec<Stretch>,
    stages: Vec<StageCount>,
    copy: Option<Copied>,
    lags: Vec<Lag>,
    applications: Vec<Application<'a>>,
    application_sheet: Sheet,
    ignored: bool,
    shown: String,
    all_address: Option<String>,
    servers: Vec<Row<'a>>,
    sheet: Sheet,
    spans: Vec<Span>,
    timeline: Vec<Line>,
    earlier: u64,
    now: String,
    toggle: String,
}

struct Hold {
    since: String,
    reason: String,
    commands: Vec<(String, String)>,
}

/// A step of the rail: `done`, `now` or `later`.
struct Step {
    label: &'static str,
    state: &'static str,
}

/// Where a phase stands on the rail; None if it is not on it.
fn place(phase: &Phase) -> Option<usize> {
    match phase {
        Phase::Waiting => Some(0),
        Phase::Preflight { .. } => Some(1),
        Phase::Testing => Some(2),
        Phase::AwaitingCutover => Some(3),
        Phase::CuttingOver => Some(4),
        Phase::Soaking { .. } => Some(5),
        Phase::AwaitingFinalize => Some(6),
        Phase::Finalizing => Some(7),
        Phase::Completed => Some(8),
        Phase::RollingBack | Phase::RolledBack | Phase::Aborting | Phase::Aborted => None,
    }
}

/// The phases on the rail: their names, and what they are called for people.
static RAIL: [(&str, &str); 9] = [
    ("Waiting", "Waiting"),
    ("Preflight", "Preflight"),
    ("Testing", "Tests"),
    ("AwaitingCutover", "Cutover gate"),
    ("CuttingOver", "Cutover"),
    ("Soaking", "Soak"),
    ("AwaitingFinalize", "Finalize gate"),
    ("Finalizing", "Finalize"),
    ("Completed", "Completed"),
];

/// The phase of that name for people.
fn label(name: &str) -> &str {
    let known = RAIL.iter().find(|(phase, _)| *phase == name);
    known.map_or(name, |(_, label)| *label)
}

fn steps(phase: &Phase) -> Vec<Step> {
    let now = place(phase);
    let mut steps: Vec<_> = RAIL
        .iter()
        .enumerate()
        .map(|(number, (_, label))| Step {
            label,
            state: match now {
                Some(now) if number < now || (number == now && phase.terminal()) => "done",
                Some(now) if number == now => "now",
                Some(_) | None => "later",
            },
        })
        .collect();
    if now.is_none() {
        steps.clear();
        let label = phase.name();
        steps.push(Step {
            label,
            state: "now",
        });
    }
    steps
}

impl Glance<'_> {
    /// The page, of what the filter asks for.
    pub(crate) fn page(self, mut filter: Filter) -> Response {
        let Self {
            whole:
                WholeWave {
                    wave,
                    servers,
                    seen,
                },
            records,
            mut decide,
            now,
        } = self;
        let view = view::wave(wave, servers, seen);
        let zone = wave.plan.window.as_ref().map(|w| w.time_zone.as_str());
        let applications = applications(wave, servers);
        filter.only(
            |name| applications.iter().any(|(a, _)| *a == name),
            |stage| view.stages.contains_key(stage),
        );
        let address = |filter: &Filter| filter.address("wave", "view");
        let mut shown: Vec<_> = servers
            .iter()
            .zip(&view.servers)
            .filter(|(_, row)| {
                filter
                    .application
                    .as_ref()
                    .is_none_or(|a| *a == row.application)
                    && filter.stage.as_ref().is_none_or(|s| *s == row.stage)
            })
            .collect();
        shown.sort_by_key(|(_, row)| (&row.application, &row.hostname));
        let sheet = Sheet::of(filter.page, shown.len(), MOST_SERVERS, |page| {
            address(&Filter {
                page,
                ..filter.clone()
            })
        });
        let application_sheet = Sheet::of(
            filter.applications,
            applications.len(),
            MOST_APPLICATIONS,
            |page| {
                address(&Filter {
                    applications: page,
                    ..filter.clone()
                })
            },
        );
        let ended = wave.phase.terminal();
        let (copy, lags) = replication(wave, servers, seen, zone);
        let page = Page {
            frame: Frame {
                place: Some("wave"),
                refresh: (!ended && !filter.still).then_some(REFRESH),
                ..Frame::new(format!("{}: {}", wave.id, label(wave.phase.name())))
            },
            wave: wave.id.as_str(),
            phase: label(wave.phase.name()),
            since: words::time(wave.phase_since, zone),
            ended,
            waiting_for: match wave.hold {
                Some(_) => "a person".to_owned(),
                None => one_line(&view.summary.waiting_for, LONGEST_TEXT),
            },
            servers_in_all: words::count(servers.len(), "server"),
            hold: hold(&view, zone),
            steps: steps(&wave.phase),
            gates: wave
                .gates
                .iter()
                .map(|(gate, state)| card(wave, *gate, state, decide.remove(gate), zone))
                .collect(),
            bar: stacked(&by_class(servers.iter())),
            stages: stages(&view, servers, &filter),
            copy,
            lags,
            applications: applications
                .iter()
                .skip(application_sheet.first)
                .take(MOST_APPLICATIONS)
                .map(|(name, servers)| application(name, servers, &view, &filter))
                .collect(),
            application_sheet,
            ignored: filter.ignored,
            shown: shown_text(shown.len(), &filter),
            all_address: (filter.application.is_some() || filter.stage.is_some())
                .then(|| address(&filter.of_application(None).of_stage(None))),
            servers: shown
                .iter()
                .skip(sheet.first)
                .take(MOST_SERVERS)
                .map(|(server, row)| server_row(server, row))
                .collect(),
            sheet,
            spans: spans(records, if ended { wave.phase_since } else { now }),
            timeline: timeline(records, now),
            earlier: earlier(wave, records),
            now: words::time(now, zone),
            toggle: address(&Filter {
                still: !filter.still,
                ..filter.clone()
            }),
        };
        let refresh = page.frame.refresh;
        let mut response = html(200, &page);
        let again = refresh.map(|seconds| ("refresh".to_owned(), seconds.to_string()));
        response.headers.extend(again);
        response
    }
}

fn hold(view: &WaveView, zone: Option<&str>) -> Option<Hold> {
    view.hold.as_ref().map(|hold| Hold {
        since: words::time(hold.since, zone),
        reason: one_line(&hold.reason, LONGEST_TEXT),
        commands: hold.commands.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rail_shows_what_is_done() {
        let states = |phase| steps(&phase).iter().map(|s| s.state).collect::<Vec<_>>();
        assert_eq!(states(Phase::Testing)[1..4], ["done", "now", "later"]);
        assert!(
            states(Phase::Completed)
                .iter()
                .all(|state| *state == "done")
        );
        assert_eq!(steps(&Phase::Aborting)[0].label, "Aborting");
        let phases = [Phase::Waiting, Phase::Testing, Phase::Completed];
        for phase in phases {
            let place = place(&phase).expect("on the rail");
            assert_eq!(RAIL[place].0, phase.name());
        }
    }
}
