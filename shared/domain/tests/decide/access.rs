//! AWS that cannot be read: the wave is held and says why, and no server fails for it.

use jiff::SignedDuration;
use tidegate_domain::hold::HoldReason;
use tidegate_domain::message::Body;
use tidegate_domain::observation::{Answer, LaunchStatus, ReplicationState, StatusChecks};
use tidegate_domain::plan::Start;
use tidegate_domain::server::Stage;
use tidegate_domain::view::waiting_for;
use tidegate_domain::wave::Wave;

use crate::fixture::{Hand, operator, plan, server_id};

fn denied(action: &str) -> Answer {
    Answer::Denied(format!("not authorized to perform {action}"))
}

fn down() -> Answer {
    Answer::Failed("ServiceUnavailable".to_owned())
}

fn unanswered() -> HoldReason {
    HoldReason::Unanswered {
        message: "ServiceUnavailable".to_owned(),
    }
}

fn held(hand: &Hand) -> Option<HoldReason> {
    hand.wave().hold.as_ref().map(|hold| hold.reason.clone())
}

fn commands(hand: &Hand) -> Vec<String> {
    let reason = held(hand).expect("a hold");
    let commands = reason.commands(hand.wave());
    commands.into_iter().map(|(command, _)| command).collect()
}

/// So many minutes pass, whatever comes.
fn pass(hand: &mut Hand, minutes: i64) {
    let until = hand.now + SignedDuration::from_mins(minutes);
    while hand.now < until {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at.min(until));
    }
}

fn checks(hand: &mut Hand, checks: StatusChecks) {
    for seen in hand.seen.values_mut() {
        if let Some(instance) = &mut seen.instance {
            instance.checks = checks;
        }
    }
}

fn first_is(stage: &'static str) -> impl Fn(&Hand) -> bool {
    move |hand| {
        hand.servers
            .first()
            .is_some_and(|s| s.stage.name() == stage)
    }
}

/// What was launched for a test boots, and its checks are not known.
fn booting() -> Hand {
    let mut hand = Hand::new(plan(1, 0));
    hand.until_that("a launch", |hand| {
        hand.seen.values().any(|seen| seen.instance.is_some())
    });
    checks(&mut hand, StatusChecks::Pending);
    hand.until_that("a boot", first_is("booting"));
    hand
}

#[test]
fn a_missing_right_of_ec2_or_ssm_holds_the_wave_and_fails_no_server() {
    let mut hand = booting();
    hand.others = denied("ec2:DescribeInstanceStatus");
    hand.turn();
    let message = "not authorized to perform ec2:DescribeInstanceStatus".to_owned();
    assert_eq!(held(&hand), Some(HoldReason::Denied { message }));
    pass(&mut hand, 120);
    assert_eq!(hand.stages(), ["booting"]);
    hand.others = Answer::Answered;
    checks(&mut hand, StatusChecks::Passed);
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.servers[0].tests, 1);
}

#[test]
fn a_node_is_not_missing_that_ssm_was_not_heard_of() {
    for answer in [denied("ssm:DescribeInstanceInformation"), down()] {
        let mut hand = Hand::new(plan(1, 0));
        hand.others = answer.clone();
        let node = hand.seen.get_mut(&server_id(0)).expect("a server");
        let node = node.node.take();
        hand.until_held();
        let why = held(&hand).expect("a hold");
        match answer {
            Answer::Denied(message) => assert_eq!(why, HoldReason::Denied { message }),
            _ => assert_eq!(why, unanswered()),
        }
        hand.others = Answer::Answered;
        hand.seen.get_mut(&server_id(0)).expect("a server").node = node;
        hand.resume();
        hand.until("AwaitingCutover");
    }
}

#[test]
fn a_quiesce_whose_result_cannot_be_read_is_not_late() {
    for answer in [denied("ssm:ListCommandInvocations"), down()] {
        let mut hand = Hand::new(plan(1, 0));
        hand.asked();
        hand.approve();
        hand.until_that("the quiesce", first_is("quiescing source"));
        hand.others = answer;
        pass(&mut hand, 60);
        assert_eq!(hand.stages(), ["quiescing source"]);
        assert!(held(&hand).is_some());
        hand.others = Answer::Answered;
        hand.resume();
        hand.until("Completed");
        assert!(!hand.told.iter().any(|t| t.contains("no result in time")));
    }
}

/// A wave whose launch is under way, with five minutes to it.
fn launching() -> Hand {
    let mut plan = plan(1, 0);
    plan.policy.launch_timeout = SignedDuration::from_mins(5);
    let mut hand = Hand::new(plan);
    hand.launches = vec![LaunchStatus::InProgress];
    hand.until_that("a job", |hand| {
        hand.seen.values().any(|seen| seen.job.is_some())
    });
    let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
    seen.job.as_mut().expect("a job").completed = false;
    hand
}

#[test]
fn a_launch_that_cannot_be_read_is_not_late() {
    let mut hand = launching();
    hand.mgn = down();
    pass(&mut hand, 9);
    assert_eq!(hand.stages(), ["launching test"]);
    hand.mgn = Answer::Answered;
    hand.turn();
    assert!(hand.told.iter().any(|t| t.contains("did not launch it")));
}

