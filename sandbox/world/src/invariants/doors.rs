//! Invariant 9 at the doors: whatever lies in an inbox, somebody wanted, themselves. (What is decided in
//! Slack is in `slack`.)

use tidegate_domain::gate::{Door, Gate, GateState, Part};
use tidegate_domain::message::Body;
use tidegate_domain::plan::Plan;
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

/// The messages that a turn deals with.
pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let drained = |id| turn.drained.contains(id);
    for message in turn.loaded.inbox.iter().filter(|m| drained(&m.id)) {
        if let Body::Decide {
            door: Door::Slack, ..
        } = message.body
        {
            continue;
        }
        let wanted = cloud.wanted.borrow();
        let mut of_them = wanted
            .iter()
            .filter(|(wave, by, _)| *wave == turn.wave.id && *by == message.by);
        if !of_them.any(|(_, _, body)| same(turn, body, &message.body)) {
            let text = format!("{} never wanted {:?}", message.by, message.body);
            violated(cloud, 9, text);
        }
    }
}

/// Whether it is what was wanted. Plans are read from files, in which approvers stand in another order,
/// and who ticks everything on a page decides on the whole.
fn same(turn: &Turn<'_>, wanted: &Body, taken: &Body) -> bool {
    match (wanted, taken) {
        (Body::Apply(wanted), Body::Apply(taken)) => sorted(wanted) == sorted(taken),
        (
            Body::Decide {
                gate,
                door: Door::Mail,
                only,
                ..
            },
            Body::Decide { only: of, .. },
        ) if of.is_whole() && !only.is_whole() => {
            let mut whole = wanted.clone();
            if let Body::Decide { only, .. } = &mut whole {
                *only = Part::default();
            }
            whole == *taken && is_everything(turn, *gate, only)
        }
        _ => wanted == taken,
    }
}

/// Whether a part names every application that the gate asks about.
fn is_everything(turn: &Turn<'_>, gate: Gate, part: &Part) -> bool {
    let before = turn.loaded.wave.as_ref();
    let open = match before.and_then(|wave| wave.gates.get(&gate)) {
        Some(GateState::Open(open)) => open,
        Some(GateState::Approved {
            question: Some(open),
            ..
        }) => open,
        // It is not asked any more, and what is said counts for nothing.
        Some(GateState::Approved { question: None, .. } | GateState::Lapsed { .. }) | None => {
            return true;
        }
    };
    let mut shown = open.evidence.servers.iter();
    shown.all(|server| part.applications.contains(&server.application))
}

fn sorted(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for gate in [&mut plan.gates.cutover, &mut plan.gates.finalize] {
        gate.approvers.sort();
        gate.notify.sort();
    }
    plan
}
