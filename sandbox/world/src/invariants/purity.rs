//! Invariant 3: the decision is pure. What was saved is decided once more from what was loaded, and
//! must come out the same.

use tidegate_domain::decide::{Facts, decide};
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

/// After `advance` has saved a decision.
pub fn decided(cloud: &Cloud, turn: &Turn<'_>) {
    let loaded = turn.loaded.clone();
    let again = decide(Facts {
        id: turn.wave.id.clone(),
        // The wave takes the generation of the driver that asks, which is never lower.
        generation: turn.wave.generation,
        wave: loaded.wave,
        servers: loaded.servers,
        round: loaded.round,
        seen: loaded.seen,
        effects: loaded.effects,
        inbox: loaded.inbox,
        unreadable: loaded.unreadable,
        slots: loaded.slots,
        jobs: loaded.jobs,
        restarts: loaded.restarts,
        now: turn.now,
    });
    let slots = turn.slots.unwrap_or(&turn.loaded.slots);
    let same = [
        ("wave", again.wave.as_ref() == Some(turn.wave)),
        ("servers", again.servers == turn.servers),
        ("effects", again.effects == turn.effects),
        ("ended effects", again.ended == *turn.ended),
        ("drained messages", again.drained == turn.drained),
        ("audit record", again.audit.as_ref() == turn.audit),
        ("slots", again.slots == *slots),
    ];
    for (what, _) in same.iter().filter(|(_, same)| !same) {
        let text = format!("{}: another {what} from the same facts", turn.wave.id);
        violated(cloud, 3, text);
    }
}
