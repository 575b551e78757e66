//! What changes while cutovers begin: what has begun goes on, for the rest the gate asks again.

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::gate::{Door, Gate, GateState};
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::{LaunchStatus, ReplicationState};
use tidegate_domain::plan::{GatePlan, OnFailure, Plan};

use crate::asking::{CUTOVER, application, asking, mail};
use crate::fixture::{Hand, plan, server_id};

fn replicates(hand: &mut Hand, server: usize, state: ReplicationState) {
    let seen = hand.seen.get_mut(&server_id(server)).expect("a server");
    seen.replication.state = state;
}

fn lag(hand: &mut Hand, server: usize, lag: SignedDuration) {
    let seen = hand.seen.get_mut(&server_id(server)).expect("a server");
    seen.replication.lag = Some(lag);
}

fn skip(hand: &mut Hand, servers: &[usize]) {
    let servers = servers.iter().map(|n| server_id(*n)).collect();
    hand.send(Body::Skip { servers });
}

/// Approved, and the sources of `db` are being stopped.
fn begun(change: impl FnOnce(&mut Plan)) -> Hand {
    let mut hand = asking(change);
    hand.approve();
    hand.until_that("a quiesce", |hand| {
        hand.servers[0].stage.name() == "quiescing source"
    });
    hand
}

/// Three applications of a server each, none of which comes after another.
fn independent(hand: &mut Plan) {
    let mut third = hand.applications[1].clone();
    third.name = tidegate_domain::id::ApplicationName::parse("mail").expect("a name");
    third.servers = hand.applications[0].servers.split_off(1);
    hand.applications[1].after.clear();
    third.after.clear();
    hand.applications.push(third);
}

fn changed(hand: &Hand) -> Vec<&str> {
    let told = &hand.evidence(CUTOVER).changed.told;
    told.iter().map(String::as_str).collect()
}

fn asked_about(hand: &Hand) -> Vec<&str> {
    let servers = &hand.evidence(CUTOVER).servers;
    servers.iter().map(|s| s.hostname.as_str()).collect()
}

/// How often people were told that the gate asks again.
fn times_told(hand: &Hand) -> usize {
    let told = |task: &&Task| {
        matches!(
            task,
            Task::Notify {
                news: News::GateAsksAgain { .. },
                ..
            }
        )
    };
    hand.tasks.iter().filter(told).count()
}

#[test]
fn a_stall_that_comes_and_goes_during_another_cutover_is_asked_about() {
    let mut hand = begun(|_| {});
    replicates(&mut hand, 2, ReplicationState::Stalled);
    hand.now += SignedDuration::from_secs(15);
    hand.turn();
    assert_eq!(times_told(&hand), 1, "people are told at once");
    assert!(matches!(
        hand.wave().gates.get(&CUTOVER),
        Some(GateState::Approved { jobs, .. }) if jobs.len() == 2
    ));
    replicates(&mut hand, 2, ReplicationState::Continuous);
    hand.asked_again(1);
    assert_eq!(
        hand.stages(),
        ["cut over", "cut over", "tested"],
        "what was begun goes on"
    );
    assert!(hand.servers.iter().all(|s| s.cutovers < 2));
    assert_eq!(changed(&hand), ["host02 does not replicate any more"]);
    assert_eq!(asked_about(&hand), ["host02"]);
    assert_eq!(times_told(&hand), 1, "and once");
    hand.approve();
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 2);
}

#[test]
fn a_lag_beyond_its_limit_is_asked_about_once() {
    for moments in [false, true] {
        let mut hand = begun(|_| {});
        lag(&mut hand, 2, SignedDuration::from_mins(3));
        hand.now += SignedDuration::from_secs(15);
        hand.turn();
        if moments {
            lag(&mut hand, 2, SignedDuration::ZERO);
        }
        hand.asked_again(1);
        assert_eq!(
            changed(&hand),
            ["host02 is 3 min behind its source; the plan allows 1 min"]
        );
        hand.approve();
        hand.until("CuttingOver");
        lag(&mut hand, 2, SignedDuration::ZERO);
        hand.until("Completed");
        assert_eq!(hand.wave().rounds[&CUTOVER], 2);
    }
}

