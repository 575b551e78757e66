//! Messages on which decisions die are found and set aside; no other is lost.

use tidegate_domain::decide::{Facts, MOST_RESTARTS, decide, reads_alone};
use tidegate_domain::effect::Task;
use tidegate_domain::gate::{Gate, GateState, OpenGate, Verdict};
use tidegate_domain::id::MessageId;
use tidegate_domain::message::{Body, Reading};
use tidegate_domain::news::News;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Wave;

use crate::fixture::{Hand, plan, say};

fn mail(name: &str) -> Approver {
    Approver::Mail(format!("{name}@example.com"))
}

/// A wave whose gate waits for one of two.
fn asking() -> Hand {
    let mut asked = plan(1, 1);
    asked.gates.cutover.approvers.push(mail("ann"));
    let mut hand = Hand::new(asked);
    hand.until_that("the question", |hand| {
        hand.wave
            .as_ref()
            .is_some_and(|wave| wave.gates.contains_key(&Gate::Cutover))
    });
    hand.turn();
    hand.tasks.clear();
    hand.told.clear();
    hand
}

fn open(hand: &Hand) -> &OpenGate {
    match hand.wave().gates.get(&Gate::Cutover) {
        Some(GateState::Open(open)) => open,
        state => panic!("{state:?}"),
    }
}

fn decides(hand: &mut Hand, who: &str, verdict: Verdict) -> MessageId {
    let evidence = open(hand).evidence.hash();
    hand.send_as(mail(who), say(Gate::Cutover, verdict, evidence));
    hand.inbox.last().expect("a message").id.clone()
}

/// What drivers come to whose decisions die on one message, or in which another function dies for
/// so many restarts.
fn driven(hand: &mut Hand, deadly: Option<&MessageId>, turns: u32) {
    for _ in 0..turns {
        let reading = reads_alone(&hand.facts());
        if reading.is_some() {
            hand.reading = reading;
        }
        let died = deadly.is_some_and(|deadly| {
            let decision = decide(hand.facts());
            let set_aside = format!("message {deadly}");
            let told = decision.audit.iter().flat_map(|audit| &audit.entries);
            let mut told = told.filter(|entry| entry.text.contains(&set_aside));
            decision.drained.contains(deadly) && told.next().is_none()
        });
        if died {
            hand.generation += 1;
            hand.restarts += 1;
            continue;
        }
        hand.turn();
        hand.restarts = 0;
        hand.reading = None;
    }
}

#[test]
fn what_dies_elsewhere_loses_no_message() {
    let mut hand = asking();
    decides(&mut hand, "ann", Verdict::Reject);
    hand.send_as(
        mail("ops"),
        Body::Ask {
            gate: Gate::Cutover,
        },
    );
    hand.restarts = MOST_RESTARTS + 2;
    hand.generation += u64::from(hand.restarts);
    driven(&mut hand, None, 1);
    assert_eq!(hand.inbox.len(), 2, "nothing is read until a turn is saved");
    assert!(hand.wave().hold.is_none() && hand.wave().careful);
    driven(&mut hand, None, 1);
    assert_eq!(hand.inbox.len(), 1, "then one at a time");
    let hold = hand.wave().hold.as_ref().expect("a hold");
    let sentence = "The cutover gate was rejected by ann@example.com.";
    assert_eq!(hold.reason.sentence(), sentence);
    driven(&mut hand, None, 1);
    assert!(hand.inbox.is_empty() && !hand.wave().careful);
}

