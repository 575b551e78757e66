//! What an observation does to a server: its stage advances, or stays, or its launch has failed.
//! Nothing is asked for here.
//!
//! **Invariant 1**: only what was read counts, and only if it was read after the stage began.

use super::cleanup::{give_up, go_on, launch_failed};
use super::documents::{checking, quiescing, restarting, validating};
use super::turn::{Turn, later};
use super::{access, rollback, settings, stalls};
use crate::audit::About;
use crate::effect::LifeCycleTarget;
use crate::id::InstanceId;
use crate::observation::{Answer, Halted, JobSeen, LaunchStatus, LifeCycle, ServerSeen};
use crate::server::{
    CallStep, JobStep, Launch, Purpose, Server, Stage, Target, TestInstance, Then, Trial,
};
use crate::wave::{Claims, Phase};

/// Why nothing more can be done with a server that MGN does not list.
pub(super) const GONE: &str = "MGN does not know it any more";

/// Let a server's latest observation change its stage.
pub(super) fn follow(turn: &mut Turn, server: &mut Server) {
    stalls::follow(turn, server);
    match server.stage.clone() {
        Stage::Replicating => replicating(turn, server),
        Stage::Launching {
            purpose,
            step: JobStep::Running { job, since },
        } => {
            launching(turn, server, purpose, &job, since);
        }
        Stage::Launching {
            purpose,
            step: JobStep::Due { not_before },
        } => {
            if gone(turn, server) {
                give_up(turn, server, purpose, GONE);
            } else {
                turn.look_again(not_before);
            }
        }
        Stage::Checking {
            purpose,
            launch,
            since,
        } => {
            checking(turn, server, purpose, launch, since);
        }
        Stage::Validating {
            purpose,
            launch,
            check,
            run,
        } => {
            validating(turn, server, purpose, launch, check, run);
        }
        Stage::Tested { instance } => tested(turn, server, instance),
        Stage::Quiescing { run } => quiescing(turn, server, run),
        Stage::Settling { .. } => settling(turn, server),
        Stage::Returning { to, call, then } => returning(turn, server, to, call, then),
        Stage::Silencing { run, then } => rollback::silencing(turn, server, run, then),
        Stage::Stopping { call, then } => rollback::stopping(turn, server, call, then),
        Stage::Keeping { call, .. } => {
            if let CallStep::Due { not_before } = call {
                turn.look_again(not_before);
            }
        }
        Stage::Copying { then } => rollback::copying(turn, server, then),
        Stage::Restarting { run, then } => restarting(turn, server, run, then),
        Stage::Terminating {
            step: JobStep::Running { job, since },
            then,
        } => {
            if terminated(turn, server, &job, since) {
                server.instance = None;
                server.target = None;
                server.stage = go_on(turn, server, then);
            }
        }
        Stage::Accepting {
            call: CallStep::Due { not_before },
        }
        | Stage::Finalizing {
            call: CallStep::Due { not_before },
        } => turn.look_again(not_before),
        Stage::Terminating {
            step: JobStep::Due { not_before },
            then,
        } => {
            if instance_is_gone(turn, server) || gone(turn, server) {
                server.instance = None;
                server.target = None;
                server.stage = go_on(turn, server, then);
            } else {
                turn.look_again(not_before);
            }
        }
        // Their effects are followed by `outcomes`; the rest is at rest.
        Stage::Launching {
            step: JobStep::Requested { .. },
            ..
        }
        | Stage::Accepting {
            call: CallStep::Calling { .. },
        }
        | Stage::Finalizing {
            call: CallStep::Calling { .. },
        }
        | Stage::Terminating {
            step: JobStep::Requested { .. },
            ..
        }
        | Stage::CutOver { .. }
        | Stage::Finalized { .. }
        | Stage::Ended { .. } => {}
    }
}

