//! Progress bars on a terminal: one for each milestone of a wave.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidegate_domain::view::WaveView;

use crate::failure::Failure;
use crate::render::progress::{Progress, expected};
use crate::render::wave::{hold_lines, short};
use crate::terminal::Look;

#[cfg(test)]
mod tests;

/// How often the sign of life moves.
const BEAT: Duration = Duration::from_millis(120);

/// The bars.
pub(super) struct Bars {
    screen: MultiProgress,
    head: ProgressBar,
    replicated: ProgressBar,
    tested: ProgressBar,
    cut_over: ProgressBar,
    finalized: ProgressBar,
    foot: ProgressBar,
    phase: String,
}

impl Bars {
    /// Draw on standard output, with a sign of life.
    pub(super) fn new(look: &Look) -> Result<Self, Failure> {
        let bars = Self::on(ProgressDrawTarget::stdout(), look)?;
        bars.head.enable_steady_tick(BEAT);
        Ok(bars)
    }

    fn on(target: ProgressDrawTarget, look: &Look) -> Result<Self, Failure> {
        let colours = look.paint.colours;
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .map_err(|error| Failure::Failed(format!("the screen cannot be drawn: {error}")))
        };
        let head = style(if colours {
            "{spinner:.cyan} {wide_msg}"
        } else {
            "{spinner} {wide_msg}"
        })?;
        let bar = style(if colours {
            "  {prefix:<11}{bar:30.green/dim} {pos:>4}/{len:<4} {wide_msg:.dim}"
        } else {
            "  {prefix:<11}{bar:30} {pos:>4}/{len:<4} {wide_msg}"
        })?
        .progress_chars("━━─");
        let foot = style("{msg}")?;

        let screen = MultiProgress::with_draw_target(target);
        let add = |style: &ProgressStyle, prefix: &'static str| {
            screen.add(
                ProgressBar::new(1)
                    .with_style(style.clone())
                    .with_prefix(prefix),
            )
        };
        Ok(Self {
            head: add(&head, ""),
            replicated: add(&bar, "replicated"),
            tested: add(&bar, "tested"),
            cut_over: add(&bar, "cut over"),
            finalized: add(&bar, "finalized"),
            foot: add(&foot, ""),
            screen,
            phase: String::new(),
        })
    }

    /// Draw a view.
    pub(super) fn show(&mut self, view: &WaveView, look: &Look) {
        let progress = Progress::of(view);
        if self.phase != view.summary.phase {
            self.phase.clone_from(&view.summary.phase);
            let since = view
                .summary
                .since
                .to_zoned(look.zone.clone())
                .strftime("%H:%M:%S")
                .to_string();
            self.above(&format!(
                "{} {}",
                look.paint.faint(&since),
                look.paint.strong(&self.phase)
            ));
        }
        let waits = if view.ended {
            String::new()
        } else if view.hold.is_some() {
            ": held".to_owned()
        } else {
            format!(": waits for {}", view.summary.waiting_for)
        };
        self.head.set_message(format!(
            "{} {}{waits}",
            view.summary.wave, view.summary.phase
        ));

        for (bar, reached) in [
            (&self.replicated, progress.replicated),
            (&self.tested, progress.tested),
            (&self.cut_over, progress.cut_over),
            (&self.finalized, progress.finalized),
        ] {
            bar.set_length(progress.servers);
            bar.set_position(reached);
        }
        self.replicated
            .set_message(replication(view, &progress, look));
        // Booting and validating follow either launch.
        let testing = view.servers.iter().all(|server| server.cutovers == 0);
        let either: &[&str] = &["booting", "validating"];
        let (after_test, after_cutover) = if testing {
            (either, &[][..])
        } else {
            (&[][..], either)
        };
        self.tested.set_message(busy(
            view,
            &[&["launching test"], after_test, &["accepting test"]],
        ));
        self.cut_over.set_message(busy(
            view,
            &[
                &["quiescing source", "catching up", "launching cutover"],
                after_cutover,
            ],
        ));
        self.finalized.set_message(busy(view, &[&["finalizing"]]));
        self.foot.set_message(foot(view, &progress, look));
    }

    /// Tell of a look that failed.
    pub(super) fn trouble(&mut self, failure: &Failure, look: &Look) {
        self.head
            .set_message(look.paint.ask(&format!("looking again: {failure}")));
    }

    /// Leave the last screen standing.
    pub(super) fn end(&mut self) {
        for bar in [
            &self.head,
            &self.replicated,
            &self.tested,
            &self.cut_over,
            &self.finalized,
            &self.foot,
        ] {
            bar.abandon();
        }
    }

    fn above(&self, line: &str) {
        // A terminal that cannot be written to any more shows nothing, and there is nobody to tell.
        let _ = self.screen.println(line);
    }
}

fn replication(view: &WaveView, progress: &Progress, look: &Look) -> String {
    let mut parts = Vec::new();
    if progress.replicated < progress.servers {
        parts.push(format!("{}% copied", progress.copied_percent));
    }
    // A narrow terminal cuts the end off.
    parts.extend(progress.open_lag().map(|lag| format!("lag {lag}")));
    parts.extend(expected(view, look));
    parts.join(", ")
}

/// How many servers are in each of these stages.
fn busy(view: &WaveView, stages: &[&[&str]]) -> String {
    stages
        .iter()
        .copied()
        .flatten()
        .filter_map(|stage| {
            view.stages
                .get(*stage)
                .map(|number| format!("{number} {stage}"))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a person should look at, below the bars.
fn foot(view: &WaveView, progress: &Progress, look: &Look) -> String {
    let mut lines = Vec::new();
    if !progress.left_out.is_empty() {
        lines.push(format!(
            "  left out   {}",
            look.paint.bad(&progress.left_out.join(", "))
        ));
    }
    for gate in view.gates.iter().filter(|gate| gate.state == "open") {
        lines.push(format!(
            "  {} {} of {} have approved: tidegate approve {} {} --evidence {}",
            look.paint.ask(&format!("{} gate", gate.gate)),
            gate.approved_by.len(),
            gate.quorum,
            view.summary.wave,
            gate.gate,
            short(&gate.evidence)
        ));
    }
    if let Some(hold) = &view.hold {
        lines.extend(
            hold_lines(hold, look)
                .into_iter()
                .map(|line| format!("  {line}")),
        );
    }
    lines.join("\n")
}
