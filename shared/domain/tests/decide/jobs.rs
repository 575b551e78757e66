//! Servers whose job goes on for others: MGN refuses them a job of their own until it ends.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::observation::LaunchStatus;
use tidegate_domain::plan::Window;
use tidegate_domain::server::{End, Purpose, Stage};

use crate::fixture::{Hand, plan, server_id};

/// The jobs that launch, each with its servers' number.
fn launches(hand: &Hand) -> Vec<usize> {
    let tasks = hand.tasks.iter();
    let sizes = tasks.filter_map(|task| match task {
        Task::StartTest { servers } | Task::StartCutover { servers, .. } => Some(servers.len()),
        _ => None,
    });
    sizes.collect()
}

/// The jobs that were started go on, or end.
fn jobs_go_on(hand: &mut Hand, go_on: bool) {
    let jobs = hand.seen.values_mut().filter_map(|seen| seen.job.as_mut());
    jobs.for_each(|job| job.completed = !go_on);
}

/// A launch of two servers in one job, of which the first failed at once and the second takes long.
fn with_a_straggler(hand: &mut Hand) {
    let before = launches(hand).len();
    hand.launches = vec![LaunchStatus::Failed, LaunchStatus::InProgress];
    hand.until_that("a launch", |hand| launches(hand).len() > before);
    hand.launches.clear();
    jobs_go_on(hand, true);
}

/// MGN's answer about a server that a job has.
fn in_a_job() -> Outcome {
    Outcome::Refused(Refusal {
        kind: RefusalKind::Conflict,
        message: "currently being processed by a Job".to_owned(),
    })
}

fn pass(hand: &mut Hand, until: Timestamp) {
    hand.until_that("that time", |hand| hand.now >= until);
}

/// The straggler is launched, and with it its job ends.
fn launched(hand: &mut Hand) {
    let done = hand.seen[&server_id(1)].instance.clone().map(|i| i.id);
    let seen = hand.seen.get_mut(&server_id(1)).expect("a server");
    let job = seen.job.as_mut().expect("a job");
    job.launch = LaunchStatus::Launched;
    job.instance = done;
    jobs_go_on(hand, false);
}

#[test]
fn a_server_that_failed_is_launched_again_when_its_job_has_ended() {
    let mut hand = Hand::new(plan(2, 0));
    with_a_straggler(&mut hand);
    let later = hand.now + SignedDuration::from_hours(1);
    pass(&mut hand, later);
    assert_eq!(launches(&hand), [2], "MGN would refuse it");
    assert_eq!(hand.servers[0].stage.name(), "launching test");
    launched(&mut hand);
    let ended = hand.now;
    hand.until_that("the second launch", |hand| launches(hand).len() > 1);
    assert!(hand.now < ended + SignedDuration::from_mins(1));
    hand.until("AwaitingCutover");
    assert_eq!(launches(&hand), [2, 1]);
    assert!(hand.servers.iter().all(|server| !server.failed));
}

#[test]
fn a_cutover_that_failed_is_launched_again_when_its_job_has_ended() {
    let mut hand = Hand::new(plan(2, 0));
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    with_a_straggler(&mut hand);
    let later = hand.now + SignedDuration::from_hours(1);
    pass(&mut hand, later);
    assert_eq!(launches(&hand), [2, 2]);
    launched(&mut hand);
    hand.until("Soaking");
    assert_eq!(launches(&hand), [2, 2, 1]);
}

#[test]
fn a_source_does_not_wait_for_a_job_when_its_window_is_over() {
    let mut windowed = plan(2, 0);
    let opens = Hand::new(plan(1, 0)).now + SignedDuration::from_hours(1);
    windowed.window = Some(Window {
        opens,
        closes: opens + SignedDuration::from_hours(1),
        time_zone: "Europe/Berlin".to_owned(),
    });
    let mut hand = Hand::new(windowed);
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    with_a_straggler(&mut hand);
    hand.until_that("the source", |hand| {
        hand.told
            .iter()
            .any(|t| t.starts_with("SourceRestarted: host00"))
    });
    assert_eq!(launches(&hand), [2, 2], "its job still goes on");
    let over = opens + SignedDuration::from_hours(1);
    assert!(
        hand.now < over + SignedDuration::from_mins(1),
        "{}",
        hand.now
    );
}

#[test]
fn a_job_that_never_ends_is_not_waited_for_longer_than_a_launch_may_take() {
    let mut patient = plan(2, 0);
    patient.policy.observe_every = SignedDuration::from_mins(1);
    let mut hand = Hand::new(patient);
    with_a_straggler(&mut hand);
    let failed = hand.now;
    hand.refuse = vec![("launch", in_a_job()); 100];
    hand.until_that("its failure", |hand| hand.servers[0].failed);
    let timeout = hand.wave().plan.policy.launch_timeout;
    let asked = launches(&hand).len();
    assert!(asked > 20, "{asked}");
    assert!(hand.now > failed + timeout);
    assert!(hand.now < failed + timeout + SignedDuration::from_hours(1));
    let failed = |purpose, reason: &str| Stage::Ended {
        end: End::Failed {
            purpose,
            reason: reason.to_owned(),
        },
    };
    let reason = "currently being processed by a Job";
    assert_eq!(hand.servers[0].stage, failed(Purpose::Test, reason));
}
