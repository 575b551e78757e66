//! One wave: phase, what it waits for, hold, gates, servers, downtime.

use comfy_table::Cell;
use jiff::Timestamp;
use tidegate_domain::plan::Window;
use tidegate_domain::view::{HoldView, ServerView, WaveView};

use super::gate;
use super::measure::{between, bytes, count, duration, moment, named, zone};
use super::table::{Tone, cell, table, text};
use crate::terminal::Look;

/// How many servers are shown unless all are asked for; those that need somebody come first.
const SHOWN: usize = 40;

/// How many digits of a hash are shown: enough to tell evidences of one wave apart.
const DIGITS: usize = 12;

/// The wave as a screen.
#[must_use]
pub fn wave(view: &WaveView, now: Timestamp, all: bool, look: &Look) -> String {
    let paint = look.paint;
    let summary = &view.summary;
    let mut lines = vec![format!(
        "{} is in {} since {} ({})",
        paint.strong(&format!("Wave {}", summary.wave)),
        paint.strong(&summary.phase),
        named(summary.since, &look.zone),
        between(summary.since, now)
    )];
    if !view.ended && view.hold.is_none() {
        lines.push(format!("waits for {}", summary.waiting_for));
    }
    if let Some(view_window) = &view.window {
        lines.push(format!("window    {}", window(view_window, now)));
    }
    if let Some(hold) = &view.hold {
        lines.push(String::new());
        lines.extend(hold_lines(hold, look));
    }
    if !view.gates.is_empty() {
        lines.push(String::new());
        lines.push(paint.strong("Gates"));
        lines.extend(
            view.gates
                .iter()
                .flat_map(|gate| gate::lines(view, gate, now, look)),
        );
    }
    lines.push(String::new());
    lines.extend(servers(view, all, look));
    if !view.downtime.is_empty() {
        lines.push(String::new());
        lines.push(paint.strong("Downtime"));
        let widest = view
            .downtime
            .keys()
            .map(|name| name.as_str().len())
            .max()
            .unwrap_or(0);
        lines.extend(
            view.downtime
                .iter()
                .map(|(name, down)| format!("  {:<widest$}  {}", name.as_str(), duration(*down))),
        );
    }
    lines.join("\n")
}

/// The hash of an evidence, as short as it is shown and taken.
#[must_use]
pub fn short(hash: &str) -> &str {
    hash.get(..DIGITS).unwrap_or(hash)
}

/// A window and how it stands now.
fn window(window: &Window, now: Timestamp) -> String {
    let (zone, name) = zone(&window.time_zone);
    let stands = if now < window.opens {
        format!("opens in {}", between(now, window.opens))
    } else if now < window.closes {
        format!("open, closes in {}", between(now, window.closes))
    } else {
        "over".to_owned()
    };
    format!(
        "{} to {} {name} ({stands})",
        moment(window.opens, &zone),
        moment(window.closes, &zone)
    )
}

/// A hold and what releases it.
#[must_use]
pub fn hold_lines(hold: &HoldView, look: &Look) -> Vec<String> {
    let mut lines = vec![format!(
        "{} since {}: {}",
        look.paint.bad("HELD"),
        named(hold.since, &look.zone),
        hold.reason
    )];
    let widest = hold
        .commands
        .iter()
        .map(|(command, _)| command.chars().count())
        .max()
        .unwrap_or(0);
    lines.extend(
        hold.commands
            .iter()
            .map(|(command, what)| format!("  {command:<widest$}   {}", look.paint.faint(what))),
    );
    lines
}

/// What a phase's colour is.
pub(super) fn phase_tone(phase: &str) -> Tone {
    match phase {
        "Completed" => Tone::Good,
        "Aborted" | "Aborting" | "RolledBack" | "RollingBack" => Tone::Bad,
        "AwaitingCutover" | "AwaitingFinalize" => Tone::Ask,
        "Waiting" => Tone::Plain,
        _ => Tone::Busy,
    }
}

