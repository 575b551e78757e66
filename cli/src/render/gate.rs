//! What a gate asks, and what a person sees before deciding.

use jiff::Timestamp;
use tidegate_domain::gate::Gate;
use tidegate_domain::view::{GateView, WaveView};

use super::measure::{between, named};
use super::progress::Progress;
use super::wave::{short, window};
use crate::terminal::Look;

/// A gate in a line or two.
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
    vec![
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
    ]
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
