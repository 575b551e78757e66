//! Holds: why a wave starts nothing new, and the commands that release it.
//!
//! **Invariant 12**: where a wave holds, it names the reason and the commands that release it,
//! and those commands finish it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{Gate, GateState};
use crate::wave::{Phase, Wave};

/// The most items that a sentence names.
pub(crate) const MOST_NAMED: usize = 5;

/// A hold's number: the turn in which it was laid on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub u64);

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which hold.
    pub id: HoldId,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: HoldReason,
}

/// Why a wave is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// A person asked for it.
    Asked {
        /// Who.
        by: String,
        /// Why.
        note: String,
    },
    /// The plan's selectors do not fit the servers in MGN.
    Selection {
        /// Each problem.
        problems: Vec<String>,
    },
    /// Preflight found problems.
    Preflight {
        /// Each problem.
        problems: Vec<String>,
    },
    /// MGN is not initialized here.
    Uninitialized,
    /// A right is missing.
    Denied {
        /// What AWS said.
        message: String,
    },
    /// MGN, EC2 or SSM has not answered for too long.
    Unanswered {
        /// What came instead of an answer.
        message: String,
    },
    /// MGN's quotas have been used up by others for too long.
    Quota {
        /// What AWS said, or what was counted.
        message: String,
    },
    /// Servers failed, and the policy wants a person.
    ServersFailed {
        /// Each with its reason.
        servers: Vec<String>,
    },
    /// The wave waits for servers whose replication does not go on by itself: it stalls, and asking MGN to
    /// try again did not help, or somebody has to begin it.
    Stalled {
        /// Each with the reason; of many the first, and how many more.
        servers: Vec<String>,
    },
    /// More servers failed than the failure budget allows.
    BudgetSpent {
        /// How many failed.
        failed: u32,
        /// How many may.
        allowed: u32,
    },
    /// Sources are stopped, and the plan has no document that starts them again.
    SourcesStopped {
        /// Each by its name for people.
        servers: Vec<String>,
    },
    /// A gate was rejected.
    Rejected {
        /// Which gate.
        gate: String,
        /// By whom.
        by: String,
    },
    /// A gate expired undecided.
    Expired {
        /// Which gate.
        gate: String,
    },
    /// The window closed (or what is left of it is too short) before everything was cut over.
    WindowMissed,
    /// Servers that run in AWS are not healthy at the end of the soak, or when they are to be
    /// finalized.
    Unhealthy {
        /// Each with what is wrong.
        servers: Vec<String>,
    },
    /// Something was refused for good, or failed too often.
    Refused {
        /// What was wanted.
        task: String,
        /// What was said.
        message: String,
    },
    /// Messages that cannot be read, or that drivers died on again and again, were set aside.
    Quarantined {
        /// What was set aside: who said what, where that is known.
        messages: Vec<String>,
    },
}

