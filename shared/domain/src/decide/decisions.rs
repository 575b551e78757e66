//! What people decide: approvals of the whole or a part, rejections, withdrawals, waivers, and
//! that a gate asks again for what was left.
//!
//! **Invariant 9**: a decision counts once, for the evidence it was shown, by an allowed person,
//! in time. In time is when the person decided, however late a driver comes to count it.

use jiff::Timestamp;

use super::inbox::{Answer, in_motion};
use super::turn::{Turn, named};
use super::{cleanup, gates, lapses, reminders, wants};
use crate::gate::{Approval, Door, Gate, GateState, OpenGate, Part, Verdict};
use crate::hold::HoldReason;
use crate::id::ServerId;
use crate::plan::{Approver, GatePlan};
use crate::server::{End, Stage, Waiver};
use crate::wave::Phase;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// A decision as it was said.
pub(super) struct Said<'a> {
    pub(super) by: &'a Approver,
    /// When the console took it.
    pub(super) at: Timestamp,
    pub(super) gate: Gate,
    pub(super) verdict: Verdict,
    pub(super) evidence: &'a str,
    pub(super) door: Door,
    pub(super) only: &'a Part,
    pub(super) reason: Option<String>,
}

/// Count a decision.
pub(super) fn decide(turn: &mut Turn, said: Said<'_>) -> Answer {
    let Said { by, gate, .. } = said;
    let plan = turn.wave.gate_plan(gate).clone();
    let open = match turn.wave.gates.get(&gate) {
        Some(GateState::Open(open)) => open,
        Some(GateState::Approved { .. }) => {
            return Err(format!("the {gate} gate is approved already"));
        }
        Some(GateState::Lapsed { .. }) => {
            return Err("the evidence has changed since; the gate asks again".to_owned());
        }
        None => return Err(format!("the {gate} gate is not open")),
    };
    if open.evidence.hash() != said.evidence {
        return Err("the evidence has changed since; look at it again".to_owned());
    }
    if !open.in_time(said.at) {
        return Err(if turn.wave.expired_under_hold(gate, turn.now) {
            format!(
                "the {gate} gate expired while the wave was held; it is asked anew once the wave \
                 goes on"
            )
        } else {
            format!("the {gate} gate has expired")
        });
    }
    plan.may_decide(by, said.door, open)?;
    match said.verdict {
        Verdict::Approve => {
            turn.wave.may_approve(gate, by)?;
            let only = open.evidence.part(&turn.wave.plan, said.only)?;
            approve(turn, &plan, &said, only)
        }
        Verdict::Reject => Ok(reject(turn, &said)),
    }
}

/// The servers that a decision names, where it is about a part of what is asked.
pub(super) fn part(turn: &Turn, gate: Gate, only: &Part) -> Vec<ServerId> {
    let part = match turn.wave.gates.get(&gate) {
        Some(GateState::Open(open)) => open.evidence.part(&turn.wave.plan, only),
        Some(GateState::Approved { .. } | GateState::Lapsed { .. }) | None => Ok(Vec::new()),
    };
    part.unwrap_or_default()
}

fn approve(turn: &mut Turn, plan: &GatePlan, said: &Said<'_>, only: Vec<ServerId>) -> Answer {
    let Said { by, at, gate, .. } = said;
    let now = turn.now;
    let part = named(&turn.hostnames(&only));
    let Some(GateState::Open(open)) = turn.wave.gates.get_mut(gate) else {
        return Err(format!("the {gate} gate is not open"));
    };
    let what = match only.len() {
        0 => format!("the {gate} gate"),
        _ => {
            let of = open.evidence.servers.len();
            format!("{part} of {of} at the {gate} gate")
        }
    };
    if open.approvals.iter().any(|a| plan.same_person(&a.by, by)) {
        return Err(format!("{by} approved the {gate} gate already"));
    }
    open.approvals.push(Approval {
        by: (*by).clone(),
        at: *at,
        door: said.door,
        only,
        reason: said.reason.clone(),
    });
    let in_time = in_time(open, *at, now);
    let released = if gates::quorum(plan, open).is_some() && end_expiry(turn, *gate) {
        " The wave is held no more."
    } else {
        ""
    };
    Ok(format!(
        "{by} approved {what} by {}{in_time}{}.{released}",
        said.door.name(),
        because(said.reason.as_deref())
    ))
}

