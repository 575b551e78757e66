//! Finalizing: only what runs as people approved it, however long ago they did.

use jiff::SignedDuration;
use tidegate_domain::decide::{decide, interest};
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::{Door, Gate, Part};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::message::Body;
use tidegate_domain::observation::{Answer, StatusChecks};
use tidegate_domain::plan::{OnExpiry, Plan};

use crate::asking::{CUTOVER, application, asking, mail};
use crate::fixture::{Hand, server_id};

const FINALIZE: Gate = Gate::Finalize;

/// The finalize gate asks as the cutover gate does.
fn asks(plan: &mut Plan) {
    plan.gates.finalize = plan.gates.cutover.clone();
}

fn approve(hand: &mut Hand) {
    hand.say(mail("ops"), FINALIZE, Door::Mail, Part::default());
}

fn refused(hand: &mut Hand, kind: RefusalKind) {
    hand.refuse.push(("finalize", refusal(kind)));
}

fn refusal(kind: RefusalKind) -> Outcome {
    let message = "Rate exceeded".to_owned();
    Outcome::Refused(Refusal { kind, message })
}

/// Everything runs in AWS, and MGN has refused to finalize it once.
fn refused_once(change: impl FnOnce(&mut Plan)) -> Hand {
    let mut hand = asking(change);
    hand.approve();
    refused(&mut hand, RefusalKind::Throttled);
    hand.until_that("the finalize gate, or what follows", |hand| {
        hand.is_open(FINALIZE) || hand.phase() == "Finalizing"
    });
    if hand.is_open(FINALIZE) {
        approve(&mut hand);
    }
    hand.until_that("a refusal", |hand| {
        hand.servers.iter().all(|s| s.refusals == 1)
    });
    assert_eq!(hand.phase(), "Finalizing");
    hand
}

/// Somebody holds the wave for three days.
fn held(hand: &mut Hand) {
    let note = "no changes this weekend".to_owned();
    hand.send(Body::Hold { note });
    hand.turn();
    hand.now += SignedDuration::from_hours(72);
    hand.turn();
}

fn running(hand: &mut Hand, server: usize, running: bool) {
    let seen = hand.seen.get_mut(&server_id(server)).expect("a server");
    let instance = seen.instance.as_mut().expect("an instance");
    (instance.running, instance.stopped) = (running, !running);
}

fn hold(hand: &Hand) -> Option<&HoldReason> {
    hand.wave().hold.as_ref().map(|hold| &hold.reason)
}

fn unhealthy(server: &str) -> HoldReason {
    let servers = vec![server.to_owned()];
    HoldReason::Unhealthy { servers }
}

fn finalizes(hand: &Hand) -> usize {
    let finalize = |task: &&Task| matches!(task, Task::Finalize { .. });
    hand.tasks.iter().filter(finalize).count()
}

fn some_turns(hand: &mut Hand) {
    for _ in 0..20 {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at);
    }
}

#[test]
fn what_stopped_since_its_approval_is_asked_about_and_the_others_are_finalized() {
    let mut hand = refused_once(asks);
    held(&mut hand);
    running(&mut hand, 1, false);
    hand.resume();
    hand.until_that("the gate asked again", |hand| hand.is_open(FINALIZE));
    assert_eq!(hand.stages(), ["finalized", "cut over", "finalized"]);
    let evidence = hand.evidence(FINALIZE);
    assert_eq!(evidence.changed.told, ["host01: its instance does not run"]);
    assert_eq!(evidence.servers.len(), 1);
    assert_eq!(
        evidence.servers[0].trouble.as_deref(),
        Some("its instance does not run")
    );
    // It can be left out, or be finalized all the same.
    let mut left_out = hand.clone();
    left_out.send(Body::Skip {
        servers: vec![server_id(1)],
    });
    left_out.until("Completed");
    assert_eq!(left_out.stages(), ["finalized", "skipped", "finalized"]);

    approve(&mut hand);
    hand.until("Completed");
    assert_eq!(hand.stages(), ["finalized"; 3]);
    assert_eq!(hand.wave().rounds[&FINALIZE], 2);
}

#[test]
fn what_was_shown_not_to_run_is_finalized_as_approved() {
    let mut hand = asking(asks);
    hand.approve();
    hand.until_that("the finalize gate", |hand| hand.is_open(FINALIZE));
    running(&mut hand, 0, false);
    hand.until_that("the gate asked again", |hand| {
        hand.is_open(FINALIZE) && hand.evidence(FINALIZE).round == 1
    });
    approve(&mut hand);
    hand.until("Completed");
    assert_eq!(hand.stages(), ["finalized"; 3]);
}

#[test]
fn silence_that_proceeds_finalizes_what_was_shown() {
    let mut hand = asking(|plan| {
        asks(plan);
        plan.gates.finalize.on_expiry = OnExpiry::Proceed;
    });
    hand.approve();
    hand.until_that("the finalize gate", |hand| hand.is_open(FINALIZE));
    running(&mut hand, 0, false);
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&FINALIZE], 2);
}

