//! Invariant 9 in Slack: what is decided there was pressed there, by that person, in a message that
//! asked it, and counts once; and a question that is over does not stand there as if it were asked.

use tidegate_domain::effect::{EffectStatus, Outcome};
use tidegate_domain::gate::{Door, Gate, GateState};
use tidegate_domain::id::WaveId;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::Approver;
use tidegate_ports::slack::Answer;
use tidegate_ports::turns::Turn;
use tidegate_slack::button::Button;

use super::{covered, violated};
use crate::cloud::Cloud;
use crate::cloud::slack::Press;

/// A decision in Slack: who, at which gate, on which evidence.
type Decided<'a> = (&'a Approver, Gate, &'a str);

/// The decisions that a turn deals with.
pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let wave = &turn.wave.id;
    for message in &turn.loaded.inbox {
        let Some(decided) = decided(message).filter(|_| turn.drained.contains(&message.id)) else {
            continue;
        };
        let (by, body) = (&message.by, &message.body);
        if !pressed(cloud, wave, message, decided) {
            violated(cloud, 9, format!("{by} pressed nothing like {body:?}"));
        }
        let same = cloud.table.inspect(|tables| {
            let inbox = tables.inbox.iter().filter(|((of, _), _)| of == wave);
            let messages = inbox.filter_map(|(_, stored)| stored.message.as_ref());
            messages
                .filter(|other| self::decided(other) == Some(decided))
                .count()
        });
        // Buttons that are made after a withdrawal, anybody's, count anew.
        if same > 1 + withdrawals(turn, decided.1) {
            violated(cloud, 9, format!("{by} decides {same} times by {body:?}"));
        }
    }
}

/// How many approvals of what a gate asks were taken back so far.
fn withdrawals(turn: &Turn<'_>, gate: Gate) -> usize {
    let before = turn.loaded.wave.as_ref();
    let open = match before.and_then(|wave| wave.gates.get(&gate)) {
        Some(GateState::Open(open)) => Some(open),
        Some(GateState::Approved { question, .. }) => question.as_deref(),
        Some(GateState::Lapsed { .. }) | None => None,
    };
    open.map_or(0, |open| usize::try_from(open.withdrawals).unwrap_or(0))
}

fn decided(message: &Message) -> Option<Decided<'_>> {
    match &message.body {
        Body::Decide {
            door: Door::Slack,
            gate,
            evidence,
            ..
        } => Some((&message.by, *gate, evidence)),
        _ => None,
    }
}

/// Whether somebody pressed what makes this message.
fn pressed(cloud: &Cloud, wave: &WaveId, message: &Message, decided: Decided<'_>) -> bool {
    cloud.slack.borrow().presses.iter().any(|press| {
        let Button { gate, evidence, .. } = &press.button;
        let said = matches!(&message.body, Body::Decide { verdict, .. } if press.verdict == Some(*verdict));
        said && press.button.wave == *wave && (&press.by, *gate, evidence.as_str()) == decided
    })
}

/// Somebody who pressed a button is told what came of it.
pub(super) fn told(cloud: &Cloud, press: &Press, answer: &Answer) {
    let what = match answer {
        Answer::Replace(_) => "is taken",
        Answer::Whisper(text) if text.contains("no approver") => "is a stranger's",
        Answer::Whisper(text) if text.contains("counts once") => "comes twice",
        Answer::Whisper(text) if text.contains("for you alone") => "looks",
        Answer::Whisper(_) => "is too late",
    };
    covered(cloud, format!("Slack click {what}"));
    let id = press.button.message(&press.by);
    let place = (press.button.wave.clone(), id);
    let recorded = cloud
        .table
        .inspect(|tables| tables.inbox.contains_key(&place));
    if !recorded && matches!(answer, Answer::Replace(_)) {
        violated(
            cloud,
            9,
            format!("{} is shown a decision that nobody recorded", press.by),
        );
    }
}

/// When every wave has ended: no question stands in a message that somebody could have changed.
pub(super) fn at_the_end(cloud: &Cloud) {
    let posted = cloud.table.inspect(|tables| {
        let effects = tables.effects.values().map(|stored| &stored.effect);
        effects
            .filter_map(|effect| match &effect.status {
                EffectStatus::Answered {
                    outcome:
                        Outcome::Asked {
                            posted: Some(posted),
                            ..
                        },
                    ..
                } => Some((effect.id.clone(), posted.clone())),
                _ => None,
            })
            .collect::<Vec<_>>()
    });
    let channel = cloud.slack.borrow();
    for (effect, posted) in posted {
        match channel.find(&posted) {
            None => violated(
                cloud,
                9,
                format!("{effect} posted {posted:?}, which is not there"),
            ),
            Some(standing) if standing.still_asks() => {
                let text = &standing.now.text;
                violated(cloud, 9, format!("{effect} still asks in Slack: {text}"));
            }
            Some(_) => {}
        }
    }
}
