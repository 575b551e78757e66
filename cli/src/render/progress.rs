//! How far a wave is: the counts behind the progress bars and the plain lines of `watch`.

use tidegate_domain::view::{ServerView, WaveView};

use super::measure::{bytes, duration, moment};
use crate::terminal::Look;

/// How far a wave is. A server counts in each milestone that it has reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Servers that are in the wave still.
    pub servers: u64,
    /// Their first copy is made.
    pub replicated: u64,
    /// Their test was launched and passed.
    pub tested: u64,
    /// They run in AWS, validated.
    pub cut_over: u64,
    /// They are finalized.
    pub finalized: u64,
    /// The names of those that failed or were left out.
    pub left_out: Vec<String>,
    /// The copied part of all first copies, in per cent.
    pub copied_percent: u64,
    /// The largest lag, in seconds.
    lag_seconds: Option<i64>,
    /// What waits to be replicated, of all.
    backlog_bytes: u64,
}

/// A milestone that a server has reached, from its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Milestone {
    None,
    Replicated,
    Tested,
    CutOver,
    Finalized,
    LeftOut,
}

impl Progress {
    /// From a view.
    #[must_use]
    pub fn of(view: &WaveView) -> Self {
        let mut progress = Self::default();
        let mut percent = 0;
        for server in &view.servers {
            let reached = milestone(server);
            if reached == Milestone::LeftOut {
                progress
                    .left_out
                    .push(format!("{} ({})", server.hostname, server.stage));
                continue;
            }
            progress.servers += 1;
            progress.replicated += u64::from(reached >= Milestone::Replicated);
            progress.tested += u64::from(reached >= Milestone::Tested);
            progress.cut_over += u64::from(reached >= Milestone::CutOver);
            progress.finalized += u64::from(reached >= Milestone::Finalized);
            percent += match reached {
                Milestone::None => u64::from(server.replicated_percent.unwrap_or(0)),
                _ => 100,
            };
            if reached < Milestone::CutOver {
                progress.lag_seconds = progress.lag_seconds.max(server.lag_seconds);
                progress.backlog_bytes += server.backlog_bytes.unwrap_or(0);
            }
        }
        progress.copied_percent = percent.checked_div(progress.servers).unwrap_or(0);
        progress
    }

    /// The lag in words.
    #[must_use]
    pub fn lag(&self) -> String {
        let lag = match self.lag_seconds {
            None => "not known yet".to_owned(),
            Some(0) => "none".to_owned(),
            Some(seconds) => format!(
                "up to {}",
                duration(jiff::SignedDuration::from_secs(seconds))
            ),
        };
        match self.backlog_bytes {
            0 => lag,
            backlog => format!("{lag}, {} to go", bytes(backlog)),
        }
    }

    /// The lag, while it matters: until everything is cut over.
    #[must_use]
    pub fn open_lag(&self) -> Option<String> {
        (self.cut_over < self.servers && self.lag_seconds.is_some()).then(|| self.lag())
    }
}

/// When the first copies are expected to be made, if some are not.
#[must_use]
pub fn expected(view: &WaveView, look: &Look) -> Option<String> {
    view.servers
        .iter()
        .filter(|server| milestone(server) == Milestone::None)
        .filter_map(|server| server.eta)
        .max()
        .map(|eta| format!("copied by {}", moment(eta, &look.zone)))
}

/// Stages by the names that the domain gives them; a name that is not known is before all.
fn milestone(server: &ServerView) -> Milestone {
    match server.stage.as_str() {
        "replicating" if server.replicated_percent == Some(100) => Milestone::Replicated,
        "launching test" | "accepting test" => Milestone::Replicated,
        // The same stages follow the test's launch and the cutover's.
        "booting" | "validating" | "setting back" if server.cutovers == 0 => Milestone::Replicated,
        "booting" | "validating" | "setting back" => Milestone::Tested,
        "tested"
        | "quiescing source"
        | "catching up"
        | "launching cutover"
        | "restarting source"
        | "completing snapshots" => Milestone::Tested,
        "cut over" | "finalizing" | "quiescing target" | "stopping target" | "making snapshots" => {
            Milestone::CutOver
        }
        "finalized" => Milestone::Finalized,
        "failed" | "skipped" | "aborted" | "rolled back" | "terminating" => Milestone::LeftOut,
        _ => Milestone::None,
    }
}
