//! A line for each change, for pipes and logs.

use jiff::Timestamp;
use tidegate_domain::view::WaveView;

use crate::render::progress::Progress;
use crate::render::wave::short;
use crate::terminal::Look;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Lines {
    told: String,
}

impl Lines {
    /// The line for a view, if something in it is new. The lag alone is not.
    pub(super) fn next(&mut self, view: &WaveView, now: Timestamp, look: &Look) -> Option<String> {
        let news = news(view);
        if news == self.told {
            return None;
        }
        let time = now
            .to_zoned(look.zone.clone())
            .strftime("%H:%M:%S")
            .to_string();
        let lag = match Progress::of(view).open_lag() {
            Some(lag) => format!("; lag {lag}"),
            None => String::new(),
        };
        let line = format!("{time} {news}{lag}");
        self.told = news;
        Some(line)
    }
}

fn news(view: &WaveView) -> String {
    let stages: Vec<String> = view
        .stages
        .iter()
        .map(|(stage, number)| format!("{number} {stage}"))
        .collect();
    let mut news = format!("{} {}", view.summary.wave, view.summary.phase);
    if !stages.is_empty() {
        news.push_str(&format!(": {}", stages.join(", ")));
    }
    if let Some(hold) = &view.hold {
        let commands: Vec<&str> = hold
            .commands
            .iter()
            .map(|(command, _)| command.as_str())
            .collect();
        news.push_str(&format!(
            "; HELD: {} Go on with: {}",
            hold.reason,
            commands.join(" | ")
        ));
    } else if !view.ended {
        news.push_str(&format!("; waits for {}", view.summary.waiting_for));
    }
    for gate in view.gates.iter().filter(|gate| gate.state == "open") {
        news.push_str(&format!(
            "; {} gate open, {} of {} approved, evidence {}",
            gate.gate,
            gate.approved_by.len(),
            gate.quorum,
            short(&gate.evidence)
        ));
    }
    news
}