fn replicating(turn: &mut Turn, server: &mut Server) {
    if turn.wave.claims != Claims::Held {
        return;
    }
    turn.look_again_soon();
    if let Some(reason) = lost(turn, server) {
        return give_up(turn, server, Purpose::Test, &reason);
    }
    let max_lag = turn.wave.plan.policy.max_lag;
    let ready = turn
        .seen
        .get(&server.id)
        .is_some_and(|s| ready_to_test(s, max_lag));
    if ready && matches!(turn.wave.phase, Phase::Testing) {
        server.stage = Stage::Launching {
            purpose: Purpose::Test,
            step: JobStep::Due {
                not_before: turn.now,
            },
        };
    }
}

/// Why a server will never be ready for a test by itself, if it will not.
fn lost(turn: &Turn, server: &Server) -> Option<String> {
    if gone(turn, server) {
        return Some(GONE.to_owned());
    }
    let seen = turn.seen.get(&server.id)?;
    match seen.life_cycle {
        _ if seen.archived => Some("it is archived in MGN".to_owned()),
        LifeCycle::Cutover => Some("it is finalized already".to_owned()),
        LifeCycle::Disconnected => Some("it is disconnected from MGN".to_owned()),
        LifeCycle::Stopped
        | LifeCycle::NotReady
        | LifeCycle::ReadyForTest
        | LifeCycle::Testing
        | LifeCycle::ReadyForCutover
        | LifeCycle::CuttingOver
        | LifeCycle::Discovered
        | LifeCycle::PendingInstallation
        | LifeCycle::Unknown => match seen.halted()? {
            // `stalls` asks a person in the end.
            Halted::NotBegun => None,
            Halted::Stopped | Halted::Paused if turn.wave.phase == Phase::Waiting => None,
            why @ (Halted::Stopped | Halted::Paused) => Some(why.to_string()),
        },
    }
}

/// In step, with a snapshot, in a life cycle state from which a test can come.
pub(super) fn ready_to_test(seen: &ServerSeen, max_lag: jiff::SignedDuration) -> bool {
    let life_cycle = match seen.life_cycle {
        LifeCycle::ReadyForTest | LifeCycle::Testing | LifeCycle::ReadyForCutover => true,
        // Set back by `wants` before it is tested again.
        LifeCycle::CuttingOver => true,
        LifeCycle::Stopped
        | LifeCycle::NotReady
        | LifeCycle::Cutover
        | LifeCycle::Disconnected
        | LifeCycle::Discovered
        | LifeCycle::PendingInstallation
        | LifeCycle::Unknown => false,
    };
    life_cycle && !seen.archived && seen.in_step(max_lag)
}

/// Whether somebody removed a server from MGN: MGN answered, long after it named the server last
/// and after the stage began. For stages in which the server is read in every round.
pub(super) fn gone(turn: &Turn, server: &Server) -> bool {
    let policy = &turn.wave.plan.policy;
    let patience = policy.boot_timeout.max(policy.observe_every * 2);
    let named = turn.seen.get(&server.id).map(|seen| seen.at);
    let long_after = later(named.unwrap_or(server.since).max(server.since), patience);
    turn.round
        .as_ref()
        .is_some_and(|round| round.mgn == Answer::Answered && round.at > long_after)
}