#[test]
fn drift_within_its_limits_stops_no_cutover() {
    let mut hand = begun(|_| {});
    lag(&mut hand, 2, SignedDuration::from_mins(1));
    replicates(&mut hand, 2, ReplicationState::Rescan);
    hand.now += SignedDuration::from_secs(15);
    hand.turn();
    lag(&mut hand, 2, SignedDuration::ZERO);
    replicates(&mut hand, 2, ReplicationState::Continuous);
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn what_comes_after_a_server_that_is_left_out_is_asked_about_without_it() {
    // Before anything is stopped, and while the sources are.
    for begun_first in [false, true] {
        let mut hand = asking(|_| {});
        hand.approve();
        hand.until("CuttingOver");
        if begun_first {
            hand.until_that("a stopped source", |hand| {
                hand.stages() == ["catching up", "catching up", "tested"]
            });
        }
        skip(&mut hand, &[0, 1]);
        hand.asked_again(1);
        assert_eq!(asked_about(&hand), ["host02"]);
        assert_eq!(
            changed(&hand),
            [0, 1].map(|n| format!("host0{n} left the wave: left out by ops@example.com"))
        );
        assert!(
            hand.servers.iter().all(|s| s.quiesced_at.is_none()),
            "the sources run again"
        );
        assert_eq!(times_told(&hand), 1);
        hand.approve();
        hand.until("Completed");
        assert_eq!(hand.stages(), ["skipped", "skipped", "finalized"]);
    }
}

#[test]
fn the_rest_of_an_application_is_asked_about_without_a_server_of_it() {
    let mut hand = asking(|plan| plan.applications[1].after.clear());
    replicates(&mut hand, 1, ReplicationState::Rescan);
    hand.approve();
    hand.until_that("the other", |hand| hand.servers[2].cutover.is_some());
    skip(&mut hand, &[1]);
    hand.asked_again(1);
    assert_eq!(asked_about(&hand), ["host00"]);
    hand.approve();
    hand.until("Completed");
    assert_eq!(hand.stages(), ["finalized", "skipped", "finalized"]);
}

#[test]
fn what_is_left_out_once_it_is_cut_over_concerns_nothing_after_it() {
    let mut hand = begun(|_| {});
    replicates(&mut hand, 2, ReplicationState::Rescan);
    hand.until_that("the first", |hand| {
        hand.stages() == ["cut over", "cut over", "tested"]
    });
    skip(&mut hand, &[0]);
    replicates(&mut hand, 2, ReplicationState::Continuous);
    hand.until("Completed");
    assert_eq!(hand.stages(), ["skipped", "finalized", "finalized"]);
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn whom_the_policy_leaves_out_is_no_change() {
    let mut hand = asking(|plan| {
        plan.policy.on_failure = OnFailure::Skip;
        plan.policy.failure_budget = 100;
        plan.policy.attempts = 1;
    });
    hand.launches = vec![LaunchStatus::Failed];
    hand.approve();
    hand.until("Completed");
    assert_eq!(hand.stages(), ["skipped", "finalized", "finalized"]);
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn a_change_of_one_application_stops_no_other() {
    let mut hand = asking(independent);
    for server in [1, 2] {
        replicates(&mut hand, server, ReplicationState::Rescan);
    }
    hand.approve();
    hand.until_that("the first", |hand| {
        hand.servers[0].stage.name() == "booting"
    });
    replicates(&mut hand, 1, ReplicationState::Stalled);
    hand.now += SignedDuration::from_secs(15);
    hand.turn();
    assert_eq!(hand.servers[0].stage.name(), "validating");
    replicates(&mut hand, 2, ReplicationState::Continuous);
    hand.asked_again(1);
    assert_eq!(hand.stages(), ["cut over", "cut over", "tested"]);
    assert_eq!(asked_about(&hand), ["host01"]);
}

#[test]
fn a_cutover_that_fails_and_is_tried_again_keeps_its_approval_when_the_rest_loses_its_own() {
    let mut hand = begun(|_| {});
    hand.launches = vec![LaunchStatus::Failed];
    replicates(&mut hand, 2, ReplicationState::Paused);
    hand.asked_again(1);
    assert_eq!(hand.stages(), ["cut over", "cut over", "tested"]);
    assert_eq!(hand.servers[0].cutovers, 2);
    let restarted = |line: &String| line.starts_with("SourceRestarted");
    assert!(!hand.told.iter().any(restarted));
}

#[test]
fn nothing_changes_about_what_was_put_off() {
    let mut hand = asking(|_| {});
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("db"));
    hand.until("CuttingOver");
    replicates(&mut hand, 2, ReplicationState::Stalled);
    hand.until("Soaking");
    assert_eq!(hand.stages(), ["cut over", "cut over", "tested"]);
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
    assert_eq!(times_told(&hand), 0);
}

#[test]
fn a_part_that_lapses_is_asked_about_with_what_was_put_off() {
    let mut hand = asking(independent);
    let only = tidegate_domain::gate::Part {
        applications: Vec::new(),
        servers: vec![server_id(0), server_id(1)],
    };
    replicates(&mut hand, 1, ReplicationState::Rescan);
    hand.say(mail("ops"), CUTOVER, Door::Mail, only);
    hand.until_that("the first", |hand| {
        hand.servers[0].stage.name() == "booting"
    });
    replicates(&mut hand, 1, ReplicationState::Stalled);
    hand.asked_again(1);
    assert_eq!(hand.stages()[0], "cut over");
    assert_eq!(asked_about(&hand), ["host02", "host01"]);
}

#[test]
fn nobody_is_asked_about_a_lapsed_server_that_left_since() {
    let mut hand = begun(|_| {});
    replicates(&mut hand, 2, ReplicationState::Stalled);
    hand.now += SignedDuration::from_secs(15);
    hand.turn();
    skip(&mut hand, &[2]);
    hand.until("Completed");
    assert_eq!(hand.stages(), ["finalized", "finalized", "skipped"]);
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn a_gate_that_decides_by_itself_asks_nobody() {
    let mut automatic = plan(2, 1);
    automatic.gates.cutover = GatePlan::automatic();
    let mut hand = Hand::new(automatic);
    hand.until_that("a quiesce", |hand| {
        hand.stages().first() == Some(&"quiescing source")
    });
    replicates(&mut hand, 2, ReplicationState::Stalled);
    skip(&mut hand, &[1]);
    hand.turn();
    hand.turn();
    replicates(&mut hand, 2, ReplicationState::Continuous);
    hand.until("Completed");
    assert_eq!(times_told(&hand), 0);
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn a_stall_that_ends_under_a_hold_was_asked_about_before_it() {
    let mut hand = asking(|_| {});
    hand.approve();
    hand.until("CuttingOver");
    replicates(&mut hand, 0, ReplicationState::Stalled);
    hand.asked_again(1);
    assert_eq!(hand.stages(), ["tested"; 3]);
    let note = String::new();
    hand.send(Body::Hold { note });
    hand.turn();
    hand.now += SignedDuration::from_hours(12);
    replicates(&mut hand, 0, ReplicationState::Continuous);
    hand.resume();
    for _ in 0..20 {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at);
    }
    assert_eq!(hand.stages(), ["tested"; 3], "nothing is cut over unasked");
    assert!(hand.is_open(CUTOVER) && !hand.wave().gates.contains_key(&Gate::Finalize));
    hand.approve();
    hand.until("Completed");
}
