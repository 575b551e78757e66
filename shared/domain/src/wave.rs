//! A wave: a plan under way.
//!
//! **Invariant 2**: only the driver writes it. **Invariant 12**: terminal means terminal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::AuditHead;
use crate::gate::{Changes, Gate, GateState};
use crate::hold::Hold;
use crate::id::{EffectId, WaveId};
use crate::news::News;
use crate::plan::{Approver, Channel, Plan};

/// The version of the stored shapes.
pub const SCHEMA: u32 = 1;

/// A wave as it is stored, without its servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// The version of this shape: [`SCHEMA`].
    pub schema: u32,
    /// Its name.
    pub id: WaveId,
    /// What it is to do.
    pub plan: Plan,
    /// Who applied the plan, or last changed it.
    pub applied_by: Approver,
    /// Who else applied or changed it before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors_before: Vec<Approver>,
    /// Who started it, if a person did.
    #[serde(default)]
    pub started_by: Option<Approver>,
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub phase_since: Timestamp,
    /// Nothing new starts while there is one.
    pub hold: Option<Hold>,
    /// The highest generation of a driver that wrote it.
    pub generation: u64,
    /// How many decisions were saved.
    pub turn: u64,
    /// When it was started, if it was.
    pub started: Option<Timestamp>,
    /// Whether its servers belong to it.
    pub claims: Claims,
    /// What is planned or under way, with the number of times it was handed out.
    pub open: BTreeMap<EffectId, OpenEffect>,
    /// The gates that were opened.
    pub gates: BTreeMap<Gate, GateState>,
    /// How often each gate was asked.
    pub rounds: BTreeMap<Gate, u32>,
    /// What changed since the start and was not shown to those who decide: the next question of each
    /// gate names it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unshown: BTreeMap<Gate, Changes>,
    /// Questions that stand in Slack in messages that can be changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// What people are still to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Untold>,
    /// Whether messages are read one at a time, because drivers died and one of them may be why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub careful: bool,
    /// How many failures a person has accepted beyond the budget.
    pub accepted_failures: u32,
    /// Since when MGN has refused for quota, if it does.
    pub starved_since: Option<Timestamp>,
    /// Since when AWS cannot be read, while that is so and nobody was asked.
    #[serde(default)]
    pub silence: Option<Silence>,
    /// The end of the audit chain.
    pub audit: AuditHead,
    /// Turns since this driver's execution began, weighed by what they add to its history.
    pub history: u32,
}

/// Reads of AWS that fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Since when.
    pub since: Timestamp,
    /// What came instead of an answer, as a sentence.
    pub message: String,
}

/// A question that stands in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which gate.
    pub gate: Gate,
    /// The hash of the evidence that it shows.
    pub evidence: String,
    /// Its message.
    pub posted: Posted,
}

/// A message in Slack that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The channel's ID.
    pub channel: String,
    /// The message's time, which is its ID in the channel.
    pub ts: String,
}

/// Something that people are still to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// What.
    pub news: News,
    /// By which way.
    pub channel: Channel,
}

/// An effect that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEffect {
    /// Since when.
    pub since: Timestamp,
    /// How often it was handed out.
    pub tries: u32,
    /// Not to be handed out before.
    pub not_before: Timestamp,
}

/// Whether a wave's servers belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claims {
    /// Not asked for: its servers are not selected.
    None,
    /// Being asked for, `claimed` servers are.
    Claiming {
        /// How many of the servers, in order, are claimed.
        claimed: u32,
        /// The effect that claims the next.
        effect: Option<EffectId>,
        /// Not to be tried before.
        not_before: Timestamp,
    },
    /// They do.
    Held,
    /// Being given free, `released` servers are.
    Releasing {
        /// How many of the servers, in order, are free.
        released: u32,
        /// The effect that frees the next.
        effect: Option<EffectId>,
    },
    /// They are free.
    Released,
}

/// Where a wave stands. (Traffic has its place between the cutover and the soak; it is not built
/// yet.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// For replication, its schedule or a person.
    Waiting,
    /// What can be known to fail is looked for.
    Preflight {
        /// How many of the servers, in order, need not be looked at any more.
        looked_at: u32,
        /// The effect that looks.
        effect: Option<EffectId>,
        /// Not to be looked at before.
        not_before: Timestamp,
    },
    /// Each server is launched for a test, validated, accepted.
    Testing,
    /// For the cutover gate and the window.
    AwaitingCutover,
    /// Application after application.
    CuttingOver,
    /// Everything runs in AWS and is watched.
    Soaking {
        /// Until when.
        until: Timestamp,
    },
    /// For the finalize gate.
    AwaitingFinalize,
    /// The one irreversible step.
    Finalizing,
    /// Every server is finalized or was left out.
    Completed,
    /// What was cut over is undone, and the rest is cleaned up.
    RollingBack,
    /// Everything that was cut over runs on its source again.
    RolledBack,
    /// What was started is cleaned up.
    Aborting,
    /// Ended by a person.
    Aborted,
}

impl Phase {
    /// The phase's name for people and events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Preflight { .. } => "Preflight",
            Self::Testing => "Testing",
            Self::AwaitingCutover => "AwaitingCutover",
            Self::CuttingOver => "CuttingOver",
            Self::Soaking { .. } => "Soaking",
            Self::AwaitingFinalize => "AwaitingFinalize",
            Self::Finalizing => "Finalizing",
            Self::Completed => "Completed",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Aborting => "Aborting",
            Self::Aborted => "Aborted",
        }
    }

    /// Whether the wave has ended.
    #[must_use]
    pub fn terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Aborted)
    }

    /// Whether the wave is on its way to an end other than Completed: nothing new is begun but the
    /// way back.
    #[must_use]
    pub fn ending(&self) -> bool {
        matches!(self, Self::RollingBack | Self::Aborting)
    }
}