impl HoldReason {
    /// One sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Asked { by, note } if note.is_empty() => format!("Held by {by}."),
            Self::Asked { by, note } => format!("Held by {by}: {note}"),
            Self::Selection { problems } => {
                format!(
                    "The plan does not fit the servers in MGN: {}.",
                    list(problems)
                )
            }
            Self::Preflight { problems } => format!("Preflight found: {}.", list(problems)),
            Self::Uninitialized => "MGN is not initialized in this account and Region.".to_owned(),
            Self::Denied { message } => format!("A right is missing: {message}"),
            Self::Unanswered { message } => format!("AWS does not answer: {message}"),
            Self::Quota { message } => format!("MGN's quotas are used up by others: {message}"),
            Self::ServersFailed { servers } => format!("Servers failed: {}.", list(servers)),
            Self::Stalled { servers } => {
                format!("Replication does not go on by itself: {}.", list(servers))
            }
            Self::BudgetSpent { failed, allowed } => {
                format!("{failed} servers failed; the failure budget allows {allowed}.")
            }
            Self::SourcesStopped { servers } => format!(
                "The plan names no document that starts these sources again: {}.",
                list(servers)
            ),
            Self::Rejected { gate, by } => format!("The {gate} gate was rejected by {by}."),
            Self::Expired { gate } => format!("The {gate} gate expired undecided."),
            Self::WindowMissed => "The window ends before everything could be cut over.".to_owned(),
            Self::Unhealthy { servers } => format!("Not healthy: {}.", list(servers)),
            Self::Refused { task, message } => format!("{task} did not succeed: {message}"),
            Self::Quarantined { messages } => format!(
                "Messages were set aside unread: {}.",
                if messages.is_empty() {
                    "nothing".to_owned()
                } else {
                    list(messages)
                }
            ),
        }
    }

    /// The commands that release the hold of this wave, the usual one first, each with what it
    /// does.
    #[must_use]
    pub fn commands(&self, wave: &Wave) -> Vec<(String, &'static str)> {
        let id = &wave.id;
        let resume = |what| (format!("tidegate resume {id}"), what);
        let skip = |what| (format!("tidegate skip {id} SERVER…"), what);
        // On the way to its end, what a wave waits for can be done without Tidegate.
        let by_hand = || skip("take what these wait for as done by hand, then resume");
        let ending = wave.phase.ending();
        let mut commands = match self {
            Self::Asked { .. } => vec![resume("go on")],
            Self::Selection { .. } => vec![resume("look again, once it is mended")],
            Self::Preflight { .. } => vec![
                resume("look again, once it is mended"),
                skip("leave servers out, then resume"),
            ],
            Self::Uninitialized => vec![
                (
                    "aws mgn initialize-service".to_owned(),
                    "initialize MGN, once",
                ),
                resume("then go on"),
            ],
            Self::Denied { .. } if ending => {
                vec![resume("try again, once the right is there"), by_hand()]
            }
            Self::Denied { .. } => vec![resume("try again, once the right is there")],
            Self::Unanswered { .. } if ending => vec![resume("look again"), by_hand()],
            Self::Unanswered { .. } => vec![resume("look again")],
            Self::Quota { .. } => vec![resume("try again")],
            Self::ServersFailed { .. } => vec![
                resume("try the failed servers again"),
                skip("go on without them"),
            ],
            Self::Stalled { .. } => vec![
                resume("try again, once they can replicate"),
                skip("leave servers out, then resume"),
            ],
            Self::BudgetSpent { .. } => vec![resume("go on without the failed servers")],
            Self::SourcesStopped { .. } => {
                vec![resume("go on, once you have started them by hand")]
            }
            Self::Rejected { .. } | Self::Expired { .. } => vec![resume("ask again")],
            Self::WindowMissed => vec![
                (
                    "tidegate apply FILE".to_owned(),
                    "give the plan a later window, then resume",
                ),
                resume("then go on: the gate asks about what is left, in the new window"),
            ],
            Self::Unhealthy { .. } => {
                vec![resume("look again"), skip("leave servers out, then resume")]
            }
            Self::Refused { .. } if ending => vec![resume("try again"), by_hand()],
            Self::Refused { .. } => vec![
                resume("try again"),
                skip("leave servers out (take what terminates as done by hand), then resume"),
            ],
            Self::Quarantined { .. } => vec![resume(
                "go on without what was set aside; a gate that somebody decided at is asked again",
            )],
        };
        match wave.phase {
            Phase::CuttingOver
            | Phase::Soaking { .. }
            | Phase::AwaitingFinalize
            | Phase::Finalizing => {
                commands.push((
                    format!("tidegate rollback {id}"),
                    "undo what was cut over, and end the wave",
                ));
                commands.push((
                    format!("tidegate abort {id}"),
                    "end the wave; what was cut over stays as it is",
                ));
            }
            Phase::Waiting | Phase::Preflight { .. } | Phase::Testing | Phase::AwaitingCutover => {
                commands.push((format!("tidegate abort {id}"), "end the wave"));
            }
            // Its end is on its way.
            Phase::RollingBack
            | Phase::Aborting
            | Phase::Completed
            | Phase::RolledBack
            | Phase::Aborted => {}
        }
        commands
    }
}

impl Wave {
    /// Whether a gate expired while the wave was held for something else: whoever trusts that nothing
    /// new starts under a hold has not answered by being silent.
    #[must_use]
    pub fn expired_under_hold(&self, gate: Gate, now: Timestamp) -> bool {
        let Some(GateState::Open(open)) = self.gates.get(&gate) else {
            return false;
        };
        open.expired_under_hold || (self.held_besides(gate) && !open.in_time(now))
    }

    /// Whether the wave is held, and not because this gate expired.
    pub(crate) fn held_besides(&self, gate: Gate) -> bool {
        let expiry = HoldReason::Expired {
            gate: gate.to_string(),
        };
        let held = self.hold.as_ref();
        held.is_some_and(|hold| hold.reason != expiry)
    }
}

fn list(items: &[String]) -> String {
    let mut text = items
        .iter()
        .take(MOST_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if items.len() > MOST_NAMED {
        text.push_str(&format!("; and {} more", items.len() - MOST_NAMED));
    }
    text
}
