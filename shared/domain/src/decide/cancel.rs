//! Taking back what was planned and what nobody has begun.

use super::launches;
use super::outcomes::in_effect;
use super::turn::Turn;
use super::wants;
use crate::effect::{
    Effect, EffectStatus, IRREVERSIBLE_WITHIN, Outcome, Refusal, RefusalKind, Task,
};
use crate::id::EffectId;
use crate::server::{CallStep, JobStep, RunStep, Stage};

/// Take back everything that is planned and that nobody has begun: its servers are due again.
/// Saving fails, and it is decided again, if somebody begins it meanwhile.
pub(super) fn cancel_planned(turn: &mut Turn) {
    cancel(turn, |_, effect| can_be_cancelled(&effect.task));
}

/// Take back what was decided on reads that have grown old before anybody began it: a cutover and
/// a finalize are decided again on fresh ones.
pub(super) fn cancel_stale(turn: &mut Turn) {
    cancel(turn, |turn, effect| {
        let since = turn
            .wave
            .open
            .get(&effect.id)
            .map_or(turn.now, |open| open.since);
        matches!(
            effect.task,
            Task::StartCutover { .. } | Task::Finalize { .. }
        ) && turn.now.duration_since(since) > IRREVERSIBLE_WITHIN
    });
}

fn cancel(turn: &mut Turn, which: impl Fn(&Turn, &Effect) -> bool) {
    let planned: Vec<EffectId> = turn
        .stored
        .values()
        .filter(|e| e.status == EffectStatus::Planned && turn.wave.open.contains_key(&e.id))
        .filter(|e| which(turn, e))
        .map(|e| e.id.clone())
        .collect();
    if !planned.is_empty() {
        // What they were to do is due again, and there is room for it in the next turn.
        turn.look_at_once();
    }
    for effect in planned {
        for index in in_effect(turn, &effect) {
            turn.with_server(index, |turn, server| {
                let not_before = turn.now;
                launches::set_step(&mut server.stage, JobStep::Due { not_before });
                if let Stage::Accepting { call }
                | Stage::Returning { call, .. }
                | Stage::Stopping { call, .. }
                | Stage::Keeping { call, .. }
                | Stage::Finalizing { call } = &mut server.stage
                {
                    *call = CallStep::Due { not_before };
                }
                if let Some(run) = wants::run_of(&mut server.stage) {
                    run.step = RunStep::Due { not_before };
                }
            });
        }
        launches::release(turn, &effect);
        turn.wave.open.remove(&effect);
        let stored = turn.stored.remove(&effect);
        let refusal = Refusal {
            kind: RefusalKind::Guard,
            message: "cancelled before it was begun".to_owned(),
        };
        let outcome = Outcome::Refused(refusal);
        if let Some(Effect { id, task, .. }) = &stored {
            turn.record(id, task, Some(&outcome));
        }
        turn.ended.insert(effect, outcome);
    }
}

/// Tasks that an abort takes back. The rest (claims, releases, messages to people) is wanted all
/// the same, or waited for.
fn can_be_cancelled(task: &Task) -> bool {
    match task {
        Task::StartTest { .. }
        | Task::StartCutover { .. }
        | Task::TerminateTests { .. }
        | Task::StopTargets { .. }
        | Task::KeepData { .. }
        | Task::ChangeLifeCycle { .. }
        | Task::RetryReplication { .. }
        | Task::RunDocument { .. }
        | Task::OpenGate { .. }
        | Task::Finalize { .. }
        | Task::Preflight { .. } => true,
        Task::Claim { .. }
        | Task::Release { .. }
        | Task::Notify { .. }
        | Task::CloseQuestion { .. } => false,
    }
}
