//! Observations: the later round wins.

use std::collections::BTreeMap;

use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::observation::{AccountJobs, ServerSeen, WaveSeen};
use tidegate_ports::error::StoreError;
use tidegate_ports::observations::{Known, Observations};

use super::MemoryStore;

impl Observations for MemoryStore {
    async fn known(&self, wave: &WaveId) -> Result<Known, StoreError> {
        Ok(self.with(|tables| {
            let stored = tables.waves.get(wave);
            Known {
                wave: stored.map(|stored| stored.wave.clone()),
                servers: stored
                    .map(|stored| stored.servers.clone())
                    .unwrap_or_default(),
                seen: tables
                    .seen
                    .get(wave)
                    .map(|(_, seen)| seen.clone())
                    .unwrap_or_default(),
            }
        }))
    }

    async fn save(
        &self,
        wave: &WaveId,
        round: &WaveSeen,
        servers: &BTreeMap<ServerId, ServerSeen>,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            let older = tables
                .seen
                .get(wave)
                .is_some_and(|(stored, _)| stored.at > round.at);
            if !older {
                tables
                    .seen
                    .insert(wave.clone(), (round.clone(), servers.clone()));
            }
        });
        Ok(())
    }

    async fn save_jobs(&self, jobs: &AccountJobs) -> Result<(), StoreError> {
        self.with(|tables| {
            if tables
                .jobs
                .as_ref()
                .is_none_or(|stored| stored.at <= jobs.at)
            {
                tables.jobs = Some(jobs.clone());
            }
        });
        Ok(())
    }
}
