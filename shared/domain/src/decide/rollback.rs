//! Undoing cutovers: what they launched is quiesced and stopped, its data kept, the sources started.
//! The steps after that (life cycle, termination) are those of every server that leaves.
//!
//! **Invariant 10**: applications stop in the reverse of the order in which they were cut over, and
//! their sources start in that order; a source never runs beside what its cutover launched.

use std::collections::BTreeMap;

use super::cleanup::go_on;
use super::documents::{Ran, ran};
use super::inbox::Answer;
use super::outcomes::in_effect;
use super::refusals::{hold_reason, pause};
use super::turn::{Turn, later};
use super::{cancel, follow, gates, news, phases};
use crate::audit::About;
use crate::effect::{Effect, Outcome, Refusal, RefusalKind, Task};
use crate::hold::HoldReason;
use crate::id::{InstanceId, ServerId, SnapshotId};
use crate::news::News;
use crate::observation::{InstanceSeen, SnapshotsSeen};
use crate::server::{CallStep, Kept, Run, RunStep, Server, Stage, Then};
use crate::wave::Phase;

/// Instances in one effect.
const MOST_TARGETS: usize = 25;
/// How long snapshots may take before a person is asked.
const LONGEST_COPY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// How many servers the message at the end names with their snapshots; the audit chain names all.
const MOST_TOLD: usize = 50;

/// A person wants what was cut over undone.
pub(super) fn ask(turn: &mut Turn, by: &impl ToString, note: &str) -> Answer {
    let moved = turn.servers.iter().any(|s| s.target.is_some());
    match turn.wave.phase {
        Phase::CuttingOver | Phase::Soaking { .. } | Phase::AwaitingFinalize => {}
        Phase::Testing | Phase::AwaitingCutover if moved => {}
        Phase::Waiting | Phase::Preflight { .. } | Phase::Testing | Phase::AwaitingCutover => {
            return Err("nothing was cut over; abort the wave to end it".to_owned());
        }
        Phase::Finalizing if turn.servers.iter().any(is_called) => {
            return Err("servers are being finalized, which cannot be undone".to_owned());
        }
        Phase::Finalizing => {}
        Phase::RollingBack => return Ok("The wave is being rolled back already.".to_owned()),
        Phase::Aborting | Phase::Completed | Phase::RolledBack | Phase::Aborted => {
            return Err("the wave is being ended".to_owned());
        }
    }
    let by = by.to_string();
    begin(
        turn,
        if note.is_empty() {
            format!("{by} wanted it.")
        } else {
            format!("{by} wanted it: {note}")
        },
    );
    Ok("The wave is rolled back: what was cut over is undone.".to_owned())
}

/// Whether MGN is being asked to finalize a server.
fn is_called(server: &Server) -> bool {
    matches!(
        server.stage,
        Stage::Finalizing {
            call: CallStep::Calling { .. }
        }
    )
}

/// Undo what was cut over; `why` is a sentence.
pub(super) fn begin(turn: &mut Turn, why: String) {
    turn.wave.hold = None;
    gates::ask_no_more(turn);
    cancel::cancel_planned(turn);
    turn.enter(Phase::RollingBack);
    news::tell(turn, News::RollbackStarted { why });
}

/// The phase: every server goes its way back; the wave has ended once all have.
pub(super) fn rolling_back(turn: &mut Turn) {
    if phases::all_left(turn) {
        let kept = kept(turn);
        turn.enter(Phase::RolledBack);
        news::tell(turn, News::WaveRolledBack { kept });
    }
}

/// The servers whose data was kept, with the snapshots.
fn kept(turn: &Turn) -> Vec<(String, Vec<SnapshotId>)> {
    let kept = turn.servers.iter().filter_map(|s| {
        let kept = s.kept.as_ref()?;
        Some((s.hostname.clone(), kept.snapshots.clone()))
    });
    kept.filter(|(_, snapshots)| !snapshots.is_empty())
        .take(MOST_TOLD)
        .collect()
}

/// The application is stopped on the target, if that can still be done: once, for what is rolled
/// back is often what does not answer.
pub(super) fn silencing(turn: &mut Turn, server: &mut Server, run: Run, then: Then) {
    let stop = turn
        .application(server)
        .and_then(|a| a.quiesce.as_ref())
        .map(|q| q.stop.clone());
    let Some(stop) = stop else {
        server.stage = go_on(turn, server, then);
        return;
    };
    if let RunStep::Due { .. } = run.step {
        match target_seen(turn, server) {
            Some(seen) if seen.gone => return target_gone(turn, server, then),
            Some(seen) if !seen.running || !seen.managed => {
                server.stage = go_on(turn, server, then);
                return;
            }
            Some(_) => {}
            // What MGN does not know cannot be looked at: its instance is stopped all the same.
            None if follow::gone(turn, server) => {
                server.stage = go_on(turn, server, then);
                return;
            }
            None => turn.look_again_soon(),
        }
    }
    match ran(turn, server, &run, stop.timeout) {
        Ran::NotYet => return,
        Ran::Succeeded => turn.note(
            "TargetQuiesced",
            format!("{} is stopped on its target.", server.hostname),
        ),
        Ran::Failed(reason) => turn.note(
            "TargetNotQuiesced",
            format!(
                "{} could not be stopped on its target, whose instance is stopped all the same: \
                 {reason}",
                server.hostname
            ),
        ),
    }
    turn.about(About::server(&server.id));
    server.stage = go_on(turn, server, then);
}

