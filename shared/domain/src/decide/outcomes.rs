//! What the answer to an effect does to the wave and its servers; then the effect is closed.
//! Refusals are treated in `refusals`.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::refusals::{give_up_document, guarded, hold_for, pause, refused};
use super::turn::Turn;
use super::{finalizing, follow, launches, questions, rollback, wants};
use crate::audit::About;
use crate::effect::{Effect, EffectStatus, LifeCycleTarget, Outcome, Refusal, RefusalKind, Task};
use crate::hold::HoldReason;
use crate::id::{EffectId, JobId, ServerId};
use crate::server::{CallStep, JobStep, Purpose, RunStep, Server, Stage, TestInstance};
use crate::wave::{Claims, Phase};

/// Servers that preflight looks at in a minute, each by a read of MGN.
const MOST_LOOKED_AT_IN_A_MINUTE: i32 = 200;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Apply every answer that has come.
pub(super) fn apply(turn: &mut Turn) {
    let answered: Vec<(Effect, Outcome)> = turn
        .stored
        .values()
        .filter(|e| turn.wave.open.contains_key(&e.id))
        .filter_map(|e| match &e.status {
            EffectStatus::Answered { outcome, .. } => Some((e.clone(), outcome.clone())),
            EffectStatus::Planned | EffectStatus::Claimed { .. } => None,
        })
        .collect();
    for (effect, outcome) in answered {
        turn.wave.open.remove(&effect.id);
        turn.stored.remove(&effect.id);
        turn.record(&effect.id, &effect.task, Some(&outcome));
        if let Outcome::Refused(refusal) = &outcome {
            turn.note_by(
                "EffectRefused",
                format!("{} was refused: {}", effect.task.title(), refusal.message),
                "aws",
                &effect.id,
            );
        }
        close(turn, &effect, outcome);
    }
}

fn close(turn: &mut Turn, effect: &Effect, outcome: Outcome) {
    match (&effect.task, outcome) {
        (Task::Claim { servers }, Outcome::Claimed(taken)) => claimed(turn, servers, &taken),
        (Task::Claim { .. }, Outcome::Refused(refusal)) => {
            let again = turn.after(turn.wave.plan.policy.observe_every);
            if let Claims::Claiming {
                effect, not_before, ..
            } = &mut turn.wave.claims
            {
                *effect = None;
                *not_before = again;
            }
            if refusal.kind != RefusalKind::Throttled {
                hold_for(turn, &effect.task, &refusal);
            }
        }
        (Task::Release { servers }, _) => {
            if let Claims::Releasing { released, effect } = &mut turn.wave.claims {
                *released += u32::try_from(servers.len()).unwrap_or(u32::MAX);
                *effect = None;
            }
        }
        (Task::Preflight { servers, .. }, outcome) => preflight(turn, effect, servers, outcome),
        (
            Task::StartTest { .. } | Task::StartCutover { .. } | Task::TerminateTests { .. },
            outcome,
        ) => job(turn, effect, outcome),
        (Task::StopTargets { .. } | Task::KeepData { .. }, outcome) => {
            rollback::close(turn, effect, &outcome);
        }
        (Task::ChangeLifeCycle { servers, to }, outcome) => {
            let refusals = refusals(servers, outcome);
            for id in servers {
                life_cycle(turn, &effect.id, id, *to, refusals.get(id));
            }
        }
        (Task::RetryReplication { .. } | Task::Notify { .. } | Task::CloseQuestion { .. }, _) => {}
        (Task::RunDocument { .. }, outcome) => command(turn, effect, outcome),
        (
            Task::OpenGate {
                gate,
                evidence,
                approvers,
                asking,
                ..
            },
            outcome,
        ) => {
            let question = questions::Asked {
                gate: *gate,
                evidence,
                approvers,
                asking: *asking,
            };
            questions::answered(turn, effect, &question, outcome);
        }
        (Task::Finalize { servers, .. }, outcome) => {
            let all: Vec<ServerId> = servers.keys().cloned().collect();
            let refusals = refusals(&all, outcome);
            for id in &all {
                finalizing::answered(turn, &effect.id, id, refusals.get(id));
            }
        }
        (Task::Claim { .. }, _) => {
            if let Claims::Claiming { effect, .. } = &mut turn.wave.claims {
                *effect = None;
            }
        }
    }
}