fn reject(turn: &mut Turn, said: &Said<'_>) -> String {
    let Said { by, gate, .. } = said;
    let because = because(said.reason.as_deref());
    let in_time = match turn.wave.gates.remove(gate) {
        Some(GateState::Open(open)) => in_time(&open, said.at, turn.now),
        _ => String::new(),
    };
    end_expiry(turn, *gate);
    gates::rejected(turn, *gate, format!("{by}{because}"));
    format!(
        "{by} rejected the {gate} gate by {}{in_time}{because}.",
        said.door.name()
    )
}

/// When a decision was taken, where that is not plain from when it is counted.
fn in_time(open: &OpenGate, taken: Timestamp, now: Timestamp) -> String {
    if open.in_time(now) {
        String::new()
    } else {
        taken
            .strftime(", in time at %Y-%m-%d %H:%M:%S UTC")
            .to_string()
    }
}

/// A gate was decided in time after all: the wave is not held for its expiry any more. Gives
/// whether it was.
fn end_expiry(turn: &mut Turn, gate: Gate) -> bool {
    let expired = HoldReason::Expired {
        gate: gate.to_string(),
    };
    let held = turn.wave.hold.as_ref();
    let held = held.is_some_and(|hold| hold.reason == expired);
    if held {
        turn.wave.hold = None;
    }
    held
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

/// Take one's own approval back, if it was not acted on.
pub(super) fn withdraw(turn: &mut Turn, by: &Approver, gate: Gate, evidence: &str) -> Answer {
    let plan = turn.wave.gate_plan(gate).clone();
    let state = turn.wave.gates.get(&gate);
    let mut open: OpenGate = match state {
        Some(GateState::Open(open)) => open.clone(),
        Some(GateState::Approved {
            question: Some(open),
            ..
        }) => (**open).clone(),
        Some(GateState::Approved { .. }) => {
            return Err(format!(
                "the approval of the {gate} gate is being acted on; hold the wave instead"
            ));
        }
        Some(GateState::Lapsed { .. }) | None => {
            return Err(format!("nothing is approved at the {gate} gate"));
        }
    };
    if open.evidence.hash() != evidence {
        return Err("the evidence has changed since; look at it again".to_owned());
    }
    let before = open.approvals.len();
    // Another principal whom the same entry of the plan lets decide is somebody else.
    open.approvals.retain(|a| !plan.did(by, &a.by));
    if open.approvals.len() == before {
        return Err(format!("{by} has not approved the {gate} gate"));
    }
    open.withdrawals += 1;
    let undone = matches!(state, Some(GateState::Approved { .. }));
    let expired = undone && !open.in_time(turn.now);
    turn.wave.gates.insert(gate, GateState::Open(open));
    if expired {
        // Nobody was silent: it stood approved when it expired.
        let change = format!("{by} withdrew the approval");
        lapses::lapse(turn, gate, &plan, std::iter::once(change).collect());
        return Ok(format!(
            "{by} withdrew the approval of the {gate} gate, which asks again."
        ));
    }
    Ok(if undone {
        format!("{by} withdrew the approval of the {gate} gate, which is open again.")
    } else {
        format!("{by} withdrew the approval of the {gate} gate.")
    })
}

/// Let servers pass although a check fails on them.
pub(super) fn waive(
    turn: &mut Turn,
    by: &Approver,
    ids: &[ServerId],
    check: &str,
    reason: &str,
) -> Answer {
    let reason: String = reason.trim().chars().take(LONGEST_REASON).collect();
    if reason.is_empty() {
        return Err("a waiver needs a reason".to_owned());
    }
    if ids.is_empty() {
        return Err("no server is named".to_owned());
    }
    if turn.wave.phase == Phase::Finalizing || turn.wave.phase.ending() {
        return Err("it is too late to waive a check".to_owned());
    }
    for id in ids {
        let Some(server) = turn.servers.iter().find(|s| s.id == *id) else {
            return Err(format!("{id} is not in this wave"));
        };
        let checks = turn.application(server).map(|a| a.validate.as_slice());
        let known = checks
            .unwrap_or_default()
            .iter()
            .any(|d| d.document == check);
        if !known {
            return Err(format!(
                "the plan runs no check {check} on {}",
                server.hostname
            ));
        }
        let over = match &server.stage {
            Stage::CutOver { .. } | Stage::Finalizing { .. } | Stage::Finalized { .. } => true,
            Stage::Ended { end } => !matches!(end, End::Failed { .. }),
            _ => false,
        };
        if over {
            return Err(format!(
                "{} is {}; nothing is checked on it any more",
                server.hostname,
                server.stage.name()
            ));
        }
    }
    let waiver = Waiver {
        check: check.to_owned(),
        by: by.to_string(),
        at: turn.now,
        reason: reason.clone(),
    };
    for index in 0..turn.servers.len() {
        if !turn.servers.get(index).is_some_and(|s| ids.contains(&s.id)) {
            continue;
        }
        turn.with_server(index, |turn, server| {
            server.waivers.retain(|w| w.check != waiver.check);
            server.waivers.push(waiver.clone());
            // The waiver is worth another try.
            cleanup::try_again(turn, server);
        });
    }
    gates::back_to_testing(turn);
    let mended = match turn.wave.hold.as_ref().map(|h| &h.reason) {
        Some(HoldReason::ServersFailed { .. }) => !turn.servers.iter().any(wants::failed),
        Some(HoldReason::BudgetSpent { allowed, .. }) => {
            let counted = turn.servers.iter().filter(|s| !s.critical && s.failed);
            u32::try_from(counted.count()).unwrap_or(u32::MAX) <= *allowed
        }
        Some(_) | None => false,
    };
    if mended {
        turn.wave.hold = None;
    }
    Ok(format!(
        "{by} waived {check} on {}: {reason}",
        named(&turn.hostnames(ids))
    ))
}

/// Ask a gate again: about everything that is left, or whom it waits for if it is open.
pub(super) fn ask_again(turn: &mut Turn, gate: Gate) -> Answer {
    if let Some(GateState::Open(_)) = turn.wave.gates.get(&gate) {
        return reminders::ask_the_silent(turn, gate);
    }
    let waits = turn
        .servers
        .iter()
        .any(|s| gates::is_put_off(turn, gate, &s.id) && !s.at_rest());
    if !waits {
        return Err(format!("nothing was put off at the {gate} gate"));
    }
    match (gate, &turn.wave.phase) {
        (Gate::Cutover, Phase::AwaitingCutover) | (Gate::Finalize, Phase::AwaitingFinalize) => {}
        (Gate::Cutover, Phase::CuttingOver) => {
            if turn.servers.iter().any(in_motion) {
                return Err("cutovers are under way; ask when they rest".to_owned());
            }
            turn.enter(Phase::AwaitingCutover);
        }
        (Gate::Cutover, Phase::Soaking { .. } | Phase::AwaitingFinalize) => {
            // What runs in AWS already soaks on, and is asked about with the rest.
            lapses::ask_anew(turn, Gate::Finalize);
            turn.enter(Phase::AwaitingCutover);
        }
        (Gate::Cutover | Gate::Finalize, phase) => {
            return Err(format!(
                "the wave is {}; ask when that is over",
                phase.name()
            ));
        }
    }
    lapses::ask_anew(turn, gate);
    Ok(format!("The {gate} gate is asked again for what is left."))
}
