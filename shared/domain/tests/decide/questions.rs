//! Questions: whom they do not reach; and in Slack, where each message is changed once its question
//! is over, says how it ended, and is changed once.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tidegate_domain::effect::{Outcome, Task};
use tidegate_domain::gate::{ARRIVES_WITHIN, Asking, Door, Gate, Part, Verdict};
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::plan::{Approver, OnExpiry, Plan};
use tidegate_domain::view::{self, waiting_for};
use tidegate_domain::wave::{Posted, Question};

use crate::asking::{CUTOVER, application, asking, mail};
use crate::fixture::{Hand, operator, plan, say};

fn posted(number: usize) -> Posted {
    Posted {
        channel: "C0123456789".to_owned(),
        ts: format!("1796414400.{number:06}"),
    }
}

/// The next question is asked by this message.
fn asks_by(hand: &mut Hand, number: usize) {
    let outcome = Outcome::Asked {
        posted: Some(posted(number)),
        unreached: Vec::new(),
        refused: None,
    };
    hand.refuse.push(("gate", outcome));
}

/// A wave whose cutover gate is asked by message 1.
fn asked_in_slack(change: impl FnOnce(&mut Plan)) -> Hand {
    let mut plan = plan(6, 1);
    change(&mut plan);
    let mut hand = Hand::new(plan);
    asks_by(&mut hand, 1);
    hand.asked().turn();
    assert_eq!(stands(&hand), [posted(1)]);
    hand
}

/// The messages that are remembered.
fn stands(hand: &Hand) -> Vec<Posted> {
    let questions = hand.wave().questions.iter();
    questions.map(|question| question.posted.clone()).collect()
}

/// What was wanted written into which message.
fn changes(hand: &Hand) -> Vec<(Posted, String)> {
    let changes = hand.tasks.iter().filter_map(|task| match task {
        Task::CloseQuestion { posted, end, .. } => Some((posted.clone(), end.clone())),
        _ => None,
    });
    changes.collect()
}

/// However message 1's question ended, the message says `end`, once.
fn check(mut hand: Hand, end: &str) {
    for _ in 0..3 {
        hand.turn();
    }
    assert_eq!(changes(&hand), [(posted(1), end.to_owned())]);
    assert!(!stands(&hand).contains(&posted(1)));
}

/// A wave whose question `dba` does not get by mail.
fn asked_in_vain() -> Hand {
    let mut plan = plan(2, 1);
    let gate = &mut plan.gates.cutover;
    gate.approvers = vec![mail("ops"), mail("dba")];
    gate.quorum = 2;
    gate.remind = Some(SignedDuration::from_hours(6));
    let mut hand = Hand::new(plan);
    hand.refuse.push(("gate", reached_all_but(&["dba"])));
    hand.asked().turn();
    hand
}

fn reached_all_but(names: &[&str]) -> Outcome {
    Outcome::Asked {
        posted: None,
        unreached: names.iter().map(|name| mail(name)).collect(),
        refused: None,
    }
}

/// Whom people were told that mail may not reach, each time.
fn told_of(hand: &Hand) -> Vec<Vec<Approver>> {
    let told = hand.tasks.iter().filter_map(|task| match task {
        Task::Notify {
            news: News::ApproversUnreached { approvers, .. },
            ..
        } => Some(approvers.clone()),
        _ => None,
    });
    told.collect()
}

/// Whom the gate asked, each time.
fn asked_whom(hand: &Hand) -> Vec<(Asking, Vec<Approver>)> {
    let asked = hand.tasks.iter().filter_map(|task| match task {
        Task::OpenGate {
            asking, approvers, ..
        } => Some((*asking, approvers.clone())),
        _ => None,
    });
    asked.collect()
}

#[test]
fn an_approver_whose_mail_nobody_gets_is_told_once_and_shown() {
    let mut hand = asked_in_vain();
    assert_eq!(told_of(&hand), [[mail("dba")]]);
    let waits = waiting_for(hand.wave());
    assert!(
        waits.ends_with("(mail may not reach dba@example.com)"),
        "{waits}"
    );
    // The reminder does not get there either, which is no news.
    hand.refuse.push(("gate", reached_all_but(&["dba"])));
    hand.until_that("a reminder", |hand| hand.open(CUTOVER).reminded.is_some());
    hand.turn();
    assert_eq!(told_of(&hand).len(), 1);
    assert_eq!(hand.open(CUTOVER).unreached, [mail("dba")]);
}

