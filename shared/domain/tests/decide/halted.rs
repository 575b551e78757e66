//! Servers that do not replicate yet, or that somebody stopped or paused: a wave that waits, waits for
//! them, and never starts without one that nobody left out.

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::{LifeCycle, ReplicationState};
use tidegate_domain::plan::{OnFailure, Start};

use crate::fixture::{Hand, operator, plan, server_id};

/// What MGN shows of the first server from now on.
fn shown(hand: &mut Hand, life_cycle: LifeCycle, state: ReplicationState) {
    let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
    seen.life_cycle = life_cycle;
    seen.replication.state = state;
}

fn in_step(hand: &mut Hand) {
    shown(hand, LifeCycle::ReadyForTest, ReplicationState::Continuous);
}

/// The wave goes on for so long, or until it is held.
fn goes_on(hand: &mut Hand, hours: i64) {
    let until = hand.now + SignedDuration::from_hours(hours);
    loop {
        let decision = hand.turn();
        if hand.wave().hold.is_some() || hand.now >= until {
            return;
        }
        if decision.hand_out.is_empty() {
            hand.now = hand.now.max(decision.wake_at);
        }
    }
}

fn held(hand: &Hand) -> Option<String> {
    let hold = hand.wave().hold.as_ref();
    hold.map(|hold| hold.reason.sentence())
}

fn leave_out_the_first(hand: &mut Hand) {
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
}

/// Who was told to replicate no more, and who to have failed.
fn told(hand: &Hand) -> Vec<String> {
    let news = hand.tasks.iter().filter_map(|task| match task {
        Task::Notify { news, .. } => Some(news),
        _ => None,
    });
    news.filter_map(|news| match news {
        News::ReplicationStalled { servers, .. } => Some(servers.first.reason.clone()),
        News::ServerFailed { servers, .. } => Some(format!("failed: {}", servers.first.reason)),
        _ => None,
    })
    .collect()
}

#[test]
fn a_server_that_has_yet_to_begin_is_waited_for() {
    for life_cycle in [
        LifeCycle::Discovered,
        LifeCycle::PendingInstallation,
        LifeCycle::NotReady,
    ] {
        for on_failure in [OnFailure::Hold, OnFailure::Skip] {
            let mut plan = plan(1, 2);
            plan.policy.on_failure = on_failure;
            let mut hand = Hand::new(plan);
            shown(&mut hand, life_cycle, ReplicationState::Stopped);
            goes_on(&mut hand, 2);
            assert_eq!((hand.phase(), held(&hand)), ("Waiting", None));
            assert_eq!(told(&hand), Vec::<String>::new());
            shown(
                &mut hand,
                LifeCycle::NotReady,
                ReplicationState::InitialSync,
            );
            hand.turn();
            in_step(&mut hand);
            hand.until("AwaitingCutover");
            assert_eq!(hand.stages(), ["tested"; 3]);
        }
    }
}

#[test]
fn what_somebody_stopped_or_paused_is_told_and_holds_the_wave_that_waits_for_it() {
    for (life_cycle, state, why) in [
        (
            LifeCycle::ReadyForTest,
            ReplicationState::Paused,
            "its replication is paused in MGN",
        ),
        (
            LifeCycle::NotReady,
            ReplicationState::Paused,
            "its replication is paused in MGN",
        ),
        (
            LifeCycle::ReadyForTest,
            ReplicationState::Stopped,
            "its replication is stopped in MGN",
        ),
        (
            LifeCycle::Stopped,
            ReplicationState::Stopped,
            "its replication is stopped in MGN",
        ),
    ] {
        let mut plan = plan(2, 0);
        plan.policy.on_failure = OnFailure::Skip;
        let mut hand = Hand::new(plan);
        shown(&mut hand, life_cycle, state);
        let began = hand.now;
        goes_on(&mut hand, 2);
        let sentence = format!("Replication does not go on by itself: host00: {why}.");
        assert_eq!(held(&hand).as_deref(), Some(sentence.as_str()));
        assert_eq!(hand.now.duration_since(began).as_mins(), 15);
        assert_eq!(told(&hand), [why]);
        assert_eq!(hand.stages(), ["replicating", "replicating"]);
        // It may take as long again.
        hand.resume();
        goes_on(&mut hand, 2);
        assert_eq!(held(&hand).as_deref(), Some(sentence.as_str()));
        assert_eq!(hand.now.duration_since(began).as_mins(), 30);
        in_step(&mut hand);
        hand.resume();
        hand.until("AwaitingCutover");
        assert_eq!(hand.stages(), ["tested", "tested"]);
        assert!(hand.told.iter().any(|t| t.contains("replicates again")));
        let asked = |task: &Task| matches!(task, Task::RetryReplication { .. });
        assert!(!hand.tasks.iter().any(asked), "MGN would refuse it");
    }
}

