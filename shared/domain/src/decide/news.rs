//! What people are to be told: gathered while a turn is decided, planned where there is a place.
//!
//! **Invariant 12**: nobody waits for a person who was not told. What finds no place stays in the
//! wave and goes first in the next turn, before anything else is wanted.

use super::turn::Turn;
use crate::effect::Task;
use crate::gate::Gate;
use crate::news::News;
use crate::plan::Channel;
use crate::wave::Untold;

/// The most that waits to be told; of more, what nobody must act on is dropped first.
const MOST_UNTOLD: usize = 20;

/// Tell people, at least once: by mail, and what they must act on also in Slack, if the wave asks
/// there.
pub(super) fn tell(turn: &mut Turn, news: News) {
    let gates = &turn.wave.plan.gates;
    let asks = gates.cutover.in_slack() || gates.finalize.in_slack();
    let in_slack = (asks && news.action_required()).then(|| news.clone());
    gather(turn, news, Channel::Sns);
    if let Some(news) = in_slack {
        gather(turn, news, Channel::Slack);
    }
}

/// What is like something that waits already is told with it.
fn gather(turn: &mut Turn, news: News, channel: Channel) {
    let untold = &mut turn.wave.untold;
    let mut apart = Some(news);
    for waiting in untold
        .iter_mut()
        .filter(|waiting| waiting.channel == channel)
    {
        apart = apart.and_then(|news| waiting.news.join(news));
    }
    untold.extend(apart.map(|news| Untold { news, channel }));
    if untold.len() > MOST_UNTOLD {
        let idle = |waiting: &Untold| !waiting.news.action_required();
        let least = untold.iter().position(idle).unwrap_or(0);
        untold.remove(least);
    }
}

/// Plan what is to be told, what somebody must act on first.
pub(super) fn plan(turn: &mut Turn) {
    let mut untold = std::mem::take(&mut turn.wave.untold);
    untold.sort_by_key(|waiting| !waiting.news.action_required());
    untold.retain(|Untold { news, channel }| {
        let news = news.clone();
        let channel = *channel;
        turn.plan(Task::Notify { news, channel }).is_none()
    });
    turn.wave.untold = untold;
}

/// Whether people are still being told that this gate asks again.
pub(super) fn tells_of(turn: &Turn, gate: Gate) -> bool {
    let of_gate = |news: &News| matches!(news, News::GateAsksAgain { gate: of, .. } if *of == gate);
    let effects = turn.stored.values().chain(&turn.new);
    let mut open = effects.filter(|effect| turn.wave.open.contains_key(&effect.id));
    turn.wave
        .untold
        .iter()
        .any(|waiting| of_gate(&waiting.news))
        || open.any(|effect| matches!(&effect.task, Task::Notify { news, .. } if of_gate(news)))
}
