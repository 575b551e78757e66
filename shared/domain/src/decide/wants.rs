//! What the servers want done now, gathered into as few effects as AWS's batches allow.
//!
//! **Invariant 7**: what must hold before a cutover is checked here, at the last moment before the
//! effect is planned, on reads that are newer than the stage. (What must before a finalize:
//! `finalizing`.)

use std::collections::BTreeMap;

use super::settings::{self, Standing};
use super::turn::{Turn, later};
use super::{cutovers, finalizing, follow, gates, launches, rollback, stalls, window};
use crate::effect::{LifeCycleTarget, Task};
use crate::gate::{Gate, GateState};
use crate::id::{NodeId, ServerId};
use crate::observation::LifeCycle;
use crate::plan::Document;
use crate::server::{
    CallStep, End, JobStep, Purpose, Run, RunStep, Server, Stage, TestInstance, Then,
};
use crate::wave::Phase;

/// Calls for single servers in one effect.
pub(super) const MOST_CALLS: usize = 25;
/// Nodes in one SendCommand (botocore's model of SSM).
const MOST_NODES: usize = 50;
/// A test instance is not terminated so shortly before its cutover could begin.
const CLOSE_TO_WINDOW: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

/// Plan what is due. Not called while the wave is held.
pub(super) fn plan(turn: &mut Turn) {
    cutovers::begin(turn);
    expire_test_instances(turn);
    life_cycles(turn);
    documents(turn);
    rollback::plan(turn);
    cutovers::lapse_changed(turn);
    launches::plan(turn);
    finalizing::plan(turn);
    stalls::retry(turn);
}

/// Whether a server that is due for a job may have it now. May change its stage instead.
pub(super) fn may_launch(turn: &mut Turn, index: usize) -> bool {
    let Some(server) = turn.servers.get(index) else {
        return false;
    };
    if let Stage::Tested { .. } = server.stage {
        return true;
    }
    let Some(seen) = turn.fresh(server) else {
        turn.look_again_soon();
        return false;
    };
    let state = seen.life_cycle;
    let Stage::Launching { purpose, .. } = server.stage else {
        return true;
    };
    match purpose {
        Purpose::Test => {
            let instead = match state {
                LifeCycle::ReadyForTest | LifeCycle::Testing => return true,
                LifeCycle::ReadyForCutover => Some(LifeCycleTarget::ReadyForTest),
                LifeCycle::CuttingOver => Some(LifeCycleTarget::ReadyForCutover),
                LifeCycle::Stopped
                | LifeCycle::NotReady
                | LifeCycle::Cutover
                | LifeCycle::Disconnected
                | LifeCycle::Discovered
                | LifeCycle::PendingInstallation
                | LifeCycle::Unknown => None,
            };
            turn.with_server(index, |turn, server| {
                server.stage = match instead {
                    Some(to) => Stage::Returning {
                        to,
                        call: CallStep::Due {
                            not_before: turn.now,
                        },
                        then: Then::Launch(Purpose::Test),
                    },
                    None => Stage::Replicating,
                };
            });
            turn.look_again_soon();
            false
        }
        Purpose::Cutover => may_cut_over(turn, index, state),
    }
}

fn may_cut_over(turn: &mut Turn, index: usize, state: LifeCycle) -> bool {
    let Some(server) = turn.servers.get(index).cloned() else {
        return false;
    };
    let Some(seen) = turn.fresh(&server).cloned() else {
        return false;
    };
    if state == LifeCycle::CuttingOver {
        // A cutover launch that failed left it there (MGN does not say whether it does).
        turn.with_server(index, |turn, server| {
            server.stage = Stage::Returning {
                to: LifeCycleTarget::ReadyForCutover,
                call: CallStep::Due {
                    not_before: turn.now,
                },
                then: Then::Settle,
            };
        });
        return false;
    }
    let same_test = server.test.is_some()
        && seen.last_test.as_ref() == server.test.as_ref().map(|t| &t.launch.job);
    if state != LifeCycle::ReadyForCutover || !same_test {
        turn.with_server(index, |turn, server| {
            let reason = "it was changed outside this wave after its approval";
            server.test = None;
            super::cleanup::give_up(turn, server, Purpose::Test, reason);
        });
        return false;
    }
    if !cutovers::approved(turn, &server) {
        // Its gate lapsed, which is no failure of the server.
        turn.with_server(index, |turn, server| follow::step_back(turn, server));
        return false;
    }
    if !seen.caught_up() {
        turn.with_server(index, |turn, server| {
            server.stage = Stage::Settling { since: turn.now };
        });
        return false;
    }
    if settings::before_launch(turn, &server) != Standing::AsApproved {
        turn.look_again_soon();
        return false;
    }
    let fits = turn
        .application(&server)
        .is_some_and(|a| window::fits(turn, a));
    if !fits {
        turn.with_server(index, |turn, server| follow::step_back(turn, server));
        return false;
    }
    true
}

