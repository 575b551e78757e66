//! The table in memory: every port of the table with the same conditions as the one on DynamoDB
//! (`tidegate-aws`); one contract suite, [`crate::contract`], runs on both.
//!
//! **Invariant**: each port call is one atomic step, and the same calls in the same order leave
//! the same tables: no clock, no randomness, ordered maps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use tidegate_domain::audit::{AuditHead, AuditRecord};
use tidegate_domain::effect::Effect;
use tidegate_domain::id::{CommandId, EffectId, MessageId, ServerId, WaveId};
use tidegate_domain::message::Message;
use tidegate_domain::observation::{AccountJobs, ServerSeen, WaveSeen};
use tidegate_domain::refused::RefusedDay;
use tidegate_domain::server::Server;
use tidegate_domain::slots::Slots;
use tidegate_domain::wave::Wave;
use tidegate_ports::driver::Driver;

mod audit;
mod claims;
mod drivers;
mod effects;
mod inbox;
mod observations;
mod references;
mod refusals;
mod turns;
mod waves;

/// The table of one account and Region. A clone is another handle on the same table.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

/// Everything that the store holds, for tests and invariant checks.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Waves with what `advance` alone writes.
    pub waves: BTreeMap<WaveId, StoredWave>,
    /// What `observe` saw of each wave.
    pub seen: BTreeMap<WaveId, (WaveSeen, BTreeMap<ServerId, ServerSeen>)>,
    /// Every effect that was ever saved.
    pub effects: BTreeMap<(WaveId, EffectId), StoredEffect>,
    /// The inboxes, drained messages included.
    pub inbox: BTreeMap<(WaveId, MessageId), StoredMessage>,
    /// The bells.
    pub drivers: BTreeMap<WaveId, StoredDriver>,
    /// Which wave owns a server.
    pub owners: BTreeMap<ServerId, WaveId>,
    /// Which wave a command belongs to.
    pub references: BTreeMap<CommandId, WaveId>,
    /// The slots.
    pub slots: Slots,
    /// How often the slots were written.
    pub slots_version: u64,
    /// The jobs in progress.
    pub jobs: Option<AccountJobs>,
    /// How far each wave's audit chain is exported.
    pub exported: BTreeMap<WaveId, AuditHead>,
    /// Until when every wave was looked at for export.
    pub swept: Option<Timestamp>,
    /// Refused requests by day.
    pub refused: BTreeMap<Date, RefusedDay>,
}

/// A wave as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredWave {
    /// The wave.
    pub wave: Wave,
    /// Its servers.
    pub servers: Vec<Server>,
    /// Its audit chain, by number.
    pub audit: BTreeMap<u64, AuditRecord>,
    /// When it was last written.
    pub at: Timestamp,
}

/// An effect as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEffect {
    /// The effect.
    pub effect: Effect,
    /// How often it was claimed.
    pub claims: u64,
}

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// The message; None stands for one that cannot be read.
    pub message: Option<Message>,
    /// When it was drained.
    pub drained: Option<Timestamp>,
}

/// A driver as it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredDriver {
    /// What the ports give.
    pub driver: Driver,
    /// The latest turn that was saved or that parked.
    pub turn: u64,
}

impl MemoryStore {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Look at the tables, between two calls.
    pub fn inspect<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        self.with(|tables| look(tables))
    }

    /// Lay a message that cannot be read into an inbox, as a newer version might have.
    pub fn append_unreadable(&self, wave: &WaveId, message: &MessageId) {
        self.with(|tables| {
            tables
                .inbox
                .entry((wave.clone(), message.clone()))
                .or_insert(StoredMessage {
                    message: None,
                    drained: None,
                });
        });
    }

    /// One atomic step. A panic in another thread leaves the tables as they were between steps.
    fn with<T>(&self, step: impl FnOnce(&mut Tables) -> T) -> T {
        step(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
