//! Inboxes: a double is the same message, for as long as it is remembered.

use tidegate_domain::id::MessageId;
use tidegate_ports::turns::MOST_MESSAGES;

use super::fixtures::{at, message, wave_id};
use super::turns::{load, save_next};
use super::{AllPorts, ok};

/// The first of a kind stands; what comes under its ID changes nothing.
pub async fn a_double_is_the_same_message(store: &impl AllPorts) {
    let id = wave_id("double");
    let first = message("m-1", at(1));
    assert!(ok(store.append(&id, &first).await, "append"));
    assert!(!ok(store.append(&id, &first).await, "append again"));
    assert!(!ok(
        store.append(&id, &message("m-1", at(2))).await,
        "append another"
    ));
    assert_eq!(load(store, &id).await.inbox, vec![first.clone()]);

    let other = wave_id("double-other");
    assert!(ok(
        store.append(&other, &first).await,
        "append to another wave"
    ));
}

/// A message that was dealt with does not come back.
pub async fn a_drained_message_stays_known(store: &impl AllPorts) {
    let id = wave_id("drained-known");
    let first = message("m-1", at(1));
    assert!(ok(store.append(&id, &first).await, "append"));
    save_next(store, &id, at(2), |draft| {
        draft.drained = vec![first.id.clone()]
    })
    .await;
    assert!(!ok(store.append(&id, &first).await, "append again"));
    assert!(load(store, &id).await.inbox.is_empty());
    let kept = ok(store.message(&id, &first.id).await, "read a message");
    assert_eq!(kept, Some(first));
    let unknown = MessageId::parse("m-2").expect("a message ID");
    assert_eq!(ok(store.message(&id, &unknown).await, "read none"), None);
}

/// A bounded number is loaded, the oldest first; the rest waits its turn.
pub async fn the_oldest_messages_come_first(store: &impl AllPorts) {
    let id = wave_id("oldest-first");
    let count = 2 * MOST_MESSAGES + 5;
    for number in 0..count {
        // The later the message, the smaller its ID.
        let name = format!("m-{:03}", count - number);
        let when = at(i64::try_from(number).unwrap_or_default());
        ok(store.append(&id, &message(&name, when)).await, "append");
    }
    let mut taken = Vec::new();
    for expected in [MOST_MESSAGES, MOST_MESSAGES, 5, 0] {
        let draft = save_next(store, &id, at(100), |draft| {
            draft.drained = draft.loaded.inbox.iter().map(|m| m.id.clone()).collect();
        })
        .await;
        assert_eq!(draft.drained.len(), expected);
        taken.extend(draft.drained);
    }
    let in_order: Vec<MessageId> = (0..count)
        .map(|number| message(&format!("m-{:03}", count - number), at(0)).id)
        .collect();
    assert_eq!(taken, in_order);
}
