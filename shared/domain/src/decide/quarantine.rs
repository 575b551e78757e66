//! Messages that decisions die on: found one at a time, and set aside unread.
//!
//! **Invariant 5**: a driver that dies again and again without progress goes on in the end.
//! **Invariant 9**: nobody's word is lost for what killed it elsewhere: set aside is only what
//! drivers died on while they read nothing else, a decision among it can be given again, and no gate
//! is passed over one that was not read.

use super::turn::Turn;
use super::{Facts, inbox, lapses, news};
use crate::gate::{Gate, GateState, OpenGate};
use crate::hold::HoldReason;
use crate::id::MessageId;
use crate::message::{Body, MOST_MESSAGES, Message, Reading};
use crate::news::News;
use crate::plan::Approver;

/// Restarts without a saved decision after which messages are read one at a time.
pub const MOST_RESTARTS: u32 = 3;
/// Drivers that died on a message alone, after which it is set aside.
const MOST_DEATHS: u32 = 2;

/// How a turn reads its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// All at once.
    AtOnce,
    /// Not in this turn. If it can be saved, what killed the drivers was a message, or is over.
    NotAtAll,
    /// The first alone.
    Alone,
    /// The first is set aside: drivers died on it.
    SetAside,
}

impl Way {
    pub(super) fn of(facts: &Facts) -> Self {
        let first = facts.inbox.first().map(|message| &message.id);
        let deadly = |reading: &Reading| {
            first == Some(&reading.message) && reading.deaths(facts.generation) >= MOST_DEATHS
        };
        if facts.reading.as_ref().is_some_and(deadly) {
            Self::SetAside
        } else if facts.restarts >= MOST_RESTARTS {
            Self::NotAtAll
        } else if facts.wave.as_ref().is_some_and(|wave| wave.careful) {
            Self::Alone
        } else {
            Self::AtOnce
        }
    }
}

/// What is to be noted before this decision is begun: that it reads one message alone. None if it
/// does not.
#[must_use]
pub fn reads_alone(facts: &Facts) -> Option<Reading> {
    let message = &facts.inbox.first()?.id;
    match Way::of(facts) {
        Way::AtOnce | Way::NotAtAll | Way::SetAside => None,
        Way::Alone => {
            let before = facts.reading.as_ref().filter(|r| r.message == *message);
            Some(Reading {
                message: message.clone(),
                generation: facts.generation,
                drivers: 1 + before.map_or(0, |r| r.deaths(facts.generation)),
            })
        }
    }
}

/// Deal with the messages, so.
pub(super) fn receive(turn: &mut Turn, way: Way, inbox: Vec<Message>, unreadable: Vec<MessageId>) {
    let mut inbox = inbox.into_iter();
    let unreadable = unreadable.into_iter().map(|id| {
        let said = format!("message {id}, which cannot be read");
        (id, said)
    });
    let mut aside: Vec<_> = unreadable.collect();
    if way == Way::SetAside {
        aside.extend(inbox.next().map(|message| deadly(turn, message)));
    }
    set_aside(turn, aside);
    let most = match way {
        Way::AtOnce => usize::MAX,
        Way::Alone => 1,
        Way::NotAtAll | Way::SetAside => 0,
    };
    for message in inbox.by_ref().take(most) {
        inbox::receive(turn, message);
    }
    turn.more_messages |= inbox.next().is_some();
    turn.wave.careful = way != Way::AtOnce && turn.more_messages;
}

/// A message that drivers died on, and what it said.
fn deadly(turn: &mut Turn, message: Message) -> (MessageId, String) {
    let Message { id, at, by, body } = message;
    if let Body::Decide { gate, evidence, .. } = &body {
        ask_anew(turn, *gate, evidence, &by);
    }
    let at = at.strftime("%Y-%m-%d %H:%M UTC");
    let said = format!(
        "{by} {} at {at} (message {id}, on which drivers died)",
        body.what()
    );
    (id, said)
}

/// A decision of somebody who may decide was not read: nobody passes the gate over it. What others said
/// counts no more, and everybody is asked again.
fn ask_anew(turn: &mut Turn, gate: Gate, evidence: &str, by: &Approver) {
    let plan = turn.wave.gate_plan(gate).clone();
    let of_it = |open: &OpenGate| open.evidence.hash() == evidence;
    let open = match turn.wave.gates.get(&gate) {
        Some(GateState::Open(open)) => Some(open),
        Some(GateState::Approved { .. } | GateState::Lapsed { .. }) | None => None,
    };
    if open.is_some_and(of_it) && plan.approver(by).is_some() {
        let change = format!("a decision of {by} was set aside unread, and counts for nothing");
        lapses::lapse(turn, gate, &plan, std::iter::once(change).collect());
    }
}

/// What cannot be dealt with is remembered as drained, and a person is told what it said.
fn set_aside(turn: &mut Turn, messages: Vec<(MessageId, String)>) {
    if messages.is_empty() {
        return;
    }
    let (ids, mut said): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    turn.note(
        "MessagesSetAside",
        format!("Set aside: {}.", said.join("; ")),
    );
    turn.drained.extend(ids);
    // Whoever releases the hold knows of all of them.
    if let Some(HoldReason::Quarantined { messages }) =
        turn.wave.hold.as_ref().map(|hold| &hold.reason)
    {
        said.extend(messages.iter().cloned());
        said.truncate(MOST_MESSAGES);
        turn.wave.hold = None;
    }
    said.truncate(MOST_MESSAGES);
    if turn.wave.hold.is_some() {
        // That hold stays, and its commands; what was set aside is told all the same.
        news::tell(turn, News::MessagesSetAside { said });
    } else {
        turn.hold(HoldReason::Quarantined { messages: said });
    }
}
