//! The audit chain on its way out: read from the table, signed, kept in the archive, told to the
//! bus.
//!
//! **Invariant**: the archive keeps the first record of a number for good. What it holds, and how
//! far the export has come, nobody but `export` writes.

use jiff::Timestamp;
use tidegate_domain::audit::{AuditHead, Sealed, StoredRecord};
use tidegate_domain::event::DomainEvent;
use tidegate_domain::id::WaveId;

use crate::error::{CallError, ReadError, StoreError};

/// The most records of the archive that are listed at once.
pub const MOST_LISTED: usize = 1_000;

/// The chain as it is stored.
pub trait Chain {
    /// The records after that number, in order, at most `most`. A consistent read.
    async fn records_after(
        &self,
        wave: &WaveId,
        after: u64,
        most: usize,
    ) -> Result<Vec<StoredRecord>, StoreError>;
}

/// How far the export has come.
pub trait Exports {
    /// The last record of the wave that is archived and told. A consistent read.
    async fn exported(&self, wave: &WaveId) -> Result<AuditHead, StoreError>;

    /// It is `to` now, if it was `from`; gives whether it is `to`.
    async fn set_exported(
        &self,
        wave: &WaveId,
        from: &AuditHead,
        to: &AuditHead,
    ) -> Result<bool, StoreError>;

    /// Waves that were written at this time or later, from the index, which lags a little.
    async fn written_since(&self, since: Timestamp) -> Result<Vec<WaveId>, StoreError>;

    /// Until when every wave is known to have been looked at.
    async fn swept(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Every wave that was written until then has been looked at.
    async fn set_swept(&self, until: Timestamp) -> Result<(), StoreError>;
}

/// Writing the archive: `export` alone.
pub trait Archive {
    /// Keep a record for good. If one of that number is kept already, it stays and is given.
    async fn keep(&self, sealed: &Sealed) -> Result<Option<Sealed>, CallError>;
}

/// A record in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The record's number.
    pub number: u64,
    /// Which version was kept first, as the archive names it.
    pub version: String,
}

/// Reading the archive.
pub trait Archived {
    /// The wave's records that are kept, after that number, in order, at most [`MOST_LISTED`];
    /// those that somebody marked as deleted too.
    async fn kept_after(&self, wave: &WaveId, after: u64) -> Result<Vec<Kept>, ReadError>;

    /// What was kept; None if it cannot be read as a record.
    async fn read(&self, wave: &WaveId, kept: &Kept) -> Result<Option<Sealed>, ReadError>;
}

/// The event bus. At least once.
pub trait Bus {
    /// Tell these events.
    async fn tell(&self, events: &[DomainEvent]) -> Result<(), CallError>;
}
