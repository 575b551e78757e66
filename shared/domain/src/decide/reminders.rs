//! Those who have not decided at an open gate: reminded as the plan says, asked again as a person
//! wants it, and others asked as well.

use jiff::{SignedDuration, Timestamp};

use super::turn::{Turn, later};
use crate::audit::About;
use crate::effect::Task;
use crate::gate::{Asking, Gate, GateState, OpenGate};
use crate::plan::{Approver, GatePlan};
use crate::wave::Wave;

/// How often people can have a question asked again, and how long they wait between two times:
/// each is a mail to everybody who has not decided.
const MOST_REMINDERS: u32 = 10;
const BETWEEN_REMINDERS: SignedDuration = SignedDuration::from_mins(5);

/// Those of them who have not decided, each once.
fn silent<'a>(
    plan: &GatePlan,
    open: &OpenGate,
    all: impl Iterator<Item = &'a Approver>,
) -> Vec<Approver> {
    let decided = |who: &Approver| open.approvals.iter().any(|a| plan.same_person(&a.by, who));
    let mut silent: Vec<Approver> = Vec::new();
    for who in all.filter(|who| !decided(who)) {
        if !silent.iter().any(|known| known.same(who)) {
            silent.push(who.clone());
        }
    }
    silent
}

/// Those who were asked at an open gate and have not decided.
fn waited_for(plan: &GatePlan, open: &OpenGate) -> Vec<Approver> {
    let escalated = plan.escalate.iter().filter(|_| open.escalated.is_some());
    let all = plan.approvers.iter().chain(escalated.flat_map(|e| &e.to));
    silent(plan, open, all)
}

impl Wave {
    /// Whether those who have not decided at an open gate can be asked again now.
    ///
    /// # Errors
    /// A sentence without its end: why not.
    pub fn may_ask_again(&self, open: &OpenGate, now: Timestamp) -> Result<(), String> {
        let gate = open.evidence.gate;
        if self.hold.is_some() {
            return Err("the wave is held; ask when it goes on".to_owned());
        }
        if open.expires <= now {
            return Err(format!("the {gate} gate has expired"));
        }
        if waited_for(self.gate_plan(gate), open).is_empty() {
            return Err(format!(
                "everybody who may decide at the {gate} gate has decided"
            ));
        }
        if open.reminders >= MOST_REMINDERS {
            return Err(format!(
                "the {gate} gate was asked {MOST_REMINDERS} times again already"
            ));
        }
        match open.reminded {
            Some(at) if later(at, BETWEEN_REMINDERS) > now => Err(format!(
                "the {gate} gate was asked again at {} already; wait some minutes",
                at.strftime("%H:%M:%S UTC")
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// Have those who have not decided at an open gate asked again, by the same links.
pub(super) fn ask_the_silent(turn: &mut Turn, gate: Gate) -> Result<String, String> {
    let Some(GateState::Open(open)) = turn.wave.gates.get(&gate) else {
        return Err(format!("the {gate} gate is not open"));
    };
    turn.wave.may_ask_again(open, turn.now)?;
    if let Some(GateState::Open(open)) = turn.wave.gates.get_mut(&gate) {
        open.again = true;
    }
    Ok(format!(
        "Who has not decided at the {gate} gate is asked again."
    ))
}

/// Remind those who have not decided, and ask those to whom the gate escalates.
pub(super) fn remind(turn: &mut Turn, gate: Gate, plan: &GatePlan, mut open: OpenGate) {
    let remind = match plan.reminds_at(open.expires) {
        _ if open.again => Some(turn.now),
        Some(at) if open.reminded.is_none_or(|last| last < at) => Some(at),
        Some(_) | None => None,
    };
    let escalate = plan.escalate.as_ref().filter(|_| open.escalated.is_none());
    let due = [
        (remind, Asking::Reminder, waited_for(plan, &open)),
        (
            escalate.and_then(|_| plan.escalates_at(open.expires)),
            Asking::Escalation,
            silent(plan, &open, escalate.iter().flat_map(|e| &e.to)),
        ),
    ];
    for (at, asking, approvers) in due {
        // Nobody is reminded if everybody has decided.
        let Some(at) = at.filter(|_| !approvers.is_empty()) else {
            continue;
        };
        if at > turn.now {
            turn.look_again(at);
            continue;
        }
        let task = Task::OpenGate {
            gate,
            evidence: open.evidence.clone(),
            approvers,
            expires: open.expires,
            mailboxes: plan.mailboxes(),
            notify: plan.notify.clone(),
            asking,
            withdrawals: open.withdrawals,
            minimum: plan.minimum,
        };
        let Some(effect) = turn.plan(task) else {
            continue;
        };
        let (event, text) = match asking {
            Asking::Escalation => {
                open.escalated = Some(turn.now);
                let text = format!("The {gate} gate expires soon: others are asked as well.");
                ("GateEscalated", text)
            }
            Asking::Reminder | Asking::First => {
                open.reminded = Some(turn.now);
                open.reminders += 1;
                open.again = false;
                let text = format!("Who has not decided at the {gate} gate is asked again.");
                ("ApproversReminded", text)
            }
        };
        turn.note_by(event, text, "tidegate", &effect);
        turn.about(About::gate(gate));
    }
    turn.wave.gates.insert(gate, GateState::Open(open));
}