#[test]
fn why_a_mail_was_refused_is_told_and_recorded() {
    let mut hand = asked_in_vain();
    let said = "not allowed to publish".to_owned();
    let outcome = Outcome::Asked {
        posted: Some(posted(1)),
        unreached: vec![mail("ops"), mail("dba")],
        refused: Some(said.clone()),
    };
    hand.refuse.push(("gate", outcome));
    hand.send(Body::Ask { gate: CUTOVER });
    hand.turn();
    hand.turn();
    let told = hand.tasks.iter().any(|task| {
        matches!(task, Task::Notify { news: News::ApproversUnreached { refused, .. }, .. }
            if refused.as_ref() == Some(&said))
    });
    assert!(told, "{:?}", hand.tasks);
    let noted = "Mail may not reach ops@example.com, dba@example.com at the cutover gate: a mail was \
                 refused: not allowed to publish.";
    let noted = hand.told.iter().any(|told| told.ends_with(noted));
    assert!(noted, "{:?}", hand.told);
}

#[test]
fn a_person_can_have_those_asked_again_who_have_not_decided() {
    let mut hand = asked_in_vain();
    hand.approve_as(mail("ops"));
    hand.send(Body::Ask { gate: CUTOVER });
    hand.turn();
    let both = vec![mail("ops"), mail("dba")];
    assert_eq!(
        asked_whom(&hand),
        [(Asking::First, both), (Asking::Reminder, vec![mail("dba")])]
    );
    // This time the mail gets there, and the reminder of the plan still comes.
    hand.turn();
    assert_eq!(hand.open(CUTOVER).unreached, []);
    let expires = hand.open(CUTOVER).expires;
    hand.until_that("the plan's reminder", |hand| asked_whom(hand).len() == 3);
    assert!(hand.now >= expires - SignedDuration::from_hours(6));
}

#[test]
fn nobody_is_asked_again_whose_word_is_not_waited_for() {
    let mut hand = asked_in_vain();
    hand.send(Body::Hold {
        note: String::new(),
    });
    hand.turn();
    hand.send(Body::Ask { gate: CUTOVER });
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the wave is held; ask when it goes on."
    );
    assert_eq!(asked_whom(&hand).len(), 1);
}

#[test]
fn nothing_is_changed_while_it_is_asked() {
    let mut hand = asked_in_slack(|plan| plan.gates.cutover.quorum = 2);
    hand.approve();
    for _ in 0..3 {
        hand.turn();
    }
    assert_eq!(changes(&hand), []);
    assert_eq!(stands(&hand), [posted(1)]);
}

#[test]
fn approved_by_whatever_door() {
    let mut hand = asked_in_slack(|plan| {
        plan.gates.cutover.approvers = vec![mail("ops"), mail("dba")];
        plan.gates.cutover.quorum = 2;
    });
    hand.approve_as(mail("dba"));
    hand.approve_as(mail("ops"));
    check(hand, "It was approved by dba@example.com, ops@example.com.");
}

#[test]
fn approved_in_part() {
    let mut hand = asked_in_slack(|_| {});
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("db"));
    check(hand, "It was approved in part by ops@example.com.");
}

#[test]
fn approved_by_the_plan() {
    let mut hand = Hand::new({
        let mut plan = plan(1, 0);
        plan.gates.finalize = plan.gates.cutover.clone();
        plan.gates.finalize.on_expiry = OnExpiry::Proceed;
        plan
    });
    hand.asked();
    hand.approve();
    asks_by(&mut hand, 1);
    hand.until_that("the finalize gate", |hand| hand.is_open(Gate::Finalize));
    hand.until("Finalizing");
    check(hand, "It was approved by the plan.");
}

