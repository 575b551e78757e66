//! Invariant 9: a decision of a person counts once, for the evidence it was shown, by an allowed
//! person, in time.

use std::collections::BTreeSet;

use tidegate_domain::gate::{Gate, GateState, OpenGate, Verdict};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::GatePlan;
use tidegate_domain::wave::Wave;
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let before = turn.loaded.wave.as_ref();
    for (gate, state) in &turn.wave.gates {
        let earlier = before.and_then(|wave| wave.gates.get(gate));
        let GateState::Approved { evidence, by, .. } = state else {
            continue;
        };
        if earlier == Some(state) {
            continue;
        }
        if let Err(text) = approved(cloud, turn.wave, *gate, evidence, by, earlier) {
            violated(
                cloud,
                9,
                format!("the {gate} gate of {}: {text}", turn.wave.id),
            );
        }
    }
}

fn approved(
    cloud: &Cloud,
    wave: &Wave,
    gate: Gate,
    evidence: &str,
    by: &[String],
    earlier: Option<&GateState>,
) -> Result<(), String> {
    let plan = match gate {
        Gate::Cutover => &wave.plan.gates.cutover,
        Gate::Finalize => &wave.plan.gates.finalize,
    };
    if plan.automatic {
        return if by.is_empty() {
            Ok(())
        } else {
            Err("it decides by itself".to_owned())
        };
    }
    let open = match earlier {
        Some(GateState::Open(open)) => open,
        Some(GateState::Approved { .. } | GateState::Lapsed { .. }) | None => {
            return Err("it was not open".to_owned());
        }
    };
    if open.evidence.hash() != evidence {
        return Err("another evidence was approved than was shown".to_owned());
    }
    let people: BTreeSet<&String> = by.iter().collect();
    let most = usize::try_from(plan.quorum).unwrap_or(usize::MAX);
    if people.len() < most || people.len() != by.len() {
        return Err(format!("{by:?} approved; {} must", plan.quorum));
    }
    for person in people {
        if !said_so(cloud, wave, gate, evidence, person, open, plan) {
            return Err(format!("{person} did not approve this evidence in time"));
        }
    }
    Ok(())
}

/// Whether there is a message in which this person approved, who may.
fn said_so(
    cloud: &Cloud,
    wave: &Wave,
    gate: Gate,
    evidence: &str,
    person: &str,
    open: &OpenGate,
    plan: &GatePlan,
) -> bool {
    let counts = |message: &Message| {
        let right = match &message.body {
            Body::Decide {
                gate: of,
                verdict: Verdict::Approve,
                evidence: shown,
                ..
            } => *of == gate && shown == evidence,
            _ => false,
        };
        right
            && message.at <= open.expires
            && plan.approver(&message.by).is_some_and(|allowed| {
                message.by.to_string() == person || allowed.to_string() == person
            })
    };
    cloud.table.inspect(|tables| {
        let mut inbox = tables.inbox.iter().filter(|((of, _), _)| *of == wave.id);
        inbox.any(|(_, stored)| stored.message.as_ref().is_some_and(counts))
    })
}
