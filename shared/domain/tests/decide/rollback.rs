//! Undoing what was cut over: in the order that loses least, with everything that can go wrong on
//! the way back.

use tidegate_domain::effect::{LifeCycleTarget, Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::Gate;
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::{Answer, CommandStatus, LifeCycle, SnapshotsSeen};
use tidegate_domain::plan::{GatePlan, OnExpiry, Plan};
use tidegate_domain::server::{End, Stage};

use crate::fixture::{self, Hand, approver, operator, server_id};

/// A plan whose applications are all stopped on their sources for the cutover.
fn plan(first: usize, second: usize) -> Plan {
    let mut plan = fixture::plan(first, second);
    let quiesce = plan.applications[0].quiesce.clone();
    for application in &mut plan.applications {
        application.quiesce.clone_from(&quiesce);
    }
    plan
}

/// A wave that soaks.
fn soaking(plan: Plan) -> Hand {
    let mut hand = Hand::new(plan);
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until("Soaking");
    hand
}

fn roll_back(hand: &mut Hand) {
    hand.send_as(
        operator(),
        Body::RollBack {
            note: "too slow".to_owned(),
        },
    );
}

/// What is done to servers from here on, in the order in which it was decided.
fn steps(hand: &Hand, from: usize) -> Vec<String> {
    let number = |id: &tidegate_domain::id::ServerId| {
        let digits = id.as_str().trim_start_matches("s-").trim_start_matches('0');
        digits.parse::<u32>().unwrap_or(0).to_string()
    };
    let all = |ids: Vec<&tidegate_domain::id::ServerId>| {
        ids.into_iter().map(number).collect::<Vec<_>>().join(" ")
    };
    hand.tasks[from..]
        .iter()
        .filter_map(|task| match task {
            Task::RunDocument { document, nodes } => Some(format!(
                "{} on {}",
                document.document,
                all(nodes.keys().collect())
            )),
            Task::StopTargets { targets } => {
                Some(format!("stop {}", all(targets.keys().collect())))
            }
            Task::KeepData { targets } => Some(format!("keep {}", all(targets.keys().collect()))),
            Task::ChangeLifeCycle { servers, to } => {
                assert_eq!(*to, LifeCycleTarget::ReadyForCutover);
                Some(format!("set back {}", all(servers.iter().collect())))
            }
            Task::TerminateTests { servers } => {
                Some(format!("terminate {}", all(servers.iter().collect())))
            }
            _ => None,
        })
        .collect()
}

fn refusal(kind: RefusalKind) -> Outcome {
    Outcome::Refused(Refusal {
        kind,
        message: "it was refused".to_owned(),
    })
}

#[test]
fn targets_stop_in_reverse_order_and_sources_start_in_order() {
    let mut hand = soaking(plan(1, 1));
    let from = hand.tasks.len();
    roll_back(&mut hand);
    hand.until("RolledBack");
    assert_eq!(
        steps(&hand, from),
        [
            "Stop on 1",
            "stop 1",
            "Stop on 0",
            "keep 1",
            "stop 0",
            "keep 0",
            "Start on 0",
            "Start on 1",
            "set back 0",
            "set back 1",
            "terminate 0",
            "terminate 1",
        ]
    );
    for server in &hand.servers {
        assert_eq!(
            server.stage,
            Stage::Ended {
                end: End::RolledBack
            }
        );
        assert_eq!(server.quiesced_at, None);
        assert_eq!(server.instance, None);
        let seen = &hand.seen[&server.id];
        assert_eq!(seen.life_cycle, LifeCycle::ReadyForCutover);
    }
    let told = hand.tasks.iter().find_map(|task| match task {
        Task::Notify {
            news: News::WaveRolledBack { kept },
            ..
        } => Some(kept.len()),
        _ => None,
    });
    assert_eq!(told, Some(2));
    assert!(
        hand.told
            .iter()
            .any(|t| t.starts_with("DataKept: The data of host00 is kept in snap-"))
    );
}

#[test]
fn a_finalize_gate_that_expires_can_roll_back() {
    let mut asked = plan(1, 0);
    asked.gates.finalize = GatePlan {
        on_expiry: OnExpiry::RollBack,
        ..GatePlan::asking(vec![approver()], 1, jiff::SignedDuration::from_hours(2))
    };
    let mut hand = soaking(asked);
    hand.until("AwaitingFinalize").turn();
    assert!(hand.wave().gates.contains_key(&Gate::Finalize));
    hand.until("RolledBack");
    assert!(hand.told.contains(
        &"GateExpired: The finalize gate expired; by its plan the wave is rolled back.".to_owned()
    ));
}

#[test]
fn what_is_being_cut_over_goes_back_as_well() {
    for stop_at in [
        "quiescing source",
        "launching cutover",
        "booting",
        "validating",
    ] {
        let mut hand = Hand::new(plan(1, 1));
        hand.until("AwaitingCutover").turn();
        hand.approve();
        hand.until("CuttingOver");
        hand.until_that(stop_at, |hand| hand.servers[0].stage.name() == stop_at);
        roll_back(&mut hand);
        hand.until("RolledBack");
        for server in &hand.servers {
            assert_eq!(server.quiesced_at, None, "{stop_at}: {server:?}");
            assert_eq!(server.instance, None, "{stop_at}: {server:?}");
            assert_ne!(
                hand.seen[&server.id].life_cycle,
                LifeCycle::CuttingOver,
                "{stop_at}"
            );
        }
        assert!(hand.slots.reservations.is_empty(), "{stop_at}");
    }
}

#[test]
fn a_target_that_does_not_answer_is_stopped_all_the_same() {
    let mut hand = soaking(plan(1, 0));
    hand.commands = vec![
        CommandStatus::Failed("exit 1".to_owned()),
        CommandStatus::Succeeded,
    ];
    let from = hand.tasks.len();
    roll_back(&mut hand);
    hand.until_that("a stopped target", |hand| {
        hand.servers[0].stage.name() == "stopping target"
    });
    hand.commands.clear();
    hand.until("RolledBack");
    assert_eq!(steps(&hand, from)[..2], ["Stop on 0", "stop 0"]);

    let mut hand = soaking(plan(1, 0));
    let from = hand.tasks.len();
    let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
    seen.instance.as_mut().expect("an instance").managed = false;
    roll_back(&mut hand);
    hand.until("RolledBack");
    assert_eq!(steps(&hand, from)[0], "stop 0", "SSM does not reach it");
}

#[test]
fn a_target_that_somebody_terminated_keeps_nothing_back() {
    let mut hand = soaking(plan(1, 0));
    let from = hand.tasks.len();
    let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
    let instance = seen.instance.as_mut().expect("an instance");
    (instance.gone, instance.running) = (true, false);
    roll_back(&mut hand);
    hand.until("RolledBack");
    assert_eq!(steps(&hand, from), ["Start on 0", "set back 0"]);
}

#[test]
fn an_instance_is_not_terminated_before_its_snapshots_are_complete() {
    let mut hand = soaking(plan(1, 0));
    roll_back(&mut hand);
    hand.until_that("snapshots", |hand| {
        hand.servers[0].stage.name() == "restarting source"
    });
    let see = |hand: &mut Hand, snapshots| {
        hand.seen
            .get_mut(&server_id(0))
            .expect("a server")
            .snapshots = snapshots;
    };
    see(&mut hand, SnapshotsSeen::Pending);
    hand.until_that("the copy", |hand| {
        hand.servers[0].stage.name() == "completing snapshots"
    });
    for _ in 0..5 {
        hand.turn();
    }
    let skip = Body::Skip {
        servers: vec![server_id(0)],
    };
    // Somebody skips it under a hold: EC2 shows that it is not done.
    hand.others = Answer::Failed("no answer".to_owned());
    hand.until_held();
    let mut blind = hand.clone();
    hand.others = Answer::Answered;
    hand.turn();
    hand.send(skip.clone());
    hand.turn();
    assert_eq!(hand.servers[0].stage.name(), "completing snapshots");
    let last = hand.told.last().expect("a refusal");
    assert!(last.contains("would lose what they lack"), "{last}");
    // Where nobody can see it, a person's word counts.
    blind.send(skip);
    blind.turn();
    assert_ne!(blind.servers[0].stage.name(), "completing snapshots");
    hand.resume();
    // A snapshot that fails is made again.
    see(&mut hand, SnapshotsSeen::Failed);
    hand.until_that("another", |hand| {
        hand.servers[0].stage.name() == "making snapshots"
    });
    hand.until("RolledBack");
    let kept = hand
        .tasks
        .iter()
        .filter(|t| matches!(t, Task::KeepData { .. }))
        .count();
    assert_eq!(kept, 2);
}

#[test]
fn what_cannot_be_done_holds_the_wave_and_a_person_can_do_it() {
    let cases = [
        ("stopping target", "quiescing target"),
        ("making snapshots", "stopping target"),
    ];
    for (stage, before) in cases {
        let mut hand = soaking(plan(1, 0));
        roll_back(&mut hand);
        hand.until_that(before, |hand| hand.servers[0].stage.name() == before);
        hand.refuse.push(("launch", refusal(RefusalKind::Denied)));
        hand.until_held();
        let commands = hand
            .wave()
            .hold
            .as_ref()
            .expect("a hold")
            .reason
            .commands(hand.wave());
        assert!(commands[0].0.starts_with("tidegate resume"), "{commands:?}");
        let skip = Body::Skip {
            servers: vec![server_id(0)],
        };
        if stage == "stopping target" {
            // What runs is not stopped by a word.
            hand.send(skip.clone());
            hand.turn();
            assert_eq!(hand.servers[0].stage.name(), stage);
            assert!(
                hand.told
                    .iter()
                    .any(|t| t.ends_with("no word makes undone: stop it first."))
            );
            let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
            let instance = seen.instance.as_mut().expect("an instance");
            (instance.running, instance.stopped) = (false, true);
        }
        hand.send(skip);
        hand.turn();
        assert_ne!(hand.servers[0].stage.name(), stage);
        if stage != "stopping target" {
            assert!(hand.told.iter().any(|t| t.starts_with("StepTakenAsDone")));
        }
        hand.resume();
        hand.until("RolledBack");
    }
}

#[test]
fn what_mgn_does_not_know_any_more_has_its_way_back() {
    let mut hand = soaking(plan(1, 0));
    roll_back(&mut hand);
    hand.turn();
    assert_eq!(hand.servers[0].stage.name(), "quiescing target");
    hand.seen.remove(&server_id(0));
    hand.until_held();
    let sentence = hand.wave().hold.as_ref().map(|h| h.reason.sentence());
    assert_eq!(
        sentence.as_deref(),
        Some(
            "Stopping what host00 was cut over to did not succeed: EC2 was asked and it has not stopped"
        )
    );
    assert_eq!(hand.servers[0].stage.name(), "stopping target");
    // The step is a person's, and so is the next.
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
    hand.turn();
    assert_eq!(hand.servers[0].stage.name(), "making snapshots");
}

#[test]
fn sources_without_a_document_are_started_by_a_person() {
    let mut by_hand = plan(1, 1);
    for application in &mut by_hand.applications {
        application.quiesce.as_mut().expect("a quiesce").start = None;
    }
    let mut hand = soaking(by_hand);
    roll_back(&mut hand);
    hand.until_held();
    let sentence = hand.wave().hold.as_ref().map(|h| h.reason.sentence());
    assert!(
        sentence.is_some_and(|s| s.starts_with("The plan names no document")),
        "{:?}",
        hand.wave().hold
    );
    for _ in 0..4 {
        if hand.wave().hold.is_some() {
            hand.resume();
        }
        hand.turn();
        hand.turn();
    }
    hand.until("RolledBack");
    assert!(hand.servers.iter().all(|s| s.quiesced_at.is_none()));
}

#[test]
fn finalized_servers_have_no_way_back() {
    let mut hand = soaking(plan(1, 0));
    hand.until("Finalizing");
    roll_back(&mut hand);
    hand.turn();
    assert!(
        hand.told.iter().any(|t| t
            == "MessageRefused: Refused: servers are being finalized, which cannot be undone.")
    );
    hand.until("Completed");
}

#[test]
fn a_source_never_runs_beside_a_failed_cutover() {
    let mut tolerant = plan(1, 0);
    tolerant.policy.failure_budget = 100;
    let mut hand = Hand::new(tolerant);
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.until_that("the cutover", |hand| {
        hand.servers[0].stage.name() == "launching cutover"
    });
    let from = hand.tasks.len();
    hand.commands = vec![CommandStatus::Failed("exit 1".to_owned())];
    hand.until_that("the way back", |hand| {
        hand.servers[0].stage.name() == "stopping target"
    });
    hand.commands.clear();
    hand.until_held();
    let back: Vec<String> = steps(&hand, from)
        .into_iter()
        .filter(|step| !step.starts_with("Check"))
        .collect();
    assert_eq!(back, ["set back 0", "stop 0", "Start on 0", "set back 0"]);
}

#[test]
fn a_source_out_of_reach_is_held_for_and_a_person_starts_it() {
    let mut hand = soaking(plan(1, 0));
    roll_back(&mut hand);
    hand.until_that("the snapshots", |hand| {
        hand.servers[0].stage.name() == "making snapshots"
    });
    hand.seen.get_mut(&server_id(0)).expect("a server").node = None;
    hand.until_held();
    let reason = hand.wave().hold.as_ref().map(|hold| hold.reason.sentence());
    let reason = reason.expect("a hold");
    assert!(
        reason.contains("SSM has no online managed node of it"),
        "{reason}"
    );
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
    hand.turn();
    hand.resume();
    hand.until("RolledBack");
}