#[test]
fn lapsed_with_what_changed() {
    let mut hand = asked_in_slack(|_| {});
    for seen in hand.seen.values_mut() {
        seen.replication.state = ReplicationState::Stalled;
    }
    // Of the seven changes it names five.
    let named: Vec<String> = (0..5)
        .map(|n| format!("host{n:02} does not replicate any more"))
        .collect();
    check(
        hand,
        &format!(
            "It lapsed, and is asked again: {}; and 2 more.",
            named.join("; ")
        ),
    );
}

#[test]
fn rejected() {
    let mut hand = asked_in_slack(|_| {});
    let evidence = hand.evidence(CUTOVER).hash();
    hand.send(say(CUTOVER, Verdict::Reject, evidence));
    check(hand, "It was rejected by ops@example.com.");
}

/// Whom the message mentions.
fn mentioned(hand: &Hand) -> Vec<Approver> {
    let by = hand.tasks.iter().find_map(|task| match task {
        Task::CloseQuestion { by, .. } => Some(by.clone()),
        _ => None,
    });
    by.expect("a message is changed")
}

#[test]
fn whoever_decided_in_slack_is_mentioned_and_nobody_else() {
    let anna = Approver::Slack("U024BE7LH".to_owned());
    let people = [mail("ops"), anna.clone()];
    for (by, reason, expected) in [
        (&anna, "slack:U0THECEO1 says no", vec![anna.clone()]),
        (&people[0], "slack:U024BE7LH says no", Vec::new()),
    ] {
        let mut hand = asked_in_slack(|plan| plan.gates.cutover.approvers = people.to_vec());
        let body = Body::Decide {
            gate: CUTOVER,
            verdict: Verdict::Reject,
            evidence: hand.evidence(CUTOVER).hash(),
            door: Door::Slack,
            only: Part::default(),
            reason: Some(reason.to_owned()),
        };
        hand.send_as(by.clone(), body);
        hand.turn();
        hand.turn();
        assert_eq!(mentioned(&hand), expected);
        let end = format!("It was rejected by {by}: {reason}.");
        assert_eq!(changes(&hand), [(posted(1), end)]);
    }
    let mut hand = asked_in_slack(|plan| {
        plan.gates.cutover.approvers = people.to_vec();
        plan.gates.cutover.quorum = 2;
    });
    for by in &people {
        hand.say(by.clone(), CUTOVER, Door::Slack, Part::default());
        hand.turn();
    }
    hand.turn();
    assert_eq!(mentioned(&hand), [anna]);
}

#[test]
fn a_view_shows_the_evidence_as_it_was_frozen() {
    let mut hand = asked_in_slack(|_| {});
    let facts: Vec<(String, String)> = hand
        .evidence(CUTOVER)
        .facts()
        .into_iter()
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect();
    for seen in hand.seen.values_mut() {
        seen.replication.lag = Some(SignedDuration::from_secs(7));
    }
    let wave = view::wave(hand.wave(), &hand.servers, &hand.seen);
    let shown = wave.gates[0].shown.as_ref().expect("it is asked");
    assert!(!facts.is_empty());
    assert_eq!(shown.facts, facts);
}

#[test]
fn rejected_under_another_hold() {
    let mut hand = asked_in_slack(|_| {});
    let evidence = hand.evidence(CUTOVER).hash();
    hand.send_as(
        operator(),
        Body::Hold {
            note: "storm".to_owned(),
        },
    );
    hand.send(say(CUTOVER, Verdict::Reject, evidence));
    check(hand, "It was rejected by ops@example.com.");
}

#[test]
fn expired() {
    let mut hand = asked_in_slack(|_| {});
    let expires = hand.open(CUTOVER).expires;
    hand.until_held();
    let decision = hand.turn();
    assert_eq!(
        changes(&hand),
        [],
        "what was decided in time may yet arrive"
    );
    assert_eq!(decision.wake_at, expires + ARRIVES_WITHIN);

    let mut decided = hand.clone();
    hand.now = decision.wake_at;
    check(hand, "It expired undecided.");

    let evidence = decided.evidence(CUTOVER).hash();
    decided.send(say(CUTOVER, Verdict::Approve, evidence));
    decided.inbox[0].at = expires - SignedDuration::from_secs(1);
    check(decided, "It was approved by ops@example.com.");
}

