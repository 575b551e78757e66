//! Replication that stalls: told, retried, told once more; and what waits for it is held.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::decide::decide;
use tidegate_domain::effect::Task;
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::{CommandStatus, ReplicationState};
use tidegate_domain::plan::{OnFailure, Plan, Start};

use crate::fixture::{Hand, operator, plan, server_id, start_of_time};

/// What MGN says of a server that stalls.
const ERROR: &str = "AGENT_NOT_SEEN";
/// What a hold says when the first server stalls for good.
const HELD: &str = "Replication does not go on by itself: host00: AGENT_NOT_SEEN.";

fn replicates(hand: &mut Hand, server: usize, state: ReplicationState, error: Option<&str>) {
    let seen = hand.seen.get_mut(&server_id(server)).expect("a server");
    seen.replication.state = state;
    seen.replication.error = error.map(str::to_owned);
}

fn stalls(hand: &mut Hand, server: usize) {
    replicates(hand, server, ReplicationState::Stalled, Some(ERROR));
}

fn goes_on(hand: &mut Hand, server: usize) {
    replicates(hand, server, ReplicationState::Continuous, None);
}

/// When MGN is asked to try again, and when people are told, until the wave is held or, at the
/// latest, `until`.
#[derive(Debug, Default)]
struct Course {
    retried: Vec<Timestamp>,
    told: Vec<(Timestamp, String)>,
}

fn course(hand: &mut Hand, until: Timestamp) -> Course {
    let mut course = Course::default();
    loop {
        let decision = hand.turn();
        for effect in decision.effects {
            match effect.task {
                Task::RetryReplication { servers } => {
                    assert_eq!(servers, [server_id(0)]);
                    course.retried.push(hand.now);
                }
                Task::Notify {
                    news: News::ReplicationStalled { servers, .. },
                    ..
                } => course.told.push((hand.now, servers.first.reason)),
                _ => {}
            }
        }
        if hand.wave().hold.is_some() || hand.now >= until {
            return course;
        }
        if decision.hand_out.is_empty() {
            hand.now = hand.now.max(decision.wake_at);
        }
    }
}

fn later(hand: &Hand) -> Timestamp {
    hand.now + SignedDuration::from_hours(4)
}

fn minutes_between(times: &[Timestamp]) -> Vec<i64> {
    times
        .windows(2)
        .map(|two| two[1].duration_since(two[0]).as_mins())
        .collect()
}

fn hold(hand: &Hand) -> (String, Vec<String>) {
    let hold = hand.wave().hold.as_ref().expect("a hold");
    let commands = hold.reason.commands(hand.wave());
    let commands = commands.into_iter().map(|(command, _)| command).collect();
    (hold.reason.sentence(), commands)
}

/// A wave that is held while it waits for its first server's replication.
fn held_before_its_start() -> Hand {
    let mut hand = Hand::new(plan(2, 0));
    stalls(&mut hand, 0);
    hand.until_held();
    hand
}

fn windowless(attempts: u32) -> Plan {
    let mut plan = plan(1, 1);
    plan.policy.attempts = attempts;
    plan
}

#[test]
fn a_stall_is_told_and_retried_and_holds_the_wave_that_waits_for_it() {
    for attempts in [1, 3] {
        let mut plan = plan(2, 0);
        plan.policy.attempts = attempts;
        let mut hand = Hand::new(plan);
        stalls(&mut hand, 0);
        let until = later(&hand);
        let course = course(&mut hand, until);
        assert_eq!(course.told.len(), 1, "{course:?}");
        assert_eq!(course.told[0].1, ERROR);
        assert_eq!(course.retried.len(), attempts as usize);
        let pauses = minutes_between(&course.retried);
        assert_eq!(pauses, vec![15; attempts as usize - 1]);
        let last = course.retried.last().expect("a retry");
        assert_eq!(hand.now.duration_since(*last).as_mins(), 15, "the pause");
        assert_eq!(hand.phase(), "Waiting");
        let (sentence, commands) = hold(&hand);
        assert_eq!(sentence, HELD);
        assert_eq!(
            commands,
            [
                "tidegate resume orders",
                "tidegate skip orders SERVER…",
                "tidegate abort orders"
            ]
        );
    }
}

#[test]
fn a_hold_names_some_of_many() {
    for (servers, last) in [(5, "host04: AGENT_NOT_SEEN"), (60, "and 56 more")] {
        let mut hand = Hand::new(plan(servers, 1));
        for server in 0..servers {
            stalls(&mut hand, server);
        }
        hand.until_held();
        let named: String = (0..4)
            .map(|n| format!("host{n:02}: AGENT_NOT_SEEN; "))
            .collect();
        assert_eq!(
            hold(&hand).0,
            format!("Replication does not go on by itself: {named}{last}.")
        );
    }
}

