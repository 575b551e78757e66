//! What people are told, apart from what they are asked: facts, from which `notify` writes mails.
//!
//! **Invariant**: what somebody must act on is told apart from what is only news, and by its kind,
//! so that each subscriber can take what they want.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{Changes, Gate};
use crate::id::{InstanceId, ServerId, SnapshotId};
use crate::plan::{Approver, Window};

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "news")]
pub enum News {
    /// The wave began.
    WaveStarted {
        /// With how many servers.
        servers: u32,
    },
    /// Nothing new starts until a person has seen to it.
    WaveHeld {
        /// Why, one sentence.
        reason: String,
        /// What goes on from here, each with what it does.
        commands: Vec<(String, String)>,
        /// The wave's window, if it has one that is not over.
        window: Option<Window>,
    },
    /// A server failed for good.
    ServerFailed {
        /// Its name for people.
        hostname: String,
        /// Which server.
        server: ServerId,
        /// In what: `test` or `cutover`.
        purpose: String,
        /// Why.
        reason: String,
    },
    /// A server's replication stalls. MGN is asked to retry; what helps is on the source.
    ReplicationStalled {
        /// Its name for people.
        hostname: String,
        /// Which server.
        server: ServerId,
        /// What MGN says.
        error: String,
        /// The wave's window, if it has one that is not over.
        window: Option<Window>,
    },
    /// MGN does not terminate a test instance, which runs on.
    TerminationRefused {
        /// Its server's name for people.
        hostname: String,
        /// Which server.
        server: ServerId,
        /// The instance.
        instance: InstanceId,
        /// What MGN says.
        reason: String,
    },
    /// What a gate was asked on is no longer so.
    GateAsksAgain {
        /// Which gate.
        gate: Gate,
        /// What changed.
        changes: Changes,
    },
    /// Somebody changed the plan of a wave that had started.
    PlanChanged {
        /// Who.
        by: Approver,
        /// What is different.
        changes: Changes,
    },
    /// Nobody gets the mails of some who are asked at a gate.
    ApproversUnreached {
        /// Which gate.
        gate: Gate,
        /// Whose mails.
        approvers: Vec<Approver>,
        /// Until when they can decide.
        expires: Timestamp,
    },
    /// A gate was approved for some servers; the rest waits.
    GateApprovedInPart {
        /// Which gate.
        gate: Gate,
        /// For which servers, and which wait: a sentence.
        text: String,
    },
    /// Every server is finalized or was left out.
    WaveCompleted,
    /// What was cut over is being undone.
    RollbackStarted {
        /// Who wanted it, or that the plan did: a sentence.
        why: String,
    },
    /// What was cut over runs on its source again.
    WaveRolledBack {
        /// Servers whose targets were put away, each with the snapshots that keep its data.
        kept: Vec<(String, Vec<SnapshotId>)>,
    },
    /// A person ended the wave, and it is cleaned up.
    WaveAborted,
}

impl News {
    /// The kind, to filter by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WaveStarted { .. } => "wave_started",
            Self::WaveHeld { .. } => "wave_held",
            Self::ServerFailed { .. } => "server_failed",
            Self::ReplicationStalled { .. } => "replication_stalled",
            Self::TerminationRefused { .. } => "termination_refused",
            Self::GateAsksAgain { .. } => "gate_asks_again",
            Self::PlanChanged { .. } => "plan_changed",
            Self::ApproversUnreached { .. } => "approvers_unreached",
            Self::GateApprovedInPart { .. } => "gate_approved_in_part",
            Self::WaveCompleted => "wave_completed",
            Self::RollbackStarted { .. } => "rollback_started",
            Self::WaveRolledBack { .. } => "wave_rolled_back",
            Self::WaveAborted => "wave_aborted",
        }
    }

    /// Whether somebody must act on it.
    #[must_use]
    pub fn action_required(&self) -> bool {
        match self {
            Self::WaveHeld { .. }
            | Self::ReplicationStalled { .. }
            | Self::TerminationRefused { .. }
            | Self::ApproversUnreached { .. } => true,
            Self::WaveStarted { .. }
            | Self::ServerFailed { .. }
            | Self::GateAsksAgain { .. }
            | Self::PlanChanged { .. }
            | Self::GateApprovedInPart { .. }
            | Self::WaveCompleted
            | Self::RollbackStarted { .. }
            | Self::WaveRolledBack { .. }
            | Self::WaveAborted => false,
        }
    }
}
