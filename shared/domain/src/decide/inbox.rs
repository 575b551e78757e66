//! What people ask: every message has a defined outcome in every phase. It is done, already
//! known, or refused with a reason in the audit chain; it is drained in any case.

use super::decisions::{self, Said};
use super::turn::{Turn, named};
use super::{amend, cancel, cleanup, gates, lapses, rollback, stalls};
use crate::audit::About;
use crate::gate::{Gate, Verdict};
use crate::hold::{Hold, HoldId, HoldReason};
use crate::id::ServerId;
use crate::message::{Body, Message};
use crate::plan::{Approver, Start};
use crate::server::{CallStep, End, JobStep, RunStep, Server, Stage, TestInstance};
use crate::wave::Phase;
use crate::words::one_line;

/// The digits of a hash; what somebody sends instead of one is cut there.
const HASH: usize = 64;

/// Deal with one message.
pub(super) fn receive(turn: &mut Turn, message: Message) {
    let Message { id, by, body, at } = message;
    let about = about(turn, &body);
    let answer = if turn.wave.phase.terminal() {
        Err("the wave has ended".to_owned())
    } else {
        match body {
            Body::Apply(plan) => amend::amend(turn, &by, *plan),
            Body::Start => start(turn, &by),
            Body::Hold { note } => hold(turn, &by, note),
            Body::Resume { hold } => resume(turn, hold),
            Body::Skip { servers } => skip(turn, &by, &servers),
            Body::Abort => abort(turn),
            Body::RollBack { note } => rollback::ask(turn, &by, &note),
            Body::Decide {
                gate,
                verdict,
                evidence,
                door,
                only,
                reason,
            } => {
                let said = Said {
                    by: &by,
                    at,
                    gate,
                    verdict,
                    evidence: &evidence,
                    door,
                    only: &only,
                    reason,
                };
                decisions::decide(turn, said)
            }
            Body::Withdraw { gate, evidence, .. } => {
                decisions::withdraw(turn, &by, gate, &evidence)
            }
            Body::Waive {
                servers,
                check,
                reason,
            } => decisions::waive(turn, &by, &servers, &check, &reason),
            Body::Ask { gate } => decisions::ask_again(turn, gate),
        }
    };
    match answer {
        Ok(text) => turn.note_by("MessageCounted", text, &by, &id),
        Err(reason) => turn.note_by("MessageRefused", format!("Refused: {reason}."), &by, &id),
    }
    turn.about(about);
    turn.drained.push(id);
}

/// What a message is about, for machines.
fn about(turn: &Turn, body: &Body) -> About {
    match body {
        Body::Decide {
            gate,
            verdict,
            evidence,
            only,
            ..
        } => {
            let about = About {
                verdict: Some(*verdict),
                ..About::evidence(*gate, &one_line(evidence, HASH))
            };
            match verdict {
                Verdict::Approve => about.with_servers(&decisions::part(turn, *gate, only)),
                // Always about the whole.
                Verdict::Reject => about,
            }
        }
        Body::Withdraw { gate, evidence, .. } => About::evidence(*gate, &one_line(evidence, HASH)),
        Body::Ask { gate } => About::gate(*gate),
        Body::Skip { servers } | Body::Waive { servers, .. } => {
            About::default().with_servers(servers)
        }
        Body::Apply(_)
        | Body::Start
        | Body::Hold { .. }
        | Body::Resume { .. }
        | Body::Abort
        | Body::RollBack { .. } => About::default(),
    }
}

/// What came of a message: what was done, or why not.
pub(super) type Answer = Result<String, String>;

pub(super) fn in_motion(server: &Server) -> bool {
    !matches!(
        server.stage,
        Stage::Tested {
            instance: TestInstance::Kept { .. } | TestInstance::Gone
        } | Stage::CutOver { .. }
            | Stage::Finalized { .. }
            | Stage::Ended { .. }
    )
}

