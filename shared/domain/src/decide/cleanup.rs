//! The way back of one server. What runs in AWS is stopped and kept, then the source is started
//! again, the life cycle set back, the instance terminated, in this order; then the server ends.
//!
//! **Invariant 10**: a source is started only once what its cutover launched has stopped; what was
//! written there is in complete snapshots before the instance is terminated.

use super::news;
use super::turn::{Turn, later};
use crate::audit::About;
use crate::effect::LifeCycleTarget;
use crate::id::{InstanceId, ServerId};
use crate::news::{Affected, News};
use crate::observation::{Answer, SnapshotsSeen, WaveSeen};
use crate::plan::OnFailure;
use crate::server::{
    CallStep, End, JobStep, Kept, Purpose, Run, RunStep, Server, Stage, TestInstance, Then,
};
use crate::wave::Phase;

/// The next step of the way back, or the end.
pub(super) fn clean_up(turn: &Turn, server: &Server, end: End) -> Stage {
    let call = CallStep::Due {
        not_before: turn.now,
    };
    let then = Then::CleanUp(end.clone());
    if server.cutover.is_some() {
        return Stage::Ended { end };
    }
    let undone = end == End::RolledBack;
    if let Some(target) = &server.target {
        // Where a source is stopped for the cutover, it must never run beside what that launched.
        let quiesces = turn
            .application(server)
            .is_some_and(|a| a.quiesce.is_some());
        if !target.stopped && (undone || quiesces) {
            return Stage::Stopping { call, then };
        }
        if undone && server.kept.is_none() {
            return Stage::Keeping { call, then };
        }
    }
    if server.quiesced_at.is_some() {
        return Stage::Restarting {
            run: Run::due(turn.now),
            then,
        };
    }
    if server.cutting_over {
        return Stage::Returning {
            to: LifeCycleTarget::ReadyForCutover,
            call,
            then,
        };
    }
    match end {
        // The instance of a failed server is kept for those who look for the reason.
        End::Failed { .. } => return Stage::Ended { end },
        // It stays ready to be cut over again.
        End::RolledBack => {}
        End::Skipped { .. } | End::Aborted { .. } if server.launched.is_some() => {
            return Stage::Returning {
                to: LifeCycleTarget::ReadyForTest,
                call,
                then,
            };
        }
        End::Skipped { .. } | End::Aborted { .. } => {}
    }
    if server.kept.as_ref().is_some_and(|kept| !kept.complete) {
        return Stage::Copying { then };
    }
    if server.instance.is_some() {
        return Stage::Terminating {
            step: JobStep::Due {
                not_before: turn.now,
            },
            then,
        };
    }
    Stage::Ended { end }
}

/// Go on after a step back.
pub(super) fn go_on(turn: &Turn, server: &Server, then: Then) -> Stage {
    match then {
        Then::Launch(purpose) => Stage::Launching {
            purpose,
            step: JobStep::Due {
                not_before: turn.now,
            },
        },
        Then::Settle => Stage::Settling { since: turn.now },
        // The source runs again before the server waits as it did.
        Then::Tested => match restart(turn, server, Then::Tested) {
            Some(stage) => stage,
            None => tested(turn, server),
        },
        Then::CleanUp(end) => clean_up(turn, server, end),
    }
}

/// As a server waits whose test has passed: its instance runs for what is left of its time, unless it
/// was terminated or a cutover was launched since, which removes it.
fn tested(turn: &Turn, server: &Server) -> Stage {
    let test = server.test.as_ref().filter(|test| {
        server.instance.is_some() && server.launched.as_ref() == Some(&test.launch.job)
    });
    let keep = turn.wave.plan.policy.keep_test_instances;
    let instance = test.map_or(TestInstance::Gone, |test| TestInstance::Kept {
        until: later(test.at, keep),
    });
    Stage::Tested { instance }
}

/// The next step until the source runs again, if it does not.
fn restart(turn: &Turn, server: &Server, then: Then) -> Option<Stage> {
    server.quiesced_at?;
    Some(if server.target_runs() {
        Stage::Stopping {
            call: CallStep::Due {
                not_before: turn.now,
            },
            then,
        }
    } else {
        Stage::Restarting {
            run: Run::due(turn.now),
            then,
        }
    })
}

/// Undo a cutover: what it launched is quiesced, if the plan can, and put away.
pub(super) fn roll_back(turn: &mut Turn, server: &mut Server) {
    server.cutover = None;
    server.downtime = None;
    let quiesces = turn
        .application(server)
        .is_some_and(|a| a.quiesce.is_some());
    server.stage = if quiesces && server.target_runs() {
        Stage::Silencing {
            run: Run::due(turn.now),
            then: Then::CleanUp(End::RolledBack),
        }
    } else {
        clean_up(turn, server, End::RolledBack)
    };
}

