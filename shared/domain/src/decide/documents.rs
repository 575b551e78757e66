//! What runs on machines: EC2's own checks, the application's checks on what was launched, and the
//! documents that stop and start the source. Nothing is sent here.

use super::access;
use super::cleanup::{give_up, go_on, launch_failed};
use super::turn::{Turn, later};
use super::{rollback, settings, wants};
use crate::audit::About;
use crate::observation::{CommandStatus, StatusChecks};
use crate::plan::Document;
use crate::server::{
    CallStep, CheckResult, Launch, Passed, Purpose, Run, RunStep, Server, Stage, Then,
};

/// A command that SSM has not ended by itself counts as failed so long after its time-out.
const COMMAND_GRACE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

pub(super) fn checking(
    turn: &mut Turn,
    server: &mut Server,
    purpose: Purpose,
    launch: Launch,
    since: jiff::Timestamp,
) {
    let needs_ssm = turn
        .application(server)
        .is_some_and(|a| !a.validate.is_empty());
    let instance = turn
        .fresh(server)
        .and_then(|s| s.instance.clone())
        .filter(|i| i.id == launch.instance);
    if let Some(instance) = instance {
        if instance.gone {
            return launch_failed(turn, server, purpose, "its instance is gone");
        }
        match instance.checks {
            StatusChecks::Failed => {
                return launch_failed(turn, server, purpose, "its EC2 status checks failed");
            }
            StatusChecks::Passed if instance.running && (instance.managed || !needs_ssm) => {
                server.trial.booted_at = Some(turn.now);
                return validate_next(turn, server, purpose, launch, 0);
            }
            StatusChecks::Passed | StatusChecks::Pending => {}
        }
    }
    let deadline = later(since, turn.wave.plan.policy.boot_timeout);
    if access::is_past(turn, deadline) {
        let reason = "it did not pass its EC2 status checks and reach SSM in time";
        return launch_failed(turn, server, purpose, reason);
    }
    turn.look_again(deadline);
    turn.look_again_soon();
}

/// Run the next check, or be done with them.
fn validate_next(
    turn: &mut Turn,
    server: &mut Server,
    purpose: Purpose,
    launch: Launch,
    check: u32,
) {
    let checks = turn
        .application(server)
        .map_or(0, |a| u32::try_from(a.validate.len()).unwrap_or(u32::MAX));
    if check < checks {
        server.stage = Stage::Validating {
            purpose,
            launch,
            check,
            run: Run::due(turn.now),
        };
        return;
    }
    let trial = std::mem::take(&mut server.trial);
    let waived = trial.results.iter().filter(|result| result.waived).count();
    let passed = Passed {
        settings: settings::launched_with(turn, server, &launch),
        launch,
        at: turn.now,
        checks: checks.saturating_sub(u32::try_from(waived).unwrap_or(u32::MAX)),
        trial,
    };
    match purpose {
        Purpose::Test => {
            server.test = Some(passed);
            server.stage = Stage::Accepting {
                call: CallStep::Due {
                    not_before: turn.now,
                },
            };
            turn.note(
                "TestPassed",
                format!("{} passed its test.", server.hostname),
            );
            turn.about(About::server(&server.id));
        }
        Purpose::Cutover => {
            let down_since = server.quiesced_at.unwrap_or(passed.launch.requested_at);
            server.downtime = Some(turn.now.duration_since(down_since));
            server.cutover = Some(passed);
            server.stage = Stage::CutOver { at: turn.now };
            turn.note("CutOver", format!("{} runs in AWS.", server.hostname));
            turn.about(About::server(&server.id));
        }
    }
    server.refusals = 0;
}

pub(super) fn validating(
    turn: &mut Turn,
    server: &mut Server,
    purpose: Purpose,
    launch: Launch,
    check: u32,
    run: Run,
) {
    let document = turn
        .application(server)
        .and_then(|a| a.validate.get(usize::try_from(check).unwrap_or(usize::MAX)))
        .cloned();
    let Some(document) = document else {
        return validate_next(turn, server, purpose, launch, check);
    };
    match ran(turn, server, &run, document.timeout) {
        Ran::NotYet => {}
        Ran::Succeeded => {
            tried(server, &document, &run, false);
            validate_next(turn, server, purpose, launch, check + 1);
        }
        Ran::Failed(reason) => {
            turn.note(
                "CheckFailed",
                format!(
                    "{} failed on {}: {reason}",
                    document.document, server.hostname
                ),
            );
            turn.about(About::server(&server.id));
            let mut waivers = server.waivers.iter();
            if let Some(waiver) = waivers.find(|w| w.check == document.document) {
                turn.note_by(
                    "CheckWaived",
                    format!(
                        "{} passes on {} all the same: {}",
                        document.document, server.hostname, waiver.reason
                    ),
                    &waiver.by,
                    &document.document,
                );
                turn.about(About::server(&server.id));
                tried(server, &document, &run, true);
                validate_next(turn, server, purpose, launch, check + 1);
            } else if run.tries < turn.wave.plan.policy.attempts {
                let run = run.again(turn);
                server.stage = Stage::Validating {
                    purpose,
                    launch,
                    check,
                    run,
                };
            } else {
                launch_failed(
                    turn,
                    server,
                    purpose,
                    &format!("{}: {reason}", document.document),
                );
            }
        }
    }
}

