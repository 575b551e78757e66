//! Finalizing: the one step without a way back, for what was approved as it runs, and runs as it was
//! approved.
//!
//! **Invariant 7**: the instances are looked at again before each finalize, however long ago people
//! decided. What is not well, and was not shown so, is asked about again; where nobody is asked, the
//! wave is held.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::changes::Lapsing;
use super::outcomes::stage_effect;
use super::refusals::{MOST_GUARDED, MOST_REFUSALS, hold_reason, pause};
use super::turn::Turn;
use super::wants::MOST_CALLS;
use super::{claims, gates, health, lapses, news};
use crate::audit::About;
use crate::effect::{IRREVERSIBLE_WITHIN, Refusal, RefusalKind, Task};
use crate::gate::{Gate, GateState};
use crate::hold::HoldReason;
use crate::id::{EffectId, JobId, ServerId};
use crate::news::News;
use crate::observation::Answer;
use crate::server::{CallStep, Server, Stage};
use crate::wave::Phase;
use crate::words;

/// How old the look at an instance may be on which its server is finalized.
const FRESH: SignedDuration = SignedDuration::from_mins(2);

/// Go on once all is finalized that can be.
pub(super) fn step(turn: &mut Turn) {
    let unwell = unwell(turn);
    if !unwell.is_empty() && !turn.wave.gate_plan(Gate::Finalize).automatic {
        lapses::lapse_for(turn, Gate::Finalize, &lapsing(&unwell));
        runs_on(turn, &unwell);
    }
    // What was put off, or is approved no more, waits at its gate again once the rest is finalized.
    let later = turn.servers.iter().filter(|s| !s.at_rest());
    let (running, replicating): (Vec<&Server>, Vec<&Server>) = later.partition(|s| runs(s));
    let asked = |s: &&Server| {
        gates::is_put_off(turn, Gate::Finalize, &s.id)
            || lapses::has_lapsed(turn, Gate::Finalize, &s.id)
    };
    let waits = |s: &&Server| matches!(s.stage, Stage::Tested { .. } | Stage::Replicating);
    if replicating.iter().all(waits) {
        if running.iter().all(asked) {
            if !running.is_empty() {
                return turn.enter(Phase::AwaitingFinalize);
            }
            if !replicating.is_empty() {
                return turn.enter(Phase::AwaitingCutover);
            }
        } else if running
            .iter()
            .all(|s| asked(s) || unwell.contains_key(&s.id))
        {
            let servers = unwell.into_values().collect();
            return turn.hold(HoldReason::Unhealthy { servers });
        }
    }
    if turn.servers.iter().all(Server::at_rest) && claims::released(turn) {
        turn.enter(Phase::Completed);
        news::tell(turn, News::WaveCompleted);
    }
}

/// What is not to be finalized any more runs on as it did before it was.
fn runs_on(turn: &mut Turn, unwell: &BTreeMap<ServerId, String>) {
    for index in 0..turn.servers.len() {
        turn.with_server(index, |turn, server| {
            if let Stage::Finalizing {
                call: CallStep::Due { .. },
            } = server.stage
                && unwell.contains_key(&server.id)
            {
                server.stage = Stage::CutOver { at: turn.now };
            }
        });
    }
}

/// FinalizeCutover for servers whose finalize was approved as they run.
pub(super) fn plan(turn: &mut Turn) {
    if !matches!(turn.wave.phase, Phase::Finalizing) {
        return;
    }
    let due = due(turn);
    if due.is_empty() || !looked(turn) {
        return;
    }
    let not_after = turn.after(IRREVERSIBLE_WITHIN);
    for batch in due.chunks(MOST_CALLS) {
        let servers = batch
            .iter()
            .filter_map(|(i, job)| turn.servers.get(*i).map(|s| (s.id.clone(), job.clone())))
            .collect();
        let Some(effect) = turn.plan(Task::Finalize { servers, not_after }) else {
            return;
        };
        for (index, _) in batch {
            let effect = effect.clone();
            turn.with_server(*index, |_, server| {
                server.stage = Stage::Finalizing {
                    call: CallStep::Calling { effect },
                };
            });
        }
    }
}

