//! Test instances: how long they run, and what becomes of those that run longer.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::{Gate, GateState};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::CommandStatus;
use tidegate_domain::plan::{Plan, Window};
use tidegate_domain::server::{Stage, TestInstance};

use crate::fixture::{Hand, operator, plan, server_id, start_of_time};

fn window(opens: Timestamp) -> Window {
    Window {
        opens,
        closes: opens + SignedDuration::from_hours(1),
        time_zone: "Europe/Berlin".to_owned(),
    }
}

/// How many servers were in jobs that terminate instances.
fn terminated(hand: &Hand) -> usize {
    let tasks = hand.tasks.iter();
    let sizes = tasks.filter_map(|task| match task {
        Task::TerminateTests { servers } => Some(servers.len()),
        _ => None,
    });
    sizes.sum()
}

fn reason(hand: &Hand) -> HoldReason {
    hand.wave().hold.clone().expect("a hold").reason
}

/// A wave whose quiesce took longer than its window left, held for that.
fn stepped_back() -> Hand {
    let mut windowed = plan(2, 0);
    let opens = start_of_time() + SignedDuration::from_mins(30);
    windowed.window = Some(window(opens));
    let mut hand = Hand::new(windowed);
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    hand.until_that("the quiesce", |hand| {
        hand.servers[0].stage.name() == "quiescing source"
    });
    hand.now = opens + SignedDuration::from_mins(60);
    hand.until_held();
    assert_eq!(reason(&hand), HoldReason::WindowMissed);
    assert!(hand.servers.iter().all(|server| server.cutovers == 0));
    hand
}

/// A wave of one server that may fail, in its cutover.
fn cutting_over() -> Hand {
    let mut tolerant = plan(1, 0);
    tolerant.policy.failure_budget = 100;
    let mut hand = Hand::new(tolerant);
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    hand.until("CuttingOver");
    hand
}

/// What is known of the test instance of a failed server that is to be tried again.
fn tried_again(hand: &mut Hand) -> TestInstance {
    hand.commands.clear();
    hand.until_held();
    // It cannot begin again before it is in step.
    let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
    seen.replication.lag = Some(SignedDuration::from_mins(10));
    hand.resume();
    hand.turn();
    let Stage::Tested { instance } = &hand.servers[0].stage else {
        panic!("{:?}", hand.servers[0])
    };
    instance.clone()
}

/// The hold of a missed window is released as it says, with a window in three weeks.
fn put_off(hand: &mut Hand) {
    let later = hand.now + SignedDuration::from_hours(21 * 24);
    let plan = Plan {
        window: Some(window(later)),
        ..hand.wave().plan.clone()
    };
    hand.send_as(operator(), Body::Apply(Box::new(plan)));
    hand.resume();
}

#[test]
fn a_server_that_steps_back_keeps_its_instance_no_longer_than_the_plan_says() {
    let mut hand = stepped_back();
    let keep = hand.wave().plan.policy.keep_test_instances;
    for server in &hand.servers {
        let passed = server.test.as_ref().expect("a test").at;
        let instance = TestInstance::Kept {
            until: passed + keep,
        };
        assert_eq!(server.stage, Stage::Tested { instance });
        assert!(server.instance.is_some());
    }
    put_off(&mut hand);
    hand.until("AwaitingCutover");
    hand.asked();
    let Some(GateState::Open(open)) = hand.wave().gates.get(&Gate::Cutover) else {
        panic!("open")
    };
    assert_eq!(open.evidence.waited.instances, 2, "people see what runs");
    hand.until_that("terminations", |hand| {
        hand.servers.iter().all(|server| server.instance.is_none())
    });
    assert_eq!(terminated(&hand), 2);
    assert!(hand.now < start_of_time() + keep + SignedDuration::from_mins(30));
}

#[test]
fn a_server_that_is_tried_again_before_its_cutover_keeps_its_instance() {
    let mut hand = cutting_over();
    hand.commands = vec![CommandStatus::Failed("exit 1".to_owned())];
    hand.until_that("the way back", |hand| {
        hand.servers[0].stage.name() == "restarting source"
    });
    assert_eq!(hand.servers[0].cutovers, 0);
    let instance = tried_again(&mut hand);
    assert!(
        matches!(instance, TestInstance::Kept { .. }),
        "{instance:?}"
    );
}

#[test]
fn what_a_cutover_replaced_is_gone() {
    let mut hand = cutting_over();
    // The quiesce succeeds, and each check fails.
    hand.commands = vec![
        CommandStatus::Succeeded,
        CommandStatus::Succeeded,
        CommandStatus::Failed("exit 1".to_owned()),
    ];
    hand.until_that("a cutover that is stopped", |hand| {
        hand.servers[0].stage.name() == "restarting source"
    });
    assert_eq!(hand.servers[0].cutovers, 2);
    assert_eq!(tried_again(&mut hand), TestInstance::Gone);
}

/// MGN's answer to a termination, each time that it is asked.
fn refused(hand: &mut Hand, kind: RefusalKind) {
    let refusal = Refusal {
        kind,
        message: "it is in a job".to_owned(),
    };
    hand.refuse = vec![("launch", Outcome::Refused(refusal)); 100];
}

