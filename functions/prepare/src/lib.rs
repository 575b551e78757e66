//! Makes a wave's servers its own, and finds out what can be known to fail before anything is
//! launched.
//!
//! **Invariant 4**: claiming and releasing twice is doing it once; preflight changes nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_ports::act::{Request, Response, claim};
use tidegate_ports::claims::Claims;
use tidegate_ports::clock::Clock;
use tidegate_ports::commands::Documents;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{Context, HandlerError, ReadError};
use tidegate_ports::mgn::LaunchConfigurations;

/// What `prepare` reaches.
#[derive(Debug)]
pub struct Ports<'a, E, O, D, L, C> {
    /// Effects, to be claimed and answered.
    pub effects: &'a E,
    /// Claims on servers.
    pub claims: &'a O,
    /// SSM documents.
    pub documents: &'a D,
    /// MGN's launch configurations.
    pub configurations: &'a L,
    /// The time.
    pub clock: &'a C,
}

/// Do one effect; `until` is when this invocation is killed.
///
/// # Errors
/// The table failed, or the effect is another function's.
pub async fn handle<E: Effects, O: Claims, D: Documents, L: LaunchConfigurations, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, O, D, L, C>,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let wave = &request.wave;
    let outcome = match &claimed.effect.task {
        Task::Claim { servers } => claim_servers(ports.claims, servers, wave).await?,
        Task::Release { servers } => release_servers(ports.claims, servers, wave).await?,
        Task::Preflight { documents, servers } => preflight(ports, documents, servers).await,
        Task::StartTest { .. }
        | Task::StartCutover { .. }
        | Task::TerminateTests { .. }
        | Task::StopTargets { .. }
        | Task::KeepData { .. }
        | Task::ChangeLifeCycle { .. }
        | Task::RetryReplication { .. }
        | Task::RunDocument { .. }
        | Task::OpenGate { .. }
        | Task::CloseQuestion { .. }
        | Task::Finalize { .. }
        | Task::Notify { .. } => return Err(claimed.wrong_function("prepare")),
    };
    claimed.answer(&outcome).await
}

async fn claim_servers(
    claims: &impl Claims,
    servers: &[ServerId],
    wave: &WaveId,
) -> Result<Outcome, HandlerError> {
    let mut owners = BTreeMap::new();
    for server in servers {
        let owner = claims
            .claim(server, wave)
            .await
            .context(format!("could not claim server {server}"))?;
        if let Some(owner) = owner {
            owners.insert(server.clone(), owner);
        }
    }
    Ok(Outcome::Claimed(owners))
}

async fn release_servers(
    claims: &impl Claims,
    servers: &[ServerId],
    wave: &WaveId,
) -> Result<Outcome, HandlerError> {
    for server in servers {
        claims
            .release(server, wave)
            .await
            .context(format!("could not release server {server}"))?;
    }
    Ok(Outcome::Done)
}

/// Everything is looked at before the answer, so that every problem is named at once; a service
/// that does not answer at all refuses the whole.
async fn preflight<E, O, D: Documents, L: LaunchConfigurations, C>(
    ports: &Ports<'_, E, O, D, L, C>,
    documents: &[String],
    servers: &[ServerId],
) -> Outcome {
    let mut problems = Vec::new();
    for document in documents {
        match ports.documents.exists(document).await {
            Ok(true) => {}
            Ok(false) | Err(ReadError::NotFound(_)) => {
                problems.push(format!("the SSM document {document} does not exist here"));
            }
            Err(error) => return refused(&error),
        }
    }
    for server in servers {
        match ports.configurations.problems(server).await {
            Ok(found) => {
                problems.extend(
                    found
                        .into_iter()
                        .map(|problem| format!("{server}: {problem}")),
                );
            }
            Err(ReadError::NotFound(_)) => {
                problems.push(format!("{server}: MGN has no launch configuration of it"));
            }
            Err(error) => return refused(&error),
        }
    }
    Outcome::Problems(problems)
}

/// A look that failed changed nothing, so it is a refusal: a failure or a throttle is tried again.
fn refused(error: &ReadError) -> Outcome {
    let kind = match error {
        ReadError::Uninitialized => RefusalKind::Uninitialized,
        ReadError::Denied(_) => RefusalKind::Denied,
        ReadError::NotFound(_) => RefusalKind::NotFound,
        ReadError::Failed(_) => RefusalKind::Throttled,
    };
    Outcome::Refused(Refusal {
        kind,
        message: error.to_string(),
    })
}
