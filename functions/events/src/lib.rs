//! `events`: turns an event into a wake of the wave that it concerns.
//!
//! **Invariant 1**: events wake, reads decide. What an event says is never believed: a forged,
//! doubled or late one costs a look. What cannot be understood is logged and let go.

mod envelope;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate_domain::id::WaveId;
use tidegate_ports::claims::Owners;
use tidegate_ports::driver::{Drivers, wake};
use tidegate_ports::error::{Context, HandlerError};
use tidegate_ports::executions::Executions;
use tidegate_ports::references::References;

pub use envelope::{Concern, Ignored, Place, read};

/// Nothing: nobody waits for an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {}

/// Wake the waves that the event concerns, each once. `event` is EventBridge's envelope as JSON
/// text. `Retryable` if the table does not answer; Lambda repeats the call, and hands the event to
/// the queue in the end.
pub async fn handle(
    event: &[u8],
    place: &Place,
    owners: &impl Owners,
    references: &impl References,
    drivers: &impl Drivers,
    executions: &impl Executions,
) -> Result<Response, HandlerError> {
    let (event, concern) = match read(event, place) {
        Ok(understood) => understood,
        Err(Ignored { event, reason }) => {
            tracing::info!(event, reason, "event ignored");
            return Ok(Response {});
        }
    };
    let waves = concerned(&concern, owners, references).await?;
    if waves.is_empty() {
        tracing::info!(event, %concern, "event ignored: no wave has what it names");
    }
    for wave in waves {
        wake(drivers, executions, &wave)
            .await
            .context("could not count a wake")?;
        tracing::debug!(event, %wave, "wave woken");
    }
    Ok(Response {})
}

async fn concerned(
    concern: &Concern,
    owners: &impl Owners,
    references: &impl References,
) -> Result<BTreeSet<WaveId>, HandlerError> {
    let mut waves = BTreeSet::new();
    match concern {
        Concern::Servers(servers) => {
            for server in servers {
                waves.extend(
                    owners
                        .owner(server)
                        .await
                        .context("could not find the owner")?,
                );
            }
        }
        Concern::Command(command) => {
            waves.extend(
                references
                    .wave_of(command)
                    .await
                    .context("could not find the wave")?,
            );
        }
    }
    Ok(waves)
}
