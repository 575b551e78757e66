//! EC2 by role: reading instances and snapshots, and putting away what a cutover launched.

use std::collections::BTreeMap;

use tidegate_domain::id::{EffectId, InstanceId, ServerId, SnapshotId};
use tidegate_domain::observation::{InstanceSeen, SnapshotsSeen};

use crate::error::{CallError, ReadError};

/// Instances and their status checks.
pub trait Instances {
    /// These instances, paged; one that EC2 does not know is `gone`. `managed` is left false.
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError>;
}

/// How far snapshots are.
pub trait Snapshots {
    /// These snapshots, each by itself; one that EC2 does not know has failed.
    async fn snapshots(
        &self,
        ids: &[SnapshotId],
    ) -> Result<BTreeMap<SnapshotId, SnapshotsSeen>, ReadError>;
}

/// What cutovers launched, put away when they are undone: `launch` alone. SDK retries are off.
pub trait Targets {
    /// StopInstances. What is stopped or stopping already is not an error.
    async fn stop(&self, instance: &InstanceId) -> Result<(), CallError>;

    /// Snapshots of every volume of a stopped instance, tagged with the server, the instance and
    /// the effect. A volume that has such a snapshot, complete or under way, gets no second one,
    /// so that twice is once.
    async fn keep(
        &self,
        instance: &InstanceId,
        server: &ServerId,
        effect: &EffectId,
    ) -> Result<Vec<SnapshotId>, CallError>;
}
