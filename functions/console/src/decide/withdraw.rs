//! An approval that is taken back, by the link that it was given with; whether it still can be.
//!
//! **Invariant 9**: whoever may take it back gave it, on the evidence that is still asked about or
//! was approved, and nobody has acted on it. The driver checks all of this again.

use jiff::Timestamp;
use tidegate_domain::gate::{Gate, GateState, OpenGate, Verdict};
use tidegate_domain::link::Link;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use super::used::{Used, used};
use super::{gate_plan, wave_of, wave_page};
use crate::payload::Response;
use crate::refused::{Failure, Refused, Status};
use crate::{Ports, page, submit};

/// Take back what was approved with a link.
pub(super) async fn withdraw<W, I, D, O, X, S, C>(
    link: &Link,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    S: Signer,
    C: Clock,
{
    let now = ports.clock.now();
    let wave = wave_of(link, ports.waves).await?;
    let Used { first, withdrawn } = Used::of(link, ports.inbox).await?;
    if withdrawn.is_none() {
        may_withdraw(first.as_ref(), &wave, link, now)?;
    }
    let message = Message {
        id: link.withdrawal(),
        at: now,
        by: link.approver.clone(),
        body: Body::Withdraw {
            gate: link.gate,
            evidence: link.evidence.clone(),
            door: link.door,
        },
    };
    let new = submit(
        &wave.id,
        &message,
        ports.inbox,
        ports.drivers,
        ports.executions,
    )
    .await?;
    if !new {
        let withdrawn = withdrawn.as_ref().unwrap_or(&message);
        let first = first.as_ref().unwrap_or(withdrawn);
        return Err(used(first, Some(withdrawn), &wave, link, now).into());
    }
    let wave_page = wave_page(link, ports.signer).await?;
    Ok(page::withdrawn(link, &wave_page))
}

/// Whether what was approved with this link can be taken back with it.
pub(super) fn may_withdraw(
    first: Option<&Message>,
    wave: &Wave,
    link: &Link,
    now: Timestamp,
) -> Result<(), Refused> {
    let approved = first.is_some_and(|first| {
        matches!(
            first.body,
            Body::Decide {
                verdict: Verdict::Approve,
                ..
            }
        )
    });
    if !approved {
        let message = "Nothing was approved with this link: there is nothing to take back.";
        return Err(Refused::new(Status::Conflict, message));
    }
    if link.expires <= now {
        let message = format!(
            "This link expired at {}: take the approval back with the command tidegate withdraw, or \
             have the wave held.",
            words::time(link.expires, None)
        );
        return Err(Refused::new(Status::Gone, message));
    }
    if gate_plan(wave, link.gate)
        .approver(&link.approver)
        .is_none()
    {
        let message = format!(
            "{} is no approver of the {} gate.",
            link.approver, link.gate
        );
        return Err(Refused::new(Status::Forbidden, message));
    }
    if wave.phase.terminal() {
        let message = format!("Wave {} has ended ({}).", wave.id, wave.phase.name());
        return Err(Refused::new(Status::Gone, message));
    }
    // It may lie in the inbox still.
    withdrawable(wave, link.gate, &link.evidence)?;
    Ok(())
}

/// Whether there can be an approval on that evidence that was not acted on; gives the question.
pub(crate) fn withdrawable<'a>(
    wave: &'a Wave,
    gate: Gate,
    evidence: &str,
) -> Result<&'a OpenGate, Refused> {
    let id = &wave.id;
    let open = match wave.gates.get(&gate) {
        Some(GateState::Open(open)) => open,
        Some(GateState::Approved {
            question: Some(open),
            ..
        }) => open,
        Some(GateState::Approved { .. }) => {
            let message = format!(
                "The approval of the {gate} gate of wave {id} is being acted on: hold the wave instead."
            );
            return Err(Refused::new(Status::Conflict, message));
        }
        Some(GateState::Lapsed { .. }) | None => {
            let message = format!("Nothing is approved at the {gate} gate of wave {id}.");
            return Err(Refused::new(Status::Conflict, message));
        }
    };
    if open.evidence.hash() != evidence {
        let message = format!(
            "What the {gate} gate of wave {id} asks has changed since, and an approval of before does \
             not count any more."
        );
        return Err(Refused::new(Status::Gone, message));
    }
    Ok(open)
}
