//! Questions: whom they did not reach, where they stand in Slack, and that they are over there once
//! they are, whichever door or change ended them.
//!
//! The wave remembers each message that can be changed. At the end of a turn it wants those changed
//! whose question is not asked any more; nothing depends on whether that succeeds.

use super::refusals::hold_for;
use super::turn::Turn;
use super::{gates, lapses, news};
use crate::audit::About;
use crate::effect::{Effect, Outcome, Task};
use crate::gate::{Asking, Evidence, Gate, GateState, OpenGate};
use crate::news::News;
use crate::plan::Approver;
use crate::wave::{Posted, Question};
use crate::words;

/// The most messages that are remembered; the oldest are left as they are.
const MOST: usize = 20;

/// The most changes of evidence that a message names.
const MOST_CHANGES: usize = 5;

/// The most approvers that a sentence names.
const MOST_NAMED: usize = 5;

/// The longest refusal that a sentence repeats, in characters.
const LONGEST_SAID: usize = 300;

/// What people were asked.
pub(super) struct Asked<'a> {
    pub(super) gate: Gate,
    pub(super) evidence: &'a Evidence,
    pub(super) approvers: &'a [Approver],
    pub(super) asking: Asking,
}

/// The approvers were asked, or could not be.
pub(super) fn answered(turn: &mut Turn, effect: &Effect, asked: &Asked<'_>, outcome: Outcome) {
    match outcome {
        Outcome::Asked {
            posted,
            unreached,
            refused,
        } => {
            if let Some(posted) = posted {
                stands(turn, asked, posted);
            }
            reached(turn, asked, unreached, refused);
        }
        Outcome::Refused(refusal) => {
            // Those who were asked all the same may have decided meanwhile.
            let Some(open) = open(turn, asked) else {
                return;
            };
            // Who was to be asked is asked once the wave goes on.
            match asked.asking {
                Asking::First => {
                    let unshown = std::mem::take(&mut open.evidence.changed);
                    turn.wave.gates.remove(&asked.gate);
                    lapses::keep_unshown(turn, asked.gate, unshown);
                }
                Asking::Reminder => {
                    open.reminded = None;
                    open.again = true;
                }
                Asking::Escalation => open.escalated = None,
            }
            hold_for(turn, &effect.task, &refusal);
        }
        _ => {}
    }
}

/// The gate, if it still asks that.
fn open<'a>(turn: &'a mut Turn, asked: &Asked<'_>) -> Option<&'a mut OpenGate> {
    match turn.wave.gates.get_mut(&asked.gate)? {
        GateState::Open(open) if open.evidence == *asked.evidence => Some(open),
        GateState::Open(_) | GateState::Approved { .. } | GateState::Lapsed { .. } => None,
    }
}

/// A question stands in Slack.
fn stands(turn: &mut Turn, asked: &Asked<'_>, posted: Posted) {
    let questions = &mut turn.wave.questions;
    questions.push(Question {
        gate: asked.gate,
        evidence: asked.evidence.hash(),
        posted,
    });
    let most = questions.len().saturating_sub(MOST);
    questions.drain(..most);
}

/// Mail may not reach some who were asked: people are told, once, for a link that nobody has is
/// waited for in vain.
fn reached(turn: &mut Turn, asked: &Asked<'_>, unreached: Vec<Approver>, refused: Option<String>) {
    let gate = asked.gate;
    let Some(open) = open(turn, asked) else {
        return;
    };
    let known = std::mem::take(&mut open.unreached);
    let new = unreached.iter().any(|approver| !known.contains(approver));
    let others = known
        .into_iter()
        .filter(|one| !asked.approvers.contains(one));
    open.unreached = others.chain(unreached).collect();
    if !new {
        return;
    }
    let (approvers, expires) = (open.unreached.clone(), open.expires);
    let names = words::few(&approvers, MOST_NAMED);
    let why = match &refused {
        Some(said) => format!(
            "a mail was refused: {}",
            words::one_line(said, LONGEST_SAID)
        ),
        None => "no subscriber of the topic takes it for certain".to_owned(),
    };
    turn.note(
        "ApproversUnreached",
        format!("Mail may not reach {names} at the {gate} gate: {why}."),
    );
    turn.about(About::gate(gate));
    news::tell(
        turn,
        News::ApproversUnreached {
            gate,
            approvers,
            refused,
            expires,
        },
    );
}

/// Want every message changed whose question is over.
pub(super) fn close(turn: &mut Turn) {
    let questions = std::mem::take(&mut turn.wave.questions);
    for question in questions {
        let Some((end, by)) = end(turn, &question) else {
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
            by,
        });
        if planned.is_none() {
            turn.wave.questions.push(question);
        }
    }
}

/// How the question ended, and who in Slack ended it; None while it is asked.
fn end(turn: &Turn, question: &Question) -> Option<(String, Vec<Approver>)> {
    let in_slack = |told: &[String]| {
        told.iter()
            .filter_map(|by| Approver::in_slack(by))
            .collect()
    };
    let ended = turn.wave.phase.terminal();
    let ours = |evidence: &str| evidence == question.evidence;
    match turn.wave.gates.get(&question.gate) {
        Some(GateState::Open(open)) if !ended && ours(&open.evidence.hash()) => {
            let told = if open.expired_under_hold {
                "It expired while the wave was held, and is asked anew once the wave goes on."
            } else {
                "It expired undecided."
            };
            gates::settled(turn, open).then(|| (told.to_owned(), Vec::new()))
        }
        Some(GateState::Approved {
            evidence,
            by,
            put_off,
            ..
        }) if ours(evidence) => {
            let part = if put_off.is_empty() { "" } else { " in part" };
            let told = match by.as_slice() {
                [] => "It was approved by the plan.".to_owned(),
                by => format!("It was approved{part} by {}.", by.join(", ")),
            };
            Some((told, in_slack(by)))
        }
        Some(GateState::Lapsed { changes, .. }) => {
            let named = changes.clause(MOST_CHANGES);
            Some((
                format!("It lapsed, and is asked again: {named}."),
                Vec::new(),
            ))
        }
        Some(GateState::Open(_) | GateState::Approved { .. }) | None => {
            Some(match turn.rejected.get(&question.gate) {
                Some(by) => (
                    format!("It was rejected by {by}."),
                    in_slack(std::slice::from_ref(by)),
                ),
                None => ("It is not asked any more.".to_owned(), Vec::new()),
            })
        }
    }
}
