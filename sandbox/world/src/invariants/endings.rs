//! Invariant 12: a wave ends as people and its plan say. It is aborted because somebody asked for
//! that, rolled back because somebody asked or the plan says so of a finalize gate at which nobody
//! decided, and completed in every other case.

use tidegate_domain::effect::{Effect, Task};
use tidegate_domain::gate::{Gate, GateState};
use tidegate_domain::hold::{Hold, HoldId};
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::plan::{Channel, OnExpiry};
use tidegate_domain::wave::Phase;
use tidegate_ports::turns::Turn;

use super::{covered, violated};
use crate::cloud::Cloud;

/// Where a wave goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To Completed.
    On,
    /// To RolledBack.
    Back,
    /// To Aborted.
    Out,
}

fn way(phase: &Phase) -> Way {
    match phase {
        Phase::Waiting
        | Phase::Preflight { .. }
        | Phase::Testing
        | Phase::AwaitingCutover
        | Phase::CuttingOver
        | Phase::Soaking { .. }
        | Phase::AwaitingFinalize
        | Phase::Finalizing
        | Phase::Completed => Way::On,
        Phase::RollingBack | Phase::RolledBack => Way::Back,
        Phase::Aborting | Phase::Aborted => Way::Out,
    }
}

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let hold = turn.wave.hold.as_ref();
    let new = hold.filter(|hold| hold.id == HoldId(turn.wave.turn));
    if new.is_some_and(|hold| !tells_of_a_hold(turn, hold)) {
        let text = format!("nobody is told that {} is held", turn.wave.id);
        violated(cloud, 12, text);
    }
    let before = turn.loaded.wave.as_ref().map(|wave| &wave.phase);
    let (from, to) = (before.map_or(Way::On, way), way(&turn.wave.phase));
    let good = match (from, to) {
        (Way::On, Way::On) => before.is_some_and(Phase::terminal) || !ignored_an_abort(turn),
        (Way::Back, Way::Back) | (Way::Out, Way::Out) => true,
        (Way::On, Way::Out) => said(turn, |body| matches!(body, Body::Abort)),
        (Way::On, Way::Back) => {
            let asked = said(turn, |body| matches!(body, Body::RollBack { .. }));
            if !asked && expired(turn) {
                covered(cloud, "rolled back because its finalize gate expired");
            }
            asked || expired(turn)
        }
        (Way::Back | Way::Out, _) => false,
    };
    if !good {
        let from = before.map_or("no wave", Phase::name);
        let text = format!(
            "{} was {from} and is {}, which nobody asked for",
            turn.wave.id,
            turn.wave.phase.name()
        );
        violated(cloud, 12, text);
    }
}

/// Whether people are told of this hold by mail, now or in the next turn.
fn tells_of_a_hold(turn: &Turn<'_>, hold: &Hold) -> bool {
    let sentence = hold.reason.sentence();
    let of_it = |news: &News, channel: Channel| {
        channel == Channel::Sns
            && matches!(news, News::WaveHeld { reason, .. } if *reason == sentence)
    };
    let now = |effect: &Effect| matches!(&effect.task, Task::Notify { news, channel } if of_it(news, *channel));
    let mut later = turn.wave.untold.iter();
    turn.effects.iter().any(now) || later.any(|untold| of_it(&untold.news, untold.channel))
}

/// Whether one of the messages that this turn deals with says so.
fn said(turn: &Turn<'_>, what: impl Fn(&Body) -> bool) -> bool {
    let mut inbox = turn.loaded.inbox.iter();
    inbox.any(|message| turn.drained.contains(&message.id) && what(&message.body))
}

/// Whether an abort was read, and the wave goes on. What is set aside is not read.
fn ignored_an_abort(turn: &Turn<'_>) -> bool {
    let entries = turn.audit.iter().flat_map(|record| &record.entries);
    let aside: Vec<&str> = entries
        .filter(|entry| entry.event == "MessagesSetAside")
        .map(|entry| entry.text.as_str())
        .collect();
    let mut inbox = turn.loaded.inbox.iter();
    inbox.any(|message| {
        matches!(message.body, Body::Abort)
            && turn.drained.contains(&message.id)
            && !aside.iter().any(|text| text.contains(message.id.as_str()))
    })
}

/// Whether nobody decided at the finalize gate, and the plan says to roll back. Silence under a hold
/// is no answer.
fn expired(turn: &Turn<'_>) -> bool {
    let before = turn.loaded.wave.as_ref();
    let gate = before.and_then(|wave| wave.gates.get(&Gate::Finalize));
    let silent = match gate {
        Some(GateState::Open(open)) => turn.now >= open.settled() && !open.expired_under_hold,
        Some(GateState::Approved { .. } | GateState::Lapsed { .. }) | None => false,
    };
    let held = before.is_some_and(|wave| wave.hold.is_some());
    silent && !held && turn.wave.gate_plan(Gate::Finalize).on_expiry == OnExpiry::RollBack
}