#[test]
fn a_short_pause_is_waited_for() {
    let mut hand = Hand::new(plan(2, 0));
    shown(&mut hand, LifeCycle::ReadyForTest, ReplicationState::Paused);
    hand.until_that("a note of it", |h| !told(h).is_empty());
    in_step(&mut hand);
    hand.until("AwaitingCutover");
    assert_eq!(hand.stages(), ["tested", "tested"]);
}

#[test]
fn a_started_wave_is_held_for_what_has_not_begun_once_nothing_else_goes_on() {
    let mut manual = plan(1, 1);
    manual.start = Start::Manual;
    let mut hand = Hand::new(manual);
    hand.send_as(operator(), Body::Start);
    shown(
        &mut hand,
        LifeCycle::PendingInstallation,
        ReplicationState::Stopped,
    );
    hand.until_held();
    let sentence = "Replication does not go on by itself: host00: its replication has not begun.";
    assert_eq!(held(&hand).as_deref(), Some(sentence));
    assert_eq!(hand.stages(), ["replicating", "tested"]);

    let mut without = hand.clone();
    leave_out_the_first(&mut without);
    without.resume();
    without.until("AwaitingCutover");
    assert_eq!(without.stages(), ["skipped", "tested"]);

    shown(
        &mut hand,
        LifeCycle::NotReady,
        ReplicationState::InitialSync,
    );
    hand.resume();
    goes_on(&mut hand, 1);
    assert_eq!(held(&hand), None, "it is on its way");
    in_step(&mut hand);
    hand.until("AwaitingCutover");
    assert_eq!(hand.stages(), ["tested", "tested"]);
}

#[test]
fn what_is_stopped_once_the_wave_was_started_is_lost() {
    for state in [ReplicationState::Stopped, ReplicationState::Paused] {
        let mut hand = Hand::new(plan(1, 1));
        shown(&mut hand, LifeCycle::ReadyForTest, state);
        hand.until_that("claims", |h| h.stages() == ["replicating", "replicating"]);
        hand.send_as(operator(), Body::Start);
        hand.until_held();
        assert_eq!(hand.stages(), ["failed", "tested"]);
        assert!(!hand.told.iter().any(|t| t.contains("replicates again")));
    }
}

#[test]
fn a_wave_starts_without_a_server_that_failed_only_if_somebody_says_so() {
    let archived = |hand: &mut Hand, archived| {
        let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
        seen.archived = archived;
    };
    for (on_failure, critical) in [
        (OnFailure::Hold, false),
        (OnFailure::Skip, true),
        (OnFailure::Skip, false),
    ] {
        let mut plan = plan(1, 1);
        plan.policy.on_failure = on_failure;
        plan.applications[0].servers[0].critical = critical;
        let mut hand = Hand::new(plan);
        archived(&mut hand, true);
        if (on_failure, critical) == (OnFailure::Skip, false) {
            hand.until("Testing");
            assert_eq!(hand.stages()[0], "skipped", "as the plan says");
            continue;
        }
        hand.until_held();
        assert_eq!(hand.phase(), "Waiting");
        let sentence = "Servers failed: host00: it is archived in MGN.";
        assert_eq!(held(&hand).as_deref(), Some(sentence));

        let mut again = hand.clone();
        again.resume();
        again.turn();
        assert_eq!(held(&again).as_deref(), Some(sentence), "it still is");
        archived(&mut again, false);
        again.resume();
        again.until("AwaitingCutover");
        assert_eq!(again.stages(), ["tested", "tested"]);

        leave_out_the_first(&mut hand);
        hand.until("AwaitingCutover");
        assert_eq!(hand.stages(), ["skipped", "tested"]);
    }
}
