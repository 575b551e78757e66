//! Jobs whose answer is missing: found by their tag among the account's jobs, long before the claim
//! of whoever started them lapses.
//!
//! **Invariant 4**: a job belongs to an effect if its tag says so, never because it looks alike.

use super::turn::Turn;
use crate::effect::{EffectStatus, Outcome, Task};
use crate::id::EffectId;

/// An effect whose job is seen has its answer, whether or not its function lives to give it.
pub(super) fn adopt(turn: &mut Turn) {
    let Some(account) = turn.jobs.take() else {
        return;
    };
    for job in &account.jobs {
        let Some(effect) = job.effect.as_ref().filter(|id| is_claimed(turn, id)) else {
            continue;
        };
        let outcome = Outcome::Job(job.id.clone());
        if let Some(stored) = turn.stored.get_mut(effect) {
            stored.status = EffectStatus::Answered {
                outcome: outcome.clone(),
                at: turn.now,
            };
        }
        turn.ended.insert(effect.clone(), outcome);
    }
    turn.jobs = Some(account);
}

/// While an answer is missing, the account's jobs are looked at.
pub(super) fn look_again(turn: &mut Turn) {
    if turn.wave.open.keys().any(|id| is_claimed(turn, id)) {
        turn.look_again_soon();
    }
}

/// Whether this effect of the wave starts a job, was begun and is not answered.
fn is_claimed(turn: &Turn, id: &EffectId) -> bool {
    turn.wave.open.contains_key(id)
        && turn.stored.get(id).is_some_and(|effect| {
            let starts_a_job = matches!(
                effect.task,
                Task::StartTest { .. } | Task::StartCutover { .. } | Task::TerminateTests { .. }
            );
            starts_a_job && matches!(effect.status, EffectStatus::Claimed { .. })
        })
}