#[test]
fn expired_where_that_rejects() {
    let mut hand = asked_in_slack(|plan| plan.gates.cutover.on_expiry = OnExpiry::Reject);
    hand.until_held();
    check(
        hand,
        "It was rejected by its plan, as nobody decided in time.",
    );
}

#[test]
fn aborted() {
    let mut hand = asked_in_slack(|_| {});
    hand.send_as(operator(), Body::Abort);
    check(hand, "It is not asked any more.");
}

#[test]
fn posted_when_it_was_over_already() {
    let mut hand = Hand::new(plan(1, 0));
    asks_by(&mut hand, 1);
    hand.asked();
    // By the link, while Slack took its time.
    hand.approve();
    hand.until("CuttingOver");
    check(hand, "It was approved by ops@example.com.");
}

#[test]
fn asked_anew_in_another_message() {
    let mut hand = asked_in_slack(|_| {});
    let seen = hand.seen.values_mut().next().expect("a server");
    seen.replication.state = ReplicationState::Stalled;
    hand.turn();
    asks_by(&mut hand, 2);
    hand.asked().turn();
    assert_eq!(stands(&hand), [posted(2)]);
    hand.say(mail("ops"), CUTOVER, Door::Mail, Part::default());
    for _ in 0..3 {
        hand.turn();
    }
    assert_eq!(
        changes(&hand)[1],
        (posted(2), "It was approved by ops@example.com.".to_owned())
    );
}

/// A wave whose question stands in message 1 and these others.
fn standing_in(others: std::ops::RangeInclusive<usize>) -> Hand {
    let mut hand = asked_in_slack(|_| {});
    let evidence = hand.evidence(CUTOVER).hash();
    let wave = hand.wave.as_mut().expect("a wave");
    wave.questions.extend(others.map(|number| Question {
        gate: CUTOVER,
        evidence: evidence.clone(),
        posted: posted(number),
    }));
    hand
}

#[test]
fn the_latest_twenty_are_remembered() {
    let mut hand = standing_in(2..=20);
    let expires = hand.open(CUTOVER).expires;
    hand.wave
        .as_mut()
        .expect("a wave")
        .plan
        .gates
        .cutover
        .remind = Some(SignedDuration::from_hours(1));
    asks_by(&mut hand, 21);
    hand.now = expires - SignedDuration::from_mins(30);
    hand.turn();
    hand.turn();
    let latest: Vec<Posted> = (2..=21).map(posted).collect();
    assert_eq!(stands(&hand), latest);
}

#[test]
fn what_finds_no_room_in_a_turn_is_changed_in_the_next() {
    let mut hand = standing_in(2..=20);
    let seen = hand.seen.values_mut().next().expect("a server");
    seen.replication.state = ReplicationState::Stalled;
    hand.turn();
    assert_eq!(
        stands(&hand).last(),
        Some(&posted(20)),
        "a turn has its fill"
    );
    for _ in 0..5 {
        hand.turn();
    }
    assert_eq!(stands(&hand), []);
    let changed: Vec<Posted> = changes(&hand)
        .into_iter()
        .map(|(posted, _)| posted)
        .collect();
    let each: BTreeSet<&str> = changed.iter().map(|posted| posted.ts.as_str()).collect();
    assert_eq!((changed.len(), each.len()), (20, 20), "each once");
}

#[test]
fn nobody_is_reminded_if_everybody_has_decided() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers = vec![mail("ops"), mail("dba")];
        gate.quorum = 2;
        gate.remind = Some(SignedDuration::from_hours(6));
        plan.applications[1].after.clear();
    });
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("db"));
    hand.say(mail("dba"), CUTOVER, Door::Mail, application("web"));
    hand.turn();
    hand.now += SignedDuration::from_hours(19);
    hand.turn();
    let asked = asked_whom(&hand);
    assert!(asked.iter().all(|(_, whom)| !whom.is_empty()), "{asked:?}");
}
