//! Invariant 4: an effect starts one job, sends one command. Invariant 6: each operation belongs
//! to one function. Invariant 8: never more than MGN's limits, one job per server among them.

use mgn_sim::{ApiError, JobStatus, Reply};
use serde_json::Value;
use tidegate_domain::effect::Task;
use tidegate_domain::id::{EffectId, JobId, WaveId};
use tidegate_domain::server::{JobStep, Server, Stage};
use tidegate_domain::slots::{MOST_JOBS, MOST_SERVERS_IN_JOBS};
use tidegate_ports::mgn::EFFECT_TAG;
use tidegate_ports::turns::Turn;

use super::{Change, StartedJob, covered, violated};
use crate::cloud::{Cloud, Function};

pub(super) fn before(cloud: &Cloud, change: &Change) {
    let allowed = match change.operation.as_str() {
        "StartTest"
        | "StartCutover"
        | "TerminateTargetInstances"
        | "StopInstances"
        | "CreateSnapshot" => Function::Launch,
        "ChangeServerLifeCycleState" | "RetryDataReplication" => Function::Lifecycle,
        "FinalizeCutover" => Function::Finalize,
        "SendCommand" => Function::Validate,
        other => {
            violated(
                cloud,
                6,
                format!("{other} is called, which no function may"),
            );
            return;
        }
    };
    if change.function != allowed {
        violated(
            cloud,
            6,
            format!("{} is called by {}", change, change.function.name()),
        );
    }
    for server in &change.servers {
        let (owner, terminal) = cloud.table.inspect(|tables| {
            let owner = tables.owners.get(server).cloned();
            let wave = owner.as_ref().and_then(|owner| tables.waves.get(owner));
            (
                owner.clone(),
                wave.is_some_and(|stored| stored.wave.phase.terminal()),
            )
        });
        match (
            owner,
            change
                .effect
                .as_ref()
                .and_then(|effect| wave_of(cloud, effect)),
        ) {
            (None, _) => violated(cloud, 2, format!("{change}: no wave owns {server}")),
            (Some(owner), Some(wave)) if owner != wave => {
                violated(
                    cloud,
                    2,
                    format!("{change} of {wave}: {owner} owns {server}"),
                );
            }
            (Some(owner), _) if terminal => {
                violated(cloud, 12, format!("{change}: {owner} has ended"));
            }
            (Some(_), _) => {}
        }
    }
}

/// A quota is exceeded only by others, whose jobs may begin between our look and our call.
pub(super) fn answered(cloud: &Cloud, change: &Change, reply: &Result<Reply, ApiError>) {
    let Err(error) = reply else {
        return;
    };
    let region = cloud.region.borrow();
    let ours = |job: &mgn_sim::Job| job.tags.contains_key(EFFECT_TAG);
    let alone = region.mgn.jobs().values().all(ours);
    drop(region);
    if error.status == 402 && alone {
        violated(cloud, 8, format!("{change}: {error}"));
    }
}

pub(super) fn after(cloud: &Cloud, change: &Change, body: &Value) {
    let Some(effect) = &change.effect else {
        return;
    };
    if !cloud.checks.borrow_mut().used.insert(effect.clone()) {
        violated(cloud, 4, format!("{change}: the effect did it before"));
    }
    let job = body["job"]["jobID"]
        .as_str()
        .and_then(|id| JobId::parse(id).ok());
    let Some(job) = job else {
        return;
    };
    if let Some(wave) = wave_of(cloud, effect) {
        let started = StartedJob {
            operation: change.operation.clone(),
            effect: effect.clone(),
            wave,
            servers: change.servers.clone(),
        };
        cloud.checks.borrow_mut().jobs.insert(job, started);
    } else {
        violated(cloud, 4, format!("{change}: the effect was never saved"));
    }
    limits(cloud);
}

/// No job is planned for a server that was last read to be in one, unless that was waited for as long
/// as a launch may take.
pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let patience = turn.wave.plan.policy.launch_timeout;
    let waits = |server: &&Server| {
        let seen = turn.loaded.seen.get(&server.id);
        let job = seen.and_then(|seen| seen.job.as_ref());
        let asked = server.refusals > 0 || turn.now.duration_since(server.since) >= patience;
        !asked && job.is_some_and(|job| !job.completed)
    };
    let due = |server: &&Server| {
        matches!(
            server.stage,
            Stage::Launching {
                step: JobStep::Due { not_before },
                ..
            } if not_before <= turn.now
        )
    };
    if turn.servers.iter().filter(waits).any(|server| due(&server)) {
        covered(cloud, "server waits for its job to end");
    }
    for effect in turn.effects {
        let (Task::StartTest { servers }
        | Task::StartCutover { servers, .. }
        | Task::TerminateTests { servers }) = &effect.task
        else {
            continue;
        };
        let before = turn.loaded.servers.iter().filter(waits);
        for server in before.filter(|server| servers.contains(&server.id)) {
            let text = format!("{} is planned while {} is in a job", effect.id, server.id);
            violated(cloud, 8, text);
        }
    }
}

/// The wave that saved an effect.
pub(super) fn wave_of(cloud: &Cloud, effect: &EffectId) -> Option<WaveId> {
    cloud.table.inspect(|tables| {
        tables
            .effects
            .keys()
            .find(|(_, id)| id == effect)
            .map(|(wave, _)| wave.clone())
    })
}

fn limits(cloud: &Cloud) {
    let (mut jobs, mut servers) = (0_u32, 0_u32);
    let region = cloud.region.borrow();
    let ours = region
        .mgn
        .jobs()
        .values()
        .filter(|job| job.tags.contains_key(EFFECT_TAG));
    for job in ours.filter(|job| job.status != JobStatus::Completed) {
        jobs += 1;
        servers += u32::try_from(job.participants.len()).unwrap_or(u32::MAX);
    }
    drop(region);
    if jobs > MOST_JOBS || servers > MOST_SERVERS_IN_JOBS {
        violated(
            cloud,
            8,
            format!("{jobs} jobs with {servers} servers are in progress"),
        );
    }
}
