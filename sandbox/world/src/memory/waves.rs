//! Waves for those who only look.

use tidegate_domain::audit::AuditRecord;
use tidegate_domain::id::WaveId;
use tidegate_domain::wave::Wave;
use tidegate_ports::error::StoreError;
use tidegate_ports::waves::{Waves, WholeWave};

use super::MemoryStore;

/// The most waves that a list shows.
const MOST_LISTED: usize = 200;

impl Waves for MemoryStore {
    async fn list(&self) -> Result<Vec<(Wave, u32)>, StoreError> {
        Ok(self.with(|tables| {
            let mut waves: Vec<_> = tables.waves.values().collect();
            waves.sort_by(|a, b| (b.at, &b.wave.id).cmp(&(a.at, &a.wave.id)));
            waves
                .into_iter()
                .take(MOST_LISTED)
                .map(|stored| {
                    let servers = u32::try_from(stored.servers.len()).unwrap_or(u32::MAX);
                    (stored.wave.clone(), servers)
                })
                .collect()
        }))
    }

    async fn wave(&self, wave: &WaveId) -> Result<Option<Wave>, StoreError> {
        Ok(self.with(|tables| tables.waves.get(wave).map(|stored| stored.wave.clone())))
    }

    async fn whole(&self, wave: &WaveId) -> Result<Option<WholeWave>, StoreError> {
        Ok(self.with(|tables| {
            tables.waves.get(wave).map(|stored| WholeWave {
                wave: stored.wave.clone(),
                servers: stored.servers.clone(),
                seen: tables
                    .seen
                    .get(wave)
                    .map(|(_, seen)| seen.clone())
                    .unwrap_or_default(),
            })
        }))
    }

    async fn audit(&self, wave: &WaveId) -> Result<Vec<AuditRecord>, StoreError> {
        self.audit_since(wave, 0).await
    }

    async fn audit_since(&self, wave: &WaveId, first: u64) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(self.with(|tables| {
            tables
                .waves
                .get(wave)
                .map(|stored| {
                    stored
                        .audit
                        .range(first..)
                        .map(|(_, r)| r.clone())
                        .collect()
                })
                .unwrap_or_default()
        }))
    }
}