/// Each server's refusal, whether the effect was refused server by server or as a whole.
fn refusals(servers: &[ServerId], outcome: Outcome) -> BTreeMap<ServerId, Refusal> {
    match outcome {
        Outcome::Servers(refusals) => refusals,
        Outcome::Refused(refusal) => servers
            .iter()
            .map(|id| (id.clone(), refusal.clone()))
            .collect(),
        Outcome::Done
        | Outcome::Job(_)
        | Outcome::Command(_)
        | Outcome::Claimed(_)
        | Outcome::Kept(_)
        | Outcome::Asked { .. }
        | Outcome::Problems(_) => BTreeMap::new(),
    }
}

fn claimed(turn: &mut Turn, servers: &[ServerId], taken: &BTreeMap<ServerId, crate::id::WaveId>) {
    if let Claims::Claiming {
        claimed, effect, ..
    } = &mut turn.wave.claims
    {
        *effect = None;
        if taken.is_empty() {
            *claimed += u32::try_from(servers.len()).unwrap_or(u32::MAX);
            return;
        }
    }
    let problems = taken
        .iter()
        .map(|(server, wave)| {
            let name = turn
                .servers
                .iter()
                .find(|s| s.id == *server)
                .map(|s| s.hostname.as_str());
            format!(
                "{} ({server}) belongs to wave {wave}",
                name.unwrap_or("a server")
            )
        })
        .collect();
    turn.hold(HoldReason::Selection { problems });
}

fn preflight(turn: &mut Turn, effect: &Effect, servers: &[ServerId], outcome: Outcome) {
    let again = turn.after(turn.wave.plan.policy.observe_every);
    // Those before the last of them were looked at, or have left the wave.
    let last = servers.last();
    let last = turn.servers.iter().position(|s| Some(&s.id) == last);
    let behind = last.map_or(usize::MAX, |last| last + 1);
    // The next are looked at so much later that a minute reads no more than it may.
    let more = turn.servers.iter().skip(behind).any(|s| !s.left());
    let next = match i32::try_from(servers.len()) {
        Ok(read) if more => turn.after(MINUTE * read / MOST_LOOKED_AT_IN_A_MINUTE),
        Ok(_) | Err(_) => turn.now,
    };
    let behind = u32::try_from(behind).unwrap_or(u32::MAX);
    let Phase::Preflight {
        looked_at,
        effect: running,
        not_before,
    } = &mut turn.wave.phase
    else {
        return;
    };
    *running = None;
    if let Outcome::Refused(Refusal {
        kind: RefusalKind::Throttled,
        ..
    }) = &outcome
    {
        *not_before = again;
        return;
    }
    match outcome {
        Outcome::Problems(problems) if problems.is_empty() => {
            (*looked_at, *not_before) = (behind, next);
        }
        Outcome::Problems(problems) => turn.hold(HoldReason::Preflight { problems }),
        Outcome::Refused(refusal) => hold_for(turn, &effect.task, &refusal),
        Outcome::Done
        | Outcome::Job(_)
        | Outcome::Command(_)
        | Outcome::Servers(_)
        | Outcome::Claimed(_)
        | Outcome::Kept(_)
        | Outcome::Asked { .. } => {
            (*looked_at, *not_before) = (behind, next);
        }
    }
}