/// Terminate test instances whose time is over, unless their cutover would do it soon.
fn expire_test_instances(turn: &mut Turn) {
    let far = match (&turn.wave.phase, &turn.wave.plan.window) {
        (Phase::Testing | Phase::AwaitingCutover, Some(window)) => {
            turn.now < window.opens && window.opens.duration_since(turn.now) > CLOSE_TO_WINDOW
        }
        (Phase::Testing | Phase::AwaitingCutover, None) => !matches!(
            turn.wave.gates.get(&Gate::Cutover),
            Some(GateState::Approved { .. })
        ),
        _ => false,
    };
    for index in 0..turn.servers.len() {
        turn.with_server(index, |turn, server| {
            if let Stage::Tested {
                instance: TestInstance::Kept { until },
            } = &server.stage
                && *until <= turn.now
                && (far || gates::is_put_off(turn, Gate::Cutover, &server.id))
            {
                server.stage = Stage::Tested {
                    instance: TestInstance::Terminating(JobStep::Due {
                        not_before: turn.now,
                    }),
                };
            }
        });
    }
}

/// ChangeServerLifeCycleState for tests that passed and for steps back.
fn life_cycles(turn: &mut Turn) {
    for to in [
        LifeCycleTarget::ReadyForCutover,
        LifeCycleTarget::ReadyForTest,
    ] {
        let due: Vec<usize> = (0..turn.servers.len())
            .filter(|i| {
                turn.servers
                    .get(*i)
                    .is_some_and(|s| life_cycle_due(turn, s, to))
            })
            .collect();
        for batch in due.chunks(MOST_CALLS) {
            let servers = ids(turn, batch);
            let Some(effect) = turn.plan(Task::ChangeLifeCycle { servers, to }) else {
                return;
            };
            for index in batch {
                let effect = effect.clone();
                turn.with_server(*index, |_, server| {
                    if let Stage::Accepting { call } | Stage::Returning { call, .. } =
                        &mut server.stage
                    {
                        *call = CallStep::Calling { effect };
                    }
                });
            }
        }
    }
}

fn life_cycle_due(turn: &Turn, server: &Server, target: LifeCycleTarget) -> bool {
    match &server.stage {
        // MGN refuses a change while the server's job goes on.
        Stage::Accepting {
            call: CallStep::Due { not_before },
        } => {
            target == LifeCycleTarget::ReadyForCutover
                && *not_before <= turn.now
                && !job_goes_on(turn, server)
        }
        Stage::Returning {
            to,
            call: CallStep::Due { not_before },
            ..
        } => {
            *to == target
                && *not_before <= turn.now
                && turn.fresh(server).is_some()
                && !job_goes_on(turn, server)
        }
        _ => false,
    }
}

/// Whether a job goes on that MGN still counts the server to, so that it would refuse it another job
/// or life cycle state. What is waited for longer than a launch may take is asked for all the same.
pub(super) fn job_goes_on(turn: &Turn, server: &Server) -> bool {
    let patience = later(server.since, turn.wave.plan.policy.launch_timeout);
    let job = turn.seen.get(&server.id).and_then(|s| s.job.as_ref());
    server.refusals == 0 && turn.now < patience && job.is_some_and(|job| !job.completed)
}

