//! What is told in Slack after a click: to everybody, in place of the message, or to the person alone.
//!
//! **Invariant**: what a click is about was recorded before anybody is told, and Slack gets its 200
//! within its three seconds whoever is slow: what does not fit into [`TOLD_WITHIN`] is left untold.
//! (The driver changes a bot's message anyway once its question is over.) Whatever is put in a
//! message's place is held against the wave again afterwards, for the driver may have changed the
//! message before that, and for good.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::gate::{Asking, Gate, GateState, OpenGate, Verdict};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::clock::Clock;
use tidegate_ports::error::chain;
use tidegate_ports::slack::{Answer, SlackClicks};
use tidegate_ports::waves::Waves;
use tidegate_slack::message::{Question, Standing, ended, said};

use super::{Decision, asked};
use crate::decide::gate_plan;

/// When a click has to be done with, from when it came: Slack waits three seconds for its 200, on the
/// network and for a function that is started first too.
const TOLD_WITHIN: SignedDuration = SignedDuration::from_millis(2_500);

/// How often a message is changed for one click; Slack takes five.
const MOST_ANSWERS: u32 = 3;

/// What is to be told, where, and until when.
#[derive(Debug)]
pub(crate) struct Telling {
    by: Approver,
    answer: Answer,
    decision: Option<Decision>,
    url: Option<String>,
    until: Timestamp,
}

impl Telling {
    /// What a click that came then is answered.
    pub(super) fn new(
        by: Approver,
        answer: Answer,
        decision: Option<Decision>,
        url: Option<String>,
        came: Timestamp,
    ) -> Self {
        Self {
            by,
            answer,
            decision,
            url,
            until: came.saturating_add(TOLD_WITHIN).unwrap_or(came),
        }
    }

    /// Tell it, as far as there is time.
    pub(crate) async fn tell(
        self,
        waves: &impl Waves,
        clock: &impl Clock,
        slack: &impl SlackClicks,
    ) {
        let left = self.until.duration_since(clock.now());
        let by = self.by.clone();
        let told = if left.is_positive() {
            slack.within(left, self.all(waves, slack)).await
        } else {
            None
        };
        if told.is_none() {
            tracing::warn!(%by, "no time was left to answer in Slack");
        }
    }

    /// Tell it, and again what became of it meanwhile. A decision stands whether or not Slack can
    /// be told.
    async fn all(self, waves: &impl Waves, slack: &impl SlackClicks) {
        let Some(url) = self.url else { return };
        let mut answer = self.answer;
        for _ in 0..MOST_ANSWERS {
            if let Err(error) = slack.answer(&url, &answer).await {
                tracing::warn!(by = %self.by, error = chain(&error), "could not answer in Slack");
            }
            let (Answer::Replace(_), Some(decision)) = (&answer, &self.decision) else {
                return;
            };
            match waves.wave(&decision.button.wave).await {
                Ok(Some(wave)) => match truth(decision, &wave) {
                    Some(new) if new != answer => answer = new,
                    Some(_) | None => return,
                },
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "could not read what became of a click"
                    );
                    return;
                }
            }
        }
    }
}

/// The message as everybody sees it with this decision.
pub(super) fn shown(decision: &Decision, wave: &Wave, open: &OpenGate) -> Answer {
    let Decision {
        by,
        at,
        verdict,
        button,
        value,
    } = decision;
    let plan = gate_plan(wave, button.gate);
    let others = open
        .approvals
        .iter()
        .filter(|other| !plan.same_person(&other.by, by));
    let mut lines: Vec<String> = others
        .map(|other| said(&other.by, Verdict::Approve, other.at))
        .collect();
    lines.push(said(by, *verdict, *at));
    let approved = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let still = match verdict {
        Verdict::Reject => {
            lines.push("The wave is held until somebody resumes or aborts it.".to_owned());
            false
        }
        Verdict::Approve if approved < plan.quorum => {
            let missing = words::count((plan.quorum - approved) as usize, "approval");
            lines.push(format!("{missing} more needed."));
            true
        }
        Verdict::Approve => false,
    };
    let question = Question {
        evidence: &open.evidence,
        approvers: &plan.approvers,
        expires: open.expires,
        asking: Asking::First,
        minimum: plan.minimum,
    };
    Answer::Replace(question.message(Standing {
        lines: &lines,
        value: still.then_some(value),
    }))
}

/// What everybody shall see of this wave now; None if the decision was counted, and ended the
/// question as it was shown.
fn truth(decision: &Decision, wave: &Wave) -> Option<Answer> {
    // In time is when the person decided.
    match asked(&decision.button, wave, decision.at) {
        Ok(open) => Some(shown(decision, wave, open)),
        Err(_) if counted(decision, wave) => None,
        Err(over) => {
            let gate = decision.button.gate;
            let end = ended(&wave.id, gate, &over.message, &deciders(wave, gate));
            Some(Answer::Replace(end))
        }
    }
}

/// Who decided at the gate in Slack.
fn deciders(wave: &Wave, gate: Gate) -> Vec<Approver> {
    let hold = wave.hold.as_ref().map(|hold| &hold.reason);
    let told = match (wave.gates.get(&gate), hold) {
        (Some(GateState::Approved { by, .. }), _) => by.as_slice(),
        (None, Some(HoldReason::Rejected { gate: at, by })) if *at == gate.name() => {
            std::slice::from_ref(by)
        }
        (Some(GateState::Open(_) | GateState::Lapsed { .. }) | None, _) => &[],
    };
    told.iter()
        .filter_map(|by| Approver::in_slack(by))
        .collect()
}

/// Whether the question ended by this decision, with others or alone.
fn counted(decision: &Decision, wave: &Wave) -> bool {
    let ours = decision.by.to_string();
    match (decision.verdict, wave.gates.get(&decision.button.gate)) {
        (Verdict::Approve, Some(GateState::Approved { evidence, by, .. })) => {
            *evidence == decision.button.evidence && by.contains(&ours)
        }
        (Verdict::Reject, None) => wave.hold.as_ref().is_some_and(|hold| {
            matches!(
                &hold.reason,
                HoldReason::Rejected { gate, by } if *gate == decision.button.gate.name() && *by == ours
            )
        }),
        (Verdict::Approve | Verdict::Reject, _) => false,
    }
}
