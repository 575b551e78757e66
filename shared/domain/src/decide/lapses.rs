//! What people said that does not count any more: as a whole, or for servers that have not begun.
//!
//! **Invariant 9**: people are told what changed before they are asked again. A gate that decides by
//! itself tells nobody, and decides again.

use super::changes::Lapsing;
use super::gates::ask;
use super::news;
use super::turn::Turn;
use crate::audit::About;
use crate::gate::{Changes, Gate, GateState, Lapse};
use crate::id::ServerId;
use crate::news::News;
use crate::plan::GatePlan;

/// The most changes that a sentence tells.
const MOST_TOLD: usize = 5;

/// Whether a server was approved and is no more.
pub(super) fn has_lapsed(turn: &Turn, gate: Gate, server: &ServerId) -> bool {
    match turn.wave.gates.get(&gate) {
        Some(GateState::Approved { lapse, .. }) => {
            let lapse = lapse.as_ref();
            lapse.is_some_and(|lapse| lapse.servers.contains(server))
        }
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => false,
    }
}

/// These servers are approved no more, and people are told why; the gate asks again once the others
/// have come to rest.
pub(super) fn lapse_for(turn: &mut Turn, gate: Gate, lapsing: &Lapsing) {
    let servers = u32::try_from(lapsing.servers.len()).unwrap_or(u32::MAX);
    tell(turn, gate, &lapsing.changes, Some(servers));
    let Some(GateState::Approved { jobs, lapse, .. }) = turn.wave.gates.get_mut(&gate) else {
        return;
    };
    jobs.retain(|server, _| !lapsing.servers.contains(server));
    let (mut servers, mut changes) = match lapse.take() {
        Some(before) => (before.servers, before.changes),
        None => Default::default(),
    };
    servers.extend(lapsing.servers.iter().cloned());
    changes.add(lapsing.changes.clone());
    *lapse = Some(Lapse { servers, changes });
}

/// A gate that people were asked at, or that they approved, is asked again because of these.
pub(super) fn lapse_if_asked(turn: &mut Turn, gate: Gate, changes: Changes) {
    match turn.wave.gates.get(&gate) {
        None => {}
        Some(GateState::Open(_)) => {
            let plan = turn.wave.gate_plan(gate).clone();
            lapse(turn, gate, &plan, changes);
        }
        Some(GateState::Approved { lapse: before, .. }) if !turn.wave.gate_plan(gate).automatic => {
            let before = before.as_ref().map(|before| before.changes.clone());
            let mut all = before.unwrap_or_default();
            all.add(changes);
            let plan = turn.wave.gate_plan(gate).clone();
            lapse(turn, gate, &plan, all);
        }
        Some(GateState::Approved { .. }) => drop(turn.wave.gates.remove(&gate)),
        Some(GateState::Lapsed { .. }) => {
            if let Some(GateState::Lapsed { changes: told, .. }) = turn.wave.gates.get_mut(&gate) {
                told.add(changes);
            }
        }
    }
}

/// Something changed that everybody who decides is to know: the gate that is asked in this phase is asked
/// again, and another names it with its next question.
pub(super) fn tell_change(turn: &mut Turn, asked: Gate, changes: &Changes) {
    lapse_if_asked(turn, asked, changes.clone());
    for gate in [Gate::Cutover, Gate::Finalize] {
        let lapsed = matches!(turn.wave.gates.get(&gate), Some(GateState::Lapsed { .. }));
        if gate != asked || !lapsed {
            keep_unshown(turn, gate, changes.clone());
        }
    }
}

/// What the next question of a gate is to name.
pub(super) fn keep_unshown(turn: &mut Turn, gate: Gate, changes: Changes) {
    if !changes.is_empty() {
        turn.wave.unshown.entry(gate).or_default().add(changes);
    }
}

/// Ask a gate anew. What its people were to be shown stays to be shown.
pub(super) fn ask_anew(turn: &mut Turn, gate: Gate) {
    if let Some(GateState::Lapsed { changes, .. }) = turn.wave.gates.remove(&gate) {
        keep_unshown(turn, gate, changes);
    }
}

/// What was said does not count any more: tell people what changed, then ask again.
pub(super) fn lapse(turn: &mut Turn, gate: Gate, plan: &GatePlan, changes: Changes) {
    tell(turn, gate, &changes, None);
    end(turn, gate, plan, changes);
}

/// People whom a gate asks are told that it asks again, why, and about so many servers alone if the
/// others go on.
fn tell(turn: &mut Turn, gate: Gate, changes: &Changes, only: Option<u32>) {
    if turn.wave.gate_plan(gate).automatic {
        return;
    }
    turn.note(
        "EvidenceChanged",
        format!(
            "The {gate} gate is asked again: {}.",
            changes.clause(MOST_TOLD)
        ),
    );
    turn.about(About::gate(gate));
    let changes = changes.clone();
    news::tell(
        turn,
        News::GateAsksAgain {
            gate,
            changes,
            only,
        },
    );
}

/// Nothing is approved any more: a gate that decides by itself does so at once, another asks again.
pub(super) fn end(turn: &mut Turn, gate: Gate, plan: &GatePlan, changes: Changes) {
    if plan.automatic {
        turn.wave.gates.remove(&gate);
        ask(turn, gate, plan, changes);
        return;
    }
    turn.wave.gates.insert(
        gate,
        GateState::Lapsed {
            at: turn.now,
            changes,
        },
    );
    turn.look_again_soon();
}