/// Wait until the target has stopped.
pub(super) fn stopping(turn: &mut Turn, server: &mut Server, call: CallStep, then: Then) {
    let CallStep::Due { not_before } = call else {
        return;
    };
    turn.look_again(not_before);
    match target_seen(turn, server) {
        Some(seen) if seen.gone => return target_gone(turn, server, then),
        Some(seen) if seen.stopped => {
            turn.note(
                "TargetStopped",
                format!("{} is stopped in AWS.", server.hostname),
            );
            if let Some(target) = &mut server.target {
                target.stopped = true;
            }
        }
        Some(_) | None if server.target.is_some() => return turn.look_again_soon(),
        Some(_) | None => {}
    }
    turn.about(About::server(&server.id));
    server.refusals = 0;
    server.stage = go_on(turn, server, then);
}

/// Somebody terminated the target: it runs no more, and there is nothing left to keep.
fn target_gone(turn: &mut Turn, server: &mut Server, then: Then) {
    turn.note(
        "TargetStopped",
        format!("What {} was cut over to is gone.", server.hostname),
    );
    turn.about(About::server(&server.id));
    if let Some(target) = &mut server.target {
        target.stopped = true;
    }
    server.kept = Some(Kept {
        snapshots: Vec::new(),
        complete: true,
    });
    server.refusals = 0;
    server.stage = go_on(turn, server, then);
}

/// Wait until the snapshots of the target are complete.
pub(super) fn copying(turn: &mut Turn, server: &mut Server, then: Then) {
    let seen = turn.fresh(server).map(|seen| seen.snapshots);
    match seen {
        Some(SnapshotsSeen::Complete) => {
            if let Some(kept) = &mut server.kept {
                kept.complete = true;
            }
            server.refusals = 0;
            server.stage = go_on(turn, server, then);
        }
        Some(SnapshotsSeen::Failed) => {
            // The target still stands: its data is kept once more.
            server.kept = None;
            server.refusals += 1;
            if server.refusals >= turn.wave.plan.policy.attempts {
                server.refusals = 0;
                turn.hold(HoldReason::Refused {
                    task: format!("Keeping the data of {}", server.hostname),
                    message: "its snapshots failed".to_owned(),
                });
            }
            server.stage = go_on(turn, server, then);
        }
        Some(SnapshotsSeen::Pending) | None => {
            let deadline = later(server.since, LONGEST_COPY);
            if turn.now >= deadline {
                turn.hold(HoldReason::Refused {
                    task: format!("Keeping the data of {}", server.hostname),
                    message: "its snapshots are not complete".to_owned(),
                });
            }
            turn.look_again(deadline);
            turn.look_again_soon();
        }
    }
}

/// What EC2 says of the target since the stage began.
fn target_seen<'a>(turn: &'a Turn, server: &Server) -> Option<&'a InstanceSeen> {
    let target = server.target.as_ref()?;
    let seen = turn.fresh(server)?.instance.as_ref()?;
    (seen.id == target.instance).then_some(seen)
}

/// Whether a server may be stopped in AWS: in a rollback, once everything that came after it has.
pub(super) fn may_stop(turn: &Turn, server: &Server) -> bool {
    let in_the_way = |other: &Server| {
        other.target_runs()
            && !other.at_rest()
            && turn
                .wave
                .plan
                .comes_after(&other.application, &server.application)
    };
    turn.wave.phase != Phase::RollingBack || !turn.servers.iter().any(in_the_way)
}

/// Whether a server's source may be started: in a rollback, once those that it comes after run.
pub(super) fn may_restart(turn: &Turn, server: &Server) -> bool {
    let in_the_way = |other: &Server| {
        other.quiesced_at.is_some()
            && !other.at_rest()
            && turn
                .wave
                .plan
                .comes_after(&server.application, &other.application)
    };
    turn.wave.phase != Phase::RollingBack || !turn.servers.iter().any(in_the_way)
}

