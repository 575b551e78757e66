//! Reads the truth from MGN, SSM and EC2 for everything that a wave has in flight.
//!
//! **Invariant 1**: events wake, reads decide. The wake count is noted before the first read, so
//! that whatever happens after it is looked at again. A service that does not answer is an
//! observation too, never a failure of this function.

mod merge;
mod read;
mod settings;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tidegate_domain::decide::interest;
use tidegate_domain::id::WaveId;
use tidegate_domain::observation::WaveSeen;
use tidegate_ports::clock::Clock;
use tidegate_ports::commands::Commands;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::{Context, HandlerError};
use tidegate_ports::instances::{Instances, Snapshots};
use tidegate_ports::mgn::{Jobs, SourceServers};
use tidegate_ports::observations::Observations;
use tidegate_ports::settings::{Configurations, LaunchTemplates};

/// What the state machine hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which wave.
    pub wave: WaveId,
    /// The generation of the driver that asks.
    pub generation: u64,
    /// The execution, for the log.
    #[serde(default)]
    pub execution: String,
}

/// What the state machine carries on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The wake count before anything was observed.
    pub wakes: u64,
}

/// What `observe` reaches.
#[derive(Debug)]
pub struct Ports<'a, D, O, M, S, I, C> {
    /// The wave's bell.
    pub drivers: &'a D,
    /// What is known, and where it is written.
    pub observations: &'a O,
    /// MGN's servers, jobs and launch configurations.
    pub mgn: &'a M,
    /// SSM's commands and nodes.
    pub commands: &'a S,
    /// EC2's instances, snapshots and launch templates.
    pub ec2: &'a I,
    /// The time.
    pub clock: &'a C,
}

/// Observe one wave once. Nobody else need look before `lease` is over.
///
/// # Errors
/// The table failed. A service that failed is written down instead.
pub async fn handle<D, O, M, S, I, C>(
    request: Request,
    ports: &Ports<'_, D, O, M, S, I, C>,
    lease: SignedDuration,
) -> Result<Response, HandlerError>
where
    D: Drivers,
    O: Observations,
    M: SourceServers + Jobs + Configurations,
    S: Commands,
    I: Instances + Snapshots + LaunchTemplates,
    C: Clock,
{
    let Request {
        wave: id,
        generation,
        ..
    } = request;
    let until = ports
        .clock
        .now()
        .saturating_add(lease)
        .unwrap_or(Timestamp::MAX);
    let wakes = ports
        .drivers
        .at_work(&id, generation, until)
        .await
        .context(format!(
            "could not note that a driver of wave {id} is at work"
        ))?;
    let known = ports
        .observations
        .known(&id)
        .await
        .context(format!("could not read what is known of wave {id}"))?;
    let Some(wave) = &known.wave else {
        return Ok(Response { wakes });
    };
    if wave.generation > generation {
        tracing::info!(wave = %id, generation, newer = wave.generation, "a newer driver lives");
        return Ok(Response { wakes });
    }

    let at = ports.clock.now();
    let interest = interest(wave, &known.servers, &known.seen, at);
    let mut read = read::Round::default();
    read.servers(ports.mgn, wave, &interest, at).await;
    read.jobs(ports.mgn, &interest, &known.seen, at).await;
    read.instances(ports.ec2, ports.commands, &interest).await;
    read.snapshots(ports.ec2, &interest).await;
    read.commands(ports.commands, &interest).await;
    read.settings = settings::read(ports.mgn, ports.ec2, &interest, &known.seen).await;

    if let Some(jobs) = &read.account_jobs {
        ports
            .observations
            .save_jobs(jobs)
            .await
            .context("could not save the account's jobs in progress")?;
    }
    let round = WaveSeen {
        at,
        mgn: read.mgn.clone(),
        others: read.others.clone(),
    };
    let seen = merge::merge(&known, &interest, read, at);
    ports
        .observations
        .save(&id, &round, &seen)
        .await
        .context(format!("could not save what was observed of wave {id}"))?;
    Ok(Response { wakes })
}
