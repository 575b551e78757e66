//! Starts MGN's jobs (tests, cutovers, terminations), and puts away what cutovers launched when they
//! are undone.
//!
//! **Invariant 4**: MGN takes no client token on these calls, so every job is tagged with its
//! effect, and an effect that somebody claimed before looks for its job first. **Invariant 7**: a
//! cutover is started on a fresh read of zero lag, however long ago it was decided.

mod adopt;
mod guard;
mod put_away;

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, Task};
use tidegate_domain::id::ServerId;
use tidegate_ports::act::{Claimed, Request, Response, claim};
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::instances::Targets;
use tidegate_ports::mgn::{Jobs, Launches, SourceServers};

/// What `launch` reaches.
#[derive(Debug)]
pub struct Ports<'a, E, L, T, M, C> {
    /// Effects, to be claimed and answered.
    pub effects: &'a E,
    /// MGN's launches, without SDK retries.
    pub launches: &'a L,
    /// EC2's instances, without SDK retries.
    pub targets: &'a T,
    /// MGN, to look at.
    pub mgn: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// Which job is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Test,
    Cutover,
    Terminate,
}

/// Do one effect; `until` is when this invocation is killed.
///
/// # Errors
/// The table failed, nobody knows whether the call was done, or the effect is another function's.
pub async fn handle<E: Effects, L: Launches, T: Targets, M: SourceServers + Jobs, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, L, T, M, C>,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let id = &claimed.effect.id;
    let (kind, servers, not_after) = match &claimed.effect.task {
        Task::StartTest { servers } => (Kind::Test, servers, Timestamp::MAX),
        Task::StartCutover { servers, not_after } => (Kind::Cutover, servers, *not_after),
        Task::TerminateTests { servers } => (Kind::Terminate, servers, Timestamp::MAX),
        Task::StopTargets { targets } => {
            let outcome = put_away::stop(&claimed, ports.targets, targets).await?;
            return answer(claimed, outcome).await;
        }
        Task::KeepData { targets } => {
            let outcome = put_away::keep(&claimed, ports.targets, targets).await?;
            return answer(claimed, outcome).await;
        }
        Task::Claim { .. }
        | Task::Release { .. }
        | Task::Preflight { .. }
        | Task::ChangeLifeCycle { .. }
        | Task::RetryReplication { .. }
        | Task::RunDocument { .. }
        | Task::OpenGate { .. }
        | Task::CloseQuestion { .. }
        | Task::Finalize { .. }
        | Task::Notify { .. } => return Err(claimed.wrong_function("launch")),
    };
    if claimed.again {
        let found = adopt::job(ports.mgn, kind, servers, id, claimed.now())
            .await
            .context(format!("could not look for the job of effect {id}"))?;
        if let Some(job) = found {
            tracing::info!(wave = %request.wave, effect = %id, %job, "the job was found");
            return claimed.answer(&Outcome::Job(job)).await;
        }
    }
    if kind == Kind::Cutover
        && let Some(refusal) = guard::cutover(ports.mgn, servers, not_after, claimed.now())
            .await
            .context(format!("could not read the servers of effect {id}"))?
    {
        tracing::info!(wave = %request.wave, effect = %id, refusal = %refusal.message, "guarded");
        return claimed.answer(&Outcome::Refused(refusal)).await;
    }
    if !claimed.in_time() {
        return Ok(Response {});
    }
    match start(ports.launches, kind, servers, id).await {
        Ok(job) => claimed.answer(&Outcome::Job(job)).await,
        Err(CallError::Refused(refusal)) => claimed.answer(&Outcome::Refused(refusal)).await,
        Err(unknown @ CallError::Unknown(_)) => {
            // What is there was started; what is not there yet may still come.
            match adopt::job(ports.mgn, kind, servers, id, claimed.now()).await {
                Ok(Some(job)) => claimed.answer(&Outcome::Job(job)).await,
                Ok(None) | Err(_) => {
                    Err(unknown).context(format!("could not start the job of effect {id}"))
                }
            }
        }
    }
}

/// Answer, unless the time ran out: then whoever takes the effect over does it again.
async fn answer<E: Effects, C: Clock>(
    claimed: Claimed<'_, E, C>,
    outcome: Option<Outcome>,
) -> Result<Response, HandlerError> {
    match outcome {
        Some(outcome) => claimed.answer(&outcome).await,
        None => Ok(Response {}),
    }
}

async fn start(
    launches: &impl Launches,
    kind: Kind,
    servers: &[ServerId],
    effect: &tidegate_domain::id::EffectId,
) -> Result<tidegate_domain::id::JobId, CallError> {
    match kind {
        Kind::Test => launches.start_test(servers, effect).await,
        Kind::Cutover => launches.start_cutover(servers, effect).await,
        Kind::Terminate => launches.terminate(servers, effect).await,
    }
}