/// SendCommand for checks, quiesces and restarts: servers that run the same document with the
/// same parameters share a command.
fn documents(turn: &mut Turn) {
    let mut groups: Vec<(Document, Vec<(usize, NodeId)>)> = Vec::new();
    for index in 0..turn.servers.len() {
        let Some((document, node)) = document_due(turn, index) else {
            continue;
        };
        match groups.iter_mut().find(|(d, _)| *d == document) {
            Some((_, nodes)) => nodes.push((index, node)),
            None => groups.push((document, vec![(index, node)])),
        }
    }
    for (document, nodes) in groups {
        for batch in nodes.chunks(MOST_NODES) {
            let targets: BTreeMap<ServerId, NodeId> = batch
                .iter()
                .filter_map(|(i, n)| turn.servers.get(*i).map(|s| (s.id.clone(), n.clone())))
                .collect();
            let task = Task::RunDocument {
                document: document.clone(),
                nodes: targets,
            };
            let Some(effect) = turn.plan(task) else {
                return;
            };
            for (index, _) in batch {
                let effect = effect.clone();
                turn.with_server(*index, |turn, server| {
                    if matches!(server.stage, Stage::Quiescing { .. }) {
                        server.quiesced_at.get_or_insert(turn.now);
                    }
                    if let Some(run) = run_of(&mut server.stage) {
                        run.tries += 1;
                        run.step = RunStep::Sending { effect };
                    }
                });
            }
        }
    }
}

/// The document that a server is due for, and the node to run it on.
fn document_due(turn: &mut Turn, index: usize) -> Option<(Document, NodeId)> {
    let server = turn.servers.get(index)?;
    let run = match &server.stage {
        Stage::Validating { run, .. }
        | Stage::Quiescing { run }
        | Stage::Silencing { run, .. }
        | Stage::Restarting { run, .. } => run,
        _ => return None,
    };
    let RunStep::Due { not_before } = run.step else {
        return None;
    };
    if not_before > turn.now {
        return None;
    }
    let application = turn.application(server)?;
    let (document, node) = match &server.stage {
        Stage::Validating { launch, check, .. } => (
            application
                .validate
                .get(usize::try_from(*check).ok()?)?
                .clone(),
            NodeId::parse(launch.instance.as_str()).ok(),
        ),
        Stage::Quiescing { .. } => (
            application.quiesce.as_ref()?.stop.clone(),
            source_node(turn, server),
        ),
        Stage::Silencing { .. } => {
            // Its node is looked at before it is asked: what is rolled back is often out of reach.
            turn.fresh(server)
                .filter(|_| rollback::may_stop(turn, server))?;
            (
                application.quiesce.as_ref()?.stop.clone(),
                NodeId::parse(server.target.as_ref()?.instance.as_str()).ok(),
            )
        }
        Stage::Restarting { .. } if !rollback::may_restart(turn, server) => return None,
        Stage::Restarting { .. } => (
            application.quiesce.as_ref()?.start.clone()?,
            source_node(turn, server),
        ),
        _ => return None,
    };
    if node.is_none() {
        // It was there at the preflight: an agent that is away comes back.
        turn.look_again_soon();
    }
    Some((document, node?))
}

pub(super) fn source_node(turn: &Turn, server: &Server) -> Option<NodeId> {
    turn.seen.get(&server.id)?.node.clone()
}

/// The document run of a stage that has one.
pub(super) fn run_of(stage: &mut Stage) -> Option<&mut Run> {
    match stage {
        Stage::Validating { run, .. }
        | Stage::Quiescing { run }
        | Stage::Silencing { run, .. }
        | Stage::Restarting { run, .. } => Some(run),
        _ => None,
    }
}

/// The servers at these places.
pub(super) fn ids(turn: &Turn, indices: &[usize]) -> Vec<ServerId> {
    indices
        .iter()
        .filter_map(|i| turn.servers.get(*i))
        .map(|s| s.id.clone())
        .collect()
}

/// Whether a failed server waits for a person.
pub(super) fn failed(server: &Server) -> bool {
    matches!(
        server.stage,
        Stage::Ended {
            end: End::Failed { .. }
        }
    )
}
