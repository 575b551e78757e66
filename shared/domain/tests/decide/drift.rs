//! What happens after people were asked: it is told, and what was said before does not count for it.

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::gate::{Door, Gate, GateState, Verdict, WarningKind};
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::LifeCycle;
use tidegate_domain::plan::{OnExpiry, Plan, Window};

use crate::asking::{CUTOVER, asking, iam, mail};
use crate::fixture::{Hand, operator, say, server_id};

/// A window that opens in a day.
fn windowed(plan: &mut Plan) {
    let opens = crate::fixture::start_of_time() + SignedDuration::from_hours(24);
    plan.window = Some(Window {
        opens,
        closes: opens + SignedDuration::from_hours(4),
        time_zone: "UTC".to_owned(),
    });
}

fn waive(hand: &mut Hand, server: usize) {
    hand.send_as(
        operator(),
        Body::Waive {
            servers: vec![server_id(server)],
            check: "Check".to_owned(),
            reason: "known".to_owned(),
        },
    );
}

/// Turns until the gate asks for the time after so many.
fn asked_again(hand: &mut Hand, gate: Gate, round: u32) {
    hand.until_that("an open gate", |hand| {
        let gate = hand.wave().gates.get(&gate);
        matches!(gate, Some(GateState::Open(open)) if open.evidence.round == round)
    });
}

/// What the gate warns of.
fn warned_of(hand: &Hand, gate: Gate) -> Vec<(WarningKind, &str)> {
    let warnings = hand.evidence(gate).warnings.iter();
    warnings.map(|w| (w.kind, w.text.as_str())).collect()
}

#[test]
fn a_check_that_is_waived_after_it_passed_lapses_what_was_approved() {
    for approved in [false, true] {
        let mut hand = asking(windowed);
        if approved {
            hand.approve();
            hand.turn();
            assert!(!hand.is_open(CUTOVER));
        }
        waive(&mut hand, 0);
        asked_again(&mut hand, CUTOVER, 1);
        let waived = format!("Check may fail on host00: {} waived it (known)", operator());
        assert_eq!(hand.evidence(CUTOVER).changed.told, [waived]);
        assert_eq!(
            warned_of(&hand, CUTOVER),
            [(
                WarningKind::WaivedCheck,
                format!(
                    "May fail at the cutover, for it was waived: Check on host00 (known, by {}).",
                    operator()
                )
                .as_str()
            )]
        );
        assert_eq!(hand.evidence(CUTOVER).summary.checks_waived, 0, "it passed");
        // Saying it again is no news.
        waive(&mut hand, 0);
        hand.turn();
        hand.turn();
        assert_eq!(hand.evidence(CUTOVER).round, 1);
        hand.approve();
        hand.until("Completed");
    }
}

#[test]
fn a_waiver_while_cutovers_are_under_way_asks_about_what_is_still_to_come() {
    let mut hand = asking(|_| {});
    hand.approve();
    // The first application is under way, the second waits for it.
    let started = |task: &Task| matches!(task, Task::StartCutover { .. });
    hand.until_that("a cutover", |hand| hand.tasks.iter().any(started));
    assert_eq!(hand.servers[2].stage.name(), "tested");
    waive(&mut hand, 2);
    asked_again(&mut hand, CUTOVER, 1);
    let asked = hand.evidence(CUTOVER).servers.iter();
    let asked: Vec<&str> = asked.map(|s| s.hostname.as_str()).collect();
    assert_eq!(asked, ["host02"]);
    hand.approve();
    hand.until("Completed");
}

/// A wave that asks at its finalize gate.
fn asking_to_finalize() -> Hand {
    let mut hand = asking(|plan| plan.gates.finalize = plan.gates.cutover.clone());
    hand.approve();
    hand.until_that("the finalize gate", |hand| hand.is_open(Gate::Finalize));
    hand
}

