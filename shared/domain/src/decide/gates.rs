//! Gates: asked with frozen evidence, asked again when the evidence changes materially, decided by
//! enough people in time.
//!
//! **Invariant 9**.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::changes;
use super::turn::{Turn, later, named};
use super::{evidence, lapses, news, reminders, rollback};
use crate::audit::About;
use crate::effect::Task;
use crate::gate::{Approval, Asking, Changes, Evidence, Gate, GateState, Lapse, OpenGate};
use crate::hold::HoldReason;
use crate::id::{JobId, ServerId};
use crate::news::News;
use crate::plan::{GatePlan, OnExpiry};
use crate::server::{Server, Stage};
use crate::wave::Phase;
use crate::words;

/// The most servers that a sentence tells.
const MOST_TOLD: usize = 5;

/// Ask, count or lapse; gives whether the gate is approved for something that is there now.
pub(super) fn approved(turn: &mut Turn, gate: Gate) -> bool {
    let plan = turn.wave.gate_plan(gate).clone();
    match turn.wave.gates.get(&gate).cloned() {
        Some(GateState::Approved {
            jobs,
            put_off,
            question,
            lapse: lapsed,
            ..
        }) => {
            let subject = |s: &&Server| evidence::subject(s, gate).is_some();
            let mut subjects = turn.servers.iter().filter(subject).peekable();
            let nothing = subjects.peek().is_none();
            let waits = subjects.any(|s| !put_off.contains(&s.id));
            if let Some(Lapse { changes, .. }) = lapsed.filter(|_| waits) {
                lapses::end(turn, gate, &plan, changes);
                return plan.automatic;
            }
            let changes = match &question {
                Some(open) => changes(turn, &open.evidence, &put_off),
                None => other_launches(turn, gate, &jobs, &put_off),
            };
            if !changes.is_empty() {
                lapses::lapse(turn, gate, &plan, changes);
                return plan.automatic;
            }
            nothing || waits
        }
        Some(GateState::Open(open)) => count(turn, gate, &plan, open),
        Some(GateState::Lapsed { changes, .. }) => {
            // People are told what changed before they are asked again.
            !news::tells_of(turn, gate) && ask(turn, gate, &plan, changes)
        }
        None => ask(turn, gate, &plan, Changes::default()),
    }
}

/// Whether a server was left for later when its gate was approved.
pub(super) fn is_put_off(turn: &Turn, gate: Gate, server: &ServerId) -> bool {
    match turn.wave.gates.get(&gate) {
        Some(GateState::Approved { put_off, .. }) => put_off.contains(server),
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => false,
    }
}

/// Remember which gates are asked, and which expired, under the hold that the wave was found with, before
/// anybody releases it.
pub(super) fn note_hold(turn: &mut Turn) {
    for gate in [Gate::Cutover, Gate::Finalize] {
        let expired = turn.wave.expired_under_hold(gate, turn.now);
        let held = turn.wave.held_besides(gate);
        if let Some(GateState::Open(open)) = turn.wave.gates.get_mut(&gate) {
            open.expired_under_hold = expired;
            open.held |= held;
        }
    }
}

/// The wave is being ended: nobody is asked any more.
pub(super) fn ask_no_more(turn: &mut Turn) {
    let decided = |state: &mut GateState| matches!(state, GateState::Approved { .. });
    turn.wave.gates.retain(|_, state| decided(state));
}

/// The approval is acted on: it cannot be withdrawn any more, and lapses only for what has not begun.
pub(super) fn act_on(turn: &mut Turn, gate: Gate) {
    if let Some(GateState::Approved {
        question, acted_on, ..
    }) = turn.wave.gates.get_mut(&gate)
        && let Some(open) = question.take()
    {
        *acted_on = Some(open.evidence.shown());
    }
}

/// All that was approved has begun and ended: what was shown is compared with nothing any more.
pub(super) fn acted(turn: &mut Turn, gate: Gate) {
    if let Some(GateState::Approved { acted_on, .. }) = turn.wave.gates.get_mut(&gate) {
        *acted_on = None;
    }
}

fn count(turn: &mut Turn, gate: Gate, plan: &GatePlan, open: OpenGate) -> bool {
    let changes = changes(turn, &open.evidence, &BTreeSet::new());
    if !changes.is_empty() {
        lapses::lapse(turn, gate, plan, changes);
        return false;
    }
    if let Some(approved) = quorum(plan, &open) {
        approve(turn, gate, open, &approved);
        return true;
    }
    if turn.now < open.expires {
        turn.look_again(open.expires);
        reminders::remind(turn, gate, plan, open);
        return false;
    }
    // A hold goes away when a decision in time arrives after it; nothing else can be taken back.
    let holds = plan.on_expiry == OnExpiry::Hold && !open.expired_under_hold;
    if holds || settled(turn, &open) {
        return expire(turn, gate, plan, open);
    }
    turn.look_again(open.settled());
    false
}

/// Whether every decision that was taken in time has been counted, however late it came.
pub(super) fn settled(turn: &Turn, open: &OpenGate) -> bool {
    turn.now >= open.settled() && !turn.more_messages
}

