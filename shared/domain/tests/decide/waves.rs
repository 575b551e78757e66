//! Whole waves: by the book, and with what goes wrong on the way.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::{Gate, GateState, Verdict};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::message::Body;
use tidegate_domain::observation::{
    Answer, CommandStatus, LaunchStatus, LifeCycle, ReplicationState, StatusChecks,
};
use tidegate_domain::plan::{OnFailure, Plan, Start, Window};
use tidegate_domain::server::{End, Stage};

use crate::fixture::{Hand, operator, plan, say, server_id, start_of_time};

fn kinds(hand: &Hand) -> Vec<&'static str> {
    hand.tasks
        .iter()
        .filter(|t| !matches!(t, Task::Notify { .. }))
        .map(tidegate_domain::effect::Task::title)
        .collect()
}

#[test]
fn by_the_book() {
    let mut hand = Hand::new(plan(2, 2));
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until("Completed");
    insta::assert_snapshot!(hand.told.join("\n"));
    insta::assert_debug_snapshot!(kinds(&hand));
}

#[test]
fn an_application_waits_for_the_one_it_comes_after() {
    let mut hand = Hand::new(plan(2, 2));
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until("Soaking");
    let cutovers: Vec<_> = hand
        .tasks
        .iter()
        .filter_map(|t| match t {
            Task::StartCutover { servers, .. } => Some(servers.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        cutovers,
        [
            vec![server_id(0), server_id(1)],
            vec![server_id(2), server_id(3)]
        ]
    );
}

#[test]
fn a_manual_wave_waits_for_a_person() {
    let mut manual = plan(1, 1);
    manual.start = Start::Manual;
    let mut hand = Hand::new(manual);
    hand.turn();
    hand.turn();
    assert_eq!(hand.phase(), "Waiting");
    assert!(
        hand.servers.is_empty(),
        "selectors are resolved when the wave starts"
    );
    hand.send(Body::Start);
    hand.until("Testing");
}

#[test]
fn a_scheduled_wave_starts_in_time() {
    let mut scheduled = plan(1, 1);
    let at = start_of_time() + SignedDuration::from_hours(2);
    scheduled.start = Start::Schedule(at);
    let mut hand = Hand::new(scheduled);
    assert_eq!(
        hand.turn().wake_at,
        hand.now + SignedDuration::from_mins(15)
    );
    hand.until("Testing");
    assert!(hand.now >= at);
}

#[test]
fn a_wave_starts_when_the_last_server_is_in_step() {
    let mut hand = Hand::new(plan(1, 1));
    let late = hand.seen.get_mut(&server_id(1)).expect("a server");
    late.replication.state = ReplicationState::InitialSync;
    late.life_cycle = LifeCycle::NotReady;
    for _ in 0..5 {
        hand.turn();
    }
    assert_eq!(hand.phase(), "Waiting");
    let late = hand.seen.get_mut(&server_id(1)).expect("a server");
    late.replication.state = ReplicationState::Continuous;
    late.life_cycle = LifeCycle::ReadyForTest;
    hand.until("Testing");
}

#[test]
fn a_failed_launch_is_tried_again() {
    let mut hand = Hand::new(plan(2, 1));
    hand.launches = vec![LaunchStatus::Failed];
    hand.until("AwaitingCutover");
    let tests: Vec<u32> = hand.servers.iter().map(|s| s.tests).collect();
    assert_eq!(tests, [2, 1, 1]);
}

#[test]
fn a_server_that_keeps_failing_holds_the_wave_and_resume_tries_it_again() {
    let mut hand = Hand::new(plan(2, 1));
    hand.launches = vec![
        LaunchStatus::Failed,
        LaunchStatus::Launched,
        LaunchStatus::Launched,
        LaunchStatus::Failed,
    ];
    hand.until_held();
    assert_eq!(
        hand.wave().hold.as_ref().map(|h| h.reason.sentence()),
        Some("Servers failed: host00: MGN could not launch it.".to_owned())
    );
    hand.resume();
    hand.until("AwaitingCutover");
}

#[test]
fn a_server_that_keeps_failing_can_be_left_out() {
    let mut hand = Hand::new(plan(2, 1));
    hand.launches = vec![
        LaunchStatus::Failed,
        LaunchStatus::Launched,
        LaunchStatus::Launched,
        LaunchStatus::Failed,
    ];
    hand.until_held();
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until("Completed");
    let Some(GateState::Approved { jobs, .. }) = hand.wave().gates.get(&Gate::Cutover) else {
        panic!("approved")
    };
    assert_eq!(jobs.len(), 2);
}

#[test]
fn policy_can_leave_failed_servers_out_until_the_budget_is_spent() {
    let mut skipping = plan(4, 1);
    skipping.policy.on_failure = OnFailure::Skip;
    skipping.policy.attempts = 1;
    skipping.policy.failure_budget = 25;
    let mut hand = Hand::new(skipping);
    hand.launches = vec![LaunchStatus::Failed];
    hand.until("AwaitingCutover");
    let mut spent = Hand::new(hand.wave().plan.clone());
    spent.launches = vec![LaunchStatus::Failed, LaunchStatus::Failed];
    spent.until_held();
    assert_eq!(
        spent.wave().hold.as_ref().map(|h| h.reason.sentence()),
        Some("2 servers failed; the failure budget allows 1.".to_owned())
    );
    spent.resume();
    spent.until("AwaitingCutover");
}

#[test]
fn a_failed_check_is_run_again_before_the_launch_counts_as_failed() {
    let mut hand = Hand::new(plan(1, 1));
    hand.commands = vec![
        CommandStatus::Failed("exit 1".to_owned()),
        CommandStatus::Failed("exit 1".to_owned()),
        CommandStatus::Succeeded,
    ];
    hand.until("AwaitingCutover");
    assert!(hand.servers.iter().all(|s| s.tests == 1));
}

#[test]
fn a_server_that_is_back_after_the_others_were_approved_is_asked_about() {
    let mut hand = Hand::new(plan(1, 1));
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until_that("cutting over the first", |hand| {
        hand.servers[0].stage.name() != "tested"
    });
    // As if it had failed when the gate was asked, and somebody resumed the wave since.
    let gates = &mut hand.wave.as_mut().expect("a wave").gates;
    let Some(GateState::Approved { jobs, .. }) = gates.get_mut(&Gate::Cutover) else {
        panic!("approved")
    };
    jobs.remove(&server_id(1));
    hand.until("AwaitingCutover").turn();
    assert_eq!(hand.servers[0].stage.name(), "cut over");
    hand.approve();
    hand.until("Completed");
    assert!(hand.servers.iter().all(|s| s.stage.name() == "finalized"));
}

#[test]
fn a_cutover_that_fails_for_good_starts_the_source_again() {
    let mut hand = Hand::new(plan(1, 1));
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.launches = vec![LaunchStatus::Failed, LaunchStatus::Failed];
    hand.until_held();
    assert!(
        hand.told
            .contains(&"SourceRestarted: host00 runs on its source again.".to_owned())
    );
    assert_eq!(hand.servers[0].quiesced_at, None);
    assert_eq!(hand.servers[1].stage.name(), "tested", "web waits for db");
    hand.resume();
    hand.until("Completed");
}

#[test]
fn nothing_is_cut_over_outside_the_window() {
    let mut windowed = plan(1, 1);
    let opens = start_of_time() + SignedDuration::from_hours(6);
    let closes = opens + SignedDuration::from_hours(1);
    windowed.window = Some(Window {
        opens,
        closes,
        time_zone: "Europe/Berlin".to_owned(),
    });
    windowed.policy.keep_test_instances = SignedDuration::from_hours(24);
    let mut hand = Hand::new(windowed);
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until("CuttingOver");
    assert!(hand.now >= opens);

    let mut late = Hand::new(hand.wave().plan.clone());
    late.until("AwaitingCutover").turn();
    late.now = closes - SignedDuration::from_secs(1);
    late.approve();
    late.until_held();
    assert!(!kinds(&late).contains(&"Launching cutovers"));
    let mut later = late.wave().plan.clone();
    let opens = late.now + SignedDuration::from_hours(1);
    later.window = Some(Window {
        opens,
        closes: opens + SignedDuration::from_hours(1),
        time_zone: "Europe/Berlin".to_owned(),
    });
    late.send_as(operator(), Body::Apply(Box::new(later)));
    late.resume();
    late.until_that("the gate asked again", |h| {
        matches!(h.wave().gates.get(&Gate::Cutover), Some(GateState::Open(_)))
    });
    late.approve();
    late.until("Completed");
}

#[test]
fn the_commands_of_a_missed_window_finish_what_was_begun_in_it() {
    let mut windowed = plan(1, 1);
    let opens = start_of_time() + SignedDuration::from_hours(6);
    let window = |opens: Timestamp| Window {
        opens,
        closes: opens + SignedDuration::from_hours(1),
        time_zone: "Europe/Berlin".to_owned(),
    };
    windowed.window = Some(window(opens));
    let mut hand = Hand::new(windowed);
    hand.until("AwaitingCutover").turn();
    hand.approve();
    // The first application takes until the window is over.
    hand.until_that("the first cutover", |h| {
        matches!(h.servers[0].stage, Stage::CutOver { .. })
    });
    hand.now = opens + SignedDuration::from_hours(1);
    hand.until_held();
    let hold = hand.wave().hold.clone().expect("a hold");
    assert_eq!(hold.reason, HoldReason::WindowMissed);
    let commands = hold.reason.commands(hand.wave());
    let commands: Vec<&str> = commands
        .iter()
        .map(|(command, _)| command.as_str())
        .collect();
    assert_eq!(
        commands,
        [
            "tidegate apply FILE",
            "tidegate resume orders",
            "tidegate rollback orders",
            "tidegate abort orders"
        ]
    );

    // A resume alone, and the same plan, change nothing: the window is over.
    let same = hand.wave().plan.clone();
    hand.send_as(operator(), Body::Apply(Box::new(same.clone())));
    hand.resume();
    hand.until_held();
    assert_eq!(
        hand.wave().hold.as_ref().map(|hold| &hold.reason),
        Some(&HoldReason::WindowMissed)
    );

    // In a new window, or without one, the rest is asked about and cut over.
    let now = hand.now;
    for later in [Some(window(now + SignedDuration::from_hours(20))), None] {
        let mut hand = hand.clone();
        let plan = Plan {
            window: later.clone(),
            ..same.clone()
        };
        hand.send_as(operator(), Body::Apply(Box::new(plan)));
        hand.resume();
        hand.until_that("the gate asked again", |h| {
            matches!(h.wave().gates.get(&Gate::Cutover), Some(GateState::Open(_)))
        });
        let Some(GateState::Open(open)) = hand.wave().gates.get(&Gate::Cutover) else {
            panic!("open")
        };
        assert_eq!(open.evidence.servers.len(), 1, "what is left");
        hand.approve();
        hand.until("CuttingOver");
        assert!(later.is_none_or(|window| hand.now >= window.opens));
        hand.until("Completed");
    }
}

#[test]
fn a_gate_that_expires_holds_the_wave_and_is_asked_again() {
    let mut hand = Hand::new(plan(1, 1));
    hand.until_held();
    assert_eq!(
        hand.wave().hold.as_ref().map(|h| h.reason.sentence()),
        Some("The cutover gate expired undecided.".to_owned())
    );
    hand.resume();
    hand.turn();
    hand.approve();
    hand.until("Completed");
}

#[test]
fn a_rejected_gate_holds_the_wave() {
    let mut hand = Hand::new(plan(1, 1));
    hand.until("AwaitingCutover").turn();
    let Some(GateState::Open(open)) = hand.wave().gates.get(&Gate::Cutover) else {
        panic!("open")
    };
    let evidence = open.evidence.hash();
    hand.send(say(Gate::Cutover, Verdict::Reject, evidence));
    hand.until_held();
    hand.send(Body::Abort);
    hand.until("Aborted");
}

#[test]
fn a_test_outside_the_wave_lapses_the_approval() {
    let mut hand = Hand::new(plan(1, 1));
    hand.until("AwaitingCutover").turn();
    hand.approve();
    let other = hand.seen.get_mut(&server_id(1)).expect("a server");
    other.last_test = None;
    hand.until("Testing");
    assert!(matches!(
        hand.wave().gates.get(&Gate::Cutover),
        Some(GateState::Lapsed { changes, .. }) if changes.told == ["to be tested again: host01"]
    ));
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until("Completed");
}

#[test]
fn an_abort_cleans_up_from_every_phase() {
    for phase in [
        "Waiting",
        "Preflight",
        "Testing",
        "AwaitingCutover",
        "CuttingOver",
        "Soaking",
    ] {
        let mut hand = Hand::new(plan(2, 2));
        hand.until_that("a wave", |h| h.wave.is_some());
        while hand.phase() != phase {
            hand.turn();
            if matches!(
                hand.wave().gates.get(&Gate::Cutover),
                Some(GateState::Open(_))
            ) && phase != "AwaitingCutover"
            {
                hand.approve();
            }
        }
        hand.send(Body::Abort);
        hand.until("Aborted");
        for server in &hand.servers {
            let kept = matches!(
                server.stage,
                Stage::Ended {
                    end: End::Aborted { cut_over: true }
                }
            );
            assert!(
                kept || server.instance.is_none(),
                "{phase}: an instance was left: {server:?}"
            );
            assert!(
                server.quiesced_at.is_none() || server.cutover.is_some() || server.cutting_over,
                "{phase}: a stopped source was left: {server:?}"
            );
        }
        assert!(hand.slots.reservations.is_empty(), "{phase}");
    }
}

#[test]
fn what_mgn_lacks_holds_the_wave_and_names_the_command() {
    let mut hand = Hand::new(plan(1, 1));
    hand.mgn = Answer::Uninitialized;
    hand.until_held();
    let hold = hand.wave().hold.clone().expect("held");
    assert_eq!(
        hold.reason.commands(hand.wave())[0].0,
        "aws mgn initialize-service"
    );
    hand.mgn = Answer::Answered;
    hand.resume();
    hand.until("Testing");
}

#[test]
fn a_missing_right_holds_the_wave() {
    let mut hand = Hand::new(plan(1, 1));
    hand.refuse.push((
        "launch",
        Outcome::Refused(Refusal {
            kind: RefusalKind::Denied,
            message: "not authorized to perform mgn:StartTest".to_owned(),
        }),
    ));
    hand.until_held();
    let hold = hand.wave().hold.clone().expect("held");
    let message = "Launching tests: not authorized to perform mgn:StartTest".to_owned();
    assert_eq!(hold.reason, HoldReason::Denied { message });
    let first = hold.reason.commands(hand.wave()).swap_remove(0);
    let resume = "tidegate resume orders".to_owned();
    assert_eq!(first, (resume, "try again, once the right is there"));
    let launches = |hand: &Hand| {
        let kinds = kinds(hand).into_iter();
        kinds.filter(|kind| *kind == "Launching tests").count()
    };
    for _ in 0..5 {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at);
    }
    assert_eq!(launches(&hand), 1, "nothing is begun meanwhile");
    hand.resume();
    hand.until("AwaitingCutover");
    assert!(launches(&hand) > 1);
}

#[test]
fn a_batch_that_is_refused_is_tried_server_by_server() {
    let mut hand = Hand::new(plan(3, 0));
    hand.refuse.push((
        "launch",
        Outcome::Refused(Refusal {
            kind: RefusalKind::Conflict,
            message: "in a job".to_owned(),
        }),
    ));
    hand.until("AwaitingCutover");
    let sizes: Vec<usize> = hand
        .tasks
        .iter()
        .filter_map(|t| match t {
            Task::StartTest { servers } => Some(servers.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [3, 1, 1, 1]);
}

#[test]
fn a_launch_from_a_previous_snapshot_counts_as_failed() {
    let mut hand = Hand::new(plan(1, 0));
    hand.until_that("a job", |h| h.seen.values().any(|s| s.job.is_some()));
    if let Some(job) = &mut hand.seen.get_mut(&server_id(0)).expect("a server").job {
        job.previous_snapshot = true;
    }
    hand.until("AwaitingCutover");
    assert_eq!(hand.servers[0].tests, 2);
}

#[test]
fn test_instances_are_terminated_in_time() {
    let mut hand = Hand::new(plan(1, 1));
    hand.until("AwaitingCutover").turn();
    hand.now += SignedDuration::from_hours(5);
    hand.until_that("terminations", |h| {
        h.servers.iter().all(|s| s.instance.is_none())
    });
    assert!(kinds(&hand).contains(&"Terminating instances"));
    hand.approve();
    hand.until("Completed");
}

#[test]
fn a_server_that_is_deleted_during_the_soak_holds_the_wave() {
    let mut hand = Hand::new(plan(2, 0));
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    hand.until("Soaking");
    hand.seen.remove(&server_id(1));
    hand.until_held();
    assert_eq!(
        hand.wave().hold.as_ref().map(|hold| hold.reason.sentence()),
        Some("Not healthy: host01: MGN does not know it any more.".to_owned())
    );
    hand.send_as(
        operator(),
        Body::Skip {
            servers: vec![server_id(1)],
        },
    );
    hand.resume();
    hand.until("Completed");
}

#[test]
fn status_checks_that_never_end_hold_the_wave() {
    let mut hand = Hand::new(plan(2, 0));
    hand.until("AwaitingCutover");
    hand.asked();
    hand.approve();
    hand.until("Soaking");
    let checks = |hand: &mut Hand, checks| {
        let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
        seen.instance.as_mut().expect("an instance").checks = checks;
    };
    checks(&mut hand, StatusChecks::Pending);
    hand.until_held();
    assert_eq!(
        hand.wave().hold.as_ref().map(|hold| hold.reason.sentence()),
        Some("Not healthy: host00: its EC2 status checks have not ended.".to_owned())
    );
    checks(&mut hand, StatusChecks::Passed);
    hand.resume();
    hand.until("Completed");
}

#[test]
fn effects_are_in_the_audit_chain_when_they_are_wanted_and_when_they_end() {
    let mut hand = Hand::new(plan(1, 0));
    let mut records = Vec::new();
    while hand.wave.is_none() || hand.phase() != "AwaitingCutover" {
        let decision = hand.turn();
        records.extend(decision.audit.into_iter().flat_map(|record| record.effects));
        hand.now = hand.now.max(decision.wake_at);
    }
    let of_tests: Vec<_> = records
        .iter()
        .filter(|effect| effect.task == "Launching tests")
        .map(|effect| (effect.id.as_str(), effect.outcome.as_deref()))
        .collect();
    let [(wanted, None), (ended, Some(job))] = of_tests.as_slice() else {
        panic!("{of_tests:?}")
    };
    assert_eq!(wanted, ended);
    assert!(job.starts_with("job mgnjob-"), "{job}");
    let commands = records
        .iter()
        .filter_map(|effect| effect.outcome.as_deref());
    assert!(
        commands
            .into_iter()
            .any(|outcome| outcome.starts_with("command c-"))
    );
}
