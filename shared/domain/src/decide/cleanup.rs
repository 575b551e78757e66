//! The way back of one server: the source is started again, the life cycle set back, the instance
//! terminated, in this order; then the server ends.

use super::turn::Turn;
use crate::audit::About;
use crate::effect::LifeCycleTarget;
use crate::news::News;
use crate::server::{
    CallStep, End, JobStep, Purpose, Run, RunStep, Server, Stage, TestInstance, Then,
};

/// The next step of the way back, or the end.
pub(super) fn clean_up(turn: &Turn, server: &Server, end: End) -> Stage {
    let due = turn.now;
    let can_restart = turn
        .application(server)
        .and_then(|a| a.quiesce.as_ref())
        .is_some_and(|q| q.start.is_some());
    if server.quiesced_at.is_some() && server.cutover.is_none() && can_restart {
        return Stage::Restarting {
            run: Run::due(due),
            then: Then::CleanUp(end),
        };
    }
    if server.cutting_over && server.cutover.is_none() {
        return Stage::Returning {
            to: LifeCycleTarget::ReadyForCutover,
            call: CallStep::Due { not_before: due },
            then: Then::CleanUp(end),
        };
    }
    let leaves = match end {
        End::Skipped { .. } | End::Aborted { .. } => true,
        // The instance of a failed server is kept for those who look for the reason.
        End::Failed { .. } => false,
    };
    if leaves && server.cutover.is_none() {
        if server.launched.is_some() {
            return Stage::Returning {
                to: LifeCycleTarget::ReadyForTest,
                call: CallStep::Due { not_before: due },
                then: Then::CleanUp(end),
            };
        }
        if server.instance.is_some() {
            return Stage::Terminating {
                step: JobStep::Due { not_before: due },
                then: Then::CleanUp(end),
            };
        }
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
        Then::Tested => Stage::Tested {
            instance: TestInstance::Gone,
        },
        Then::CleanUp(end) => clean_up(turn, server, end),
    }
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
    use crate::plan::OnFailure;
    server.failed = true;
    turn.note(
        "ServerFailed",
        format!("{} failed: {reason}.", server.hostname),
    );
    turn.about(About::server(&server.id));
    turn.tell(News::ServerFailed {
        hostname: server.hostname.clone(),
        server: server.id.clone(),
        purpose: purpose.name().to_owned(),
        reason: reason.to_owned(),
    });
    let end = match turn.wave.plan.policy.on_failure {
        OnFailure::Skip if !server.critical => End::Skipped {
            reason: format!("failed: {reason}"),
        },
        OnFailure::Skip | OnFailure::Hold => End::Failed {
            purpose,
            reason: reason.to_owned(),
        },
    };
    server.stage = clean_up(turn, server, end);
}

/// Bring a server whose attempts were used up back into its pipeline.
pub(super) fn try_again(server: &mut Server) {
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
            server.stage = Stage::Tested {
                instance: TestInstance::Gone,
            };
        }
    }
}

/// On the way to an abort: what can be left is left, what is under way is waited for.
pub(super) fn abort(turn: &Turn, server: &mut Server) {
    let end = End::Aborted { cut_over: false };
    let kept = Stage::Ended {
        end: End::Aborted { cut_over: true },
    };
    let next = match &server.stage {
        Stage::Replicating | Stage::Settling { .. } => clean_up(turn, server, end),
        Stage::Launching {
            step: JobStep::Due { .. },
            ..
        } => clean_up(turn, server, end),
        Stage::Launching {
            step: JobStep::Requested { .. } | JobStep::Running { .. },
            ..
        } => return,
        Stage::Checking {
            purpose: Purpose::Test,
            ..
        } => clean_up(turn, server, end),
        Stage::Checking {
            purpose: Purpose::Cutover,
            ..
        } => kept,
        Stage::Validating {
            run:
                Run {
                    step: RunStep::Sending { .. },
                    ..
                },
            ..
        } => return,
        Stage::Validating {
            purpose: Purpose::Test,
            ..
        } => clean_up(turn, server, end),
        Stage::Validating {
            purpose: Purpose::Cutover,
            ..
        } => kept,
        Stage::Accepting {
            call: CallStep::Due { .. },
        } => clean_up(turn, server, end),
        Stage::Accepting {
            call: CallStep::Calling { .. },
        } => return,
        Stage::Tested {
            instance: TestInstance::Kept { .. } | TestInstance::Gone,
        } => clean_up(turn, server, end),
        Stage::Tested {
            instance: TestInstance::Terminating(JobStep::Due { .. }),
        } => clean_up(turn, server, end),
        Stage::Tested {
            instance: TestInstance::Terminating(_),
        } => return,
        Stage::Quiescing {
            run: Run {
                step: RunStep::Due { .. },
                ..
            },
        } => clean_up(turn, server, end),
        Stage::Quiescing { .. } => return,
        Stage::Returning { to, call, then } => match then {
            Then::Launch(_) | Then::Settle | Then::Tested => Stage::Returning {
                to: *to,
                call: call.clone(),
                then: Then::CleanUp(end),
            },
            Then::CleanUp(_) => return,
        },
        Stage::Restarting { run, then } => match then {
            Then::Launch(_) | Then::Settle | Then::Tested => Stage::Restarting {
                run: run.clone(),
                then: Then::CleanUp(end),
            },
            Then::CleanUp(_) => return,
        },
        Stage::Terminating { .. } => return,
        Stage::CutOver { .. }
        | Stage::Finalizing {
            call: CallStep::Due { .. },
        } => kept,
        Stage::Finalizing {
            call: CallStep::Calling { .. },
        } => return,
        // A failed server is cleaned up like every other that leaves.
        Stage::Ended {
            end: End::Failed { .. },
        } => clean_up(turn, server, end),
        Stage::Finalized { .. }
        | Stage::Ended {
            end: End::Skipped { .. } | End::Aborted { .. },
        } => {
            return;
        }
    };
    server.stage = next;
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