#[test]
fn where_nobody_is_asked_what_stopped_holds_the_wave() {
    let mut hand = refused_once(|_| {});
    held(&mut hand);
    running(&mut hand, 1, false);
    hand.resume();
    hand.until_held();
    assert_eq!(hand.stages(), ["finalized", "finalizing", "finalized"]);
    let reason = unhealthy("host01: its instance does not run");
    assert_eq!(hold(&hand), Some(&reason));
    // A resume looks again.
    hand.resume();
    hand.until_held();
    assert_eq!(hold(&hand), Some(&reason));
    let mut left_out = hand.clone();
    left_out.send(Body::Skip {
        servers: vec![server_id(1)],
    });
    left_out.resume();
    left_out.until("Completed");
    running(&mut hand, 1, true);
    hand.resume();
    hand.until("Completed");
    assert_eq!(hand.stages(), ["finalized"; 3]);
}

#[test]
fn checks_that_fail_by_then_are_trouble_and_checks_that_pend_are_not() {
    for checks in [StatusChecks::Failed, StatusChecks::Pending] {
        let mut hand = refused_once(|_| {});
        for seen in hand.seen.values_mut() {
            seen.instance.as_mut().expect("an instance").checks = checks;
        }
        if checks == StatusChecks::Failed {
            hand.until_held();
            assert_eq!(hand.stages(), ["finalizing"; 3]);
        } else {
            hand.until("Completed");
        }
    }
}

#[test]
fn nothing_is_finalized_unseen() {
    let mut hand = refused_once(asks);
    let before = finalizes(&hand);
    hand.others = Answer::Failed("EC2 is away".to_owned());
    some_turns(&mut hand);
    assert_eq!(finalizes(&hand), before);
    assert_eq!(hold(&hand), None, "it is waited for");
    hand.others = Answer::Denied("ec2:DescribeInstances".to_owned());
    hand.until_held();
    assert!(matches!(hold(&hand), Some(HoldReason::Denied { .. })));
    hand.others = Answer::Answered;
    hand.resume();
    hand.until("Completed");
}

#[test]
fn nothing_is_finalized_on_an_old_look() {
    let hand = refused_once(asks);
    let planned = |old: SignedDuration| {
        let mut facts = hand.facts();
        facts.now += SignedDuration::from_hours(1);
        let round = facts.round.as_mut().expect("a round");
        round.at = facts.now - old;
        let effects = decide(facts).effects;
        let mut tasks = effects.iter().map(|effect| &effect.task);
        tasks.any(|task| matches!(task, Task::Finalize { .. }))
    };
    assert!(planned(SignedDuration::from_secs(30)));
    assert!(!planned(SignedDuration::from_mins(3)));
}

#[test]
fn the_instances_are_looked_at_until_the_last_is_finalized() {
    let hand = refused_once(asks);
    let interest = interest(hand.wave(), &hand.servers, &hand.seen, hand.now);
    assert_eq!(interest.instances.len(), 3);
}

/// A wave whose web is put off, and of whose db the second server stops while it is finalized.
fn with_the_rest_put_off() -> Hand {
    let mut hand = asking(asks);
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("db"));
    hand.until_that("the gate", |hand| hand.is_open(FINALIZE));
    hand.say(mail("ops"), FINALIZE, Door::Mail, Part::default());
    refused(&mut hand, RefusalKind::Throttled);
    hand.until_that("a refusal", |hand| {
        hand.servers[..2].iter().all(|server| server.refusals == 1)
    });
    running(&mut hand, 1, false);
    hand
}

#[test]
fn what_is_asked_about_again_keeps_nothing_in_motion() {
    let mut hand = with_the_rest_put_off();
    hand.until_that("the gate asked again", |hand| hand.is_open(FINALIZE));
    assert_eq!(hand.stages(), ["finalized", "cut over", "tested"]);
    hand.send(Body::Ask { gate: CUTOVER });
    hand.turn();
    hand.asked();
    running(&mut hand, 1, true);
    hand.approve();
    hand.until_that("the finalize gate", |hand| {
        hand.phase() == "AwaitingFinalize" && hand.is_open(FINALIZE)
    });
    assert_eq!(hand.stages(), ["finalized", "cut over", "cut over"]);
}

#[test]
fn a_server_that_leaves_in_vain_meanwhile_holds_the_wave() {
    let mut hand = with_the_rest_put_off();
    hand.send(Body::Skip {
        servers: vec![server_id(2)],
    });
    for _ in 0..100 {
        hand.refuse.push(("launch", refusal(RefusalKind::Invalid)));
    }
    hand.until_held();
    let reason = hand.wave().hold.as_ref().map(|hold| hold.reason.sentence());
    assert!(reason.expect("a hold").contains("host02"));
}

#[test]
fn what_stopped_before_it_was_finalized_can_be_rolled_back() {
    let mut hand = refused_once(|_| {});
    held(&mut hand);
    for server in 0..3 {
        running(&mut hand, server, false);
    }
    hand.resume();
    hand.until_held();
    let commands = hand
        .wave()
        .hold
        .as_ref()
        .map(|hold| hold.reason.commands(hand.wave()));
    let commands = commands.expect("a hold");
    assert!(
        commands
            .iter()
            .any(|(command, _)| command.starts_with("tidegate rollback"))
    );
    hand.send(Body::RollBack {
        note: String::new(),
    });
    hand.until("RolledBack");
}