/// Ask for what is due: targets to be stopped, data to be kept.
pub(super) fn plan(turn: &mut Turn) {
    type Make = fn(BTreeMap<ServerId, InstanceId>) -> Task;
    let kinds: [(bool, Make); 2] = [
        (true, |targets| Task::StopTargets { targets }),
        (false, |targets| Task::KeepData { targets }),
    ];
    for (stop, task) in kinds {
        let due: Vec<(usize, (ServerId, InstanceId))> = turn
            .servers
            .iter()
            .enumerate()
            .filter(|(_, server)| due(turn, server, stop))
            .filter_map(|(index, s)| {
                Some((index, (s.id.clone(), s.target.as_ref()?.instance.clone())))
            })
            .collect();
        for batch in due.chunks(MOST_TARGETS) {
            let targets = batch.iter().map(|(_, target)| target.clone()).collect();
            let Some(effect) = turn.plan(task(targets)) else {
                return;
            };
            for (index, _) in batch {
                let effect = effect.clone();
                turn.with_server(*index, |_, server| {
                    if let Some(call) = call_of(&mut server.stage) {
                        *call = CallStep::Calling { effect };
                    }
                });
            }
        }
    }
}

fn due(turn: &Turn, server: &Server, stop: bool) -> bool {
    let due =
        |call: &CallStep| matches!(call, CallStep::Due { not_before } if *not_before <= turn.now);
    match &server.stage {
        Stage::Stopping { call, .. } => stop && due(call) && may_stop(turn, server),
        Stage::Keeping { call, .. } => !stop && due(call),
        _ => false,
    }
}

/// The call of a stage that puts a target away.
fn call_of(stage: &mut Stage) -> Option<&mut CallStep> {
    match stage {
        Stage::Stopping { call, .. } | Stage::Keeping { call, .. } => Some(call),
        _ => None,
    }
}

/// What came of stopping targets, or of keeping their data.
pub(super) fn close(turn: &mut Turn, effect: &Effect, outcome: &Outcome) {
    for index in in_effect(turn, &effect.id) {
        turn.with_server(index, |turn, server| match (&effect.task, outcome) {
            (_, Outcome::Refused(refusal)) => refused(turn, server, &effect.task, refusal),
            (_, Outcome::Servers(refusals)) => match refusals.get(&server.id) {
                Some(refusal) => refused(turn, server, &effect.task, refusal),
                None => asked_to_stop(turn, server),
            },
            (Task::KeepData { .. }, Outcome::Kept(each)) => match each.get(&server.id) {
                Some(Ok(snapshots)) => kept_now(turn, server, snapshots),
                Some(Err(refusal)) => refused(turn, server, &effect.task, refusal),
                None => due_again(turn, server),
            },
            _ => due_again(turn, server),
        });
    }
    turn.look_again_soon();
}

/// EC2 was asked; it is asked again if the instance has not stopped in the time that one may take
/// to boot.
fn asked_to_stop(turn: &mut Turn, server: &mut Server) {
    let not_before = turn.after(turn.wave.plan.policy.boot_timeout);
    if let Some(call) = call_of(&mut server.stage) {
        *call = CallStep::Due { not_before };
    }
    server.refusals += 1;
    if server.refusals > turn.wave.plan.policy.attempts {
        server.refusals = 0;
        turn.hold(HoldReason::Refused {
            task: format!("Stopping what {} was cut over to", server.hostname),
            message: "EC2 was asked and it has not stopped".to_owned(),
        });
    }
}

fn kept_now(turn: &mut Turn, server: &mut Server, snapshots: &[SnapshotId]) {
    let named: Vec<&str> = snapshots.iter().map(SnapshotId::as_str).collect();
    let text = if named.is_empty() {
        format!(
            "{} has no volumes whose data could be kept.",
            server.hostname
        )
    } else {
        format!(
            "The data of {} is kept in {}.",
            server.hostname,
            named.join(", ")
        )
    };
    turn.note("DataKept", text);
    turn.about(About::server(&server.id));
    server.refusals = 0;
    server.kept = Some(Kept {
        complete: snapshots.is_empty(),
        snapshots: snapshots.to_vec(),
    });
    if let Stage::Keeping { then, .. } = server.stage.clone() {
        server.stage = go_on(turn, server, then);
    }
}

fn due_again(turn: &mut Turn, server: &mut Server) {
    let not_before = turn.after(turn.wave.plan.policy.observe_every);
    if let Some(call) = call_of(&mut server.stage) {
        *call = CallStep::Due { not_before };
    }
}

/// Nothing was done: again after a pause, and a person is asked in the end.
fn refused(turn: &mut Turn, server: &mut Server, task: &Task, refusal: &Refusal) {
    let not_before = turn.after(pause(turn, refusal, server));
    if let Some(call) = call_of(&mut server.stage) {
        *call = CallStep::Due { not_before };
    }
    if matches!(refusal.kind, RefusalKind::Throttled | RefusalKind::Quota) {
        return;
    }
    server.refusals += 1;
    let at_once = matches!(
        refusal.kind,
        RefusalKind::Denied | RefusalKind::Uninitialized
    );
    if at_once || server.refusals >= turn.wave.plan.policy.attempts {
        server.refusals = 0;
        let task = format!("{} of {}", task.title(), server.hostname);
        turn.hold(hold_reason(task, refusal));
    }
}