#[test]
fn a_resume_begins_the_retries_anew() {
    let mut hand = held_before_its_start();
    let before = hand.tasks.len();
    hand.resume();
    hand.turn();
    assert!(hand.wave().hold.is_none(), "it is held once");
    let until = later(&hand);
    course(&mut hand, until);
    let retries = hand.tasks[before..]
        .iter()
        .filter(|task| matches!(task, Task::RetryReplication { .. }));
    assert_eq!(retries.count(), 2);
    assert_eq!(hold(&hand).0, HELD, "and again");
    goes_on(&mut hand, 0);
    hand.resume();
    hand.until("AwaitingCutover");
}

#[test]
fn a_stall_that_ends_releases_nothing() {
    let mut hand = held_before_its_start();
    let id = hand.wave().hold.as_ref().expect("a hold").id;
    goes_on(&mut hand, 0);
    for _ in 0..10 {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at);
    }
    assert_eq!(hand.servers[0].stall, None, "it is over");
    assert_eq!(hand.wave().hold.as_ref().map(|hold| hold.id), Some(id));
    // Whoever is left out meanwhile, the wave goes on when somebody says so.
    hand.send(Body::Skip {
        servers: vec![server_id(1)],
    });
    hand.turn();
    assert_eq!(hand.wave().hold.as_ref().map(|hold| hold.id), Some(id));
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.servers[0].stage.name(), "tested");
    assert_eq!(hand.servers[1].stage.name(), "skipped");
}

#[test]
fn a_stall_that_ends_in_time_holds_nothing_and_counts_anew_when_it_comes_back() {
    let mut plan = plan(2, 0);
    plan.start = Start::Manual;
    let mut hand = Hand::new(plan);
    hand.send_as(operator(), Body::Start);
    stalls(&mut hand, 0);
    let until = hand.now + SignedDuration::from_mins(20);
    assert_eq!(course(&mut hand, until).retried.len(), 2);
    goes_on(&mut hand, 0);
    hand.until("AwaitingCutover");
    assert!(
        hand.told
            .iter()
            .any(|line| line.contains("replicates again"))
    );
    stalls(&mut hand, 0);
    let until = hand.now + SignedDuration::from_mins(40);
    let again = course(&mut hand, until);
    assert_eq!((again.retried.len(), again.told.len()), (2, 2), "{again:?}");
}

#[test]
fn a_server_that_stalls_can_be_left_out() {
    let mut hand = held_before_its_start();
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.servers[0].stage.name(), "skipped");
    assert_eq!(hand.servers[1].stage.name(), "tested");
    let resumed = hand
        .told
        .iter()
        .any(|line| line.contains("replicates again"));
    assert!(
        !resumed,
        "nobody says that a server replicates that does not"
    );
}

#[test]
fn nobody_is_asked_on_the_word_of_an_old_read() {
    let mut hand = Hand::new(plan(2, 0));
    stalls(&mut hand, 0);
    hand.until_that("the last retry", |hand| {
        let stall = hand.servers.first().and_then(|s| s.stall.as_ref());
        stall.is_some_and(|stall| stall.retries == 2)
    });
    let mut facts = hand.facts();
    facts.now += SignedDuration::from_mins(20);
    let at = facts.seen[&server_id(0)].at;
    let hold = |facts| {
        let decision = decide(facts);
        let hold = decision.wave.and_then(|wave| wave.hold);
        hold.map(|hold| hold.reason.sentence())
    };
    assert_eq!(hold(facts.clone()), None, "read at {at}");
    facts.seen.get_mut(&server_id(0)).expect("a server").at = facts.now;
    assert_eq!(hold(facts).as_deref(), Some(HELD));
}

#[test]
fn tests_that_can_go_on_are_not_held_up() {
    let mut manual = plan(1, 1);
    manual.start = Start::Manual;
    manual.policy.attempts = 1;
    let mut hand = Hand::new(manual);
    hand.send_as(operator(), Body::Start);
    stalls(&mut hand, 0);
    // The other's check takes longer than the retries.
    hand.commands = vec![CommandStatus::Pending];
    let until = hand.now + SignedDuration::from_mins(9);
    hand.until_that("the other's check", |hand| {
        hand.servers
            .get(1)
            .is_some_and(|s| s.stage.name() == "validating")
    });
    assert!(hand.now < until);
    hand.wave.as_mut().expect("a wave").plan.applications[1].validate[0].timeout =
        SignedDuration::from_hours(2);
    let until = hand.now + SignedDuration::from_mins(60);
    let waiting = course(&mut hand, until);
    assert!(hand.wave().hold.is_none(), "{:?}", hand.wave().hold);
    let told: Vec<&str> = waiting
        .told
        .iter()
        .map(|(_, error)| error.as_str())
        .collect();
    assert_eq!(
        told,
        ["AGENT_NOT_SEEN, and asking it once to try again did not help"],
        "people are told once more meanwhile"
    );
    hand.commands.clear();
    hand.until_held();
    assert_eq!(hand.servers[1].stage.name(), "tested");
    assert_eq!(hold(&hand).0, HELD);
    goes_on(&mut hand, 0);
    hand.resume();
    hand.until("AwaitingCutover");
}