fn launching(
    turn: &mut Turn,
    server: &mut Server,
    purpose: Purpose,
    job: &crate::id::JobId,
    since: jiff::Timestamp,
) {
    let deadline = later(since, turn.wave.plan.policy.launch_timeout);
    let seen = turn
        .seen
        .get(&server.id)
        .and_then(|s| s.job.clone())
        .filter(|j| j.id == *job);
    let Some(seen) = seen else {
        return overdue(turn, server, purpose, job, deadline);
    };
    if seen.skipped {
        return launch_failed(turn, server, purpose, "MGN skipped it");
    }
    match (seen.launch, seen.instance) {
        (LaunchStatus::Launched, Some(instance)) => {
            launched(server, purpose, instance.clone());
            if seen.previous_snapshot {
                server.previous_snapshots += 1;
                // The source did not answer when the snapshot was made: what runs is old.
                return launch_failed(
                    turn,
                    server,
                    purpose,
                    "it was launched from a previous snapshot",
                );
            }
            server.trial = Trial {
                launched_at: Some(turn.now),
                ..Trial::default()
            };
            server.stage = Stage::Checking {
                purpose,
                launch: Launch {
                    job: job.clone(),
                    instance,
                    requested_at: since,
                },
                since: turn.now,
            };
            turn.look_again_soon();
        }
        (LaunchStatus::Failed | LaunchStatus::Terminated, _) => {
            launch_failed(turn, server, purpose, "MGN could not launch it");
        }
        (LaunchStatus::Launched, None)
        | (LaunchStatus::Pending | LaunchStatus::InProgress | LaunchStatus::Unknown, _) => {
            if seen.completed {
                launch_failed(turn, server, purpose, "the job ended without launching it");
            } else {
                overdue(turn, server, purpose, job, deadline);
            }
        }
    }
}

/// An instance was launched for a server.
fn launched(server: &mut Server, purpose: Purpose, instance: InstanceId) {
    if purpose == Purpose::Cutover {
        server.target = Some(Target {
            instance: instance.clone(),
            stopped: false,
        });
    }
    server.instance = Some(instance);
}

fn overdue(
    turn: &mut Turn,
    server: &mut Server,
    purpose: Purpose,
    job: &crate::id::JobId,
    deadline: jiff::Timestamp,
) {
    // Nobody can take a launch as done by hand: a wave that is ended waits for no read of it.
    let ending = turn.wave.phase.ending() && turn.now >= deadline;
    if ending || access::is_past(turn, deadline) {
        launch_failed(
            turn,
            server,
            purpose,
            &format!("{job} did not launch it in time"),
        );
    } else {
        turn.look_again(deadline);
        turn.look_again_soon();
    }
}

/// Whether somebody removed a server's instance, as EC2 says.
fn instance_is_gone(turn: &Turn, server: &Server) -> bool {
    let seen = turn.fresh(server).and_then(|s| s.instance.as_ref());
    seen.is_some_and(|i| i.gone && Some(&i.id) == server.instance.as_ref())
}

fn tested(turn: &mut Turn, server: &mut Server, instance: TestInstance) {
    let over = match &instance {
        TestInstance::Terminating(JobStep::Running { job, since }) => {
            terminated(turn, server, job, *since)
        }
        TestInstance::Terminating(JobStep::Due { .. }) => instance_is_gone(turn, server),
        TestInstance::Terminating(JobStep::Requested { .. })
        | TestInstance::Kept { .. }
        | TestInstance::Gone => false,
    };
    if over {
        server.instance = None;
        server.stage = Stage::Tested {
            instance: TestInstance::Gone,
        };
        return;
    }
    settings::look(turn, server);
    if let TestInstance::Kept { until } = instance
        && until > turn.now
    {
        turn.look_again(until);
    }
    if turn.fresh(server).is_none() && gone(turn, server) {
        server.test = None;
        server.stage = Stage::Replicating;
        return;
    }
    // Somebody else's doing: a test that is no longer the last one, or a life cycle that is no
    // longer ours, is worth nothing.
    let Some(seen) = turn.fresh(server) else {
        return;
    };
    let ours = server.test.as_ref().map(|t| &t.launch.job);
    let last = seen.last_test.as_ref();
    let state = seen.life_cycle;
    if state == LifeCycle::ReadyForCutover && last == ours {
        return;
    }
    if matches!(instance, TestInstance::Terminating(_)) {
        return;
    }
    let reason = if last == ours {
        "its life cycle was changed outside this wave"
    } else {
        "it was tested again outside this wave"
    };
    turn.note(
        "TestLapsed",
        format!("{}: {reason}; it is tested again.", server.hostname),
    );
    turn.about(About::server(&server.id));
    server.test = None;
    server.tests = 0;
    server.stage = Stage::Replicating;
}