fn start(turn: &mut Turn, by: &Approver) -> Answer {
    match turn.wave.phase {
        Phase::Waiting => {
            let first = turn.wave.started.is_none() || turn.wave.plan.start == Start::Replication;
            turn.wave.started.get_or_insert(turn.now);
            turn.wave.started_by.get_or_insert(by.clone());
            turn.wave.plan.start = Start::Manual;
            Ok(if first {
                "The wave is started."
            } else {
                "The wave was started already."
            }
            .into())
        }
        Phase::Preflight { .. }
        | Phase::Testing
        | Phase::AwaitingCutover
        | Phase::CuttingOver
        | Phase::Soaking { .. }
        | Phase::AwaitingFinalize
        | Phase::Finalizing => Ok("The wave was started already.".to_owned()),
        Phase::RollingBack
        | Phase::Aborting
        | Phase::Completed
        | Phase::RolledBack
        | Phase::Aborted => Err("the wave is being ended".to_owned()),
    }
}

fn hold(turn: &mut Turn, by: &Approver, note: String) -> Answer {
    if turn.wave.phase.ending() {
        return Err("the wave is being ended".to_owned());
    }
    if turn.wave.hold.is_some() {
        return Ok("The wave was held already.".to_owned());
    }
    turn.hold(HoldReason::Asked {
        by: by.to_string(),
        note,
    });
    Ok("The wave is held.".to_owned())
}

fn resume(turn: &mut Turn, id: HoldId) -> Answer {
    let Some(hold) = turn.wave.hold.clone().filter(|h| h.id == id) else {
        return Err("that hold is not there any more; look at the wave again".to_owned());
    };
    turn.wave.hold = None;
    turn.wave.starved_since = None;
    match hold.reason {
        HoldReason::Preflight { .. } => {
            if let Phase::Preflight { looked_at, .. } = &mut turn.wave.phase {
                *looked_at = 0;
            }
        }
        HoldReason::ServersFailed { .. } => try_failed_again(turn),
        HoldReason::Stalled { .. } => stalls::begin_anew(turn),
        HoldReason::BudgetSpent { failed, .. } => turn.wave.accepted_failures = failed,
        HoldReason::SourcesStopped { .. } => started_by_hand(turn),
        HoldReason::Rejected { gate, .. } | HoldReason::Expired { gate } => {
            if let Some(gate) = Gate::from_name(&gate) {
                lapses::ask_anew(turn, gate);
            }
        }
        HoldReason::Asked { .. }
        | HoldReason::Selection { .. }
        | HoldReason::Uninitialized
        | HoldReason::Denied { .. }
        | HoldReason::Unanswered { .. }
        | HoldReason::Quota { .. }
        | HoldReason::WindowMissed
        | HoldReason::Unhealthy { .. }
        | HoldReason::Refused { .. }
        | HoldReason::Quarantined { .. } => {}
    }
    // What was handed out in vain is handed out again at once.
    for open in turn.wave.open.values_mut() {
        open.tries = 0;
        open.not_before = turn.now;
    }
    Ok("The wave goes on.".to_owned())
}

/// The sources that the plan cannot start run again, a person says.
fn started_by_hand(turn: &mut Turn) {
    for index in 0..turn.servers.len() {
        turn.with_server(index, |turn, server| {
            if cleanup::is_started_by_hand(turn, server) {
                server.quiesced_at = None;
            }
        });
    }
}

/// Failed servers go back into their pipelines; where one has to be tested again, so does the
/// wave, and the cutover gate is asked again.
fn try_failed_again(turn: &mut Turn) {
    for index in 0..turn.servers.len() {
        turn.with_server(index, |turn, server| cleanup::try_again(turn, server));
    }
    gates::back_to_testing(turn);
}

