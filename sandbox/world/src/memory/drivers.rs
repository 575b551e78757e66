//! Drivers: wakes are counted, the highest generation lives, and whoever sleeps is found.

use jiff::Timestamp;
use tidegate_domain::id::WaveId;
use tidegate_ports::driver::{Driver, Drivers, Parked, Parking};
use tidegate_ports::error::StoreError;

use super::{MemoryStore, StoredDriver};

impl Drivers for MemoryStore {
    async fn driver(&self, wave: &WaveId) -> Result<Option<Driver>, StoreError> {
        Ok(self.with(|tables| tables.drivers.get(wave).map(|stored| stored.driver.clone())))
    }

    async fn create(&self, wave: &WaveId, at: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            tables
                .drivers
                .entry(wave.clone())
                .or_insert_with(|| StoredDriver {
                    driver: Driver {
                        wake_at: Some(at),
                        ..Driver::default()
                    },
                    turn: 0,
                });
        });
        Ok(())
    }

    async fn count_wake(&self, wave: &WaveId) -> Result<Option<Parked>, StoreError> {
        Ok(self.with(|tables| {
            let stored = tables.drivers.get_mut(wave)?;
            stored.driver.wakes += 1;
            stored.driver.parked.clone()
        }))
    }

    async fn at_work(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        Ok(self.with(|tables| {
            let Some(StoredDriver { driver, .. }) = tables.drivers.get_mut(wave) else {
                return 0;
            };
            if driver.generation <= generation && driver.wake_at.is_some() {
                driver.generation = generation;
                driver.wake_at = Some(until);
                driver.parked = None;
            }
            driver.wakes
        }))
    }

    async fn park(
        &self,
        wave: &WaveId,
        parked: &Parked,
        wakes: u64,
        wake_at: Timestamp,
    ) -> Result<Parking, StoreError> {
        Ok(self.with(|tables| {
            let Some(stored) = tables.drivers.get_mut(wave) else {
                return Parking::GoOn;
            };
            let StoredDriver { driver, turn } = stored;
            let current = driver.wakes == wakes
                && driver.generation <= parked.generation
                && *turn <= parked.turn
                && driver.wake_at.is_some();
            if !current {
                return Parking::GoOn;
            }
            driver.generation = parked.generation;
            driver.parked = Some(parked.clone());
            driver.wake_at = Some(wake_at);
            *turn = parked.turn;
            Parking::Parked
        }))
    }

    async fn unpark(
        &self,
        wave: &WaveId,
        parked: &Parked,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(StoredDriver { driver, .. }) = tables.drivers.get_mut(wave)
                && driver
                    .parked
                    .as_ref()
                    .is_some_and(|stored| stored.token == parked.token)
                && driver.wake_at.is_some()
            {
                driver.parked = None;
                driver.wake_at = Some(at);
            }
        });
        Ok(())
    }

    async fn take_generation(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let Some(StoredDriver { driver, .. }) = tables.drivers.get_mut(wave) else {
                return false;
            };
            if driver.generation != generation || driver.wake_at.is_none() {
                return false;
            }
            driver.generation += 1;
            driver.wake_at = Some(until);
            driver.parked = None;
            driver.restarts += u32::from(generation > 0);
            true
        }))
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<WaveId>, StoreError> {
        Ok(self.with(|tables| {
            let mut due: Vec<(Timestamp, WaveId)> = tables
                .drivers
                .iter()
                .filter_map(|(wave, stored)| Some((stored.driver.wake_at?, wave.clone())))
                .filter(|(at, _)| *at <= now)
                .collect();
            due.sort();
            due.into_iter().map(|(_, wave)| wave).collect()
        }))
    }
}
