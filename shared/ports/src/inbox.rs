//! Inboxes: the only way to ask something of a wave.
//!
//! **Invariant 2**: a message is keyed by its own ID; a double is the same message, also after it
//! was drained.

use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::message::Message;

use crate::error::StoreError;

/// The inbox of each wave.
pub trait Inbox {
    /// Append a message. Appending it again changes nothing. Gives whether it is new.
    async fn append(&self, wave: &WaveId, message: &Message) -> Result<bool, StoreError>;

    /// The message of that ID, drained or not, while it is remembered.
    async fn message(&self, wave: &WaveId, id: &MessageId) -> Result<Option<Message>, StoreError>;
}
