//! Effects: claimed by one at a time, answered while the claim stands.

use jiff::Timestamp;
use tidegate_domain::effect::{CLAIM_GRACE, EffectStatus, Outcome};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_ports::effects::{Claim, Effects};
use tidegate_ports::error::StoreError;

use super::MemoryStore;

impl Effects for MemoryStore {
    async fn claim(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError> {
        Ok(self.with(|tables| {
            let Some(stored) = tables.effects.get_mut(&(wave.clone(), effect.clone())) else {
                return Claim::NotOurs;
            };
            let free = match &stored.effect.status {
                EffectStatus::Planned => true,
                EffectStatus::Claimed {
                    generation: theirs,
                    until,
                } => *theirs <= generation && now.duration_since(*until) >= CLAIM_GRACE,
                EffectStatus::Answered { .. } => false,
            };
            if !free {
                return Claim::NotOurs;
            }
            stored.effect.status = EffectStatus::Claimed { generation, until };
            stored.claims += 1;
            Claim::Ours {
                effect: stored.effect.clone(),
                again: stored.claims > 1,
            }
        }))
    }

    async fn answer(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        until: Timestamp,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(stored) = tables.effects.get_mut(&(wave.clone(), effect.clone()))
                && stored.effect.status == (EffectStatus::Claimed { generation, until })
            {
                stored.effect.status = EffectStatus::Answered {
                    outcome: outcome.clone(),
                    at: now,
                };
            }
        });
        Ok(())
    }
}
