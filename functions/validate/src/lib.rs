//! Sends SSM documents: checks on launched instances, stop and start of applications on sources.
//!
//! **Invariant 4**: SendCommand takes no client token, so the command's comment carries the
//! effect, and an effect that somebody claimed before looks for its command first.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::{Outcome, Task};
use tidegate_domain::id::{CommandId, EffectId, NodeId, ServerId, WaveId};
use tidegate_ports::act::{Claimed, Request, Response, claim};
use tidegate_ports::clock::Clock;
use tidegate_ports::commands::SendsCommands;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError, ReadError};
use tidegate_ports::references::References;

/// How far back commands are looked for; SSM keeps them 30 days.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What `validate` reaches.
#[derive(Debug)]
pub struct Ports<'a, E, S, R, C> {
    /// Effects, to be claimed and answered.
    pub effects: &'a E,
    /// SSM, without SDK retries.
    pub commands: &'a S,
    /// Where the wave of a command is remembered.
    pub references: &'a R,
    /// The time.
    pub clock: &'a C,
}

/// Do one effect; `until` is when this invocation is killed.
///
/// # Errors
/// The table failed, nobody knows whether the command was sent, or the effect is another
/// function's.
pub async fn handle<E: Effects, S: SendsCommands, R: References, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, S, R, C>,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let id = &claimed.effect.id;
    let (document, nodes) = match &claimed.effect.task {
        Task::RunDocument { document, nodes } => (document, nodes),
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
        | Task::OpenGate { .. }
        | Task::CloseQuestion { .. }
        | Task::Finalize { .. }
        | Task::Notify { .. } => return Err(claimed.wrong_function("validate")),
    };
    if claimed.again {
        let found = find(ports.commands, id, nodes, claimed.now())
            .await
            .context(format!("could not look for the command of effect {id}"))?;
        if let Some(command) = found {
            tracing::info!(wave = %request.wave, effect = %id, %command, "the command was found");
            return sent(ports.references, &claimed, &request.wave, command).await;
        }
    }
    if !claimed.in_time() {
        return Ok(Response {});
    }
    let targets: Vec<NodeId> = nodes.values().cloned().collect();
    match ports.commands.send(document, &targets, id).await {
        Ok(command) => sent(ports.references, &claimed, &request.wave, command).await,
        Err(CallError::Refused(refusal)) => claimed.answer(&Outcome::Refused(refusal)).await,
        Err(unknown @ CallError::Unknown(_)) => {
            // What is there was sent; what is not there yet may still come.
            match find(ports.commands, id, nodes, claimed.now()).await {
                Ok(Some(command)) => sent(ports.references, &claimed, &request.wave, command).await,
                Ok(None) | Err(_) => {
                    Err(unknown).context(format!("could not send the command of effect {id}"))
                }
            }
        }
    }
}

/// One SendCommand reaches all nodes or none, so the first node tells.
async fn find(
    commands: &impl SendsCommands,
    effect: &EffectId,
    nodes: &BTreeMap<ServerId, NodeId>,
    now: Timestamp,
) -> Result<Option<CommandId>, ReadError> {
    let Some(node) = nodes.values().next() else {
        return Ok(None);
    };
    let since = now.saturating_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
    commands.find(effect, node, since).await
}

/// Remember whose command it is before it is answered, so that its events find the wave.
async fn sent<E: Effects, C: Clock>(
    references: &impl References,
    claimed: &Claimed<'_, E, C>,
    wave: &WaveId,
    command: CommandId,
) -> Result<Response, HandlerError> {
    if let Err(error) = references.remember(&command, wave).await {
        // Events change nothing but timing: without the reference the command is polled.
        tracing::warn!(%wave, effect = %claimed.effect.id, %command, %error,
            "the command's reference was not saved");
    }
    claimed.answer(&Outcome::Command(command)).await
}
