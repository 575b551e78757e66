//! The planner: jobs within MGN's slots, shared among waves.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tidegate_domain::decide::{Facts, decide};
use tidegate_domain::effect::{EffectStatus, Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::id::{EffectId, JobId, WaveId};
use tidegate_domain::observation::{AccountJob, AccountJobs};
use tidegate_domain::server::{JobStep, Stage};
use tidegate_domain::slots::{MOST_JOBS, MOST_SERVERS_IN_JOBS, Reservation};

use crate::fixture::{Hand, plan};

/// The sizes of the test jobs that a fresh wave asks for in its first turn of testing.
fn first_jobs(hand: &mut Hand) -> Vec<usize> {
    hand.until_that("a launch", |h| {
        h.tasks.iter().any(|t| matches!(t, Task::StartTest { .. }))
    });
    sizes(hand)
}

/// The sizes of the test jobs that were asked for.
fn sizes(hand: &Hand) -> Vec<usize> {
    hand.tasks
        .iter()
        .filter_map(|t| match t {
            Task::StartTest { servers } => Some(servers.len()),
            _ => None,
        })
        .collect()
}

fn others(hand: &mut Hand, jobs: u32, servers: u32) {
    for n in 0..jobs {
        hand.slots.reservations.insert(
            EffectId::parse(format!("other-1-{n}")).expect("an ID"),
            Reservation {
                wave: WaveId::parse("other").expect("a name"),
                servers: servers / jobs,
                job: None,
                expires: hand.now + SignedDuration::from_hours(1),
            },
        );
    }
}

#[test]
fn jobs_are_of_about_ten() {
    assert_eq!(first_jobs(&mut Hand::new(plan(35, 0))), [10, 10, 10, 5]);
}

#[test]
fn two_hundred_servers_take_twenty_jobs_and_no_more() {
    let mut hand = Hand::new(plan(300, 0));
    let jobs = first_jobs(&mut hand);
    assert_eq!(jobs.len(), 20);
    assert_eq!(jobs.iter().sum::<usize>(), 200);
    hand.until("AwaitingCutover");
}

#[test]
fn room_is_left_for_others() {
    let mut hand = Hand::new(plan(40, 0));
    others(&mut hand, 18, 180);
    let jobs = first_jobs(&mut hand);
    assert_eq!(jobs, [10, 10]);
    assert!(hand.slots.waiting.contains_key(&hand.wave().id));
}

#[test]
fn few_jobs_are_made_large() {
    let mut hand = Hand::new(plan(100, 0));
    others(&mut hand, 18, 18);
    assert_eq!(first_jobs(&mut hand), [50, 50]);
}

#[test]
fn waves_that_wait_share_what_is_free() {
    let mut hand = Hand::new(plan(200, 0));
    hand.slots
        .waiting
        .insert(WaveId::parse("other").expect("a name"), hand.now);
    let jobs = first_jobs(&mut hand);
    assert_eq!(jobs.len(), 10);
    assert_eq!(jobs.iter().sum::<usize>(), 100);
}

/// Jobs that somebody else started.
fn strangers(jobs: u32, servers: u32) -> Vec<AccountJob> {
    (0..jobs)
        .map(|n| AccountJob {
            id: JobId::parse(format!("mgnjob-9{n:016}")).expect("a job ID"),
            servers: servers / jobs,
            effect: None,
        })
        .collect()
}

#[test]
fn jobs_of_strangers_are_seen() {
    for (jobs, servers, fit) in [
        (0, 0, vec![10, 10, 10, 10]),
        (18, 18, vec![20, 20]),
        (19, 19, vec![40]),
        (18, 180, vec![10, 10]),
        (5, 195, vec![5]),
        (4, 200, vec![]),
    ] {
        let mut hand = Hand::new(plan(40, 0));
        if jobs > 0 {
            hand.strangers = strangers(jobs, servers);
        }
        hand.until_that("the servers that wait for slots", |hand| {
            let servers = &hand.servers;
            !servers.is_empty() && servers.iter().all(|s| s.stage.name() == "launching test")
        });
        hand.turn();
        let sizes: Vec<usize> = sizes(&hand);
        assert_eq!(sizes, fit, "beside {jobs} jobs of {servers} servers");
    }
}

#[test]
fn a_wave_that_finds_no_slot_for_an_hour_asks_a_person() {
    let mut hand = Hand::new(plan(2, 0));
    hand.strangers = strangers(20, 20);
    hand.until("Testing");
    let since = hand.now;
    hand.until_held();
    let waited = hand.now.duration_since(since);
    assert_eq!(waited.as_mins(), 60);
    assert_eq!(
        sizes(&hand),
        [0; 0],
        "nothing is asked for that does not fit"
    );
    let hold = hand.wave().hold.clone().expect("a hold");
    let HoldReason::Quota { message } = &hold.reason else {
        panic!("{hold:?}")
    };
    assert!(
        message.starts_with("no slot was free for this wave since 2026-12-05T20:0"),
        "{message}"
    );
    let first = hold.reason.commands(hand.wave()).swap_remove(0);
    assert_eq!(first, ("tidegate resume orders".to_owned(), "try again"));

    // A resume alone gives it another hour.
    hand.resume();
    let since = hand.now;
    hand.turn();
    hand.until_held();
    assert!(hand.now.duration_since(since) >= SignedDuration::from_mins(60));
    assert_eq!(sizes(&hand), [0; 0]);

    hand.strangers.clear();
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(sizes(&hand), [2]);
    assert_eq!(hand.wave().starved_since, None);
}

#[test]
fn a_wave_goes_on_by_itself_when_there_is_room_in_time() {
    let mut hand = Hand::new(plan(2, 0));
    hand.strangers = strangers(20, 20);
    hand.until("Testing");
    let room = hand.now + SignedDuration::from_mins(50);
    hand.until_that("room", |hand| hand.now >= room);
    assert_eq!(sizes(&hand), [0; 0]);
    hand.strangers.pop();
    hand.until("AwaitingCutover");
    assert!(
        hand.now < room + SignedDuration::from_mins(2),
        "it looks again"
    );
    assert_eq!(sizes(&hand), [2]);
    assert!(hand.wave().hold.is_none());
    assert_eq!(hand.wave().starved_since, None);
}

/// What is known while somebody is at the first test's launch, and which effect that is.
fn at_the_first_launch() -> (Facts, EffectId) {
    let mut hand = Hand::new(plan(3, 0));
    first_jobs(&mut hand);
    let mut facts = hand.facts();
    let launch = facts
        .effects
        .iter_mut()
        .find(|effect| matches!(effect.task, Task::StartTest { .. }))
        .expect("a launch");
    launch.status = EffectStatus::Claimed {
        generation: 1,
        until: hand.now + SignedDuration::from_secs(60),
    };
    let id = launch.id.clone();
    (facts, id)
}

fn in_progress(facts: &Facts, effect: Option<EffectId>) -> (Option<AccountJobs>, JobId) {
    let id = JobId::parse("mgnjob-90000000000000001").expect("a job ID");
    let job = AccountJob {
        id: id.clone(),
        servers: 3,
        effect,
    };
    let jobs = AccountJobs {
        at: facts.now,
        jobs: vec![job],
    };
    (Some(jobs), id)
}

#[test]
fn a_job_whose_starter_died_is_known_by_its_tag() {
    let (mut facts, effect) = at_the_first_launch();
    let (jobs, job) = in_progress(&facts, Some(effect.clone()));
    facts.jobs = jobs;
    let decision = decide(facts);
    let outcome = Outcome::Job(job.clone());
    assert_eq!(decision.ended, BTreeMap::from([(effect.clone(), outcome)]));
    assert!(!decision.wave.expect("a wave").open.contains_key(&effect));
    for server in &decision.servers {
        assert!(
            matches!(&server.stage, Stage::Launching { step: JobStep::Running { job: j, .. }, .. } if *j == job),
            "{:?}",
            server.stage
        );
    }
    assert_eq!(decision.slots.reservations[&effect].job, Some(job));
}

#[test]
fn a_job_without_the_tag_is_nobodys_answer() {
    let (facts, effect) = at_the_first_launch();
    let other = EffectId::parse("other-1-0").expect("an ID");
    for tag in [None, Some(other)] {
        let mut facts = facts.clone();
        facts.jobs = in_progress(&facts, tag).0;
        let (before, pace) = (
            facts.now,
            facts
                .wave
                .as_ref()
                .expect("a wave")
                .plan
                .policy
                .observe_every,
        );
        let decision = decide(facts);
        assert_eq!(decision.ended, BTreeMap::new());
        assert!(decision.wave.expect("a wave").open.contains_key(&effect));
        assert!(decision.wake_at <= before + pace, "it is looked for again");
    }
}

#[test]
fn who_is_refused_for_quota_for_an_hour_asks_a_person() {
    let mut hand = Hand::new(plan(2, 0));
    let refusal = Refusal {
        kind: RefusalKind::Quota,
        message: "Max 20 concurrent jobs".to_owned(),
    };
    hand.refuse = vec![("launch", Outcome::Refused(refusal)); 300];
    hand.until("Testing");
    let since = hand.now;
    hand.until_held();
    assert!(hand.now >= since + SignedDuration::from_mins(60));
    let Some(HoldReason::Quota { .. }) = hand.wave().hold.as_ref().map(|hold| &hold.reason) else {
        panic!("{:?}", hand.wave().hold)
    };
    hand.refuse.clear();
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.wave().starved_since, None);
}

#[test]
fn a_wave_never_reserves_more_than_there_is() {
    for (first, second) in [(1, 0), (9, 3), (180, 40), (400, 1)] {
        let mut hand = Hand::new(plan(first, second));
        for _ in 0..30 {
            hand.turn();
            let servers: u32 = hand.slots.reservations.values().map(|r| r.servers).sum();
            let jobs = u32::try_from(hand.slots.reservations.len()).expect("few");
            assert!(servers <= MOST_SERVERS_IN_JOBS && jobs <= MOST_JOBS);
        }
    }
}
