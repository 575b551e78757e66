//! The one irreversible step: FinalizeCutover.
//!
//! **Invariant 4**: servers are always read first, and a server is finalized only if its last
//! cutover is the job that was validated; one that is finalized already is done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::id::{JobId, ServerId};
use tidegate_domain::observation::{LifeCycle, ServerSeen};
use tidegate_ports::act::{Request, Response, claim};
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::mgn::{Finalizes, SourceServers};

/// What `finalize` reaches.
#[derive(Debug)]
pub struct Ports<'a, E, F, M, C> {
    /// Effects, to be claimed and answered.
    pub effects: &'a E,
    /// FinalizeCutover, without SDK retries.
    pub finalizes: &'a F,
    /// MGN's servers, to look at.
    pub mgn: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// What is to be done with a server.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Finalize,
    Refuse(Refusal),
}

/// Do one effect; `until` is when this invocation is killed.
///
/// # Errors
/// The table failed, the servers could not be read, nobody knows whether a call was done, or the
/// effect is another function's.
pub async fn handle<E: Effects, F: Finalizes, M: SourceServers, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, F, M, C>,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let (validated, not_after) = match &claimed.effect.task {
        Task::Finalize { servers, not_after } => (servers, *not_after),
        Task::Claim { .. }
        | Task::Release { .. }
        | Task::Preflight { .. }
        | Task::StartTest { .. }
        | Task::StartCutover { .. }
        | Task::TerminateTests { .. }
        | Task::StopTargets { .. }
        | Task::KeepData { .. }
        | Task::ChangeLifeCycle { .. }
        | Task::RetryReplication { .. }
        | Task::RunDocument { .. }
        | Task::OpenGate { .. }
        | Task::CloseQuestion { .. }
        | Task::Notify { .. } => return Err(claimed.wrong_function("finalize")),
    };
    let ids: Vec<ServerId> = validated.keys().cloned().collect();
    let read = ports
        .mgn
        .servers(&ids, claimed.now())
        .await
        .context("could not read the servers")?;
    let seen: BTreeMap<&ServerId, &ServerSeen> = read.iter().map(|s| (&s.id, s)).collect();
    let late = claimed.now() > not_after;

    let mut refusals = BTreeMap::new();
    for (server, job) in validated {
        match verdict(seen.get(server).copied(), job) {
            Verdict::Done => continue,
            Verdict::Refuse(refusal) => {
                refusals.insert(server.clone(), refusal);
                continue;
            }
            Verdict::Finalize if late => {
                let message = format!("it should have been finalized by {not_after}");
                let kind = RefusalKind::Guard;
                refusals.insert(server.clone(), Refusal { kind, message });
                continue;
            }
            Verdict::Finalize => {}
        }
        if !claimed.in_time() {
            return Ok(Response {});
        }
        match ports.finalizes.finalize(server).await {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) => {
                refusals.insert(server.clone(), refusal);
            }
            Err(unknown @ CallError::Unknown(_)) => {
                let again = ports
                    .mgn
                    .servers(std::slice::from_ref(server), claimed.now())
                    .await;
                let done = again.is_ok_and(|read| verdict(read.first(), job) == Verdict::Done);
                if !done {
                    return Err(unknown).context(format!("could not finalize {server}"));
                }
            }
        }
    }
    claimed.answer(&Outcome::Servers(refusals)).await
}

fn verdict(seen: Option<&ServerSeen>, validated: &JobId) -> Verdict {
    let refuse = |kind, message: String| Verdict::Refuse(Refusal { kind, message });
    let Some(seen) = seen else {
        return refuse(
            RefusalKind::NotFound,
            "MGN does not know the server".to_owned(),
        );
    };
    match &seen.last_cutover {
        Some(job) if job == validated => {}
        Some(job) => {
            return refuse(
                RefusalKind::Guard,
                format!("its last cutover is {job}, but {validated} was validated"),
            );
        }
        None => {
            return refuse(
                RefusalKind::Guard,
                format!("MGN names no cutover of it, but {validated} was validated"),
            );
        }
    }
    match seen.life_cycle {
        LifeCycle::Cutover => Verdict::Done,
        LifeCycle::CuttingOver => Verdict::Finalize,
        LifeCycle::Stopped
        | LifeCycle::NotReady
        | LifeCycle::ReadyForTest
        | LifeCycle::Testing
        | LifeCycle::ReadyForCutover
        | LifeCycle::Disconnected
        | LifeCycle::Discovered
        | LifeCycle::PendingInstallation
        | LifeCycle::Unknown => refuse(
            RefusalKind::Guard,
            format!(
                "its life cycle state is {:?}, not CuttingOver",
                seen.life_cycle
            ),
        ),
    }
}