/// The servers that enough people approved, if there are any.
pub(super) fn quorum(plan: &GatePlan, open: &OpenGate) -> Option<BTreeSet<ServerId>> {
    let enough = |approvals: &mut dyn Iterator<Item = &Approval>| {
        u32::try_from(approvals.count()).unwrap_or(u32::MAX) >= plan.quorum
    };
    let whole = |approval: &&Approval| approval.only.is_empty();
    if enough(&mut open.approvals.iter().filter(whole)) {
        let all = open.evidence.servers.iter().map(|s| s.server.clone());
        return Some(all.collect());
    }
    if !enough(&mut open.approvals.iter()) {
        return None;
    }
    let parts: Vec<BTreeSet<&ServerId>> = open
        .approvals
        .iter()
        .map(|approval| approval.only.iter().collect())
        .collect();
    let named = |server: &ServerId| {
        let approvals = open.approvals.iter().zip(&parts);
        let mut naming = approvals
            .filter(|(_, part)| part.is_empty() || part.contains(server))
            .map(|(approval, _)| approval);
        enough(&mut naming)
    };
    let approved: BTreeSet<ServerId> = open
        .evidence
        .servers
        .iter()
        .filter(|s| named(&s.server))
        .map(|s| s.server.clone())
        .collect();
    (!approved.is_empty()).then_some(approved)
}

/// A gate was rejected: the wave is held, unless it is already; then the gate is asked again once the
/// wave goes on.
pub(super) fn rejected(turn: &mut Turn, gate: Gate, by: String) {
    turn.rejected.insert(gate, by.clone());
    turn.hold(HoldReason::Rejected {
        gate: gate.to_string(),
        by,
    });
}

/// Nobody decided in time, or not enough.
fn expire(turn: &mut Turn, gate: Gate, plan: &GatePlan, open: OpenGate) -> bool {
    let acts = matches!(plan.on_expiry, OnExpiry::Proceed | OnExpiry::RollBack);
    let why = if open.expired_under_hold {
        Some("it expired while the wave was held, when silence is no answer")
    } else if acts && open.held {
        Some("the wave was held while it was asked, and silence is no answer to that")
    } else {
        None
    };
    if let Some(why) = why {
        lapses::lapse(turn, gate, plan, std::iter::once(why.to_owned()).collect());
        return false;
    }
    match plan.on_expiry {
        OnExpiry::Hold => turn.hold(HoldReason::Expired {
            gate: gate.to_string(),
        }),
        OnExpiry::Reject => {
            turn.note(
                "GateRejected",
                format!("The {gate} gate expired; by its plan that rejects it."),
            );
            turn.about(About::gate(gate));
            turn.wave.gates.remove(&gate);
            rejected(turn, gate, "its plan, as nobody decided in time".to_owned());
        }
        OnExpiry::RollBack => {
            turn.note(
                "GateExpired",
                format!("The {gate} gate expired; by its plan the wave is rolled back."),
            );
            turn.about(About::gate(gate));
            turn.wave.gates.remove(&gate);
            let why = format!("Nobody decided at the {gate} gate in time, and the plan says so.");
            rollback::begin(turn, why);
        }
        OnExpiry::Proceed => {
            turn.note(
                "GateExpired",
                format!("The {gate} gate expired; by its plan the wave proceeds."),
            );
            turn.about(About::gate(gate));
            let open = OpenGate {
                approvals: Vec::new(),
                ..open
            };
            let all = open.evidence.servers.iter().map(|s| s.server.clone());
            let all: BTreeSet<ServerId> = all.collect();
            approve(turn, gate, open, &all);
            return true;
        }
    }
    false
}

/// Ask people what is shown now, or let the gate decide by itself; gives whether it is approved.
pub(super) fn ask(turn: &mut Turn, gate: Gate, plan: &GatePlan, changed: Changes) -> bool {
    if turn.wave.hold.is_some() {
        return false;
    }
    let round = turn.wave.rounds.get(&gate).copied().unwrap_or(0);
    let mut told = turn.wave.unshown.get(&gate).cloned().unwrap_or_default();
    told.add(changed);
    let evidence = evidence::evidence(turn, gate, round, told);
    let expires = later(turn.now, plan.expires);
    let open = OpenGate::new(evidence, turn.now, expires);
    if plan.automatic {
        asked(turn, gate, round);
        let all = open.evidence.servers.iter().map(|s| s.server.clone());
        let all: BTreeSet<ServerId> = all.collect();
        approve(turn, gate, open, &all);
        return true;
    }
    let task = Task::OpenGate {
        gate,
        evidence: open.evidence.clone(),
        approvers: plan.approvers.clone(),
        expires,
        mailboxes: plan.mailboxes(),
        notify: plan.notify.clone(),
        asking: Asking::First,
        withdrawals: 0,
        minimum: plan.minimum,
    };
    let Some(effect) = turn.plan(task) else {
        return false;
    };
    asked(turn, gate, round);
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
    turn.about(About::evidence(gate, &open.evidence.hash()));
    turn.look_again(expires);
    turn.wave.gates.insert(gate, GateState::Open(open));
    false
}

