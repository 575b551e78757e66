//! Messages: what people and their tools ask of a wave, through its inbox.
//!
//! **Invariant 2**: a message is keyed by its own ID, so that a double is the same message.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{Door, Gate, Part, Verdict};
use crate::hold::HoldId;
use crate::id::{MessageId, ServerId};
use crate::plan::{Approver, Plan};

/// The most messages that one turn takes; the rest wait for the next.
pub const MOST_MESSAGES: usize = 10;

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
