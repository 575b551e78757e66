//! References from commands to waves.

use tidegate_domain::id::{CommandId, WaveId};
use tidegate_ports::error::StoreError;
use tidegate_ports::references::References;

use super::MemoryStore;

impl References for MemoryStore {
    async fn remember(&self, command: &CommandId, wave: &WaveId) -> Result<(), StoreError> {
        self.with(|tables| tables.references.insert(command.clone(), wave.clone()));
        Ok(())
    }

    async fn wave_of(&self, command: &CommandId) -> Result<Option<WaveId>, StoreError> {
        Ok(self.with(|tables| tables.references.get(command).cloned()))
    }
}