#[test]
fn an_instance_that_goes_while_people_are_asked_to_finalize_is_told() {
    let mut hand = asking_to_finalize();
    let before = hand.now;
    let seen = hand.seen.get_mut(&server_id(1)).expect("a server");
    let instance = seen.instance.as_mut().expect("an instance");
    (instance.gone, instance.running) = (true, false);
    // Nothing tells but a look.
    asked_again(&mut hand, Gate::Finalize, 1);
    assert!(hand.now.duration_since(before) <= SignedDuration::from_mins(6));
    let evidence = hand.evidence(Gate::Finalize);
    assert_eq!(evidence.changed.told, ["host01: its instance is gone"]);
    assert_eq!(
        evidence.servers[1].trouble.as_deref(),
        Some("its instance is gone")
    );
    assert_eq!(
        warned_of(&hand, Gate::Finalize),
        [(
            WarningKind::Unhealthy,
            "Not healthy, its instance is gone: host01."
        )]
    );
    // It is asked about once.
    for _ in 0..10 {
        hand.turn();
        hand.now += SignedDuration::from_mins(5);
    }
    assert_eq!(hand.evidence(Gate::Finalize).round, 1);
}

#[test]
fn nobody_is_asked_any_more_once_a_wave_is_rolled_back() {
    let mut hand = asking_to_finalize();
    let evidence = hand.evidence(Gate::Finalize).hash();
    hand.send_as(
        operator(),
        Body::RollBack {
            note: "too slow".to_owned(),
        },
    );
    hand.turn();
    assert_eq!(hand.phase(), "RollingBack");
    assert!(!hand.is_open(Gate::Finalize));
    for verdict in [Verdict::Reject, Verdict::Approve] {
        hand.send(say(Gate::Finalize, verdict, evidence.clone()));
        assert_eq!(
            hand.answer(),
            "MessageRefused: Refused: the finalize gate is not open."
        );
    }
    assert!(hand.wave().hold.is_none());
    hand.until("RolledBack");
}

#[test]
fn nobody_takes_back_what_another_session_of_a_pattern_approved() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers = vec![iam("*"), mail("dba")];
        gate.quorum = 2;
    });
    hand.approve_as(iam("anna"));
    hand.turn();
    let withdraw = Body::Withdraw {
        gate: CUTOVER,
        evidence: hand.evidence(CUTOVER).hash(),
        door: Door::Iam,
    };
    hand.send_as(iam("bob"), withdraw.clone());
    assert_eq!(
        hand.answer(),
        format!(
            "MessageRefused: Refused: {} has not approved the cutover gate.",
            iam("bob")
        )
    );
    hand.send_as(iam("anna"), withdraw);
    assert!(hand.answer().starts_with("MessageCounted"));
    assert_eq!(hand.open(CUTOVER).withdrawals, 1, "later links count anew");
}

#[test]
fn a_question_is_not_sent_without_end() {
    let mut hand = asking(|_| {});
    let ask = Body::Ask { gate: CUTOVER };
    for number in 1..=10 {
        hand.send(ask.clone());
        assert!(hand.answer().starts_with("MessageCounted"), "{number}");
        hand.send(ask.clone());
        let answer = hand.answer();
        let soon = if number < 10 {
            "wait some minutes."
        } else {
            "again already."
        };
        assert!(answer.ends_with(soon), "{answer}");
        hand.now += SignedDuration::from_mins(5);
    }
    hand.send(ask);
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the cutover gate was asked 10 times again already."
    );
}

#[test]
fn what_silence_approved_lapses_and_is_told_as_any_approval() {
    let mut hand = asking(|plan| plan.gates.cutover.on_expiry = OnExpiry::Proceed);
    hand.until_that("an approval", |hand| {
        matches!(
            hand.wave().gates.get(&CUTOVER),
            Some(GateState::Approved { .. })
        )
    });
    hand.seen
        .get_mut(&server_id(0))
        .expect("a server")
        .life_cycle = LifeCycle::ReadyForTest;
    hand.until("Testing");
    hand.asked();
    assert!(!hand.evidence(CUTOVER).changed.is_empty());
    let told = |task: &Task| {
        matches!(
            task,
            Task::Notify {
                news: News::GateAsksAgain { .. },
                ..
            }
        )
    };
    assert!(hand.tasks.iter().any(told));
}
