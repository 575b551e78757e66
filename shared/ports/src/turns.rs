//! What `advance` loads, and what it saves in one transaction.
//!
//! **Invariant 4**: decide, save, act. **Invariant 2**: one writer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::audit::AuditRecord;
use tidegate_domain::effect::{Effect, Outcome};
use tidegate_domain::id::{EffectId, MessageId, ServerId, WaveId};
use tidegate_domain::message::{Message, Reading};
use tidegate_domain::observation::{AccountJobs, ServerSeen, WaveSeen};
use tidegate_domain::server::Server;
use tidegate_domain::slots::Slots;
use tidegate_domain::wave::Wave;

use crate::error::StoreError;

pub use tidegate_domain::message::MOST_MESSAGES;

/// Everything that a decision is made from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The wave, once its first decision is saved.
    pub wave: Option<Wave>,
    /// Its servers.
    pub servers: Vec<Server>,
    /// The latest round of observations.
    pub round: Option<WaveSeen>,
    /// What was seen of the servers (before they are selected: of every server that a selector
    /// picks).
    pub seen: BTreeMap<ServerId, ServerSeen>,
    /// The effects that are open in the wave.
    pub effects: Vec<Effect>,
    /// Messages not drained, the oldest first, at most [`MOST_MESSAGES`].
    pub inbox: Vec<Message>,
    /// Messages that cannot be read, to be set aside.
    pub unreadable: Vec<MessageId>,
    /// The slots of the account and Region.
    pub slots: Slots,
    /// The version of the slots, 0 if there are none.
    pub slots_version: u64,
    /// The account's jobs in progress.
    pub jobs: Option<AccountJobs>,
    /// How often the driver was restarted since the last saved decision.
    pub restarts: u32,
    /// What decisions were begun on alone since then.
    pub reading: Option<Reading>,
}

/// One decision, to be saved whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn<'a> {
    /// What it was made from: its wave's turn and the slots' version must still be stored.
    pub loaded: &'a Loaded,
    /// The wave as it is now; its turn is the loaded one plus 1.
    pub wave: &'a Wave,
    /// Its servers as they are now; chunks that did not change are not written.
    pub servers: &'a [Server],
    /// New effects.
    pub effects: &'a [Effect],
    /// Effects that end by this decision; they become answered. Each must still have the status
    /// that was loaded, else the turn is [`SaveError::Changed`].
    pub ended: &'a BTreeMap<EffectId, Outcome>,
    /// Messages that were drained; they are remembered for a while, so that a double is known.
    pub drained: &'a [MessageId],
    /// What happened, if anything.
    pub audit: Option<&'a AuditRecord>,
    /// The slots, if they changed.
    pub slots: Option<&'a Slots>,
    /// When, for items with a time to live.
    pub now: Timestamp,
}

/// Why a turn was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Something that it was made from has changed: load, and decide again.
    #[error("the wave or the slots changed meanwhile")]
    Changed,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Loads and saves turns.
pub trait Turns {
    /// Everything that a decision is made from. Consistent reads.
    async fn load(&self, wave: &WaveId) -> Result<Loaded, StoreError>;

    /// Note that a decision is begun on one message alone, until one is saved.
    async fn note_reading(&self, wave: &WaveId, reading: &Reading) -> Result<(), StoreError>;

    /// Save a decision, in one transaction. Saving the same turn again (a lost answer) succeeds.
    /// A wave that has ended has no more `wake_at`; a saved turn counts as progress, which
    /// forgets restarts and what was being read.
    async fn save(&self, turn: &Turn<'_>) -> Result<(), SaveError>;

    /// Other waves that wait for slots: due now, so that `sweep` wakes them. Best effort.
    async fn make_due(&self, waves: &[WaveId], now: Timestamp) -> Result<(), StoreError>;
}
