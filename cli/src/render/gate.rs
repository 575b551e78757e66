//! What a gate asks, and what a person sees before deciding.

use jiff::Timestamp;
use tidegate_domain::gate::{Gate, Part};
use tidegate_domain::view::{GateView, ShownView, WaveView};

use super::measure::{between, count, duration, few, named};
use super::progress::Progress;
use super::wave::{short, window};
use crate::terminal::Look;

/// How many changes and how many warnings are told.
const MOST_TOLD: usize = 10;

/// A gate in a line or two, and what to know before it is decided.
pub(super) fn lines(view: &WaveView, gate: &GateView, now: Timestamp, look: &Look) -> Vec<String> {
    let by = gate.approved_by.join(" and ");
    if gate.state != "open" {
        let by = if by.is_empty() {
            "the plan".to_owned()
        } else {
            by
        };
        let state = look.paint.good(&gate.state);
        return vec![format!(
            "  {:<9} {state} by {by}, evidence {}",
            gate.gate.name(),
            short(&gate.evidence)
        )];
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
        lines.extend(
            told(shown, look)
                .into_iter()
                .map(|line| format!("          {line}")),
        );
    }
    lines
}

/// What a person sees before deciding.
#[must_use]
pub fn question(view: &WaveView, gate: &GateView, now: Timestamp, look: &Look) -> String {
    let progress = Progress::of(view);
    let mut lines = vec![look.paint.strong(&match gate.gate {
        Gate::Cutover => format!("The cutover of wave {}", view.summary.wave),
        Gate::Finalize => {
            format!(
                "The finalize of wave {}, which cannot be undone",
                view.summary.wave
            )
        }
    })];
    lines.push(match gate.gate {
        Gate::Cutover => format!(
            "  servers   {} of {} tested and ready",
            progress.tested, progress.servers
        ),
        Gate::Finalize => format!(
            "  servers   {} of {} run in AWS",
            progress.cut_over, progress.servers
        ),
    });
    if !progress.left_out.is_empty() {
        lines.push(format!(
            "  left out  {}",
            look.paint.bad(&progress.left_out.join(", "))
        ));
    }
    if gate.gate == Gate::Cutover {
        lines.push(format!("  lag       {}", progress.lag()));
        if let Some(view_window) = &view.window {
            lines.push(format!("  window    {}", window(view_window, now)));
        }
    }
    if let Some(shown) = &gate.shown {
        lines.extend(shown_lines(shown, look));
    }
    for (application, down) in &view.downtime {
        lines.push(format!(
            "  downtime  {application}: {}",
            super::measure::duration(*down)
        ));
    }
    lines.push(format!(
        "  approved  by {} of {}{}",
        gate.approved_by.len(),
        gate.quorum,
        match gate.approved_by.as_slice() {
            [] => String::new(),
            by => format!(": {}", by.join(" and ")),
        }
    ));
    lines.push(format!("  evidence  {}", gate.evidence));
    lines.join("\n")
}

/// What was frozen when the gate opened, the short part.
fn shown_lines(shown: &ShownView, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(downtime) = shown.projected_downtime {
        lines.push(format!(
            "  downtime  {} expected, for the slowest application",
            duration(downtime)
        ));
    }
    let applications: Vec<String> = shown
        .applications
        .iter()
        .map(|(name, servers)| format!("{name} ({servers})"))
        .collect();
    if !applications.is_empty() {
        lines.push(format!("  of        {}", few(&applications, 8)));
    }
    let passed = count(shown.summary.checks_passed as usize, "check");
    lines.push(match shown.summary.checks_waived {
        0 => format!("  checks    {passed} passed"),
        waived => format!("  checks    {passed} passed, {waived} waived"),
    });
    if shown.waited.instances > 0 {
        lines.push(format!(
            "  waiting   {} kept, {} so far",
            count(shown.waited.instances as usize, "test instance"),
            count(
                usize::try_from(shown.waited.instance_hours).unwrap_or(usize::MAX),
                "instance hour"
            )
        ));
    }
    lines.extend(told(shown, look));
    lines
}

/// What changed since it was asked before, and what to know before all else.
fn told(shown: &ShownView, look: &Look) -> Vec<String> {
    let changed = first(&shown.changed, "changes");
    let warnings = first(&shown.warnings, "warnings");
    let changed = changed.iter().map(|text| format!("  changed   {text}"));
    let warnings = warnings
        .iter()
        .map(|text| format!("  warning   {}", look.paint.bad(text)));
    changed.chain(warnings).collect()
}

/// The first of them; the rest is counted.
fn first(texts: &[String], of: &str) -> Vec<String> {
    let mut shown: Vec<String> = texts.iter().take(MOST_TOLD).cloned().collect();
    if texts.len() > MOST_TOLD {
        shown.push(format!("and {} more {of}", texts.len() - MOST_TOLD));
    }
    shown
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
