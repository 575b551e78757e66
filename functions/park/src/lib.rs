//! `park`: keeps the task token of a driver that goes to sleep, unless something happened since it
//! looked.
//!
//! **Invariant 5**: a driver sleeps only while the wake count is the one that it observed, no
//! higher generation was started and no later turn has parked; else it wakes itself at once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidegate_domain::id::WaveId;
use tidegate_ports::driver::{Drivers, Parked, Parking};
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::executions::Executions;

/// What the state machine sends when it goes to sleep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The wave.
    pub wave: WaveId,
    /// The driver's generation.
    pub generation: u64,
    /// The turn that it has decided last.
    pub turn: u64,
    /// The wake count that it observed before that turn.
    pub wakes: u64,
    /// When the wave is to be looked at, whatever happens.
    pub wake_at: Timestamp,
    /// The task token that wakes it.
    pub token: String,
}

/// Nothing: the state machine waits for the token, not for this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {}

/// Park the driver, or wake it at once. `Retryable` if the table or Step Functions do not answer:
/// then nobody would wake it.
pub async fn handle(
    request: Request,
    drivers: &impl Drivers,
    executions: &impl Executions,
) -> Result<Response, HandlerError> {
    let Request {
        wave,
        generation,
        turn,
        wakes,
        wake_at,
        token,
    } = request;
    let parked = Parked {
        token,
        generation,
        turn,
    };
    match drivers
        .park(&wave, &parked, wakes, wake_at)
        .await
        .context("could not park the driver")?
    {
        Parking::Parked => tracing::debug!(%wave, turn, %wake_at, "driver parked"),
        Parking::GoOn => {
            tracing::debug!(%wave, turn, "something happened meanwhile; driver goes on");
            match executions.wake(&parked.token).await {
                Ok(()) => {}
                // A repeated call, or an execution that was ended: nobody sleeps with this token.
                Err(CallError::Refused(refusal)) => {
                    tracing::info!(%wave, turn, refusal = refusal.message, "driver was awake");
                }
                Err(error @ CallError::Unknown(_)) => {
                    return Err(error).context("could not wake the driver");
                }
            }
        }
    }
    Ok(Response {})
}