#[test]
fn an_abort_does_not_wait_for_a_launch_that_cannot_be_read() {
    let mut hand = launching();
    hand.mgn = denied("mgn:DescribeJobs");
    hand.send(Body::Abort);
    hand.until_held();
    assert_eq!(hand.stages(), ["setting back"]);
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
    hand.resume();
    hand.until("Aborted");
}

#[test]
fn a_service_that_is_silent_is_told_and_holds_the_wave_in_the_end() {
    let mut hand = booting();
    hand.others = down();
    pass(&mut hand, 5);
    assert_eq!(held(&hand), None);
    hand.others = Answer::Answered;
    hand.turn();
    assert_eq!(hand.wave().silence, None, "it was a blip");
    hand.others = down();
    pass(&mut hand, 9);
    assert_eq!(held(&hand), None);
    pass(&mut hand, 2);
    assert_eq!(held(&hand), Some(unanswered()));
    assert_eq!(
        commands(&hand),
        ["tidegate resume orders", "tidegate abort orders"]
    );
    pass(&mut hand, 60);
    // Who says that it may go on has as much patience again.
    hand.resume();
    pass(&mut hand, 9);
    assert_eq!(held(&hand), None);
    pass(&mut hand, 2);
    assert_eq!(held(&hand), Some(unanswered()));
    hand.others = Answer::Answered;
    checks(&mut hand, StatusChecks::Passed);
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.servers[0].tests, 1);
}

#[test]
fn a_wave_that_waits_says_that_mgn_is_silent() {
    let mut hand = Hand::new(plan(1, 1));
    hand.mgn = down();
    hand.turn();
    assert_eq!(
        waiting_for(hand.wave()),
        "replication of every server to be in step; AWS cannot be read since 2026-12-05 20:00 UTC: \
         AWS does not answer: ServiceUnavailable"
    );
    hand.until_held();
    assert_eq!(held(&hand), Some(unanswered()));
    hand.mgn = Answer::Answered;
    hand.resume();
    hand.until("AwaitingCutover");
}

/// A wave that is aborted while its server has to be set back, which MGN does not let be read.
fn aborted_without_reads(answer: Answer) -> Hand {
    let mut hand = Hand::new(plan(1, 0));
    hand.until("AwaitingCutover");
    hand.mgn = answer;
    hand.send(Body::Abort);
    hand.until_held();
    assert_eq!(hand.phase(), "Aborting");
    assert!(matches!(hand.servers[0].stage, Stage::Returning { .. }));
    assert_eq!(
        commands(&hand),
        ["tidegate resume orders", "tidegate skip orders SERVER…"]
    );
    hand
}

#[test]
fn an_abort_that_waits_for_a_read_is_held_and_its_commands_finish_it() {
    for answer in [denied("mgn:DescribeSourceServers"), down()] {
        let mut hand = aborted_without_reads(answer.clone());
        let what_is_there = hand.clone();
        hand.mgn = Answer::Answered;
        hand.resume();
        hand.until("Aborted");

        let mut hand = what_is_there;
        for _ in 0..4 {
            if hand.servers[0].at_rest() {
                break;
            }
            hand.send(Body::Skip {
                servers: vec![server_id(0)],
            });
            hand.turn();
        }
        hand.resume();
        hand.until("Aborted");
    }
}

#[test]
fn a_wave_that_is_ended_does_what_it_can_without_reads() {
    let mut manual = plan(1, 1);
    manual.start = Start::Manual;
    let mut hand = Hand::new(manual);
    hand.send_as(operator(), Body::Start);
    let behind = hand.seen.get_mut(&server_id(1)).expect("a server");
    behind.replication.state = ReplicationState::InitialSync;
    hand.until_that("a launch", first_is("validating"));
    hand.mgn = denied("mgn:DescribeSourceServers");
    hand.turn();
    assert!(held(&hand).is_some(), "at once");
    hand.send(Body::Abort);
    hand.turn();
    assert_eq!(held(&hand), None, "first it does what it can");
    assert_eq!(hand.stages(), ["setting back", "aborted"]);
    hand.until_held();
    let message = "not authorized to perform mgn:DescribeSourceServers".to_owned();
    assert_eq!(held(&hand), Some(HoldReason::Denied { message }));
    hand.mgn = Answer::Answered;
    hand.resume();
    hand.until("Aborted");
}

#[test]
fn a_rollback_that_waits_for_a_read_is_held_and_goes_on() {
    let mut hand = Hand::new(plan(1, 0));
    hand.asked();
    hand.approve();
    hand.until("Soaking");
    hand.send(Body::RollBack {
        note: String::new(),
    });
    hand.until_that("the source's start", first_is("restarting source"));
    hand.others = denied("ssm:ListCommandInvocations");
    hand.until_held();
    assert_eq!(hand.phase(), "RollingBack");
    assert_eq!(hand.stages(), ["restarting source"]);
    hand.others = Answer::Answered;
    hand.resume();
    hand.until("RolledBack");
}

#[test]
fn a_wave_from_before_there_was_silence_is_read() {
    let mut hand = Hand::new(plan(1, 0));
    hand.turn();
    let mut stored = serde_json::to_value(hand.wave()).expect("JSON");
    stored.as_object_mut().expect("an object").remove("silence");
    let read: Wave = serde_json::from_value(stored).expect("a wave");
    assert_eq!(read, *hand.wave());
}
