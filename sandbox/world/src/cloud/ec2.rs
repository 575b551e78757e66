//! EC2's ports: the instances that the MGN simulator launched, and snapshots of their volumes, of
//! which each has one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::{EffectId, InstanceId, ServerId, SnapshotId};
use tidegate_domain::observation::{InstanceSeen, SnapshotsSeen, StatusChecks};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::instances::{Instances, Snapshots, Targets};

use super::invocation::{Fate, Invocation, Service};
use crate::invariants::{self, Change};

/// A snapshot of an instance's volume.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The instance.
    pub instance: InstanceId,
    /// When it is whole, or has failed.
    pub done: Timestamp,
    /// Whether it fails.
    pub fails: bool,
}

impl Snapshot {
    /// How far it is.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SnapshotsSeen {
        match (now >= self.done, self.fails) {
            (false, _) => SnapshotsSeen::Pending,
            (true, true) => SnapshotsSeen::Failed,
            (true, false) => SnapshotsSeen::Complete,
        }
    }
}

impl Instances for Invocation {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError> {
        match self.point("DescribeInstanceStatus", Service::Other).await {
            Fate::Goes => {}
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                return Err(ReadError::Failed("no answer".to_owned()));
            }
        }
        let region = self.cloud.region.borrow();
        let seen = |id: &InstanceId| {
            let known = region.mgn.instances().get(id.as_str());
            InstanceSeen {
                id: id.clone(),
                running: known.is_some_and(|instance| instance.running),
                gone: known.is_none_or(|instance| instance.terminated.is_some()),
                stopped: known
                    .is_some_and(|instance| !instance.running && instance.terminated.is_none()),
                checks: known.map_or(StatusChecks::Pending, |instance| match instance.checks {
                    mgn_sim::StatusChecks::Initializing => StatusChecks::Pending,
                    mgn_sim::StatusChecks::Ok => StatusChecks::Passed,
                    mgn_sim::StatusChecks::Impaired => StatusChecks::Failed,
                }),
                managed: false,
            }
        };
        Ok(ids.iter().map(seen).collect())
    }
}

impl Snapshots for Invocation {
    async fn snapshots(
        &self,
        ids: &[SnapshotId],
    ) -> Result<BTreeMap<SnapshotId, SnapshotsSeen>, ReadError> {
        match self.point("DescribeSnapshots", Service::Other).await {
            Fate::Goes => {}
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                return Err(ReadError::Failed("no answer".to_owned()));
            }
        }
        let now = self.cloud.now();
        let snapshots = self.cloud.snapshots.borrow();
        let seen = |id: &SnapshotId| {
            let state = snapshots.get(id).map(|snapshot| snapshot.state(now));
            (id.clone(), state.unwrap_or(SnapshotsSeen::Failed))
        };
        Ok(ids.iter().map(seen).collect())
    }
}

impl Targets for Invocation {
    async fn stop(&self, instance: &InstanceId) -> Result<(), CallError> {
        self.change_ec2("StopInstances", instance, None, || {
            let stopped = self
                .cloud
                .region
                .borrow_mut()
                .mgn
                .stop_instance(instance.as_str());
            stopped.then_some(())
        })
        .await
    }

    async fn keep(
        &self,
        instance: &InstanceId,
        _server: &ServerId,
        effect: &EffectId,
    ) -> Result<Vec<SnapshotId>, CallError> {
        let now = self.cloud.now();
        let kept = {
            let snapshots = self.cloud.snapshots.borrow();
            let mut all = snapshots.iter();
            all.find(|(_, s)| s.instance == *instance && s.state(now) != SnapshotsSeen::Failed)
                .map(|(id, _)| id.clone())
        };
        if let Some(kept) = kept {
            return Ok(vec![kept]);
        }
        self.change_ec2("CreateSnapshot", instance, Some(effect), || {
            let exists = self
                .cloud
                .region
                .borrow()
                .mgn
                .instances()
                .get(instance.as_str())
                .is_some_and(|instance| instance.terminated.is_none());
            let mut random = self.cloud.random.borrow_mut();
            let takes = i64::try_from(random.between(5, 1_800)).unwrap_or(0);
            let mut snapshots = self.cloud.snapshots.borrow_mut();
            let id = SnapshotId::parse(format!("snap-{:017}", snapshots.len())).ok()?;
            let snapshot = Snapshot {
                instance: instance.clone(),
                done: now.saturating_add(SignedDuration::from_secs(takes)).ok()?,
                fails: random.chance(self.cloud.faults.borrow().fails),
            };
            snapshots.insert(id.clone(), snapshot);
            exists.then(|| vec![id])
        })
        .await
    }
}

impl Invocation {
    /// A call of EC2 that changes something; `done` gives nothing if there is nothing to change.
    async fn change_ec2<T>(
        &self,
        operation: &str,
        instance: &InstanceId,
        effect: Option<&EffectId>,
        done: impl FnOnce() -> Option<T>,
    ) -> Result<T, CallError> {
        let fate = self.point(operation, Service::Other).await;
        match fate {
            Fate::Goes | Fate::Lost => {}
            Fate::Throttled => return Err(CallError::refused(RefusalKind::Throttled, "throttled")),
            Fate::Fails => return Err(CallError::Unknown("no answer".to_owned())),
        }
        let mut change = Change::new(
            self.function,
            operation,
            &json!({ "InstanceIds": [instance.as_str()] }),
        );
        let owner = {
            let region = self.cloud.region.borrow();
            let known = region.mgn.instances().get(instance.as_str());
            known.and_then(|known| ServerId::parse(known.server.clone()).ok())
        };
        change.servers.extend(owner);
        change.effect = effect.cloned();
        self.changed.set(true);
        invariants::before(&self.cloud, &change);
        let done = done();
        let (name, number) = (self.function.name(), self.number);
        self.cloud
            .note(|| format!("{name}#{number} {change} {instance}"));
        match (done, fate) {
            (Some(_), Fate::Lost) => Err(CallError::Unknown("no answer".to_owned())),
            (Some(done), _) => Ok(done),
            (None, _) => Err(CallError::refused(
                RefusalKind::Invalid,
                "there is no such instance",
            )),
        }
    }
}
