//! Invariant 10, while it happens: data is kept of what has stopped, a source is started only once
//! what its cutover launched has stopped, and nothing is terminated whose data is not whole.

use tidegate_domain::effect::Task;
use tidegate_domain::id::{InstanceId, ServerId};
use tidegate_domain::observation::SnapshotsSeen;
use tidegate_domain::server::Server;
use tidegate_domain::wave::Wave;

use super::{Change, violated};
use crate::cloud::Cloud;

pub(super) fn before(cloud: &Cloud, change: &Change) {
    let found = match change.operation.as_str() {
        "CreateSnapshot" => kept_running(cloud, change),
        "SendCommand" => started_beside(cloud, change),
        "TerminateTargetInstances" => terminated_early(cloud, change),
        _ => None,
    };
    if let Some(text) = found {
        violated(cloud, 10, format!("{change}: {text}"));
    }
}

/// Whether an instance runs.
fn runs(cloud: &Cloud, instance: &str) -> bool {
    let region = cloud.region.borrow();
    let known = region.mgn.instances().get(instance);
    known.is_some_and(|known| known.running)
}

fn kept_running(cloud: &Cloud, change: &Change) -> Option<String> {
    let instance = change.input["InstanceIds"][0].as_str()?;
    runs(cloud, instance).then(|| format!("{instance} runs"))
}

/// The servers of a change, as the table has them.
fn stored(cloud: &Cloud, ids: &[ServerId]) -> Vec<(Wave, Server)> {
    cloud.table.inspect(|tables| {
        ids.iter()
            .filter_map(|id| {
                let stored = tables.waves.get(tables.owners.get(id)?)?;
                let server = stored.servers.iter().find(|server| server.id == *id)?;
                Some((stored.wave.clone(), server.clone()))
            })
            .collect()
    })
}

fn started_beside(cloud: &Cloud, change: &Change) -> Option<String> {
    let effect = change.effect.as_ref()?;
    let task = cloud.table.inspect(|tables| {
        let mut effects = tables.effects.iter();
        let found = effects.find(|((_, id), _)| id == effect);
        found.map(|(_, stored)| stored.effect.task.clone())
    })?;
    let Task::RunDocument { document, nodes } = task else {
        return None;
    };
    let servers: Vec<ServerId> = nodes.keys().cloned().collect();
    stored(cloud, &servers)
        .into_iter()
        .find_map(|(wave, server)| {
            let quiesce = wave
                .plan
                .application(&server.application)?
                .quiesce
                .clone()?;
            let target = server.target.as_ref()?;
            let node = nodes.get(&server.id)?;
            let starts = quiesce.start.is_some_and(|start| start == document);
            (starts
                && node.as_str() != target.instance.as_str()
                && runs(cloud, target.instance.as_str()))
            .then(|| format!("{} of {} runs", target.instance, server.id))
        })
}

fn terminated_early(cloud: &Cloud, change: &Change) -> Option<String> {
    let now = cloud.now();
    let snapshots = cloud.snapshots.borrow();
    stored(cloud, &change.servers)
        .into_iter()
        .find_map(|(_, server)| {
            let kept = server.kept?;
            let whole = |id: &tidegate_domain::id::SnapshotId| {
                snapshots
                    .get(id)
                    .is_some_and(|snapshot| snapshot.state(now) == SnapshotsSeen::Complete)
            };
            (!kept.snapshots.iter().all(whole))
                .then(|| format!("the data of {} is not whole", server.id))
        })
}

/// Whether an instance of a server whose cutover was undone runs on.
pub(super) fn runs_on(cloud: &Cloud, server: &Server) -> Option<InstanceId> {
    let target = server.target.as_ref()?;
    runs(cloud, target.instance.as_str()).then(|| target.instance.clone())
}
