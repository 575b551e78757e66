//! Turns: loaded at once, saved whole or not at all.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::effect::EffectStatus;
use tidegate_domain::id::WaveId;
use tidegate_domain::message::Reading;
use tidegate_ports::error::StoreError;
use tidegate_ports::turns::{Loaded, MOST_MESSAGES, SaveError, Turn, Turns};

use super::{MemoryStore, StoredEffect, StoredWave, Tables};

impl Turns for MemoryStore {
    async fn load(&self, wave: &WaveId) -> Result<Loaded, StoreError> {
        Ok(self.with(|tables| load(tables, wave)))
    }

    async fn note_reading(&self, wave: &WaveId, reading: &Reading) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(stored) = tables.drivers.get_mut(wave) {
                stored.driver.reading = Some(reading.clone());
            }
        });
        Ok(())
    }

    async fn save(&self, turn: &Turn<'_>) -> Result<(), SaveError> {
        self.with(|tables| {
            if saved_before(tables, turn) {
                return Ok(());
            }
            if !still_stands(tables, turn) {
                return Err(SaveError::Changed);
            }
            apply(tables, turn);
            Ok(())
        })
    }

    async fn make_due(&self, waves: &[WaveId], now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            for wave in waves {
                let Some(stored) = tables.drivers.get_mut(wave) else {
                    continue;
                };
                stored.driver.wakes += 1;
                if stored.driver.parked.is_some()
                    && let Some(at) = &mut stored.driver.wake_at
                {
                    *at = now.min(*at);
                }
            }
        });
        Ok(())
    }
}

fn load(tables: &Tables, id: &WaveId) -> Loaded {
    let stored = tables.waves.get(id);
    let (round, seen) = match tables.seen.get(id) {
        Some((round, seen)) => (Some(round.clone()), seen.clone()),
        None => (None, BTreeMap::new()),
    };
    let effects = stored
        .into_iter()
        .flat_map(|stored| stored.wave.open.keys())
        .filter_map(|effect| tables.effects.get(&(id.clone(), effect.clone())))
        .map(|stored| stored.effect.clone())
        .collect();

    let mut inbox = Vec::new();
    let mut unreadable = Vec::new();
    for ((wave, message), stored) in &tables.inbox {
        if wave != id || stored.drained.is_some() {
            continue;
        }
        match &stored.message {
            Some(message) => inbox.push(message.clone()),
            None => unreadable.push(message.clone()),
        }
    }
    inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    unreadable.truncate(MOST_MESSAGES);
    inbox.truncate(MOST_MESSAGES - unreadable.len());

    Loaded {
        wave: stored.map(|stored| stored.wave.clone()),
        servers: stored
            .map(|stored| stored.servers.clone())
            .unwrap_or_default(),
        round,
        seen,
        effects,
        inbox,
        unreadable,
        slots: tables.slots.clone(),
        slots_version: tables.slots_version,
        jobs: tables.jobs.clone(),
        restarts: tables
            .drivers
            .get(id)
            .map_or(0, |stored| stored.driver.restarts),
        reading: tables
            .drivers
            .get(id)
            .and_then(|stored| stored.driver.reading.clone()),
    }
}

/// Whether this very turn is what was saved last.
fn saved_before(tables: &Tables, turn: &Turn<'_>) -> bool {
    tables
        .waves
        .get(&turn.wave.id)
        .is_some_and(|stored| stored.wave == *turn.wave && stored.servers == turn.servers)
        && turn
            .loaded
            .wave
            .as_ref()
            .is_none_or(|loaded| loaded.turn != turn.wave.turn)
}

/// Whether everything that the decision was made from is still there.
fn still_stands(tables: &Tables, turn: &Turn<'_>) -> bool {
    let id = &turn.wave.id;
    let wave = match (tables.waves.get(id), &turn.loaded.wave) {
        (None, None) => true,
        (Some(stored), Some(loaded)) => {
            stored.wave.turn == loaded.turn && stored.wave.generation <= turn.wave.generation
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    let effects = turn.effects.iter().all(|effect| {
        !tables
            .effects
            .contains_key(&(id.clone(), effect.id.clone()))
    });
    let ended = turn.ended.keys().all(|effect| {
        let stored = tables.effects.get(&(id.clone(), effect.clone()));
        let loaded = turn.loaded.effects.iter().find(|e| e.id == *effect);
        stored.map(|stored| &stored.effect.status) == loaded.map(|loaded| &loaded.status)
    });
    let inbox = turn.drained.iter().all(|message| {
        tables
            .inbox
            .get(&(id.clone(), message.clone()))
            .is_some_and(|stored| stored.drained.is_none())
    });
    let audit = turn.audit.is_none_or(|record| {
        tables
            .waves
            .get(id)
            .is_none_or(|stored| !stored.audit.contains_key(&record.number))
    });
    let slots = turn.slots.is_none() || tables.slots_version == turn.loaded.slots_version;
    wave && effects && ended && inbox && audit && slots
}

fn apply(tables: &mut Tables, turn: &Turn<'_>) {
    let id = &turn.wave.id;
    let mut audit = tables
        .waves
        .remove(id)
        .map(|stored| stored.audit)
        .unwrap_or_default();
    if let Some(record) = turn.audit {
        audit.insert(record.number, record.clone());
    }
    tables.waves.insert(
        id.clone(),
        StoredWave {
            wave: turn.wave.clone(),
            servers: turn.servers.to_vec(),
            audit,
            at: turn.now,
        },
    );
    for effect in turn.effects {
        tables.effects.insert(
            (id.clone(), effect.id.clone()),
            StoredEffect {
                effect: effect.clone(),
                claims: 0,
            },
        );
    }
    for (effect, outcome) in turn.ended {
        if let Some(stored) = tables.effects.get_mut(&(id.clone(), effect.clone())) {
            stored.effect.status = EffectStatus::Answered {
                outcome: outcome.clone(),
                at: turn.now,
            };
        }
    }
    for message in turn.drained {
        if let Some(stored) = tables.inbox.get_mut(&(id.clone(), message.clone())) {
            stored.drained = Some(turn.now);
        }
    }
    if let Some(slots) = turn.slots {
        tables.slots = slots.clone();
        tables.slots_version += 1;
    }
    let stored = tables.drivers.entry(id.clone()).or_default();
    stored.driver.restarts = 0;
    stored.driver.reading = None;
    stored.turn = turn.wave.turn;
    if turn.wave.phase.terminal() && turn.wave.open.is_empty() {
        stored.driver.wake_at = None;
    }
}
