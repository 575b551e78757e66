//! Every message in every phase has a defined outcome; this table is the definition.

use std::fmt::Write;

use jiff::SignedDuration;
use tidegate_domain::gate::{Door, Gate, GateState, Verdict};
use tidegate_domain::hold::HoldId;
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Phase;

use crate::fixture::{Hand, plan, say, server_id};

const PHASES: [&str; 13] = [
    "Waiting",
    "Preflight",
    "Testing",
    "AwaitingCutover",
    "CuttingOver",
    "Soaking",
    "AwaitingFinalize",
    "Finalizing",
    "RollingBack",
    "Aborting",
    "Completed",
    "RolledBack",
    "Aborted",
];

/// A new phase or message has to be added to the table: this no longer compiles then.
fn everything_is_in_the_table(phase: &Phase, body: &Body) {
    match phase {
        Phase::Waiting
        | Phase::Preflight { .. }
        | Phase::Testing
        | Phase::AwaitingCutover
        | Phase::CuttingOver
        | Phase::Soaking { .. }
        | Phase::AwaitingFinalize
        | Phase::Finalizing
        | Phase::RollingBack
        | Phase::Aborting
        | Phase::Completed
        | Phase::RolledBack
        | Phase::Aborted => {}
    }
    match body {
        Body::Apply(_)
        | Body::Start
        | Body::Hold { .. }
        | Body::Resume { .. }
        | Body::Skip { .. }
        | Body::Abort
        | Body::RollBack { .. }
        | Body::Decide { .. }
        | Body::Withdraw { .. }
        | Body::Waive { .. }
        | Body::Ask { .. } => {}
    }
}

/// The wave as it first was in each phase, and then under a hold where it can be held.
fn in_each_phase_and_held() -> Vec<Hand> {
    let mut all = Vec::new();
    for hand in in_each_phase() {
        let mut held = hand.clone();
        held.send(Body::Hold {
            note: "storm".to_owned(),
        });
        held.turn();
        all.push(hand);
        if held.wave().hold.is_some() {
            all.push(held);
        }
    }
    all
}

/// The wave as it first was in each phase, the finalize gate being decided by a person.
fn in_each_phase() -> Vec<Hand> {
    let mut asked = plan(2, 1);
    asked.gates.finalize = asked.gates.cutover.clone();
    PHASES
        .iter()
        .map(|phase| {
            let mut hand = Hand::new(asked.clone());
            hand.turn();
            if *phase == "Aborted" {
                hand.send(Body::Abort);
            }
            for _ in 0..200 {
                if hand.phase() == *phase {
                    break;
                }
                if *phase == "Aborting" && hand.phase() == "Testing" {
                    hand.send(Body::Abort);
                }
                if matches!(*phase, "RollingBack" | "RolledBack") && hand.phase() == "Soaking" {
                    hand.send(Body::RollBack {
                        note: String::new(),
                    });
                }
                let decision = hand.turn();
                let open: Vec<_> = hand
                    .wave()
                    .gates
                    .iter()
                    .filter_map(|(gate, state)| match state {
                        GateState::Open(open) => Some((*gate, open.evidence.hash())),
                        GateState::Approved { .. } | GateState::Lapsed { .. } => None,
                    })
                    .collect();
                for (gate, evidence) in open {
                    let wanted = match gate {
                        Gate::Cutover => *phase != "AwaitingCutover",
                        Gate::Finalize => *phase != "AwaitingFinalize",
                    };
                    if wanted {
                        hand.send(say(gate, Verdict::Approve, evidence));
                    }
                }
                if decision.hand_out.is_empty() && hand.inbox.is_empty() {
                    hand.now = hand.now.max(decision.wake_at);
                }
            }
            assert_eq!(hand.phase(), *phase);
            hand
        })
        .collect()
}

fn outcome(mut hand: Hand, by: Approver, body: Body) -> String {
    let before = hand.told.len();
    hand.send_as(by, body);
    hand.turn();
    let answer = hand.told[before..]
        .iter()
        .find(|t| t.starts_with("Message"))
        .cloned()
        .unwrap_or_else(|| "nothing".to_owned());
    assert!(hand.inbox.is_empty(), "every message is drained");
    format!(
        "{answer} → {}{}",
        hand.phase(),
        if hand.wave().hold.is_some() {
            ", held"
        } else {
            ""
        }
    )
}

