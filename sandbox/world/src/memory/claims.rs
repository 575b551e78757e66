//! Claims: one live wave at most owns a server.

use tidegate_domain::id::{ServerId, WaveId};
use tidegate_ports::claims::{Claims, Owners};
use tidegate_ports::error::StoreError;

use super::MemoryStore;

impl Claims for MemoryStore {
    async fn claim(&self, server: &ServerId, wave: &WaveId) -> Result<Option<WaveId>, StoreError> {
        Ok(self.with(|tables| {
            let owner = tables
                .owners
                .entry(server.clone())
                .or_insert_with(|| wave.clone());
            (owner != wave).then(|| owner.clone())
        }))
    }

    async fn release(&self, server: &ServerId, wave: &WaveId) -> Result<(), StoreError> {
        self.with(|tables| {
            if tables.owners.get(server) == Some(wave) {
                tables.owners.remove(server);
            }
        });
        Ok(())
    }
}

impl Owners for MemoryStore {
    async fn owner(&self, server: &ServerId) -> Result<Option<WaveId>, StoreError> {
        Ok(self.with(|tables| tables.owners.get(server).cloned()))
    }
}
