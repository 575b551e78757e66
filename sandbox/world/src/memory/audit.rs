//! The audit chain as it is stored, and how far its export has come.

use jiff::Timestamp;
use tidegate_domain::audit::{AuditHead, StoredRecord};
use tidegate_domain::id::WaveId;
use tidegate_ports::audit::{Chain, Exports};
use tidegate_ports::error::StoreError;

use super::MemoryStore;

impl Chain for MemoryStore {
    async fn records_after(
        &self,
        wave: &WaveId,
        after: u64,
        most: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        Ok(self.with(|tables| {
            let Some(stored) = tables.waves.get(wave) else {
                return Vec::new();
            };
            stored
                .audit
                .range(after.saturating_add(1)..)
                .take(most)
                .map(|(number, record)| StoredRecord {
                    number: *number,
                    body: serde_json::to_string(record).unwrap_or_default(),
                })
                .collect()
        }))
    }
}

impl Exports for MemoryStore {
    async fn exported(&self, wave: &WaveId) -> Result<AuditHead, StoreError> {
        Ok(self.with(|tables| tables.exported.get(wave).cloned().unwrap_or_default()))
    }

    async fn set_exported(
        &self,
        wave: &WaveId,
        from: &AuditHead,
        to: &AuditHead,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let exported = tables.exported.entry(wave.clone()).or_default();
            if exported == from {
                exported.clone_from(to);
            }
            exported == to
        }))
    }

    async fn written_since(&self, since: Timestamp) -> Result<Vec<WaveId>, StoreError> {
        Ok(self.with(|tables| {
            let mut waves: Vec<_> = tables.waves.values().filter(|w| w.at >= since).collect();
            waves.sort_by(|a, b| (a.at, &a.wave.id).cmp(&(b.at, &b.wave.id)));
            waves.into_iter().map(|w| w.wave.id.clone()).collect()
        }))
    }

    async fn swept(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.with(|tables| tables.swept))
    }

    async fn set_swept(&self, until: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| tables.swept = Some(until));
        Ok(())
    }
}