/// A gate was asked, with everything that was to be shown.
fn asked(turn: &mut Turn, gate: Gate, round: u32) {
    turn.wave.rounds.insert(gate, round + 1);
    turn.wave.unshown.remove(&gate);
}

/// The gate is approved for these servers; the others are put off.
fn approve(turn: &mut Turn, gate: Gate, open: OpenGate, approved: &BTreeSet<ServerId>) {
    let by: Vec<String> = open.approvals.iter().map(|a| a.by.to_string()).collect();
    let who = if by.is_empty() {
        "the plan".to_owned()
    } else {
        by.join(", ")
    };
    let Evidence { servers: asked, .. } = &open.evidence;
    let put_off: BTreeSet<ServerId> = asked
        .iter()
        .filter(|s| !approved.contains(&s.server))
        .map(|s| s.server.clone())
        .collect();
    let jobs = asked
        .iter()
        .filter(|s| approved.contains(&s.server))
        .map(|s| (s.server.clone(), s.job.clone()))
        .collect();
    let settings = asked
        .iter()
        .filter(|s| approved.contains(&s.server))
        .filter_map(|s| Some((s.server.clone(), s.settings.as_ref()?.digest.clone())))
        .collect();
    let evidence = open.evidence.hash();
    let text = if turn.wave.gate_plan(gate).automatic {
        // No question keeps it.
        format!(
            "The {gate} gate is approved by the plan, which asks nobody: of its evidence the hash alone \
             is kept."
        )
    } else if put_off.is_empty() {
        format!("The {gate} gate is approved.")
    } else {
        let names = |ids: &BTreeSet<ServerId>| {
            let ids: Vec<ServerId> = ids.iter().cloned().collect();
            named(&turn.hostnames(&ids))
        };
        format!(
            "The {gate} gate is approved for {}; {} stay as they are.",
            names(approved),
            names(&put_off)
        )
    };
    turn.note_by("GateApproved", text.clone(), who, &evidence);
    turn.about(About::evidence(gate, &evidence).with_servers(approved));
    if !put_off.is_empty() {
        news::tell(turn, News::GateApprovedInPart { gate, text });
    }
    // A finalize is acted on at once.
    let asked = !turn.wave.gate_plan(gate).automatic;
    let (question, acted_on) = match gate {
        Gate::Cutover => (asked.then(|| Box::new(open)), None),
        Gate::Finalize => (None, asked.then(|| open.evidence.shown())),
    };
    turn.wave.gates.insert(
        gate,
        GateState::Approved {
            evidence,
            at: turn.now,
            by,
            jobs,
            settings,
            put_off,
            question,
            acted_on,
            lapse: None,
        },
    );
}

/// Servers whose launch is neither the one that was approved nor was left for later.
fn other_launches(
    turn: &Turn,
    gate: Gate,
    jobs: &BTreeMap<ServerId, JobId>,
    put_off: &BTreeSet<ServerId>,
) -> Changes {
    let launch = |s: &Server| evidence::subject(s, gate).map(|passed| passed.launch.job.clone());
    let gone = |s: &&Server| jobs.contains_key(&s.id) && launch(s).is_none() && s.left();
    let other = |s: &&Server| {
        let launch = launch(s);
        launch.is_some() && !put_off.contains(&s.id) && jobs.get(&s.id) != launch.as_ref()
    };
    // What was approved and is cut over by now is no change.
    let left = turn
        .servers
        .iter()
        .filter(gone)
        .map(|s| format!("{} left the wave", s.hostname));
    let launched = turn
        .servers
        .iter()
        .filter(other)
        .map(|s| format!("{} was launched again", s.hostname));
    match gate {
        Gate::Finalize => launched.collect(),
        Gate::Cutover => launched
            .chain(left.filter(|_| matches!(turn.wave.phase, Phase::AwaitingCutover)))
            .collect(),
    }
}

/// A wave with a server that has to be tested again goes back to testing, and its cutover gate
/// is asked again.
pub(super) fn back_to_testing(turn: &mut Turn) {
    let again: Vec<String> = turn
        .servers
        .iter()
        .filter(|s| match &s.stage {
            Stage::Replicating | Stage::Accepting { .. } => true,
            Stage::Launching { purpose, .. }
            | Stage::Checking { purpose, .. }
            | Stage::Validating { purpose, .. } => *purpose == crate::server::Purpose::Test,
            Stage::Returning { then, .. } => {
                *then == crate::server::Then::Launch(crate::server::Purpose::Test)
            }
            _ => false,
        })
        .map(|s| s.hostname.clone())
        .collect();
    if !again.is_empty() && matches!(turn.wave.phase, Phase::AwaitingCutover | Phase::CuttingOver) {
        let change = format!("to be tested again: {}", words::few(&again, MOST_TOLD));
        lapses::lapse_if_asked(turn, Gate::Cutover, std::iter::once(change).collect());
        turn.enter(Phase::Testing);
    }
}