/// A check was run to its end.
fn tried(server: &mut Server, document: &Document, run: &Run, waived: bool) {
    if let RunStep::Running { command, .. } = &run.step {
        server.trial.results.push(CheckResult {
            document: document.document.clone(),
            command: command.clone(),
            waived,
        });
    }
}

pub(super) fn quiescing(turn: &mut Turn, server: &mut Server, run: Run) {
    let Some(quiesce) = turn.application(server).and_then(|a| a.quiesce.clone()) else {
        server.stage = Stage::Settling { since: turn.now };
        return;
    };
    match ran(turn, server, &run, quiesce.stop.timeout) {
        Ran::NotYet => {}
        Ran::Succeeded => {
            turn.note(
                "SourceQuiesced",
                format!("{} is stopped on its source.", server.hostname),
            );
            turn.about(About::server(&server.id));
            server.stage = Stage::Settling { since: turn.now };
            turn.look_again_soon();
        }
        Ran::Failed(reason) => {
            if run.tries < turn.wave.plan.policy.attempts {
                server.stage = Stage::Quiescing {
                    run: run.again(turn),
                };
            } else {
                let reason = format!("its source could not be quiesced: {reason}");
                give_up(turn, server, Purpose::Cutover, &reason);
            }
        }
    }
}

pub(super) fn restarting(turn: &mut Turn, server: &mut Server, run: Run, then: Then) {
    let start = turn
        .application(server)
        .and_then(|a| a.quiesce.as_ref())
        .and_then(|q| q.start.clone());
    let Some(start) = start else {
        // A person is asked to do it, and says so by a resume.
        if server.quiesced_at.is_none() {
            server.stage = go_on(turn, server, then);
        }
        return;
    };
    match ran(turn, server, &run, start.timeout) {
        Ran::NotYet => {}
        Ran::Succeeded => {
            turn.note(
                "SourceRestarted",
                format!("{} runs on its source again.", server.hostname),
            );
            turn.about(About::server(&server.id));
            server.quiesced_at = None;
            server.stage = go_on(turn, server, then);
        }
        Ran::Failed(reason) => {
            let again = if run.tries < turn.wave.plan.policy.attempts {
                run.again(turn)
            } else {
                turn.hold(crate::hold::HoldReason::Refused {
                    task: format!("Starting the source of {} again", server.hostname),
                    message: reason,
                });
                Run {
                    tries: 0,
                    ..run.again(turn)
                }
            };
            server.stage = Stage::Restarting { run: again, then };
        }
    }
}

/// How one try of a document went.
pub(super) enum Ran {
    NotYet,
    Succeeded,
    Failed(String),
}

pub(super) fn ran(
    turn: &mut Turn,
    server: &Server,
    run: &Run,
    timeout: jiff::SignedDuration,
) -> Ran {
    match &run.step {
        RunStep::Due { not_before } => {
            let deadline = later(later(*not_before, timeout), COMMAND_GRACE);
            if out_of_reach(turn, server) && access::is_past(turn, deadline) {
                return Ran::Failed("SSM has no online managed node of it".to_owned());
            }
            turn.look_again(*not_before);
            Ran::NotYet
        }
        RunStep::Sending { .. } => Ran::NotYet,
        RunStep::Running { command, since } => {
            let status = turn
                .seen
                .get(&server.id)
                .and_then(|s| s.commands.get(command));
            match status {
                Some(CommandStatus::Succeeded) => return Ran::Succeeded,
                Some(CommandStatus::Failed(reason)) => return Ran::Failed(reason.clone()),
                Some(CommandStatus::Pending) | None => {}
            }
            let deadline = later(later(*since, timeout), COMMAND_GRACE);
            if access::is_past(turn, deadline) {
                return Ran::Failed("no result in time".to_owned());
            }
            turn.look_again(deadline);
            turn.look_again_soon();
            Ran::NotYet
        }
    }
}

/// Whether a document that is due on a source cannot be sent there.
fn out_of_reach(turn: &Turn, server: &Server) -> bool {
    let stops = matches!(server.stage, Stage::Quiescing { .. });
    let starts = matches!(server.stage, Stage::Restarting { .. });
    (stops || (starts && rollback::may_restart(turn, server)))
        && wants::source_node(turn, server).is_none()
}

impl Run {
    /// The next try. One that could not even be sent counts, too.
    fn again(&self, turn: &Turn) -> Self {
        let unsent = matches!(self.step, RunStep::Due { .. });
        Self {
            tries: self.tries + u32::from(unsent),
            step: RunStep::Due {
                not_before: turn.after(turn.wave.plan.policy.observe_every),
            },
        }
    }
}
