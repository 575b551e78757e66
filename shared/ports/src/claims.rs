//! Which live wave owns a server: one at most.

use tidegate_domain::id::{ServerId, WaveId};

use crate::error::StoreError;

/// Claims on servers.
pub trait Claims {
    /// Claim a server; gives the owner if it is another wave. Claiming twice is claiming once.
    async fn claim(&self, server: &ServerId, wave: &WaveId) -> Result<Option<WaveId>, StoreError>;

    /// Give a server free, if this wave owns it.
    async fn release(&self, server: &ServerId, wave: &WaveId) -> Result<(), StoreError>;
}

/// Who owns a server, for those who only look.
pub trait Owners {
    /// The wave that owns the server.
    async fn owner(&self, server: &ServerId) -> Result<Option<WaveId>, StoreError>;
}