/// What came of FinalizeCutover for a server.
pub(super) fn answered(
    turn: &mut Turn,
    effect: &EffectId,
    id: &ServerId,
    refusal: Option<&Refusal>,
) {
    let Some(index) = turn.servers.iter().position(|s| s.id == *id) else {
        return;
    };
    if turn.servers.get(index).and_then(|s| stage_effect(&s.stage)) != Some(effect) {
        return;
    }
    turn.with_server(index, |turn, server| match refusal {
        None => {
            server.stage = Stage::Finalized { at: turn.now };
            turn.note("Finalized", format!("{} is finalized.", server.hostname));
            turn.about(About::server(&server.id));
        }
        Some(refusal) => {
            let not_before = turn.after(pause(turn, refusal, server));
            server.stage = Stage::Finalizing {
                call: CallStep::Due { not_before },
            };
            server.refusals += 1;
            match refusal.kind {
                RefusalKind::Throttled => {}
                RefusalKind::Conflict if server.refusals < MOST_REFUSALS => {}
                // It was begun too late, or MGN shows another cutover: look once more.
                RefusalKind::Guard if server.refusals < MOST_GUARDED => {}
                _ => {
                    server.refusals = 0;
                    let task = format!("Finalizing {}", server.hostname);
                    turn.hold(hold_reason(task, refusal));
                }
            }
        }
    });
}

/// The servers that are due, each with the job that was approved, but for those that are not well.
fn due(turn: &Turn) -> Vec<(usize, JobId)> {
    let unwell = unwell(turn);
    let is_due = |server: &Server| match &server.stage {
        Stage::Finalizing {
            call: CallStep::Due { not_before },
        } => *not_before <= turn.now,
        _ => runs(server),
    };
    let servers = turn.servers.iter().enumerate();
    servers
        .filter(|(_, server)| is_due(server) && !unwell.contains_key(&server.id))
        .filter_map(|(index, server)| Some((index, approved(turn, server)?.clone())))
        .collect()
}

/// The job of a server's cutover, if it is approved to be finalized as that launched it.
fn approved<'a>(turn: &'a Turn, server: &'a Server) -> Option<&'a JobId> {
    let job = &server.cutover.as_ref()?.launch.job;
    match turn.wave.gates.get(&Gate::Finalize) {
        Some(GateState::Approved { jobs, .. }) => jobs.get(&server.id).filter(|one| *one == job),
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => None,
    }
}

/// Whether a server runs in AWS and nothing is under way for it.
fn runs(server: &Server) -> bool {
    matches!(
        server.stage,
        Stage::CutOver { .. }
            | Stage::Finalizing {
                call: CallStep::Due { .. }
            }
    )
}

/// Servers that were approved and are not well now, unless people were shown so; each with its
/// trouble.
fn unwell(turn: &Turn) -> BTreeMap<ServerId, String> {
    let shown = match turn.wave.gates.get(&Gate::Finalize) {
        Some(GateState::Approved { acted_on, .. }) => acted_on.as_ref(),
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => None,
    };
    let shown = |server: &Server| shown?.unhealthy.get(&server.id).map(String::as_str);
    let servers = turn.servers.iter();
    servers
        .filter(|server| runs(server) && approved(turn, server).is_some())
        .filter_map(|server| {
            let what = health::bad(turn, server)?;
            let name = words::one_line(&server.hostname, 80);
            (shown(server) != Some(what)).then(|| (server.id.clone(), format!("{name}: {what}")))
        })
        .collect()
}

fn lapsing(unwell: &BTreeMap<ServerId, String>) -> Lapsing {
    Lapsing {
        servers: unwell.keys().cloned().collect(),
        changes: unwell.values().cloned().collect(),
    }
}

/// Whether the instances were looked at a moment ago; else they are looked at again soon. (That nobody
/// may look, or AWS does not answer, is for `access` to see.)
fn looked(turn: &mut Turn) -> bool {
    let fresh = turn.round.as_ref().is_some_and(|round| {
        round.others == Answer::Answered && turn.now.duration_since(round.at) <= FRESH
    });
    if !fresh {
        turn.look_again_soon();
    }
    fresh
}
