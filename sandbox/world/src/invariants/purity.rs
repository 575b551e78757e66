//! Invariant 3: the decision is pure. What was saved is decided once more from what was loaded, and
//! must come out the same.

use advance::facts;
use tidegate_domain::decide::decide;
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

/// After `advance` has saved a decision.
pub fn decided(cloud: &Cloud, turn: &Turn<'_>) {
    // The wave takes the generation of the driver that asks, which is never lower.
    let facts = facts(&turn.wave.id, turn.wave.generation, turn.loaded, turn.now);
    let again = decide(facts);
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
