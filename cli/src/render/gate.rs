//! What a gate asks, and what a person sees before deciding.

use jiff::Timestamp;
use tidegate_domain::gate::{Gate, Part};
use tidegate_domain::view::{GateView, ShownView, WaveView};
use tidegate_domain::words::one_line;

use super::measure::{between, count, few, named};
use super::wave::short;
use crate::terminal::Look;

/// How many changes, warnings, waivers and servers left out are told, each.
const MOST_TOLD: usize = 10;

/// How many applications are named.
const MOST_NAMED: usize = 8;

/// The longest line of others' words, in characters.
const LONGEST: usize = 400;

/// A gate in a line or two, and what to know before it is decided.
pub(super) fn lines(view: &WaveView, gate: &GateView, now: Timestamp, look: &Look) -> Vec<String> {
    let by = gate.approved_by.join(" and ");
    if gate.state != "open" {
        return decided(gate, by, look);
    }
    let expires = gate.expires.map_or_else(String::new, |expires| {
        format!(
            "; expires {} (in {})",
            named(expires, &look.zone),
            between(now, expires)
        )
    });
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(" ({by})")
    };
    let mut lines = vec![
        format!(
            "  {:<9} {}: {} of {} have approved{by}{expires}",
            gate.gate.name(),
            look.paint.ask("open"),
            gate.approved_by.len(),
            gate.quorum
        ),
        format!(
            "            tidegate approve {} {} --evidence {}",
            view.summary.wave,
            gate.gate,
            short(&gate.evidence)
        ),
    ];
    if let Some(shown) = &gate.shown {
        lines.extend(told(shown, look).map(|(name, text)| format!("            {name:<9} {text}")));
    }
    lines
}

/// A gate that does not ask now: by whom it was approved, and what of that counts no more.
fn decided(gate: &GateView, by: String, look: &Look) -> Vec<String> {
    let name = gate.gate.name();
    let mut lines = if gate.state == "lapsed" {
        let state = look.paint.ask("asks again");
        vec![format!("  {name:<9} {state}: what it asked about changed")]
    } else {
        let by = if by.is_empty() {
            "the plan".to_owned()
        } else {
            by
        };
        let state = look.paint.good(&gate.state);
        let evidence = short(&gate.evidence);
        vec![format!("  {name:<9} {state} by {by}, evidence {evidence}")]
    };
    if gate.lapsed > 0 {
        let servers = count(gate.lapsed as usize, "server");
        let again = look.paint.ask("asks again");
        lines.push(format!(
            "            {again} about {servers} once the others have come to rest"
        ));
    }
    let changes = gate.changed.iter().take(MOST_TOLD);
    lines.extend(
        changes.map(|change| format!("            changed   {}", one_line(change, LONGEST))),
    );
    lines
}

/// What a person sees before deciding: the evidence as it was frozen, whose hash is sent, and nothing
/// of how the wave stands by now.
#[must_use]
pub fn question(view: &WaveView, gate: &GateView, look: &Look) -> String {
    let wave = &view.summary.wave;
    let title = look.paint.strong(&match gate.gate {
        Gate::Cutover => format!("The cutover of wave {wave}"),
        Gate::Finalize => format!("The finalize of wave {wave}, which cannot be undone"),
    });
    let mut rows = Vec::new();
    if let Some(shown) = &gate.shown {
        rows.extend(frozen(shown, look));
    }
    let by = match gate.approved_by.as_slice() {
        [] => String::new(),
        by => format!(": {}", by.join(" and ")),
    };
    let approved = format!("by {} of {}{by}", gate.approved_by.len(), gate.quorum);
    rows.push(row("approved", approved));
    rows.push(row("evidence", gate.evidence.clone()));

    let widest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let rows = rows.iter();
    let rows = rows.map(|(name, text)| format!("  {name:<widest$}  {text}"));
    std::iter::once(title)
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The evidence, a name and a line for each thing to know.
fn frozen(shown: &ShownView, look: &Look) -> Vec<(String, String)> {
    let applications: Vec<String> = shown
        .applications
        .iter()
        .map(|(name, servers)| format!("{name} ({servers})"))
        .collect();
    let servers = format!(
        "{} of {}: {}",
        count(shown.summary.servers as usize, "server"),
        count(shown.applications.len(), "application"),
        few(&applications, MOST_NAMED)
    );
    let mut rows = vec![row("asks about", servers)];
    let facts = shown.facts.iter();
    rows.extend(facts.map(|(name, fact)| row(&name.to_lowercase(), fact.clone())));
    let left_out = shown.left_out.iter();
    let left_out: Vec<String> = left_out
        .map(|left| format!("{}: {}", left.hostname, left.reason))
        .collect();
    rows.extend(
        first("left out", &left_out, "servers").map(|(name, text)| (name, look.paint.bad(&text))),
    );
    let waived = shown.waived.iter();
    let waived: Vec<String> = waived
        .map(|w| format!("{}: {}, by {}: {}", w.hostname, w.check, w.by, w.reason))
        .collect();
    rows.extend(first("waived", &waived, "waivers"));
    rows.extend(told(shown, look));
    rows
}

/// What changed since it was asked before, and what to know before all else.
fn told(shown: &ShownView, look: &Look) -> impl Iterator<Item = (String, String)> {
    let paint = look.paint;
    let warnings = first("warning", &shown.warnings, "warnings");
    first("changed", &shown.changed, "changes")
        .chain(warnings.map(move |(name, text)| (name, paint.bad(&text))))
}

fn row(name: &str, text: String) -> (String, String) {
    (name.to_owned(), text)
}

/// The first of them, each on a line of that name; the rest is counted. Much of it is others' words.
fn first(name: &str, texts: &[String], of: &str) -> impl Iterator<Item = (String, String)> {
    let texts_shown = texts.iter().take(MOST_TOLD);
    let mut rows: Vec<_> = texts_shown
        .map(|text| row(name, one_line(text, LONGEST)))
        .collect();
    if texts.len() > MOST_TOLD {
        let more = format!("and {} more {of}", texts.len() - MOST_TOLD);
        rows.push(row(name, more));
    }
    rows.into_iter()
}

/// A part of a wave, in words.
#[must_use]
pub fn part(view: &WaveView, part: &Part) -> String {
    let servers = view
        .servers
        .iter()
        .filter(|server| part.servers.contains(&server.server))
        .map(|server| server.hostname.clone());
    let names: Vec<String> = part
        .applications
        .iter()
        .map(ToString::to_string)
        .chain(servers)
        .collect();
    few(&names, 8)
}
