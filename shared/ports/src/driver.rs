//! The driver's bell: how many times a wave was woken, and the token of the execution that sleeps.
//!
//! **Invariant 5**: drivers are disposable. A driver that died is found because its `wake_at` has
//! passed and nobody moved it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tidegate_domain::id::WaveId;
use tidegate_domain::message::Reading;

use crate::error::{CallError, StoreError};
use crate::executions::Executions;

/// How a wave's driver stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// How often the wave was woken.
    pub wakes: u64,
    /// The highest generation that was started.
    pub generation: u64,
    /// The execution that sleeps, if one does.
    pub parked: Option<Parked>,
    /// When the wave is to be looked at, whatever happens. None once it has ended.
    pub wake_at: Option<Timestamp>,
    /// How often it was restarted since its last saved decision.
    pub restarts: u32,
    /// The message that decisions were begun on alone since then.
    #[serde(default)]
    pub reading: Option<Reading>,
}

/// An execution that sleeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Its task token.
    pub token: String,
    /// Its generation.
    pub generation: u64,
    /// The turn after which it went to sleep.
    pub turn: u64,
}

/// What became of an attempt to park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parking {
    /// It sleeps.
    Parked,
    /// Something happened since it looked, or a newer driver lives: it must go on at once.
    GoOn,
}

/// The bell of each wave.
pub trait Drivers {
    /// How the driver stands. A consistent read.
    async fn driver(&self, wave: &WaveId) -> Result<Option<Driver>, StoreError>;

    /// Begin: a driver that was never started and is due at `at`. Nothing if there is one.
    async fn create(&self, wave: &WaveId, at: Timestamp) -> Result<(), StoreError>;

    /// Count a wake; gives the execution that sleeps, if one does.
    async fn count_wake(&self, wave: &WaveId) -> Result<Option<Parked>, StoreError>;

    /// A driver of this generation is at work: nobody else need look before `until`. Gives the
    /// wake count. Does nothing but that if a higher generation was started.
    async fn at_work(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Go to sleep, if the wake count is still `wakes`, no higher generation was started and no
    /// later turn has parked.
    async fn park(
        &self,
        wave: &WaveId,
        parked: &Parked,
        wakes: u64,
        wake_at: Timestamp,
    ) -> Result<Parking, StoreError>;

    /// The token is worth nothing any more: forget it, and look again at `at`.
    async fn unpark(&self, wave: &WaveId, parked: &Parked, at: Timestamp)
    -> Result<(), StoreError>;

    /// Take the next generation, if `generation` is still the highest; it is due at `until`
    /// should it never come to work. Gives whether it was taken.
    async fn take_generation(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The waves that were to be looked at by `now`. Eventually consistent: check each.
    async fn due(&self, now: Timestamp) -> Result<Vec<WaveId>, StoreError>;
}

/// Count a wake and wake the execution that sleeps. A token that is worth nothing any more is no
/// error: its driver is awake by itself, or it died asleep; then `sweep` starts another one.
pub async fn wake(
    drivers: &impl Drivers,
    executions: &impl Executions,
    wave: &WaveId,
) -> Result<(), StoreError> {
    let Some(parked) = drivers.count_wake(wave).await? else {
        return Ok(());
    };
    match executions.wake(&parked.token).await {
        Ok(()) => Ok(()),
        Err(CallError::Refused(refusal)) => {
            tracing::info!(%wave, reason = refusal.message, "nobody sleeps with this token");
            // Due since ever: at once. A driver that is awake moves that ahead.
            drivers.unpark(wave, &parked, Timestamp::UNIX_EPOCH).await
        }
        Err(error @ CallError::Unknown(_)) => {
            tracing::warn!(%wave, %error, "the driver may still sleep");
            Ok(())
        }
    }
}

/// Start a driver of the next generation, if none was started since `driver` was read. Gives
/// whether one was.
pub async fn start(
    drivers: &impl Drivers,
    executions: &impl Executions,
    wave: &WaveId,
    driver: &Driver,
    now: Timestamp,
    lease: SignedDuration,
) -> Result<bool, StartError> {
    let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
    if !drivers
        .take_generation(wave, driver.generation, until)
        .await?
    {
        return Ok(false);
    }
    executions.start(wave, driver.generation + 1).await?;
    Ok(true)
}

/// A driver could not be started; it is tried again when it is due.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Step Functions failed.
    #[error("the execution could not be started")]
    Execution(#[from] CallError),
}
