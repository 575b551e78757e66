//! `sweep`: wakes what is due and restarts drivers that died.
//!
//! **Invariant 5**: drivers are disposable. A wave whose time has come is looked at, whatever
//! became of its driver. One bad wave never keeps the others from being swept, nor does a slow one:
//! they are swept side by side.

use futures::StreamExt;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tidegate_domain::effect::Refusal;
use tidegate_domain::id::WaveId;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::{Drivers, StartError, start};
use tidegate_ports::error::{CallError, Context, HandlerError, StoreError, chain};
use tidegate_ports::executions::Executions;

/// How many waves are swept at once.
const AT_ONCE: usize = 16;

/// The schedule's event: that it came is all it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {}

/// Nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {}

/// What was done for one wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// The index was behind: the wave is not due.
    NotDue,
    /// Its driver slept and was woken.
    Woken,
    /// Its driver's token is worth nothing: it is at work again, or dead. The lease tells.
    Unparked,
    /// Its driver had neither parked nor renewed its lease: a new one was started.
    Restarted,
    /// Somebody else started a driver meanwhile.
    Superseded,
}

/// One wave could not be swept.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("whether its driver was woken is unknown: {0}")]
    Wake(CallError),
}

/// How many waves could not be swept; each was logged.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {due} waves failed, the last with")]
struct Failed {
    failed: usize,
    due: usize,
    source: SweepError,
}

/// Sweep every wave that is due. `lease` is how long a driver that is woken or started may take
/// before it counts as dead. `Retryable` at the end if any wave failed, after all were tried.
pub async fn handle(
    _request: Request,
    drivers: &impl Drivers,
    executions: &impl Executions,
    clock: &impl Clock,
    lease: SignedDuration,
) -> Result<Response, HandlerError> {
    let due = drivers
        .due(clock.now())
        .await
        .context("could not list the waves that are due")?;
    let mut swept = stream::iter(&due)
        .map(|wave| async move {
            let swept = sweep(wave, drivers, executions, clock.now(), lease).await;
            (wave, swept)
        })
        .buffer_unordered(AT_ONCE);
    let mut failed = 0;
    let mut last = None;
    while let Some((wave, swept)) = swept.next().await {
        match swept {
            Ok(Swept::NotDue | Swept::Superseded) => {}
            Ok(Swept::Woken) => tracing::debug!(%wave, "driver woken"),
            Ok(Swept::Unparked) => tracing::debug!(%wave, "driver was awake"),
            Ok(Swept::Restarted) => tracing::warn!(%wave, "driver restarted"),
            Err(error) => {
                tracing::warn!(%wave, error = chain(&error), "sweep failed");
                failed += 1;
                last = Some(error);
            }
        }
    }
    match last {
        None => Ok(Response {}),
        Some(source) => Err(HandlerError::Retryable {
            context: "could not sweep every wave".to_owned(),
            source: Failed {
                failed,
                due: due.len(),
                source,
            }
            .into(),
        }),
    }
}

async fn sweep(
    wave: &WaveId,
    drivers: &impl Drivers,
    executions: &impl Executions,
    now: Timestamp,
    lease: SignedDuration,
) -> Result<Swept, SweepError> {
    let Some(driver) = drivers.driver(wave).await? else {
        return Ok(Swept::NotDue);
    };
    if driver.wake_at.is_none_or(|at| at > now) {
        return Ok(Swept::NotDue);
    }
    let Some(parked) = &driver.parked else {
        let started = start(drivers, executions, wave, &driver, now, lease).await?;
        return Ok(if started {
            Swept::Restarted
        } else {
            Swept::Superseded
        });
    };
    match executions.wake(&parked.token).await {
        Ok(()) => Ok(Swept::Woken),
        Err(CallError::Refused(Refusal { .. })) => {
            let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
            drivers.unpark(wave, parked, until).await?;
            Ok(Swept::Unparked)
        }
        Err(error @ CallError::Unknown(_)) => Err(SweepError::Wake(error)),
    }
}