#[test]
fn a_gate_is_asked_with_the_stall_shown_and_holds_nothing() {
    let mut hand = Hand::new(windowless(2));
    hand.asked();
    stalls(&mut hand, 0);
    let until = hand.now + SignedDuration::from_hours(2);
    let course = course(&mut hand, until);
    assert_eq!(hand.phase(), "AwaitingCutover");
    assert!(hand.wave().hold.is_none(), "it waits for people");
    assert_eq!(course.retried.len(), 2);
    let told: Vec<&str> = course
        .told
        .iter()
        .map(|(_, error)| error.as_str())
        .collect();
    assert_eq!(
        told,
        [
            ERROR,
            "AGENT_NOT_SEEN, and asking it 2 times to try again did not help"
        ]
    );
}

/// Approved although the first application stalls; the second comes after it or does not.
fn stalls_as_cutovers_begin(independent: bool) -> Hand {
    let mut plan = windowless(2);
    if independent {
        plan.applications[1].after.clear();
    }
    let mut hand = Hand::new(plan);
    hand.asked();
    stalls(&mut hand, 0);
    hand.asked_again(1);
    hand.approve();
    hand.until("CuttingOver");
    hand
}

#[test]
fn a_cutover_that_waits_for_a_stalled_server_is_held_once_nothing_else_goes_on() {
    for independent in [false, true] {
        let mut hand = stalls_as_cutovers_begin(independent);
        hand.until_held();
        assert_eq!(hold(&hand).0, HELD);
        let other = if independent { "cut over" } else { "tested" };
        assert_eq!(hand.stages(), ["tested", other]);
        assert!(hand.now < start_of_time() + SignedDuration::from_hours(2));
        assert_eq!(
            hold(&hand).1,
            [
                "tidegate resume orders",
                "tidegate skip orders SERVER…",
                "tidegate rollback orders",
                "tidegate abort orders"
            ]
        );

        // However late they say so, MGN is asked anew before anybody is asked again.
        let mut again = hand.clone();
        again.now += SignedDuration::from_hours(12);
        again.resume();
        let until = later(&again);
        assert_eq!(course(&mut again, until).retried.len(), 2);
        assert_eq!(hold(&again).0, HELD);
        goes_on(&mut again, 0);
        again.resume();
        again.until("Completed");

        hand.send(Body::Skip {
            servers: vec![server_id(0)],
        });
        hand.resume();
        if !independent {
            // What comes after it was not approved without it.
            hand.asked_again(2);
            hand.approve();
        }
        hand.until("Completed");
        assert_eq!(hand.stages(), ["skipped", "finalized"]);
    }
}

#[test]
fn a_stall_from_before_the_cutovers_holds_up_no_other_application() {
    let mut plan = windowless(1);
    plan.applications[1].after.clear();
    let mut hand = Hand::new(plan);
    hand.asked();
    stalls(&mut hand, 0);
    let until = hand.now + SignedDuration::from_hours(1);
    course(&mut hand, until);
    // They approve what is shown to stall.
    hand.asked();
    hand.approve();
    hand.until_held();
    assert_eq!(hand.stages(), ["tested", "cut over"]);
    assert_eq!(hold(&hand).0, HELD);
}

#[test]
fn whom_the_policy_passes_over_is_left_out_of_the_cutovers_in_the_end() {
    for critical in [false, true] {
        let mut plan = windowless(1);
        plan.policy.on_failure = OnFailure::Skip;
        plan.policy.failure_budget = 100;
        plan.policy.launch_timeout = SignedDuration::from_mins(45);
        plan.applications[0].servers[0].critical = critical;
        let mut hand = Hand::new(plan);
        hand.asked();
        stalls(&mut hand, 0);
        hand.asked_again(1);
        hand.approve();
        if critical {
            hand.until_held();
            assert_eq!(hold(&hand).0, HELD);
        } else {
            hand.until("Completed");
            assert_eq!(hand.stages(), ["skipped", "finalized"]);
        }
    }
}

#[test]
fn a_stall_after_the_quiesce_ends_as_every_cutover_that_does_not_catch_up() {
    let mut hand = Hand::new(windowless(1));
    hand.asked();
    hand.approve();
    hand.until_that("the quiesce", |hand| {
        hand.servers[0].stage.name() == "quiescing source"
    });
    stalls(&mut hand, 0);
    hand.until_held();
    let sentence = "Servers failed: host00: its replication did not catch up after the quiesce.";
    assert_eq!(hold(&hand).0, sentence);
    assert_eq!(hand.servers[0].quiesced_at, None, "its source runs again");
}

#[test]
fn a_stall_of_what_runs_in_aws_is_told_once() {
    let mut hand = Hand::new(windowless(1));
    hand.asked();
    hand.approve();
    hand.until("Soaking");
    stalls(&mut hand, 0);
    let until = hand.now + SignedDuration::from_mins(40);
    let course = course(&mut hand, until);
    assert_eq!((course.retried.len(), course.told.len()), (1, 1));
    assert_eq!(hand.phase(), "Soaking");
    hand.until("Completed");
}