/// The indices of the servers that this effect is about, as their stages have it.
pub(super) fn in_effect(turn: &Turn, effect: &EffectId) -> Vec<usize> {
    turn.servers
        .iter()
        .enumerate()
        .filter(|(_, server)| stage_effect(&server.stage) == Some(effect))
        .map(|(index, _)| index)
        .collect()
}

/// The effect that a stage waits for.
pub(super) fn stage_effect(stage: &Stage) -> Option<&EffectId> {
    match stage {
        Stage::Launching {
            step: JobStep::Requested { effect, .. },
            ..
        }
        | Stage::Terminating {
            step: JobStep::Requested { effect, .. },
            ..
        }
        | Stage::Tested {
            instance: TestInstance::Terminating(JobStep::Requested { effect, .. }),
        }
        | Stage::Accepting {
            call: CallStep::Calling { effect },
        }
        | Stage::Returning {
            call: CallStep::Calling { effect },
            ..
        }
        | Stage::Stopping {
            call: CallStep::Calling { effect },
            ..
        }
        | Stage::Keeping {
            call: CallStep::Calling { effect },
            ..
        }
        | Stage::Finalizing {
            call: CallStep::Calling { effect },
        } => Some(effect),
        Stage::Validating { run, .. }
        | Stage::Quiescing { run }
        | Stage::Silencing { run, .. }
        | Stage::Restarting { run, .. } => match &run.step {
            RunStep::Sending { effect } => Some(effect),
            RunStep::Due { .. } | RunStep::Running { .. } => None,
        },
        _ => None,
    }
}

/// What a job of that task does, as the audit chain and events call it.
fn purpose(task: &Task) -> Option<String> {
    let name = match task {
        Task::StartTest { .. } => "test",
        Task::StartCutover { .. } => "cutover",
        Task::TerminateTests { .. } => "termination",
        _ => return None,
    };
    Some(name.to_owned())
}

fn job(turn: &mut Turn, effect: &Effect, outcome: Outcome) {
    let indices = in_effect(turn, &effect.id);
    match outcome {
        Outcome::Job(job) => {
            if let Some(reservation) = turn.slots.reservations.get_mut(&effect.id) {
                reservation.job = Some(job.clone());
            }
            turn.wave.starved_since = None;
            turn.note_by(
                "JobStarted",
                format!(
                    "{}: {job} for {}.",
                    effect.task.title(),
                    super::turn::servers(indices.len())
                ),
                "aws",
                &effect.id,
            );
            turn.about(About {
                purpose: purpose(&effect.task),
                job: Some(job.clone()),
                servers: indices
                    .iter()
                    .filter_map(|index| turn.servers.get(*index))
                    .map(|server| server.id.clone())
                    .collect(),
                ..About::default()
            });
            for index in indices {
                turn.with_server(index, |_, server| started(server, &job));
            }
        }
        Outcome::Refused(refusal) => {
            launches::release(turn, &effect.id);
            if refusal.kind == RefusalKind::Quota {
                turn.wave.starved_since.get_or_insert(turn.now);
            }
            for index in indices {
                let task = effect.task.clone();
                let refusal = refusal.clone();
                turn.with_server(index, |turn, server| {
                    let not_before = turn.after(pause(turn, &refusal, server));
                    launches::set_step(&mut server.stage, JobStep::Due { not_before });
                    if refusal.kind == RefusalKind::Guard {
                        guarded(turn, server, &refusal);
                    } else {
                        refused(turn, server, &task, &refusal);
                    }
                });
            }
        }
        Outcome::Done
        | Outcome::Command(_)
        | Outcome::Servers(_)
        | Outcome::Claimed(_)
        | Outcome::Kept(_)
        | Outcome::Asked { .. }
        | Outcome::Problems(_) => launches::release(turn, &effect.id),
    }
    turn.look_again_soon();
}

