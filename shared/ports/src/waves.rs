//! Waves for those who only look: the console and the gate.

use std::collections::BTreeMap;

use tidegate_domain::audit::AuditRecord;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::observation::ServerSeen;
use tidegate_domain::server::Server;
use tidegate_domain::wave::Wave;

use crate::error::StoreError;

/// A wave with its servers and what was seen of them.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeWave {
    /// The wave.
    pub wave: Wave,
    /// Its servers.
    pub servers: Vec<Server>,
    /// What was seen of them.
    pub seen: BTreeMap<ServerId, ServerSeen>,
}

/// Waves, read only.
pub trait Waves {
    /// Every wave, the latest changed first, at most 200, with its number of servers.
    async fn list(&self) -> Result<Vec<(Wave, u32)>, StoreError>;

    /// One wave alone.
    async fn wave(&self, wave: &WaveId) -> Result<Option<Wave>, StoreError>;

    /// One wave with everything.
    async fn whole(&self, wave: &WaveId) -> Result<Option<WholeWave>, StoreError>;

    /// The audit chain of a wave, in order.
    async fn audit(&self, wave: &WaveId) -> Result<Vec<AuditRecord>, StoreError>;

    /// The audit chain of a wave from the record of that number on (the first is 1), in order.
    async fn audit_since(&self, wave: &WaveId, first: u64) -> Result<Vec<AuditRecord>, StoreError>;
}