fn settling(turn: &mut Turn, server: &mut Server) {
    turn.look_again_soon();
    let deadline = later(server.since, turn.wave.plan.policy.boot_timeout);
    if turn.fresh(server).is_some_and(ServerSeen::caught_up) {
        server.stage = Stage::Launching {
            purpose: Purpose::Cutover,
            step: JobStep::Due {
                not_before: turn.now,
            },
        };
    } else if access::is_past(turn, deadline) {
        let reason = "its replication did not catch up after the quiesce";
        give_up(turn, server, Purpose::Cutover, reason);
    }
}

fn returning(
    turn: &mut Turn,
    server: &mut Server,
    to: LifeCycleTarget,
    call: CallStep,
    then: Then,
) {
    let CallStep::Due { not_before } = call else {
        return;
    };
    turn.look_again(not_before);
    if gone(turn, server) {
        return returned(turn, server, to, then);
    }
    let Some(seen) = turn.fresh(server) else {
        return turn.look_again_soon();
    };
    if let Some(job) = &server.launched {
        // A launch that was given up as overdue may still come to something.
        let patience = later(server.since, turn.wave.plan.policy.launch_timeout);
        let job = seen.job.clone().filter(|seen| seen.id == *job);
        let failed = |job: &JobSeen| job.completed || job.launch == LaunchStatus::Failed;
        match job {
            Some(job) if job.launch == LaunchStatus::Launched => {
                if let Some(instance) = job.instance.filter(|i| server.instance.as_ref() != Some(i))
                {
                    let purpose = if server.cutting_over {
                        Purpose::Cutover
                    } else {
                        Purpose::Test
                    };
                    launched(server, purpose, instance);
                }
            }
            job if job.as_ref().is_some_and(failed) || turn.now >= patience => {}
            _ => return turn.look_again_soon(),
        }
    }
    let needed = match (to, seen.life_cycle) {
        (LifeCycleTarget::ReadyForTest, LifeCycle::Testing | LifeCycle::ReadyForCutover) => true,
        (LifeCycleTarget::ReadyForCutover, LifeCycle::CuttingOver) => true,
        (LifeCycleTarget::ReadyForTest | LifeCycleTarget::ReadyForCutover, _) => false,
    };
    if !needed {
        returned(turn, server, to, then);
    }
}

/// The life cycle was set back, or was there already.
pub(super) fn returned(turn: &mut Turn, server: &mut Server, to: LifeCycleTarget, then: Then) {
    match to {
        LifeCycleTarget::ReadyForTest => server.launched = None,
        LifeCycleTarget::ReadyForCutover => server.cutting_over = false,
    }
    server.refusals = 0;
    server.stage = go_on(turn, server, then);
}

/// Whether a termination has ended, or is so late that nothing more is expected of it.
fn terminated(
    turn: &mut Turn,
    server: &Server,
    job: &crate::id::JobId,
    since: jiff::Timestamp,
) -> bool {
    let ended = turn
        .seen
        .get(&server.id)
        .and_then(|s| s.job.as_ref())
        .is_some_and(|j| j.id == *job && (j.completed || j.launch == LaunchStatus::Terminated));
    if ended {
        return true;
    }
    let deadline = later(since, turn.wave.plan.policy.launch_timeout);
    turn.look_again(deadline);
    turn.look_again_soon();
    if turn.now >= deadline {
        turn.note(
            "TerminationOverdue",
            format!("{job} has not ended for {}.", server.hostname),
        );
        turn.about(About::server(&server.id));
        return true;
    }
    false
}

/// A cutover that may not be launched in what is left of the window: the source runs again, and
/// the server waits as it did before.
pub(super) fn step_back(turn: &Turn, server: &mut Server) {
    server.stage = go_on(turn, server, Then::Tested);
}
