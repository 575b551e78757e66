//! Which wave a command belongs to, so that its event finds the wave.

use tidegate_domain::id::{CommandId, WaveId};

use crate::error::StoreError;

/// References from AWS's IDs to waves.
pub trait References {
    /// Remember that a command belongs to a wave; forgotten after some days.
    async fn remember(&self, command: &CommandId, wave: &WaveId) -> Result<(), StoreError>;

    /// The wave of a command.
    async fn wave_of(&self, command: &CommandId) -> Result<Option<WaveId>, StoreError>;
}