/// How often people were told that a test instance runs on.
fn told(hand: &Hand) -> usize {
    let tasks = hand.tasks.iter();
    let told = tasks.filter(|task| {
        matches!(
            task,
            Task::Notify {
                news: News::TerminationRefused { .. },
                ..
            }
        )
    });
    told.count()
}

fn skip(hand: &mut Hand, server: usize) {
    let servers = vec![server_id(server)];
    hand.send_as(operator(), Body::Skip { servers });
}

#[test]
fn an_instance_that_is_not_terminated_holds_a_wave_that_ends() {
    for by_hand in [true, false] {
        for (kind, asked) in [(RefusalKind::Conflict, 20), (RefusalKind::Invalid, 3)] {
            let mut hand = Hand::new(plan(1, 0));
            hand.until("AwaitingCutover");
            hand.asked();
            refused(&mut hand, kind);
            hand.send_as(operator(), Body::Abort);
            hand.until_held();
            assert_eq!(terminated(&hand), asked);
            assert!(hand.servers[0].instance.is_some());
            let text = "Terminating instances for host00 did not succeed: it is in a job";
            assert_eq!(reason(&hand).sentence(), text);
            let commands = reason(&hand).commands(hand.wave());
            assert!(commands[1].0.starts_with("tidegate skip"), "{commands:?}");
            if by_hand {
                skip(&mut hand, 0);
            } else {
                hand.refuse.clear();
            }
            hand.resume();
            hand.until("Aborted");
            assert_eq!(hand.servers[0].instance, None);
            assert_eq!(terminated(&hand), asked + usize::from(!by_hand));
        }
    }
}

#[test]
fn an_instance_of_a_server_that_is_left_out_holds_the_wave() {
    let mut hand = Hand::new(plan(2, 0));
    hand.until("AwaitingCutover");
    hand.asked();
    refused(&mut hand, RefusalKind::Invalid);
    skip(&mut hand, 0);
    hand.until_held();
    assert!(matches!(reason(&hand), HoldReason::Refused { .. }));
    assert_eq!(hand.servers[0].stage.name(), "terminating");
    hand.refuse.clear();
    skip(&mut hand, 0);
    hand.resume();
    hand.turn();
    assert_eq!(hand.servers[0].stage.name(), "skipped");
    let step = "StepTakenAsDone: host00: terminating is taken as done by hand.";
    assert!(hand.told.iter().any(|told| told == step), "{:?}", hand.told);
    hand.asked();
    hand.approve();
    hand.until("Completed");
}

#[test]
fn no_hold_for_an_instance_keeps_a_source_stopped() {
    let mut both = plan(1, 1);
    let quiesce = both.applications[0].quiesce.clone();
    both.applications[1].quiesce = quiesce;
    let mut hand = Hand::new(both);
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    hand.until("Soaking");
    let note = String::new();
    hand.send_as(operator(), Body::RollBack { note });
    hand.until_that("the way back of the first", |hand| {
        hand.servers[0].stage.name() == "setting back"
    });
    // The source of the second takes its time.
    hand.commands = vec![CommandStatus::Pending];
    hand.until_that("the termination", |hand| {
        hand.servers[0].stage.name() == "terminating"
    });
    refused(&mut hand, RefusalKind::Invalid);
    hand.until_that("refusals", |hand| terminated(hand) > 6);
    assert_eq!(hand.servers[1].stage.name(), "restarting source");
    assert_eq!(hand.wave().hold, None);
    hand.commands.clear();
    hand.until_held();
    assert_eq!(hand.servers[1].quiesced_at, None, "{:?}", hand.servers[1]);
    hand.refuse.clear();
    hand.resume();
    hand.until("RolledBack");
}

#[test]
fn people_are_told_of_a_test_instance_that_runs_on() {
    let mut patient = plan(1, 0);
    patient.gates.cutover.expires = SignedDuration::from_hours(7 * 24);
    let mut hand = Hand::new(patient);
    hand.until("AwaitingCutover");
    hand.asked();
    refused(&mut hand, RefusalKind::Invalid);
    hand.until_that("the news", |hand| told(hand) == 1);
    assert_eq!(hand.wave().hold, None, "its cutover removes it");
    let day = SignedDuration::from_hours(24);
    let instance = TestInstance::Kept {
        until: hand.now + day,
    };
    assert_eq!(hand.servers[0].stage, Stage::Tested { instance });
    assert!(hand.servers[0].instance.is_some());

    // The next day somebody has terminated it.
    let asked = terminated(&hand);
    let instance = hand.seen.get_mut(&server_id(0)).expect("a server");
    let instance = instance.instance.as_mut().expect("an instance");
    (instance.gone, instance.running) = (true, false);
    hand.now += day;
    hand.until_that("its end", |hand| hand.servers[0].instance.is_none());
    assert!(terminated(&hand) <= asked + 1);
    assert_eq!(told(&hand), 1);
}
