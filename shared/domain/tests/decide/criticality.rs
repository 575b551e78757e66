//! Critical servers: a failure of one holds its application, and no policy passes over it.

use jiff::SignedDuration;
use tidegate_domain::hold::HoldReason;
use tidegate_domain::observation::LaunchStatus;
use tidegate_domain::plan::OnFailure;

use crate::fixture::{Hand, plan, server_id};

/// `db` with two servers, of which the first is critical or not, and `web` with one that does not
/// come after them. Approved although the first server and `web` are behind.
fn behind_as_cutovers_begin(critical: bool) -> Hand {
    let mut plan = plan(2, 1);
    plan.policy.launch_timeout = SignedDuration::from_mins(30);
    plan.applications[0].servers[0].critical = critical;
    plan.applications[1].after.clear();
    let mut hand = Hand::new(plan);
    hand.asked();
    lag(&mut hand, 0, 5);
    lag(&mut hand, 2, 5);
    hand.asked_again(1);
    hand.approve();
    hand.until("CuttingOver");
    for _ in 0..5 {
        hand.turn();
    }
    assert_eq!(hand.stages(), ["tested", "tested", "tested"]);
    hand
}

fn lag(hand: &mut Hand, server: usize, minutes: i64) {
    let seen = hand.seen.get_mut(&server_id(server)).expect("a server");
    seen.replication.lag = Some(SignedDuration::from_mins(minutes));
}

#[test]
fn a_critical_failure_holds_its_application_and_the_others_go_on() {
    let mut hand = behind_as_cutovers_begin(true);
    hand.now += SignedDuration::from_mins(30);
    lag(&mut hand, 2, 0);
    hand.until_that("the failure", |hand| hand.servers[0].failed);
    assert!(hand.wave().hold.is_none());
    hand.until_held();
    assert_eq!(hand.stages(), ["failed", "tested", "cut over"]);
    let reason = hand.wave().hold.as_ref().map(|hold| &hold.reason);
    let servers = vec!["host00: its replication is not in step".to_owned()];
    assert_eq!(reason, Some(&HoldReason::ServersFailed { servers }));

    // The application is cut over as a whole once the server is back.
    lag(&mut hand, 0, 0);
    hand.resume();
    hand.until_that("the application", |hand| {
        hand.stages() == ["cut over", "cut over", "cut over"]
    });
    hand.until("Completed");
}

#[test]
fn another_failure_does_not_hold_the_application() {
    let mut hand = behind_as_cutovers_begin(false);
    hand.now += SignedDuration::from_mins(30);
    lag(&mut hand, 2, 0);
    hand.until_held();
    assert_eq!(hand.stages(), ["failed", "cut over", "cut over"]);
}

/// Four servers, of which so many are critical; the policy leaves out whatever fails.
fn skipping(critical: usize, failure_budget: u8) -> Hand {
    let mut plan = plan(4, 1);
    plan.policy.on_failure = OnFailure::Skip;
    plan.policy.attempts = 1;
    plan.policy.failure_budget = failure_budget;
    for selector in plan.applications[0].servers.iter_mut().take(critical) {
        selector.critical = true;
    }
    Hand::new(plan)
}

#[test]
fn no_policy_skips_a_critical_server() {
    let mut hand = skipping(1, 50);
    hand.launches = vec![LaunchStatus::Failed, LaunchStatus::Failed];
    hand.until_held();
    assert_eq!(
        hand.stages(),
        ["failed", "skipped", "tested", "tested", "tested"],
        "the others are tested"
    );
    let reason = hand.wave().hold.as_ref().map(|hold| &hold.reason);
    let servers = vec!["host00: MGN could not launch it".to_owned()];
    assert_eq!(reason, Some(&HoldReason::ServersFailed { servers }));
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.stages()[0], "tested");
}

#[test]
fn the_budget_counts_no_critical_failure() {
    // A quarter of the four that are not critical may fail: one. A critical one fails as well.
    let mut hand = skipping(1, 25);
    hand.launches = vec![LaunchStatus::Failed, LaunchStatus::Failed];
    hand.until_held();
    let reason = hand.wave().hold.as_ref().map(|hold| &hold.reason);
    assert!(
        matches!(reason, Some(HoldReason::ServersFailed { servers }) if servers.len() == 1),
        "{reason:?}"
    );
    assert_eq!(hand.stages()[1], "skipped");
}

#[test]
fn the_budget_is_a_part_of_the_servers_that_are_not_critical() {
    // A quarter of five would be one.
    let mut hand = skipping(2, 25);
    hand.launches = vec![
        LaunchStatus::Launched,
        LaunchStatus::Launched,
        LaunchStatus::Failed,
    ];
    hand.until_held();
    let reason = hand.wave().hold.as_ref().map(|hold| &hold.reason);
    let spent = HoldReason::BudgetSpent {
        failed: 1,
        allowed: 0,
    };
    assert_eq!(reason, Some(&spent));
}