#[test]
fn what_drivers_die_on_is_set_aside_alone_and_can_be_said_again() {
    let mut hand = asking();
    let ann = decides(&mut hand, "ann", Verdict::Reject);
    hand.send_as(
        mail("ops"),
        Body::Ask {
            gate: Gate::Cutover,
        },
    );
    driven(&mut hand, Some(&ann), MOST_RESTARTS + 1 + 2);
    assert_eq!(hand.inbox.len(), 2, "it is not set aside before its time");
    driven(&mut hand, Some(&ann), 1);
    assert_eq!(hand.inbox.len(), 1, "and nothing else with it");
    let hold = hand.wave().hold.as_ref().expect("a hold");
    let expected = format!(
        "Messages were set aside unread: ann@example.com rejected the cutover gate at 2026-12-05 \
         20:00 UTC (message {ann}, on which drivers died)."
    );
    assert_eq!(hold.reason.sentence(), expected);
    driven(&mut hand, Some(&ann), 1);
    assert!(hand.inbox.is_empty() && !hand.wave().careful);

    hand.resume();
    hand.until_that("the question", |hand| hand.is_open(Gate::Cutover));
    let change = "a decision of ann@example.com was set aside unread, and counts for nothing";
    assert_eq!(hand.evidence(Gate::Cutover).changed.told, [change]);
    decides(&mut hand, "ann", Verdict::Reject);
    hand.turn();
    let hold = hand.wave().hold.as_ref().expect("a hold");
    assert!(hold.reason.sentence().contains("rejected by ann"));
}

#[test]
fn under_another_hold_it_is_told_and_nobody_passes_the_gate_over_it() {
    let mut hand = asking();
    hand.send(Body::Hold {
        note: "look".to_owned(),
    });
    hand.turn();
    let ann = decides(&mut hand, "ann", Verdict::Reject);
    decides(&mut hand, "ops", Verdict::Approve);
    driven(&mut hand, Some(&ann), MOST_RESTARTS + 1 + 2 + 1);
    driven(&mut hand, Some(&ann), 2);
    assert!(hand.inbox.is_empty());
    let told = hand.tasks.iter().find_map(|task| match task {
        Task::Notify {
            news: News::MessagesSetAside { said },
            ..
        } => Some(said.clone()),
        _ => None,
    });
    let told = told.expect("people are told");
    assert!(told[0].starts_with("ann@example.com rejected"), "{told:?}");
    hand.resume();
    hand.until_that("the question", |hand| hand.is_open(Gate::Cutover));
    assert_eq!(hand.open(Gate::Cutover).approvals, []);
    assert_eq!(hand.phase(), "AwaitingCutover");
}

#[test]
fn who_dies_on_one_message_says_nothing_of_another() {
    let mut hand = asking();
    let first = decides(&mut hand, "ann", Verdict::Approve);
    let mut facts = hand.facts();
    facts.wave.as_mut().expect("a wave").careful = true;
    facts.generation = 7;
    let reading = |message: &str, generation, drivers| Reading {
        message: MessageId::parse(message).expect("an ID"),
        generation,
        drivers,
    };
    let noted = |before: Option<Reading>| {
        let facts = Facts {
            reading: before,
            ..facts.clone()
        };
        reads_alone(&facts).map(|noted| (noted.generation, noted.drivers))
    };
    assert_eq!(noted(None), Some((7, 1)));
    assert_eq!(noted(Some(reading("other", 6, 9))), Some((7, 1)));
    assert_eq!(noted(Some(reading(first.as_str(), 6, 1))), Some((7, 2)));
    // Tried again by the same driver.
    assert_eq!(noted(Some(reading(first.as_str(), 7, 2))), Some((7, 2)));
    assert_eq!(noted(Some(reading(first.as_str(), 6, 2))), None);
}

#[test]
fn what_cannot_be_read_is_named() {
    let hand = asking();
    let mut facts = hand.facts();
    facts.unreadable = ["m-8", "m-9"]
        .map(|id| MessageId::parse(id).expect("an ID"))
        .into();
    let decision = decide(facts);
    assert_eq!(decision.drained.len(), 2);
    let wave = decision.wave.expect("a wave");
    let sentence = |wave: &Wave| wave.hold.as_ref().map(|hold| hold.reason.sentence());
    let expected = "Messages were set aside unread: message m-8, which cannot be read; message m-9, \
                    which cannot be read.";
    assert_eq!(sentence(&wave).as_deref(), Some(expected));
    // Whoever releases the hold is told of what came to it.
    let mut facts = hand.facts();
    facts.unreadable = vec![MessageId::parse("m-7").expect("an ID")];
    let before = wave.hold.as_ref().map(|hold| hold.id);
    facts.wave = Some(wave);
    let wave = decide(facts).wave.expect("a wave");
    let last = sentence(&wave).expect("a hold");
    assert!(last.contains("m-7") && last.contains("m-9"), "{last}");
    assert_ne!(wave.hold.map(|hold| hold.id), before);
}