fn skip(turn: &mut Turn, by: &Approver, servers: &[ServerId]) -> Answer {
    let ending = turn.wave.phase.ending();
    if ending && turn.wave.hold.is_none() {
        return Err("it is too late to leave servers out".to_owned());
    }
    for id in servers {
        match turn.servers.iter().find(|s| s.id == *id) {
            None => return Err(format!("{id} is not in this wave")),
            Some(server) if is_by_hand(turn, server) => {
                cleanup::take_as_done(turn, &mut server.clone())?;
            }
            Some(server) if !can_skip(&server.stage) => {
                return Err(format!(
                    "{} is {}; it cannot be left out now",
                    server.hostname,
                    server.stage.name()
                ));
            }
            Some(_) => {}
        }
    }
    for index in 0..turn.servers.len() {
        let wanted = turn
            .servers
            .get(index)
            .is_some_and(|s| servers.contains(&s.id));
        if wanted {
            let end = End::Skipped {
                reason: format!("left out by {by}"),
            };
            turn.with_server(index, |turn, server| {
                if is_by_hand(turn, server) {
                    taken_as_done(turn, server, by);
                } else {
                    server.stage = cleanup::clean_up(turn, server, end);
                }
            });
        }
    }
    let failed_left = turn.servers.iter().any(super::wants::failed);
    let for_failed = turn
        .wave
        .hold
        .as_ref()
        .is_some_and(|h| matches!(h.reason, HoldReason::ServersFailed { .. }));
    if for_failed && !failed_left {
        turn.wave.hold = None;
    }
    let what = if ending {
        "Taken as done by hand"
    } else {
        "Left out"
    };
    Ok(format!("{what}: {}.", named(&turn.hostnames(servers))))
}

/// Whether to leave a server out is to do its step by hand: on the way to the wave's end, and where
/// it leaves already and what ends there was refused.
fn is_by_hand(turn: &Turn, server: &Server) -> bool {
    let refused = |hold: &Hold| matches!(hold.reason, HoldReason::Refused { .. });
    let leaves = matches!(server.stage, Stage::Terminating { .. });
    turn.wave.phase.ending() || (leaves && turn.wave.hold.as_ref().is_some_and(refused))
}

/// A person did the step that a server waits in.
fn taken_as_done(turn: &mut Turn, server: &mut Server, by: &Approver) {
    let step = server.stage.name();
    if cleanup::take_as_done(turn, server).is_ok() {
        turn.note_by(
            "StepTakenAsDone",
            format!("{}: {step} is taken as done by hand.", server.hostname),
            by,
            &server.id,
        );
        turn.about(About::server(&server.id));
    }
}

/// Stages in which nothing is under way for a server and nothing irreversible has begun.
fn can_skip(stage: &Stage) -> bool {
    match stage {
        Stage::Replicating
        | Stage::Checking {
            purpose: crate::server::Purpose::Test,
            ..
        } => true,
        Stage::Launching {
            step: JobStep::Due { .. },
            ..
        } => true,
        Stage::Accepting {
            call: CallStep::Due { .. },
        } => true,
        Stage::Tested {
            instance: TestInstance::Kept { .. } | TestInstance::Gone,
        } => true,
        Stage::Validating {
            purpose: crate::server::Purpose::Test,
            run,
            ..
        } => !matches!(run.step, RunStep::Sending { .. }),
        Stage::Quiescing { run } => matches!(run.step, RunStep::Due { .. }),
        Stage::Settling { .. }
        | Stage::Ended {
            end: End::Failed { .. },
        } => true,
        // It stays as it is, and this wave does not finalize it.
        Stage::CutOver { .. }
        | Stage::Finalizing {
            call: CallStep::Due { .. },
        } => true,
        Stage::Launching { .. }
        | Stage::Checking { .. }
        | Stage::Accepting { .. }
        | Stage::Tested { .. }
        | Stage::Validating { .. }
        | Stage::Returning { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Copying { .. }
        | Stage::Restarting { .. }
        | Stage::Terminating { .. }
        | Stage::Finalizing { .. }
        | Stage::Finalized { .. }
        | Stage::Ended { .. } => false,
    }
}

fn abort(turn: &mut Turn) -> Answer {
    match turn.wave.phase {
        Phase::Aborting => return Ok("The wave is being ended already.".to_owned()),
        // What it has begun to undo cannot be left half-way.
        Phase::RollingBack => return Err("the wave is being rolled back, which ends it".into()),
        _ => {}
    }
    turn.wave.hold = None;
    gates::ask_no_more(turn);
    cancel::cancel_planned(turn);
    turn.enter(Phase::Aborting);
    Ok("The wave is being ended; what was started is cleaned up.".to_owned())
}
