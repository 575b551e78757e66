//! A plan that is changed while its wave is under way.
//!
//! **Invariant 9**: once a wave was started its gates get no looser, or whoever may apply plans
//! could decide alone. What changes is told by name: on the topic, in the chain, and to those who are
//! asked, now or with the next question.

use super::differences::{differences, gates_of};
use super::inbox::{Answer, in_motion};
use super::turn::Turn;
use super::{lapses, news};
use crate::gate::{Changes, Gate};
use crate::news::News;
use crate::plan::{Approver, GatePlan, OnExpiry, Plan};
use crate::wave::{Claims, Phase};
use crate::words;

/// The most changes that the chain tells: all that one change of a plan usually makes.
const MOST_TOLD: usize = 50;

/// The most people who change a plan: none of them may approve it, so that each is remembered.
const MOST_AUTHORS: usize = 50;

/// Change the plan; a gate that was asked is asked again.
pub(super) fn amend(turn: &mut Turn, by: &Approver, plan: Plan) -> Answer {
    if plan == turn.wave.plan {
        return Ok("The plan is the one that is under way already.".to_owned());
    }
    let frozen = !matches!(turn.wave.claims, Claims::None);
    if frozen && plan.applications != turn.wave.plan.applications {
        return Err("the wave's servers are selected; its applications cannot be changed".into());
    }
    let known = turn.wave.authors().any(|author| author.same(by));
    if !known && turn.wave.authors().count() >= MOST_AUTHORS {
        return Err(format!(
            "{MOST_AUTHORS} people have changed this plan, and no more can"
        ));
    }
    let started = turn.wave.started.is_some() || turn.wave.phase != Phase::Waiting;
    let looser = looser(&turn.wave.plan, &plan);
    if started && !looser.is_empty() {
        return Err(format!(
            "the wave has started, and from then on its gates get no looser: {}",
            looser.join("; ")
        ));
    }
    let asked = match turn.wave.phase {
        Phase::CuttingOver if turn.servers.iter().any(in_motion) => {
            return Err("cutovers are under way; change the plan when they rest".to_owned());
        }
        Phase::Waiting
        | Phase::Preflight { .. }
        | Phase::Testing
        | Phase::AwaitingCutover
        | Phase::CuttingOver => Gate::Cutover,
        Phase::Soaking { .. } | Phase::AwaitingFinalize => Gate::Finalize,
        Phase::Finalizing
        | Phase::RollingBack
        | Phase::Aborting
        | Phase::Completed
        | Phase::RolledBack
        | Phase::Aborted => return Err("it is too late to change the plan".to_owned()),
    };
    let different: Changes = differences(&turn.wave.plan, &plan).into_iter().collect();
    if started {
        let mut changes: Changes = std::iter::once(format!("{by} changed the plan")).collect();
        changes.add(different.clone());
        lapses::tell_change(turn, asked, &changes);
        let (by, changes) = (by.clone(), different.clone());
        news::tell(turn, News::PlanChanged { by, changes });
    }
    if turn.wave.phase == Phase::CuttingOver {
        turn.enter(Phase::AwaitingCutover);
    }
    if let Phase::Soaking { .. } = turn.wave.phase {
        let until = turn.wave.phase_since.saturating_add(plan.gates.soak);
        turn.wave.phase = Phase::Soaking {
            until: until.unwrap_or(jiff::Timestamp::MAX).max(turn.now),
        };
    }
    turn.wave.plan = plan;
    let before = std::mem::replace(&mut turn.wave.applied_by, by.clone());
    turn.wave.authors_before.push(before);
    turn.wave.authors_before.retain(|author| !author.same(by));
    let what = if different.is_empty() {
        String::new()
    } else {
        format!(" What is different: {}.", different.clause(MOST_TOLD))
    };
    Ok(format!(
        "The plan was changed; a gate that was asked is asked again.{what}"
    ))
}

/// What would let somebody pass a gate who could not before, whoever its approvers are; and what would
/// leave those who can answer less time, or nobody to answer, where silence is acted on.
fn looser(before: &Plan, after: &Plan) -> Vec<String> {
    let mut looser = Vec::new();
    for (gate, was, is) in gates_of(before, after) {
        let mut note = |worse: bool, what: String| {
            if worse {
                looser.push(format!("the {gate} gate {what}"));
            }
        };
        // Whoever it asks from now on, it asked nobody before.
        if was.automatic {
            continue;
        }
        if is.automatic {
            note(true, "would ask nobody".to_owned());
            continue;
        }
        let quorum = format!("would want {} approvals, not {}", is.quorum, was.quorum);
        note(is.quorum < was.quorum, quorum);
        let minimum = format!("would take {}", is.minimum.name());
        note(is.minimum < was.minimum, minimum);
        let own = "would let people approve what they did themselves";
        note(is.self_approval && !was.self_approval, own.to_owned());
        let parted = was.people.iter().any(|person| parted(person, is));
        note(parted, "would count a person more than once".to_owned());
        let Some(silence) = acted_on(is.on_expiry) else {
            continue;
        };
        let other = is.on_expiry != was.on_expiry;
        note(other, format!("would take silence for {silence}"));
        let expires = format!(
            "would take silence for {silence} after {}, not {}",
            words::duration(is.expires),
            words::duration(was.expires)
        );
        note(is.expires < was.expires, expires);
        let nobody = "would take silence for an answer of people of whom nobody was asked before";
        note(!may_still_answer(was, is), nobody.to_owned());
    }
    let finalize = &after.gates.finalize;
    let alone = finalize.automatic || acted_on(finalize.on_expiry).is_some();
    if alone && after.gates.soak < before.gates.soak {
        looser.push(format!(
            "the finalize gate, which can do without an answer, would come after a soak of {}, not {}",
            words::duration(after.gates.soak),
            words::duration(before.gates.soak)
        ));
    }
    looser
}

/// What silence is taken for, where something is done that no resume takes back.
fn acted_on(on_expiry: OnExpiry) -> Option<&'static str> {
    match on_expiry {
        OnExpiry::Proceed => Some("an approval"),
        OnExpiry::RollBack => Some("a rollback"),
        OnExpiry::Hold | OnExpiry::Reject => None,
    }
}

/// Whether one of those who could answer still can: asked at first, and proved well enough.
fn may_still_answer(was: &GatePlan, is: &GatePlan) -> bool {
    let answers = |plan: &GatePlan, who: &Approver| who.door() >= plan.minimum;
    let mut before = was.approvers.iter().filter(|who| answers(was, who));
    before.any(|who| {
        let mut now = is.approvers.iter().filter(|now| answers(is, now));
        now.any(|now| now.stands_for(who) || who.stands_for(now))
    })
}

/// Whether two identities of a person may decide, and would count as two.
fn parted(person: &[Approver], plan: &GatePlan) -> bool {
    let decides = |who: &&Approver| plan.approver(who).is_some();
    let identities: Vec<&Approver> = person.iter().filter(decides).collect();
    let others = |a: &&Approver| identities.iter().any(|b| !plan.same_person(a, b));
    identities.iter().any(others)
}
