//! Messages: what people and their tools ask of a wave, through its inbox.
//!
//! **Invariant 2**: a message is keyed by its own ID, so that a double is the same message.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{Door, Gate, Part, Verdict};
use crate::hold::HoldId;
use crate::id::{MessageId, ServerId};
use crate::plan::{Approver, Plan};
use crate::words::{self, one_line};

/// The most messages that one turn takes; the rest wait for the next.
pub const MOST_MESSAGES: usize = 10;

/// The longest name of somebody's that a sentence repeats, in characters.
const LONGEST_NAME: usize = 80;

/// A message as it lies in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Chosen by the sender.
    pub id: MessageId,
    /// When the console took it.
    pub at: Timestamp,
    /// Who sent it, as the console proved it.
    pub by: Approver,
    /// What it asks.
    pub body: Body,
}

/// A message that decisions were begun on, alone, and that none was saved since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which message.
    pub message: MessageId,
    /// The generation of the last driver that began.
    pub generation: u64,
    /// How many drivers did, with that one.
    pub drivers: u32,
}

impl Reading {
    /// How many drivers died on it: all that began but the one of this generation.
    #[must_use]
    pub fn deaths(&self, generation: u64) -> u32 {
        let alive = u32::from(self.generation == generation);
        self.drivers.saturating_sub(alive)
    }
}

/// What a message asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Begin the wave with this plan, or amend its window, gates and policy.
    Apply(Box<Plan>),
    /// Start a wave now, whatever its plan waits for.
    Start,
    /// Start nothing new.
    Hold {
        /// Why.
        note: String,
    },
    /// Release a hold: that one, so that a late double cannot release a later hold.
    Resume {
        /// Which hold.
        hold: HoldId,
    },
    /// Leave servers out of the wave.
    Skip {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// End the wave: nothing new starts, sources that were stopped are started again, test
    /// instances are terminated, servers already cut over stay as they are.
    Abort,
    /// Undo what was cut over and not finalized, and end the wave: what runs in AWS is stopped, its
    /// data kept in snapshots, the sources are started, the instances terminated.
    RollBack {
        /// Why.
        note: String,
    },
    /// A decision at a gate.
    Decide {
        /// Which gate.
        gate: Gate,
        /// What was said.
        verdict: Verdict,
        /// The hash of the evidence that was shown.
        evidence: String,
        /// How the person was proved; the weakest if it is not said.
        #[serde(default)]
        door: Door,
        /// What part of the gate's servers it is about. A rejection is always about the whole.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        only: Part,
        /// Why, if the person said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Take one's own approval back, while it was not acted on.
    Withdraw {
        /// Which gate.
        gate: Gate,
        /// The hash of the evidence that was approved.
        evidence: String,
        /// How the person was proved.
        #[serde(default)]
        door: Door,
    },
    /// Let these servers pass although that check fails on them.
    Waive {
        /// Which servers.
        servers: Vec<ServerId>,
        /// The check's document, as the plan names it.
        check: String,
        /// Why; never empty.
        reason: String,
    },
    /// Ask a gate again: for the servers that were not approved, or, while it is open, those who
    /// have not decided.
    Ask {
        /// Which gate.
        gate: Gate,
    },
}

impl Body {
    /// What whoever sent it did, for people: the part of a sentence that follows their name.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Apply(_) => "applied a plan".to_owned(),
            Self::Start => "started the wave".to_owned(),
            Self::Hold { .. } => "held the wave".to_owned(),
            Self::Resume { .. } => "released a hold".to_owned(),
            Self::Skip { servers } => {
                format!("left out {}", words::count(servers.len(), "server"))
            }
            Self::Abort => "aborted the wave".to_owned(),
            Self::RollBack { .. } => "had the wave rolled back".to_owned(),
            Self::Decide { gate, verdict, .. } => match verdict {
                Verdict::Approve => format!("approved the {gate} gate"),
                Verdict::Reject => format!("rejected the {gate} gate"),
            },
            Self::Withdraw { gate, .. } => format!("withdrew the approval of the {gate} gate"),
            Self::Waive { servers, check, .. } => format!(
                "waived {} on {}",
                one_line(check, LONGEST_NAME),
                words::count(servers.len(), "server")
            ),
            Self::Ask { gate } => format!("had the {gate} gate asked again"),
        }
    }
}
