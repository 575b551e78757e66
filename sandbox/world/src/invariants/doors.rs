//! Invariant 9 at the doors: whatever lies in an inbox, somebody wanted, themselves. (What is decided in
//! Slack is in `slack`.)

use tidegate_domain::gate::Door;
use tidegate_domain::message::Body;
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
        if !of_them.any(|(_, _, body)| same(body, &message.body)) {
            let text = format!("{} never wanted {:?}", message.by, message.body);
            violated(cloud, 9, text);
        }
    }
}

/// Whether it is what was wanted. A plan is read from a file, in which approvers stand in another
/// order, and who ticks everything on a page decides on the whole.
fn same(wanted: &Body, taken: &Body) -> bool {
    match (wanted, taken) {
        (
            Body::Decide {
                gate,
                verdict,
                evidence,
                door,
                only,
                reason,
            },
            Body::Decide {
                only: taken_of,
                gate: g,
                verdict: v,
                evidence: e,
                door: d,
                reason: r,
            },
        ) => {
            (gate, verdict, evidence, door, reason) == (g, v, e, d, r)
                && (taken_of == only || taken_of.is_whole())
        }
        (Body::Apply(wanted), Body::Apply(taken)) => {
            wanted.wave == taken.wave
                && wanted.window == taken.window
                && wanted.applications == taken.applications
        }
        _ => wanted == taken,
    }
}