/// A server's job was started.
fn started(server: &mut Server, job: &JobId) {
    let since = match &server.stage {
        Stage::Launching {
            step: JobStep::Requested { since, .. },
            ..
        }
        | Stage::Terminating {
            step: JobStep::Requested { since, .. },
            ..
        }
        | Stage::Tested {
            instance: TestInstance::Terminating(JobStep::Requested { since, .. }),
        } => *since,
        _ => return,
    };
    server.refusals = 0;
    match &server.stage {
        Stage::Launching {
            purpose: Purpose::Test,
            ..
        } => {
            server.tests += 1;
            server.test = None;
            server.launched = Some(job.clone());
        }
        Stage::Launching {
            purpose: Purpose::Cutover,
            ..
        } => {
            server.cutovers += 1;
            server.launched = Some(job.clone());
            server.cutting_over = true;
            // MGN removes what the launch before left.
            server.target = None;
        }
        _ => {}
    }
    launches::set_step(
        &mut server.stage,
        JobStep::Running {
            job: job.clone(),
            since,
        },
    );
}

fn life_cycle(
    turn: &mut Turn,
    effect: &EffectId,
    id: &ServerId,
    to: LifeCycleTarget,
    refusal: Option<&Refusal>,
) {
    let Some(index) = turn.servers.iter().position(|s| s.id == *id) else {
        return;
    };
    if turn.servers.get(index).and_then(|s| stage_effect(&s.stage)) != Some(effect) {
        return;
    }
    turn.with_server(index, |turn, server| {
        let Some(refusal) = refusal else {
            match server.stage.clone() {
                Stage::Accepting { .. } => {
                    let until = turn.after(turn.wave.plan.policy.keep_test_instances);
                    server.refusals = 0;
                    server.stage = Stage::Tested {
                        instance: TestInstance::Kept { until },
                    };
                }
                Stage::Returning { then, .. } => follow::returned(turn, server, to, then),
                _ => {}
            }
            return;
        };
        let not_before = turn.after(pause(turn, refusal, server));
        if let Stage::Accepting { call } | Stage::Returning { call, .. } = &mut server.stage {
            *call = CallStep::Due { not_before };
        }
        let task = Task::ChangeLifeCycle {
            servers: vec![server.id.clone()],
            to,
        };
        refused(turn, server, &task, refusal);
    });
}

fn command(turn: &mut Turn, effect: &Effect, outcome: Outcome) {
    for index in in_effect(turn, &effect.id) {
        let outcome = outcome.clone();
        turn.with_server(index, |turn, server| {
            let now = turn.now;
            let attempts = turn.wave.plan.policy.attempts;
            match outcome {
                Outcome::Command(command) => {
                    server.refusals = 0;
                    if let Some(run) = wants::run_of(&mut server.stage) {
                        run.step = RunStep::Running {
                            command,
                            since: now,
                        };
                    }
                }
                Outcome::Refused(refusal) => {
                    let not_before = turn.after(pause(turn, &refusal, server));
                    let mut used_up = false;
                    if let Some(run) = wants::run_of(&mut server.stage) {
                        run.step = RunStep::Due { not_before };
                        match refusal.kind {
                            RefusalKind::Throttled | RefusalKind::Denied => run.tries -= 1,
                            RefusalKind::Quota
                            | RefusalKind::Conflict
                            | RefusalKind::NotFound
                            | RefusalKind::Invalid
                            | RefusalKind::Uninitialized
                            | RefusalKind::Guard => used_up = run.tries >= attempts,
                        }
                    }
                    match refusal.kind {
                        RefusalKind::Denied | RefusalKind::Uninitialized => {
                            hold_for(turn, &effect.task, &refusal);
                        }
                        _ if used_up => give_up_document(turn, server, &refusal.message),
                        _ => {}
                    }
                }
                Outcome::Done
                | Outcome::Job(_)
                | Outcome::Servers(_)
                | Outcome::Claimed(_)
                | Outcome::Kept(_)
                | Outcome::Asked { .. }
                | Outcome::Problems(_) => {}
            }
        });
    }
    turn.look_again_soon();
}
