//! A decision fits one transaction of the store: 100 items, whatever is open and whoever asks.

use jiff::SignedDuration;
use tidegate_domain::decide::{Decision, decide};
use tidegate_domain::effect::Task;
use tidegate_domain::id::InstanceId;
use tidegate_domain::message::Body;
use tidegate_domain::server::{CallStep, End, JobStep, Server, Stage, Then};

use crate::fixture::{Hand, plan};

/// The most servers that lie in items of 50, of which there are most.
const SERVERS: usize = 2_000;
const CHUNK: usize = 50;
/// The items of a transaction, and those of them that the parts of large bodies need.
const MOST_ITEMS: usize = 100;
const PARTS: usize = 6;

/// A turn in which no function comes to do anything; gives how many items it writes.
fn throttled(hand: &mut Hand) -> (Decision, usize) {
    hand.now += SignedDuration::from_secs(1);
    for seen in hand.seen.values_mut() {
        seen.at = hand.now;
    }
    hand.now += SignedDuration::from_secs(1);
    let decision = decide(hand.facts());
    let changed = |(now, before): &(&[Server], &[Server])| now != before;
    let chunks = decision.servers.chunks(CHUNK);
    let chunks = chunks.zip(hand.servers.chunks(CHUNK)).filter(changed);
    // The wave, its driver, the slots and the audit record come on top.
    let items =
        4 + chunks.count() + decision.effects.len() + decision.ended.len() + decision.drained.len();
    hand.wave.clone_from(&decision.wave);
    hand.servers.clone_from(&decision.servers);
    hand.slots.clone_from(&decision.slots);
    hand.inbox.retain(|m| !decision.drained.contains(&m.id));
    let new = decision.effects.iter().cloned();
    hand.effects
        .extend(new.map(|effect| (effect.id.clone(), effect)));
    hand.effects
        .retain(|id, _| !decision.ended.contains_key(id));
    (decision, items)
}

/// A wave whose servers all want something, of which as much is planned as may be open.
fn full() -> Hand {
    let mut hand = Hand::new(plan(SERVERS, 0));
    hand.until("Testing");
    hand.effects.clear();
    hand.wave.as_mut().expect("a wave").open.clear();
    hand.slots.reservations.clear();
    let due = hand.now;
    for (number, server) in hand.servers.iter_mut().enumerate() {
        let instance = InstanceId::parse(format!("i-{number:017}"));
        server.instance = Some(instance.expect("an instance"));
        server.stage = if number < 200 {
            Stage::Terminating {
                step: JobStep::Due { not_before: due },
                then: Then::CleanUp(End::Aborted { cut_over: false }),
            }
        } else {
            Stage::Accepting {
                call: CallStep::Due { not_before: due },
            }
        };
    }
    for _ in 0..3 {
        throttled(&mut hand);
    }
    assert_eq!(hand.wave().open.len(), 36);
    hand
}

#[test]
fn what_an_abort_takes_back_and_what_it_begins_fit_one_transaction() {
    let mut hand = full();
    hand.send(Body::Abort);
    for _ in 0..9 {
        hand.send(Body::Start);
    }
    let (decision, items) = throttled(&mut hand);
    assert_eq!(decision.ended.len(), 36);
    assert_eq!(decision.drained.len(), 10);
    assert!(items <= MOST_ITEMS - PARTS, "{items}");

    // What found no room is planned at once.
    assert_eq!(decision.wake_at, hand.now);
    let (next, items) = throttled(&mut hand);
    assert!(items <= MOST_ITEMS - PARTS, "{items}");
    let jobs = next.effects.iter();
    let jobs = jobs.filter(|effect| matches!(effect.task, Task::TerminateTests { .. }));
    assert_eq!(jobs.count(), 20);
}

#[test]
fn no_turn_of_a_wave_that_is_never_served_writes_too_much() {
    for body in [
        Body::Abort,
        Body::Hold {
            note: String::new(),
        },
        Body::RollBack {
            note: String::new(),
        },
    ] {
        let mut hand = full();
        hand.send(body);
        for _ in 0..20 {
            let (_, items) = throttled(&mut hand);
            assert!(items <= MOST_ITEMS - PARTS, "{items}");
        }
    }
}
