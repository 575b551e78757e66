//! What is worth reading from AWS now: what is in flight each time, what rests now and then.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Interest, settings};
use crate::id::ServerId;
use crate::observation::ServerSeen;
use crate::plan::Start;
use crate::server::{JobStep, Run, RunStep, Server, Stage, TestInstance};
use crate::wave::{Claims, Phase, Wave};

/// How old the observation of a server may grow for which nothing is awaited.
const AT_REST: SignedDuration = SignedDuration::from_mins(5);

/// What `observe` is to look at, given what it knows.
#[must_use]
pub fn interest(
    wave: &Wave,
    servers: &[Server],
    seen: &BTreeMap<ServerId, ServerSeen>,
    now: Timestamp,
) -> Interest {
    let mut interest = Interest::default();
    if wave.phase.terminal() {
        return interest;
    }
    if wave.claims == Claims::None {
        interest.select = match &wave.plan.start {
            Start::Replication => true,
            Start::Schedule(at) => *at <= now || wave.started.is_some(),
            Start::Manual => wave.started.is_some(),
        };
        return interest;
    }
    let quiesces = |server: &Server| {
        wave.plan
            .application(&server.application)
            .is_some_and(|a| a.quiesce.is_some())
    };
    for server in servers {
        let known = seen.get(&server.id);
        if worth_reading(wave, server, known, now) {
            interest.servers.push(server.id.clone());
        }
        if let Some(job) = job(server, known) {
            interest
                .jobs
                .entry(job)
                .or_default()
                .push(server.id.clone());
        }
        let instance = match &server.stage {
            Stage::Checking { launch, .. } | Stage::Validating { launch, .. } => {
                Some(&launch.instance)
            }
            Stage::Silencing { .. } | Stage::Stopping { .. } => {
                server.target.as_ref().map(|target| &target.instance)
            }
            // Whether somebody, or the job that failed, removed it already.
            Stage::Terminating {
                step: JobStep::Due { .. },
                ..
            }
            | Stage::Tested {
                instance: TestInstance::Terminating(JobStep::Due { .. }),
            } => server.instance.as_ref(),
            Stage::CutOver { .. } | Stage::Finalizing { .. }
                if decides_on_health(&wave.phase, now) =>
            {
                server.cutover.as_ref().map(|c| &c.launch.instance)
            }
            _ => None,
        };
        if let Some(instance) = instance {
            interest
                .instances
                .insert(server.id.clone(), instance.clone());
        }
        if let (Stage::Copying { .. }, Some(kept)) = (&server.stage, &server.kept) {
            interest
                .snapshots
                .insert(server.id.clone(), kept.snapshots.clone());
        }
        if let Some(Run {
            step: RunStep::Running { command, .. },
            ..
        }) = run(&server.stage)
        {
            interest
                .commands
                .entry(command.clone())
                .or_default()
                .push(server.id.clone());
        }
        let wants_node = match &server.stage {
            Stage::Quiescing { .. } | Stage::Restarting { .. } => true,
            _ => matches!(wave.phase, Phase::Waiting | Phase::Preflight { .. }),
        };
        interest.source_nodes |=
            wants_node && quiesces(server) && known.is_none_or(|k| k.node.is_none());
    }
    (interest.configurations, interest.templates) = settings::reads(wave, servers, seen, now);
    interest.account_jobs = servers.iter().any(|s| {
        matches!(
            s.stage,
            Stage::Launching { .. }
                | Stage::Terminating { .. }
                | Stage::Settling { .. }
                | Stage::Quiescing { .. }
                | Stage::Tested {
                    instance: TestInstance::Terminating(_)
                }
        )
    });
    interest
}

/// Whether it is decided now how healthy is what runs in AWS: at the end of the soak, while people
/// are asked whether to finalize it, and before that is done.
fn decides_on_health(phase: &Phase, now: Timestamp) -> bool {
    match phase {
        Phase::Soaking { until } => *until <= now,
        Phase::AwaitingFinalize | Phase::Finalizing => true,
        _ => false,
    }
}

/// Whether the source server itself is read: while something is awaited of it, before a step that
/// depends on it, and now and then otherwise.
fn worth_reading(wave: &Wave, server: &Server, known: Option<&ServerSeen>, now: Timestamp) -> bool {
    let Some(known) = known else { return true };
    let old = now.duration_since(known.at) >= AT_REST;
    let stale = known.at <= server.since;
    match &server.stage {
        Stage::Replicating => now.duration_since(known.at) >= wave.plan.policy.observe_every,
        Stage::Settling { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Copying { .. }
        | Stage::Launching {
            step: JobStep::Due { .. },
            ..
        }
        | Stage::Checking { .. }
        | Stage::Returning { .. }
        | Stage::Terminating {
            step: JobStep::Due { .. },
            ..
        } => true,
        Stage::CutOver { .. } => {
            old || matches!(wave.phase, Phase::Soaking { until } if until <= now)
        }
        Stage::Tested { .. } => match wave.phase {
            Phase::CuttingOver => {
                stale
                    || known.at <= wave.phase_since
                    || now.duration_since(known.at) >= wave.plan.policy.observe_every
            }
            _ => stale || old,
        },
        Stage::Launching { .. }
        | Stage::Validating { .. }
        | Stage::Accepting { .. }
        | Stage::Quiescing { .. }
        | Stage::Keeping { .. }
        | Stage::Restarting { .. }
        | Stage::Terminating { .. }
        | Stage::Finalizing { .. } => old,
        Stage::Finalized { .. } | Stage::Ended { .. } => false,
    }
}

/// The job that a stage waits for, or that launched its instance and goes on for others.
fn job(server: &Server, known: Option<&ServerSeen>) -> Option<crate::id::JobId> {
    match &server.stage {
        Stage::Launching {
            step: JobStep::Running { job, .. },
            ..
        }
        | Stage::Terminating {
            step: JobStep::Running { job, .. },
            ..
        }
        | Stage::Tested {
            instance: TestInstance::Terminating(JobStep::Running { job, .. }),
        } => Some(job.clone()),
        // What came of a launch that was given up.
        Stage::Returning { .. }
            if server.launched.is_some()
                && known.and_then(|k| k.job.as_ref()).map(|j| &j.id)
                    != server.launched.as_ref() =>
        {
            server.launched.clone()
        }
        _ => known
            .and_then(|k| k.job.as_ref())
            .filter(|j| !j.completed)
            .map(|j| j.id.clone()),
    }
}

fn run(stage: &Stage) -> Option<&Run> {
    match stage {
        Stage::Validating { run, .. }
        | Stage::Quiescing { run }
        | Stage::Silencing { run, .. }
        | Stage::Restarting { run, .. } => Some(run),
        _ => None,
    }
}