#[test]
fn every_message_in_every_phase() {
    let ops = || Approver::Mail("ops@example.com".to_owned());
    let mut table = String::new();
    for hand in in_each_phase_and_held() {
        let hold = hand.wave().hold.as_ref().map(|hold| hold.id);
        let held = if hold.is_some() { ", held" } else { "" };
        writeln!(table, "## {}{held}", hand.phase()).expect("text");
        let mut other = hand.wave().plan.clone();
        other.policy.attempts = 3;
        let mut fewer = other.clone();
        fewer.applications.truncate(1);
        let shown = |gate: Gate| match hand.wave().gates.get(&gate) {
            Some(GateState::Open(open)) => open.evidence.hash(),
            Some(GateState::Approved { evidence, .. }) => evidence.clone(),
            Some(GateState::Lapsed { .. }) | None => "nothing".to_owned(),
        };
        let decide = |gate, verdict| say(gate, verdict, shown(gate));
        let cases: Vec<(&str, Approver, Body)> = vec![
            (
                "the same plan",
                ops(),
                Body::Apply(Box::new(hand.wave().plan.clone())),
            ),
            ("another policy", ops(), Body::Apply(Box::new(other))),
            ("fewer applications", ops(), Body::Apply(Box::new(fewer))),
            ("start", ops(), Body::Start),
            (
                "hold",
                ops(),
                Body::Hold {
                    note: "storm".to_owned(),
                },
            ),
            (
                "resume",
                ops(),
                Body::Resume {
                    hold: hold.unwrap_or(HoldId(1)),
                },
            ),
            (
                "resume another hold",
                ops(),
                Body::Resume {
                    hold: HoldId(u64::MAX),
                },
            ),
            (
                "skip",
                ops(),
                Body::Skip {
                    servers: vec![server_id(0)],
                },
            ),
            (
                "skip a stranger",
                ops(),
                Body::Skip {
                    servers: vec![server_id(99)],
                },
            ),
            ("abort", ops(), Body::Abort),
            (
                "roll back",
                ops(),
                Body::RollBack {
                    note: "slow".to_owned(),
                },
            ),
            (
                "approve cutover",
                ops(),
                decide(Gate::Cutover, Verdict::Approve),
            ),
            (
                "reject cutover",
                ops(),
                decide(Gate::Cutover, Verdict::Reject),
            ),
            (
                "approve finalize",
                ops(),
                decide(Gate::Finalize, Verdict::Approve),
            ),
            (
                "reject finalize",
                ops(),
                decide(Gate::Finalize, Verdict::Reject),
            ),
            (
                "approve as a stranger",
                Approver::Mail("eve@example.com".to_owned()),
                decide(Gate::Cutover, Verdict::Approve),
            ),
            (
                "approve what was not shown",
                ops(),
                say(Gate::Cutover, Verdict::Approve, "0".repeat(64)),
            ),
            (
                "withdraw",
                ops(),
                Body::Withdraw {
                    gate: Gate::Cutover,
                    evidence: shown(Gate::Cutover),
                    door: Door::Mail,
                },
            ),
            (
                "waive",
                ops(),
                Body::Waive {
                    servers: vec![server_id(0)],
                    check: "Check".to_owned(),
                    reason: "known".to_owned(),
                },
            ),
            (
                "waive without a reason",
                ops(),
                Body::Waive {
                    servers: vec![server_id(0)],
                    check: "Check".to_owned(),
                    reason: " ".to_owned(),
                },
            ),
            (
                "ask again",
                ops(),
                Body::Ask {
                    gate: Gate::Cutover,
                },
            ),
        ];
        for (name, by, body) in cases {
            everything_is_in_the_table(&hand.wave().phase, &body);
            writeln!(table, "{name}: {}", outcome(hand.clone(), by, body)).expect("text");
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_double_approval_counts_once() {
    let mut two = plan(1, 0);
    two.gates.cutover.quorum = 2;
    two.gates
        .cutover
        .approvers
        .push(Approver::Iam("arn:aws:iam::111122223333:role/Lead*".into()));
    let mut hand = Hand::new(two);
    hand.until("AwaitingCutover").turn();
    hand.approve();
    hand.approve();
    hand.turn();
    assert_eq!(hand.phase(), "AwaitingCutover");
    let Some(GateState::Open(open)) = hand.wave().gates.get(&Gate::Cutover) else {
        panic!("open")
    };
    assert_eq!(open.approvals.len(), 1);
    let evidence = open.evidence.hash();
    hand.send_as(
        Approver::Iam("arn:aws:iam::111122223333:role/Leader".to_owned()),
        say(Gate::Cutover, Verdict::Approve, evidence),
    );
    hand.until("CuttingOver");
}

#[test]
fn a_late_double_of_a_resume_releases_no_later_hold() {
    let mut hand = Hand::new(plan(1, 0));
    hand.turn();
    hand.send(Body::Hold {
        note: String::new(),
    });
    hand.turn();
    hand.resume();
    let resume = hand.inbox[0].clone();
    hand.turn();
    assert!(hand.wave().hold.is_none());
    hand.now += SignedDuration::from_secs(5);
    hand.send(Body::Hold {
        note: String::new(),
    });
    hand.turn();
    hand.send(resume.body);
    hand.turn();
    assert!(hand.wave().hold.is_some());
}

#[test]
fn nothing_new_starts_under_a_hold() {
    let mut hand = Hand::new(plan(2, 1));
    hand.until("Testing");
    hand.send(Body::Hold {
        note: String::new(),
    });
    hand.turn();
    let planned = hand.tasks.len();
    for _ in 0..20 {
        hand.turn();
    }
    let new: Vec<_> = hand.tasks[planned..]
        .iter()
        .map(tidegate_domain::effect::Task::title)
        .collect();
    assert_eq!(new, Vec::<&str>::new());
    hand.resume();
    hand.until("AwaitingCutover");
}
