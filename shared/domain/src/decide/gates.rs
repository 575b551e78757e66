//! Gates: asked with frozen evidence, asked again when the evidence changes, decided by enough
//! people in time.
//!
//! **Invariant 9**.

use std::collections::BTreeMap;

use super::turn::{Turn, later};
use super::window;
use crate::effect::Task;
use crate::gate::{Evidence, Gate, GateState, LeftOut, OpenGate, ServerEvidence};
use crate::hold::HoldReason;
use crate::id::{JobId, ServerId};
use crate::plan::GatePlan;
use crate::server::{End, Passed, Server, Stage};
use crate::wave::Phase;

/// Ask, count or lapse; gives whether the gate is approved for what is there now.
pub(super) fn approved(turn: &mut Turn, gate: Gate) -> bool {
    let plan = plan(turn, gate).clone();
    match turn.wave.gates.get(&gate).cloned() {
        Some(GateState::Approved { jobs, .. }) => {
            if jobs == self::jobs(turn, gate) || turn.wave.hold.is_some() {
                return true;
            }
            turn.note(
                "EvidenceChanged",
                format!("The {gate} gate is asked again."),
            );
            turn.wave.gates.remove(&gate);
            ask(turn, gate, &plan)
        }
        Some(GateState::Open(open)) => count(turn, gate, &plan, open),
        None => ask(turn, gate, &plan),
    }
}

fn plan(turn: &Turn, gate: Gate) -> &GatePlan {
    match gate {
        Gate::Cutover => &turn.wave.plan.gates.cutover,
        Gate::Finalize => &turn.wave.plan.gates.finalize,
    }
}

fn count(turn: &mut Turn, gate: Gate, plan: &GatePlan, open: OpenGate) -> bool {
    let now = evidence(turn, gate, open.evidence.round);
    if now != open.evidence {
        if turn.wave.hold.is_some() {
            return false;
        }
        turn.note(
            "EvidenceChanged",
            format!("The {gate} gate is asked again."),
        );
        turn.wave.gates.remove(&gate);
        return ask(turn, gate, plan);
    }
    if u32::try_from(open.approvals.len()).unwrap_or(u32::MAX) >= plan.quorum {
        let by: Vec<String> = open.approvals.iter().map(|a| a.by.to_string()).collect();
        approve(turn, gate, &open.evidence, by);
        return true;
    }
    if turn.now >= open.expires {
        turn.hold(HoldReason::Expired {
            gate: gate.to_string(),
        });
        return false;
    }
    turn.look_again(open.expires);
    false
}

fn ask(turn: &mut Turn, gate: Gate, plan: &GatePlan) -> bool {
    if turn.wave.hold.is_some() {
        return false;
    }
    let round = turn.wave.rounds.get(&gate).copied().unwrap_or(0);
    let evidence = evidence(turn, gate, round);
    if plan.automatic {
        turn.wave.rounds.insert(gate, round + 1);
        approve(turn, gate, &evidence, Vec::new());
        return true;
    }
    let expires = later(turn.now, plan.expires);
    let task = Task::OpenGate {
        gate,
        evidence: evidence.clone(),
        approvers: plan.approvers.clone(),
        expires,
    };
    let Some(effect) = turn.plan(task) else {
        return false;
    };
    turn.wave.rounds.insert(gate, round + 1);
    turn.note_by(
        "GateOpened",
        format!(
            "The {gate} gate waits for {} of {} approvers.",
            plan.quorum,
            plan.approvers.len()
        ),
        "tidegate",
        &effect,
    );
    turn.look_again(expires);
    turn.wave.gates.insert(
        gate,
        GateState::Open(OpenGate {
            evidence,
            opened: turn.now,
            expires,
            approvals: Vec::new(),
        }),
    );
    false
}

fn approve(turn: &mut Turn, gate: Gate, evidence: &Evidence, by: Vec<String>) {
    let who = if by.is_empty() {
        "the plan".to_owned()
    } else {
        by.join(", ")
    };
    turn.note_by(
        "GateApproved",
        format!("The {gate} gate is approved."),
        who,
        evidence.hash(),
    );
    let jobs = evidence
        .servers
        .iter()
        .map(|s| (s.server.clone(), s.job.clone()))
        .collect();
    turn.wave.gates.insert(
        gate,
        GateState::Approved {
            evidence: evidence.hash(),
            at: turn.now,
            by,
            jobs,
        },
    );
}

/// The launch that the gate is about, if it is about this server.
fn subject(server: &Server, gate: Gate) -> Option<&Passed> {
    match (gate, &server.stage) {
        (Gate::Cutover, Stage::Tested { .. }) => server.test.as_ref(),
        (Gate::Finalize, Stage::CutOver { .. } | Stage::Finalizing { .. }) => {
            server.cutover.as_ref()
        }
        (Gate::Cutover | Gate::Finalize, _) => None,
    }
}

fn jobs(turn: &Turn, gate: Gate) -> BTreeMap<ServerId, JobId> {
    turn.servers
        .iter()
        .filter_map(|s| subject(s, gate).map(|passed| (s.id.clone(), passed.launch.job.clone())))
        .collect()
}

/// What an approver is shown now.
fn evidence(turn: &Turn, gate: Gate, round: u32) -> Evidence {
    let servers = turn
        .servers
        .iter()
        .filter_map(|s| subject(s, gate).map(|passed| server_evidence(s, passed)))
        .collect();
    let left_out = turn
        .servers
        .iter()
        .filter_map(|s| match &s.stage {
            Stage::Ended {
                end: End::Skipped { reason } | End::Failed { reason, .. },
            } => Some(LeftOut {
                server: s.id.clone(),
                hostname: s.hostname.clone(),
                reason: reason.clone(),
            }),
            _ => None,
        })
        .collect();
    let projected_downtime = match gate {
        Gate::Cutover => turn
            .wave
            .plan
            .applications
            .iter()
            .map(|a| window::projection(turn, a))
            .max(),
        Gate::Finalize => None,
    };
    Evidence {
        wave: turn.wave.id.clone(),
        gate,
        round,
        window: turn.wave.plan.window.clone(),
        projected_downtime,
        servers,
        left_out,
    }
}

fn server_evidence(server: &Server, passed: &Passed) -> ServerEvidence {
    ServerEvidence {
        server: server.id.clone(),
        hostname: server.hostname.clone(),
        application: server.application.clone(),
        job: passed.launch.job.clone(),
        instance: passed.launch.instance.clone(),
        validated_at: passed.at,
        checks: passed.checks,
    }
}

/// A wave with a server that has to be tested again goes back to testing, and its cutover gate
/// is asked again.
pub(super) fn back_to_testing(turn: &mut Turn) {
    let again = turn.servers.iter().any(|s| match &s.stage {
        Stage::Replicating | Stage::Accepting { .. } => true,
        Stage::Launching { purpose, .. }
        | Stage::Checking { purpose, .. }
        | Stage::Validating { purpose, .. } => *purpose == crate::server::Purpose::Test,
        Stage::Returning { then, .. } => {
            *then == crate::server::Then::Launch(crate::server::Purpose::Test)
        }
        _ => false,
    });
    if again && matches!(turn.wave.phase, Phase::AwaitingCutover | Phase::CuttingOver) {
        turn.wave.gates.remove(&Gate::Cutover);
        turn.enter(Phase::Testing);
    }
}
