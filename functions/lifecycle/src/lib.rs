//! Changes life cycle states and restarts stalled replications, server by server.
//!
//! **Invariant 4**: a state that a server has already is not set again, so twice is once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::effect::{LifeCycleTarget, Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::id::ServerId;
use tidegate_domain::observation::LifeCycle;
use tidegate_ports::act::{Claimed, Request, Response, claim};
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError, ReadError};
use tidegate_ports::mgn::{LifeCycles, SourceServers};

/// What `lifecycle` reaches.
#[derive(Debug)]
pub struct Ports<'a, E, L, M, C> {
    /// Effects, to be claimed and answered.
    pub effects: &'a E,
    /// MGN's life cycle changes, without SDK retries.
    pub life_cycles: &'a L,
    /// MGN's servers, to look at.
    pub mgn: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// Do one effect; `until` is when this invocation is killed.
///
/// # Errors
/// The table failed, nobody knows whether a call was done, or the effect is another function's.
pub async fn handle<E: Effects, L: LifeCycles, M: SourceServers, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, L, M, C>,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let refusals = match &claimed.effect.task {
        Task::ChangeLifeCycle { servers, to } => change(ports, &claimed, servers, *to).await?,
        Task::RetryReplication { servers } => retry(ports, &claimed, servers).await?,
        Task::Claim { .. }
        | Task::Release { .. }
        | Task::Preflight { .. }
        | Task::StartTest { .. }
        | Task::StartCutover { .. }
        | Task::TerminateTests { .. }
        | Task::StopTargets { .. }
        | Task::KeepData { .. }
        | Task::RunDocument { .. }
        | Task::OpenGate { .. }
        | Task::CloseQuestion { .. }
        | Task::Finalize { .. }
        | Task::Notify { .. } => return Err(claimed.wrong_function("lifecycle")),
    };
    match refusals {
        Some(refusals) => claimed.answer(&Outcome::Servers(refusals)).await,
        None => Ok(Response {}),
    }
}

/// What each server was refused; None if the time ran out.
async fn change<E: Effects, L: LifeCycles, M: SourceServers, C: Clock>(
    ports: &Ports<'_, E, L, M, C>,
    claimed: &Claimed<'_, E, C>,
    servers: &[ServerId],
    to: LifeCycleTarget,
) -> Result<Option<BTreeMap<ServerId, Refusal>>, HandlerError> {
    let mut states = BTreeMap::new();
    if claimed.again {
        states = read(ports.mgn, servers, claimed.now())
            .await
            .context("could not look which servers were changed before")?;
    }
    let mut refusals = BTreeMap::new();
    for server in servers {
        if states.get(server) == Some(&wanted(to)) {
            continue;
        }
        if !claimed.in_time() {
            return Ok(None);
        }
        match ports.life_cycles.change(server, to).await {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) => {
                refusals.insert(server.clone(), refusal);
            }
            Err(unknown @ CallError::Unknown(_)) => {
                // A read before the claim ends cannot tell a call that failed from one that is
                // still on its way; only the state that was wanted is an answer.
                let now = read(ports.mgn, std::slice::from_ref(server), claimed.now()).await;
                if now.ok().and_then(|n| n.get(server).copied()) != Some(wanted(to)) {
                    return Err(unknown).context(format!("could not change {server}"));
                }
            }
        }
    }
    forgive_done(ports.mgn, &mut refusals, to, claimed.now()).await;
    Ok(Some(refusals))
}

/// MGN may refuse to set the state that a server has already (not documented): that is done.
async fn forgive_done(
    mgn: &impl SourceServers,
    refusals: &mut BTreeMap<ServerId, Refusal>,
    to: LifeCycleTarget,
    now: Timestamp,
) {
    let conflicts: Vec<ServerId> = refusals
        .iter()
        .filter(|(_, refusal)| matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Invalid))
        .map(|(server, _)| server.clone())
        .collect();
    if conflicts.is_empty() {
        return;
    }
    // A read that fails leaves the refusals standing, which the next decision looks into.
    if let Ok(states) = read(mgn, &conflicts, now).await {
        refusals.retain(|server, _| states.get(server) != Some(&wanted(to)));
    }
}

/// Asking again for a retry that was asked for is harmless.
async fn retry<E: Effects, L: LifeCycles, M, C: Clock>(
    ports: &Ports<'_, E, L, M, C>,
    claimed: &Claimed<'_, E, C>,
    servers: &[ServerId],
) -> Result<Option<BTreeMap<ServerId, Refusal>>, HandlerError> {
    let mut refusals = BTreeMap::new();
    for server in servers {
        if !claimed.in_time() {
            return Ok(None);
        }
        match ports.life_cycles.retry_replication(server).await {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) => {
                refusals.insert(server.clone(), refusal);
            }
            Err(unknown @ CallError::Unknown(_)) => {
                return Err(unknown)
                    .context(format!("could not retry the replication of {server}"));
            }
        }
    }
    Ok(Some(refusals))
}

async fn read(
    mgn: &impl SourceServers,
    servers: &[ServerId],
    now: Timestamp,
) -> Result<BTreeMap<ServerId, LifeCycle>, ReadError> {
    let seen = mgn.servers(servers, now).await?;
    Ok(seen.into_iter().map(|s| (s.id, s.life_cycle)).collect())
}

fn wanted(to: LifeCycleTarget) -> LifeCycle {
    match to {
        LifeCycleTarget::ReadyForTest => LifeCycle::ReadyForTest,
        LifeCycleTarget::ReadyForCutover => LifeCycle::ReadyForCutover,
    }
}