/// Whether a server waits for its source to be started, and the plan has no document for that.
pub(super) fn is_started_by_hand(turn: &Turn, server: &Server) -> bool {
    let can_start = || {
        turn.application(server)
            .and_then(|a| a.quiesce.as_ref())
            .is_some_and(|q| q.start.is_some())
    };
    matches!(server.stage, Stage::Restarting { .. }) && server.quiesced_at.is_some() && !can_start()
}

/// Whether an instance ran when EC2 was read last.
fn seen_running(turn: &Turn, server: &ServerId, instance: &InstanceId) -> bool {
    let seen = turn.seen.get(server);
    let seen = seen.and_then(|seen| seen.instance.as_ref());
    seen.is_some_and(|seen| seen.id == *instance && seen.running)
}

/// Whether EC2 was read, and shows that a server's snapshots are not complete.
fn seen_copying(turn: &Turn, server: &ServerId) -> bool {
    let answered = |round: &WaveSeen| round.others == Answer::Answered;
    let seen = turn.seen.get(server);
    turn.round.as_ref().is_some_and(answered)
        && seen.is_some_and(|seen| seen.snapshots == SnapshotsSeen::Pending)
}

/// A person did the step of the way back that a server waits in, or wants to go on without it.
///
/// # Errors
/// It waits in none, or the step is being done: a sentence without its end.
pub(super) fn take_as_done(turn: &Turn, server: &mut Server) -> Result<(), String> {
    let name = server.stage.name();
    let under_way = || format!("{} is {name}; wait until that ends", server.hostname);
    let then = match server.stage.clone() {
        Stage::Silencing { run, then } if !matches!(run.step, RunStep::Sending { .. }) => then,
        Stage::Restarting { run, then } if !matches!(run.step, RunStep::Sending { .. }) => {
            server.quiesced_at = None;
            then
        }
        Stage::Stopping {
            call: CallStep::Due { .. },
            then,
        } => {
            if let Some(target) = &mut server.target {
                // Its source would run beside it, and what it writes after its snapshot be lost.
                if seen_running(turn, &server.id, &target.instance) {
                    return Err(format!(
                        "{} was seen to run, which no word makes undone: stop it first",
                        target.instance
                    ));
                }
                target.stopped = true;
            }
            then
        }
        Stage::Keeping {
            call: CallStep::Due { .. },
            then,
        } => {
            server.kept = Some(Kept {
                snapshots: Vec::new(),
                complete: true,
            });
            then
        }
        Stage::Copying { then } => {
            if seen_copying(turn, &server.id) {
                return Err(format!(
                    "EC2 shows that the snapshots of {} are not complete, and terminating its instance now \
                     would lose what they lack: wait for them",
                    server.hostname
                ));
            }
            if let Some(kept) = &mut server.kept {
                kept.complete = true;
            }
            then
        }
        Stage::Returning {
            to,
            call: CallStep::Due { .. },
            then,
        } => {
            match to {
                LifeCycleTarget::ReadyForTest => server.launched = None,
                LifeCycleTarget::ReadyForCutover => server.cutting_over = false,
            }
            then
        }
        Stage::Terminating {
            step: JobStep::Due { .. },
            then,
        } => {
            server.instance = None;
            server.target = None;
            then
        }
        Stage::Silencing { .. }
        | Stage::Restarting { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Returning { .. }
        | Stage::Terminating { .. } => return Err(under_way()),
        _ => return Err(format!("{} is {name}", server.hostname)),
    };
    server.refusals = 0;
    server.stage = go_on(turn, server, then);
    Ok(())
}

/// A launch did not come to a good end: launch again, or give the server up.
pub(super) fn launch_failed(turn: &mut Turn, server: &mut Server, purpose: Purpose, reason: &str) {
    turn.note(
        "LaunchFailed",
        format!(
            "The {} of {} failed: {reason}.",
            purpose.name(),
            server.hostname
        ),
    );
    turn.about(About::server(&server.id));
    if server.launches(purpose) >= turn.wave.plan.policy.attempts {
        give_up(turn, server, purpose, reason);
        return;
    }
    server.stage = match purpose {
        Purpose::Test => Stage::Launching {
            purpose,
            step: JobStep::Due {
                not_before: turn.after(turn.wave.plan.policy.observe_every),
            },
        },
        Purpose::Cutover => Stage::Settling { since: turn.now },
    };
}

/// A server's attempts are used up.
pub(super) fn give_up(turn: &mut Turn, server: &mut Server, purpose: Purpose, reason: &str) {
    server.failed = true;
    turn.note(
        "ServerFailed",
        format!("{} failed: {reason}.", server.hostname),
    );
    turn.about(About::server(&server.id));
    let failed = News::ServerFailed {
        purpose: purpose.name().to_owned(),
        servers: Affected::one(&server.hostname, &server.id, reason),
    };
    news::tell(turn, failed);
    let end = if passed_over(turn, server) {
        End::Skipped {
            reason: format!("failed: {reason}"),
        }
    } else {
        End::Failed {
            purpose,
            reason: reason.to_owned(),
        }
    };
    server.stage = clean_up(turn, server, end);
}

/// Whether the policy leaves a server out that fails, instead of asking a person.
pub(super) fn passed_over(turn: &Turn, server: &Server) -> bool {
    match turn.wave.plan.policy.on_failure {
        OnFailure::Skip => !server.critical,
        OnFailure::Hold => false,
    }
}

/// Bring a server whose attempts were used up back into its pipeline.
pub(super) fn try_again(turn: &Turn, server: &mut Server) {
    let Stage::Ended {
        end: End::Failed { purpose, .. },
    } = &server.stage
    else {
        return;
    };
    let purpose = *purpose;
    server.failed = false;
    server.refusals = 0;
    match purpose {
        Purpose::Test => {
            server.tests = 0;
            server.test = None;
            server.stage = Stage::Replicating;
        }
        Purpose::Cutover => {
            server.cutovers = 0;
            server.stage = tested(turn, server);
        }
    }
}

/// On the way to the wave's end: what can be left is left, what is under way is waited for. What
/// was cut over stays as it is if the wave is aborted, and is undone if it is rolled back.
pub(super) fn leave(turn: &mut Turn, server: &mut Server) {
    let end = End::Aborted { cut_over: false };
    match &server.stage {
        Stage::Checking {
            purpose: Purpose::Cutover,
            ..
        }
        | Stage::CutOver { .. }
        | Stage::Finalizing {
            call: CallStep::Due { .. },
        } => cut_over(turn, server),
        Stage::Validating {
            purpose: Purpose::Cutover,
            run,
            ..
        } if !matches!(run.step, RunStep::Sending { .. }) => cut_over(turn, server),
        Stage::Validating {
            purpose: Purpose::Test,
            run,
            ..
        }
        | Stage::Quiescing { run }
            if !matches!(run.step, RunStep::Sending { .. }) =>
        {
            server.stage = clean_up(turn, server, end);
        }
        Stage::Replicating
        | Stage::Settling { .. }
        | Stage::Launching {
            step: JobStep::Due { .. },
            ..
        }
        | Stage::Checking {
            purpose: Purpose::Test,
            ..
        }
        | Stage::Accepting {
            call: CallStep::Due { .. },
        }
        | Stage::Tested {
            instance:
                TestInstance::Kept { .. }
                | TestInstance::Gone
                | TestInstance::Terminating(JobStep::Due { .. }),
        }
        // A failed server is cleaned up like every other that leaves.
        | Stage::Ended {
            end: End::Failed { .. },
        } => server.stage = clean_up(turn, server, end),
        // On the way back already: to its end instead of to where it was to go.
        Stage::Returning { .. }
        | Stage::Restarting { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Copying { .. } => {
            if let Stage::Returning { then, .. }
            | Stage::Restarting { then, .. }
            | Stage::Silencing { then, .. }
            | Stage::Stopping { then, .. }
            | Stage::Keeping { then, .. }
            | Stage::Copying { then } = &mut server.stage
                && !matches!(then, Then::CleanUp(_))
            {
                *then = Then::CleanUp(end);
            }
        }
        // Under way: what comes of it is waited for.
        Stage::Launching {
            step: JobStep::Requested { .. } | JobStep::Running { .. },
            ..
        }
        | Stage::Validating { .. }
        | Stage::Quiescing { .. }
        | Stage::Accepting {
            call: CallStep::Calling { .. },
        }
        | Stage::Tested {
            instance: TestInstance::Terminating(_),
        }
        | Stage::Terminating { .. }
        | Stage::Finalizing {
            call: CallStep::Calling { .. },
        }
        // Over.
        | Stage::Finalized { .. }
        | Stage::Ended {
            end: End::Skipped { .. } | End::Aborted { .. } | End::RolledBack,
        } => {}
    }
}

/// A server that runs in AWS leaves its wave.
fn cut_over(turn: &mut Turn, server: &mut Server) {
    if matches!(turn.wave.phase, Phase::RollingBack) {
        roll_back(turn, server);
    } else {
        server.stage = Stage::Ended {
            end: End::Aborted { cut_over: true },
        };
    }
}

impl Run {
    /// To be sent at this time, for the first time.
    pub(super) fn due(at: jiff::Timestamp) -> Self {
        Self {
            tries: 0,
            step: RunStep::Due { not_before: at },
        }
    }
}
