//! Invariant 2: one writer, whose generations and turns only rise and whose audit chain verifies.
//! Invariant 12: terminal means terminal, and a hold names what releases it.

use tidegate_domain::gate::{Gate, GateState};
use tidegate_domain::hold::{Hold, HoldReason};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::wave::Wave;
use tidegate_ports::turns::Turn;

use super::{covered, violated};
use crate::cloud::Cloud;

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let wave = turn.wave;
    if let Some(before) = &turn.loaded.wave {
        rises(cloud, before, wave);
        released(cloud, before, turn);
    } else if wave.turn != 1 {
        violated(
            cloud,
            2,
            format!("{} begins with turn {}", wave.id, wave.turn),
        );
    }
    let head = turn
        .loaded
        .wave
        .as_ref()
        .map(|before| before.audit.clone())
        .unwrap_or_default();
    match turn.audit {
        None if head != wave.audit => {
            violated(
                cloud,
                2,
                format!("{}: the audit head moved without a record", wave.id),
            );
        }
        None => {}
        Some(record) => {
            let follows = record.number == head.records + 1 && record.previous == head.hash;
            let heads = wave.audit.records == record.number && wave.audit.hash == record.hash();
            if !follows || !heads {
                violated(
                    cloud,
                    2,
                    format!("{}: record {} breaks the chain", wave.id, record.number),
                );
            }
        }
    }
    if let Some(hold) = &wave.hold
        && hold.reason.commands(wave).is_empty()
    {
        violated(
            cloud,
            12,
            format!("{} is held and names no command", wave.id),
        );
    }
}

fn rises(cloud: &Cloud, before: &Wave, after: &Wave) {
    let id = &after.id;
    if after.turn != before.turn + 1 {
        violated(
            cloud,
            2,
            format!("{id}: turn {} follows {}", after.turn, before.turn),
        );
    }
    if after.generation < before.generation {
        violated(
            cloud,
            2,
            format!("{id}: a lower generation wrote turn {}", after.turn),
        );
    }
    if before.phase.terminal() && after.phase != before.phase {
        let (from, to) = (before.phase.name(), after.phase.name());
        violated(cloud, 12, format!("{id} was {from} and is {to}"));
    }
}

/// A hold goes only when a person releases it: by naming it, or by a skip, a new plan, an abort; and
/// the hold for a gate that expired by a decision that was taken before, and comes late.
fn released(cloud: &Cloud, before: &Wave, turn: &Turn<'_>) {
    let Some(hold) = &before.hold else {
        return;
    };
    if turn.wave.hold.as_ref().is_some_and(|now| now.id == hold.id) {
        return;
    }
    // What is set aside later is named by a hold of its own, with what was set aside before.
    let quarantined = |hold: &Option<Hold>| {
        matches!(
            hold,
            Some(Hold {
                reason: HoldReason::Quarantined { .. },
                ..
            })
        )
    };
    if quarantined(&before.hold) && quarantined(&turn.wave.hold) {
        return;
    }
    let releases = |message: &Message| match &message.body {
        Body::Resume { hold: named } => *named == hold.id,
        Body::Abort
        | Body::RollBack { .. }
        | Body::Skip { .. }
        | Body::Waive { .. }
        | Body::Apply(_) => true,
        Body::Decide { gate, evidence, .. } => {
            decided_in_time(before, hold, *gate, evidence, message)
        }
        Body::Start | Body::Hold { .. } | Body::Withdraw { .. } | Body::Ask { .. } => false,
    };
    let inbox = &turn.loaded.inbox;
    let released = inbox
        .iter()
        .filter(|message| turn.drained.contains(&message.id))
        .find(|message| releases(message));
    if let Some(Body::Decide { .. }) = released.map(|message| &message.body) {
        covered(cloud, "hold Expired ended by a decision in time");
    }
    if released.is_none() {
        let text = format!(
            "{}: hold {} went and nobody released it",
            before.id, hold.id.0
        );
        violated(cloud, 2, text);
    }
}

/// Whether a wave that is held because nobody decided at this gate in time is told that somebody did.
fn decided_in_time(
    before: &Wave,
    hold: &Hold,
    gate: Gate,
    evidence: &str,
    message: &Message,
) -> bool {
    let expired = HoldReason::Expired {
        gate: gate.to_string(),
    };
    let in_time = match before.gates.get(&gate) {
        Some(GateState::Open(open)) => {
            open.in_time(message.at) && open.evidence.hash() == *evidence
        }
        Some(GateState::Approved { .. } | GateState::Lapsed { .. }) | None => false,
    };
    hold.reason == expired && in_time
}
