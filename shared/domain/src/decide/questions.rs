//! Questions in Slack: where they stand, and that they are over once they are, whichever door or
//! change ended them.
//!
//! The wave remembers each message that can be changed. At the end of a turn it wants those changed
//! whose question is not asked any more; nothing depends on whether that succeeds.

use super::gates;
use super::refusals::hold_for;
use super::turn::Turn;
use crate::effect::{Effect, Outcome, Task};
use crate::gate::{Asking, Evidence, Gate, GateState};
use crate::wave::{Posted, Question};

/// The most messages that are remembered; the oldest are left as they are.
const MOST: usize = 20;

/// The most changes of evidence that a message names.
const MOST_CHANGES: usize = 5;

/// The approvers were asked, or could not be.
pub(super) fn answered(
    turn: &mut Turn,
    effect: &Effect,
    gate: Gate,
    evidence: &Evidence,
    asking: Asking,
    outcome: Outcome,
) {
    match outcome {
        Outcome::Posted(posted) => asked(turn, gate, evidence.hash(), posted),
        Outcome::Refused(refusal) => {
            // Those who were asked all the same may have decided meanwhile.
            let Some(GateState::Open(open)) = turn.wave.gates.get_mut(&gate) else {
                return;
            };
            if open.evidence != *evidence {
                return;
            }
            // Who was to be asked is asked once the wave goes on.
            match asking {
                Asking::First => {
                    turn.wave.gates.remove(&gate);
                }
                Asking::Reminder => open.reminded = None,
                Asking::Escalation => open.escalated = None,
            }
            hold_for(turn, &effect.task, &refusal);
        }
        _ => {}
    }
}

/// A question stands in Slack.
fn asked(turn: &mut Turn, gate: Gate, evidence: String, posted: Posted) {
    let questions = &mut turn.wave.questions;
    questions.push(Question {
        gate,
        evidence,
        posted,
    });
    let most = questions.len().saturating_sub(MOST);
    questions.drain(..most);
}

/// Want every message changed whose question is over.
pub(super) fn close(turn: &mut Turn) {
    let questions = std::mem::take(&mut turn.wave.questions);
    for question in questions {
        let Some(end) = end(turn, &question) else {
            if let Some(GateState::Open(open)) = turn.wave.gates.get(&question.gate) {
                turn.look_again(open.settled());
            }
            turn.wave.questions.push(question);
            continue;
        };
        let planned = turn.plan(Task::CloseQuestion {
            gate: question.gate,
            posted: question.posted.clone(),
            end,
        });
        if planned.is_none() {
            turn.wave.questions.push(question);
        }
    }
}

/// How the question ended; None while it is asked.
fn end(turn: &Turn, question: &Question) -> Option<String> {
    let ended = turn.wave.phase.terminal();
    let ours = |evidence: &str| evidence == question.evidence;
    match turn.wave.gates.get(&question.gate) {
        Some(GateState::Open(open)) if !ended && ours(&open.evidence.hash()) => {
            gates::settled(turn, open).then(|| "It expired undecided.".to_owned())
        }
        Some(GateState::Approved {
            evidence,
            by,
            put_off,
            ..
        }) if ours(evidence) => {
            let part = if put_off.is_empty() { "" } else { " in part" };
            Some(match by.as_slice() {
                [] => "It was approved by the plan.".to_owned(),
                by => format!("It was approved{part} by {}.", by.join(", ")),
            })
        }
        Some(GateState::Lapsed { changes, .. }) => {
            let named = changes.iter().take(MOST_CHANGES).cloned();
            let named = named.collect::<Vec<_>>().join("; ");
            Some(format!("It lapsed, and is asked again: {named}."))
        }
        Some(GateState::Open(_) | GateState::Approved { .. }) | None => {
            Some(match turn.rejected.get(&question.gate) {
                Some(by) => format!("It was rejected by {by}."),
                None => "It is not asked any more.".to_owned(),
            })
        }
    }
}
