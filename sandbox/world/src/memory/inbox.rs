//! Inboxes: a double is the same message, also after it was drained.

use std::collections::btree_map::Entry;

use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::message::Message;
use tidegate_ports::error::StoreError;
use tidegate_ports::inbox::Inbox;

use super::{MemoryStore, StoredMessage};

impl Inbox for MemoryStore {
    async fn append(&self, wave: &WaveId, message: &Message) -> Result<bool, StoreError> {
        Ok(self.with(
            |tables| match tables.inbox.entry((wave.clone(), message.id.clone())) {
                Entry::Occupied(_) => false,
                Entry::Vacant(place) => {
                    place.insert(StoredMessage {
                        message: Some(message.clone()),
                        drained: None,
                    });
                    true
                }
            },
        ))
    }

    async fn message(&self, wave: &WaveId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let key = (wave.clone(), id.clone());
        Ok(self.with(|tables| {
            tables
                .inbox
                .get(&key)
                .and_then(|stored| stored.message.clone())
        }))
    }
}
