//! Observations as `observe` reads and writes them.

use std::collections::BTreeMap;

use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::observation::{AccountJobs, ServerSeen, WaveSeen};
use tidegate_domain::server::Server;
use tidegate_domain::wave::Wave;

use crate::error::StoreError;

/// What `observe` has to know: what is in flight, and what was seen last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The wave, once its first decision is saved.
    pub wave: Option<Wave>,
    /// Its servers.
    pub servers: Vec<Server>,
    /// What was seen of them.
    pub seen: BTreeMap<ServerId, ServerSeen>,
}

/// Observations of a wave.
pub trait Observations {
    /// Everything that is known. A consistent read.
    async fn known(&self, wave: &WaveId) -> Result<Known, StoreError>;

    /// Replace what was seen of the wave: the round, and every server's latest observation. An
    /// observation that is older than the stored one (a stale task that wakes up late) is dropped.
    async fn save(
        &self,
        wave: &WaveId,
        round: &WaveSeen,
        servers: &BTreeMap<ServerId, ServerSeen>,
    ) -> Result<(), StoreError>;

    /// Replace the account's jobs in progress, if these were listed later.
    async fn save_jobs(&self, jobs: &AccountJobs) -> Result<(), StoreError>;
}
