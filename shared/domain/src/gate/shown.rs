//! What of an evidence counts while its approval is acted on: what was wrong, and was approved.
//!
//! **Invariant 9**: an approval counts for what was shown. Little is kept of it, because a wave holds
//! it beside servers that know the most of themselves then.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{Evidence, Waived};
use crate::id::ServerId;
use crate::observation::ReplicationState;

/// What was wrong with the servers of a gate as people were shown them. (Jobs and launch settings are
/// in the approval.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Servers whose replication was in trouble.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replication: BTreeMap<ServerId, Trouble>,
    /// What was wrong with instances, if the gate is about finalizing them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unhealthy: BTreeMap<ServerId, String>,
    /// Checks that failed and were waived, or that may fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<Waived>,
}

/// What is wrong with a server's replication, the worst last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// It lags further than the plan allows.
    Behind,
    /// It copies its disks anew.
    Anew,
    /// It does not replicate.
    Stopped,
}

impl Evidence {
    /// What of it counts while its approval is acted on.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let replication = self.servers.iter().filter_map(|server| {
            let trouble = Trouble::of(server.replication?, server.lag, self.max_lag);
            (trouble != Trouble::None).then(|| (server.server.clone(), trouble))
        });
        let unhealthy = self.servers.iter();
        let unhealthy = unhealthy.filter_map(|s| Some((s.server.clone(), s.trouble.clone()?)));
        Shown {
            replication: replication.collect(),
            unhealthy: unhealthy.collect(),
            waived: self.waived.iter().chain(&self.may_fail).cloned().collect(),
        }
    }
}

impl Trouble {
    /// The trouble of a replication in that state, so far behind, where so much lag is allowed.
    #[must_use]
    pub fn of(
        state: ReplicationState,
        lag: Option<SignedDuration>,
        allowed: SignedDuration,
    ) -> Self {
        match state {
            ReplicationState::Stalled
            | ReplicationState::Stopped
            | ReplicationState::Paused
            | ReplicationState::Disconnected => Self::Stopped,
            ReplicationState::Initiating | ReplicationState::InitialSync => Self::Anew,
            // The agent compares the disks, after a reboot say; what that costs shows as lag.
            ReplicationState::Rescan
            | ReplicationState::Backlog
            | ReplicationState::CreatingSnapshot
            | ReplicationState::Continuous
            | ReplicationState::PendingSnapshotShipping
            | ReplicationState::ShippingSnapshot
            | ReplicationState::Unknown => {
                if lag.is_some_and(|lag| lag > allowed) {
                    Self::Behind
                } else {
                    Self::None
                }
            }
        }
    }
}