fn servers(view: &WaveView, all: bool, look: &Look) -> Vec<String> {
    if view.servers.is_empty() {
        return vec!["Its servers are picked when it starts.".to_owned()];
    }
    let stages: Vec<String> = view
        .stages
        .iter()
        .map(|(stage, number)| format!("{number} {stage}"))
        .collect();
    let heading = look.paint.strong(&count(view.servers.len(), "server"));
    let mut lines = vec![format!("{heading}: {}", stages.join(", "))];
    let mut shown: Vec<&ServerView> = view.servers.iter().collect();
    if !all && shown.len() > SHOWN {
        shown.sort_by_key(|server| urgency(server));
        shown.truncate(SHOWN);
    }
    let columns = columns(look.width);
    let headings: Vec<&str> = columns.iter().map(|column| column.heading).collect();
    let mut rows = table(&headings, look);
    for server in &shown {
        rows.add_row(columns.iter().map(|column| (column.cell)(server)));
    }
    lines.push(text(rows));
    let more = view.servers.len() - shown.len();
    if more > 0 {
        lines.push(look.paint.faint(&format!(
            "and {more} more: tidegate status {} --all",
            view.summary.wave
        )));
    }
    lines
}

/// A column of the table of servers.
struct Column {
    heading: &'static str,
    /// The fewest columns of a terminal that it is shown on.
    width: u16,
    cell: fn(&ServerView) -> Cell,
}

/// The columns that a terminal has room for.
fn columns(width: u16) -> Vec<&'static Column> {
    const ALL: &[Column] = &[
        Column {
            heading: "SERVER",
            width: 0,
            cell: |server| cell(&server.hostname, Tone::Plain),
        },
        Column {
            heading: "ID",
            width: 90,
            cell: |server| cell(&server.server, Tone::Plain),
        },
        Column {
            heading: "APPLICATION",
            width: 0,
            cell: |server| cell(&server.application, Tone::Plain),
        },
        Column {
            heading: "STAGE",
            width: 0,
            cell: |server| cell(stage(server), stage_tone(&server.stage)),
        },
        Column {
            heading: "LAG",
            width: 0,
            cell: |server| cell(lag(server), Tone::Plain),
        },
        Column {
            heading: "COPIED",
            width: 70,
            cell: |server| cell(copied(server), Tone::Plain),
        },
        Column {
            heading: "LAUNCHES",
            width: 70,
            cell: |server| cell(launches(server), Tone::Plain),
        },
    ];
    ALL.iter().filter(|column| column.width <= width).collect()
}

fn copied(server: &ServerView) -> String {
    server
        .replicated_percent
        .map_or_else(String::new, |percent| format!("{percent}%"))
}

/// Who needs somebody comes first, who is done comes last; the plan's order stays among equals.
fn urgency(server: &ServerView) -> u8 {
    match stage_tone(&server.stage) {
        Tone::Bad => 0,
        Tone::Ask => 1,
        Tone::Busy => 2,
        Tone::Plain => 3,
        Tone::Good => 4,
    }
}

fn stage(server: &ServerView) -> String {
    match &server.detail {
        Some(detail) => format!("{}: {detail}", server.stage),
        None => server.stage.clone(),
    }
}

fn stage_tone(stage: &str) -> Tone {
    match stage {
        "failed" => Tone::Bad,
        "skipped" | "aborted" => Tone::Ask,
        "replicating" | "tested" => Tone::Plain,
        "cut over" | "finalized" => Tone::Good,
        _ => Tone::Busy,
    }
}

fn lag(server: &ServerView) -> String {
    let lag = match server.lag_seconds {
        // What is finalized replicates no more.
        None => return String::new(),
        Some(_) if server.stage == "finalized" => return String::new(),
        Some(seconds) => duration(jiff::SignedDuration::from_secs(seconds)),
    };
    match server.backlog_bytes {
        None | Some(0) => lag,
        Some(backlog) => format!("{lag}, {}", bytes(backlog)),
    }
}

fn launches(server: &ServerView) -> String {
    match (server.tests, server.cutovers) {
        (0, 0) => String::new(),
        (tests, 0) => count(tests as usize, "test"),
        (tests, cutovers) => {
            format!(
                "{}, {}",
                count(tests as usize, "test"),
                count(cutovers as usize, "cutover")
            )
        }
    }
}
