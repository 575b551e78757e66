//! `POST /api/waves/{wave}/gates/{gate}/decisions`: an AWS principal decides at a gate.
//!
//! **Invariant 9**: for the evidence that the caller saw, by an approver of that gate, in time.
//! The decision is counted by the driver, which checks all of this again.

use serde::Deserialize;
use tidegate_domain::gate::{Door, Gate, Part, Verdict};
use tidegate_domain::id::WaveId;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Wave;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::waves::Waves;

use super::{LARGEST_BODY, Uuid, find, read, send, sent_before};
use crate::Ports;
use crate::decide::{NotOpen, already, gate_plan, open_gate, withdrawable};
use crate::payload::Request;
use crate::refused::{Failure, Refused, Status};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    message: Uuid,
    verdict: Said,
    evidence: String,
    #[serde(default)]
    only: Part,
    #[serde(default)]
    reason: Option<String>,
}

/// What a caller can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Approve,
    Reject,
    Withdraw,
}

/// Take a decision.
pub(super) async fn decide<W, I, D, O, X, S, C>(
    request: &Request,
    caller: Approver,
    wave: &WaveId,
    gate: Gate,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<(), Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    C: Clock,
{
    let Decision {
        message,
        verdict,
        evidence,
        only,
        reason,
    } = read(request, LARGEST_BODY)?;
    let now = ports.clock.now();
    let found = find(wave, ports.waves).await?;
    let plan = gate_plan(&found, gate);
    // Who may not decide is told so before how the gate stands, if there is anybody who may.
    if plan.approver(&caller).is_none() && !plan.automatic {
        let message = format!(
            "{caller} is no approver of the {gate} gate of wave {wave}: its plan names who is."
        );
        return Err(Refused::new(Status::Forbidden, message).into());
    }
    let reason = reason.map(checked_reason).transpose()?.flatten();
    let verdict = match verdict {
        Said::Approve => Some(Verdict::Approve),
        Said::Reject => Some(Verdict::Reject),
        Said::Withdraw => None,
    };
    if verdict == Some(Verdict::Reject) && !only.is_whole() {
        let message = "A gate is rejected as a whole: leave out what it is about.";
        return Err(Refused::new(Status::BadRequest, message).into());
    }
    let door = Door::Iam;
    let body = match verdict {
        Some(verdict) => Body::Decide {
            gate,
            verdict,
            evidence,
            door,
            only,
            reason,
        },
        None => Body::Withdraw {
            gate,
            evidence,
            door,
        },
    };
    let message = Message {
        id: message.0,
        at: now,
        by: caller,
        body,
    };
    if !sent_before(wave, &message, ports.inbox).await? {
        fits(&message, &found)?;
    }
    send(wave, &message, ports).await
}

/// Whether a decision would count as the wave is now.
fn fits(message: &Message, wave: &Wave) -> Result<(), Refused> {
    let (now, caller) = (message.at, &message.by);
    match &message.body {
        Body::Decide {
            gate,
            verdict,
            evidence,
            door,
            only,
            ..
        } => {
            let gate = *gate;
            let plan = wave.gate_plan(gate);
            let open = open_gate(wave, gate, evidence, now)
                .map_err(|not_open| too_late(not_open, &wave.id, gate))?;
            plan.may_decide(caller, *door, open).map_err(may_not)?;
            if *verdict == Verdict::Reject {
                return Ok(());
            }
            wave.may_approve(gate, caller).map_err(may_not)?;
            if let Some(approval) = plan.approval_of(caller, open) {
                let message = already(approval, wave, gate, now);
                return Err(Refused::new(Status::Conflict, message));
            }
            let part = open.evidence.part(&wave.plan, only);
            part.map_err(|why| Refused::new(Status::Conflict, sentence(&why)))?;
            Ok(())
        }
        Body::Withdraw { gate, evidence, .. } => {
            let open = withdrawable(wave, *gate, evidence)?;
            let plan = wave.gate_plan(*gate);
            if open.approvals.iter().any(|a| plan.did(caller, &a.by)) {
                return Ok(());
            }
            let message = format!(
                "No approval of {caller} counts at the {gate} gate of wave {}; one that was just given \
                 is counted within seconds.",
                wave.id
            );
            Err(Refused::new(Status::Conflict, message))
        }
        _ => Ok(()),
    }
}

fn may_not(why: String) -> Refused {
    Refused::new(Status::Forbidden, sentence(&why))
}

fn too_late(not_open: NotOpen, wave: &WaveId, gate: Gate) -> Refused {
    let message = match not_open {
        NotOpen::Automatic => {
            format!("The {gate} gate of wave {wave} is decided by the plan itself.")
        }
        NotOpen::Closed => format!("The {gate} gate of wave {wave} is not open."),
        NotOpen::Approved => format!("The {gate} gate of wave {wave} was approved already."),
        NotOpen::Expired => {
            format!("The {gate} gate of wave {wave} has expired: resume the wave to ask again.")
        }
        NotOpen::Changed => format!(
            "The evidence at the {gate} gate of wave {wave} has changed since you looked: look \
             again, then decide."
        ),
    };
    Refused::new(Status::Conflict, message)
}

/// Why a decision would not count, as a sentence: it may begin with a name.
fn sentence(why: &str) -> String {
    format!("That would not count: {why}.")
}

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// One line, or nothing.
pub(super) fn checked_reason(reason: String) -> Result<Option<String>, Refused> {
    let reason = reason.trim();
    if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
        let message =
            format!("The reason must be one line of at most {LONGEST_REASON} characters.");
        return Err(Refused::new(Status::BadRequest, message));
    }
    Ok((!reason.is_empty()).then(|| reason.to_owned()))
}
