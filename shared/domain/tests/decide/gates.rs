//! Gates: who may decide, what lapses a decision, parts, withdrawals, waivers, and what silence
//! means.

use jiff::SignedDuration;
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::{Asking, Door, Gate, GateState, Part, Verdict, WarningKind};
use tidegate_domain::message::Body;
use tidegate_domain::observation::{CommandStatus, ReplicationState};
use tidegate_domain::plan::{Escalation, OnExpiry, Plan, Window};

use crate::asking::{CUTOVER, application, asking, iam, mail};
use crate::fixture::{Hand, operator, plan, say, server_id, start_of_time};

#[test]
fn the_evidence_says_what_was_tested_and_how() {
    let hand = asking(|_| {});
    insta::assert_json_snapshot!(hand.evidence(CUTOVER));
}

#[test]
fn a_quorum_is_of_different_people() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers = vec![mail("ops"), mail("anna"), iam("anna"), iam("*")];
        gate.people = vec![vec![mail("anna"), iam("anna")]];
        gate.quorum = 3;
    });
    hand.approve_as(mail("anna"));
    hand.approve_as(iam("anna"));
    hand.approve_as(mail("OPS"));
    hand.approve_as(mail("ops"));
    hand.turn();
    let by: Vec<String> = hand
        .open(CUTOVER)
        .approvals
        .iter()
        .map(|a| a.by.to_string())
        .collect();
    assert_eq!(by, ["anna@example.com", "OPS@example.com"]);
    // Whoever of a pattern decides, the entry counts once.
    hand.approve_as(iam("bob"));
    hand.until("CuttingOver");
}

#[test]
fn nobody_approves_what_they_applied_or_started() {
    let everybody = |plan: &mut Plan| {
        plan.gates.cutover.approvers = vec![mail("ops"), operator(), mail("me"), mail("dba")];
        plan.gates.cutover.people = vec![vec![operator(), mail("me")]];
    };
    let mut hand = asking(everybody);
    hand.approve_as(operator());
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: iam:arn:aws:iam::111122223333:user/operator applied this wave's \
         plan; somebody else has to approve it (or the plan says `self_approval: true`)."
    );
    hand.approve_as(mail("me"));
    assert!(hand.answer().starts_with("MessageRefused"));
    assert!(hand.is_open(CUTOVER));

    let mut alone = asking(|plan| {
        everybody(plan);
        plan.gates.cutover.self_approval = true;
    });
    alone.approve_as(mail("me"));
    alone.until("CuttingOver");

    // Whoever changed the plan cannot approve it either; who changed it before still cannot.
    let mut other = hand.wave().plan.clone();
    other.policy.attempts = 5;
    hand.send_as(mail("ops"), Body::Apply(Box::new(other)));
    hand.turn();
    hand.asked();
    hand.approve_as(mail("ops"));
    assert!(hand.answer().starts_with("MessageRefused"));
    hand.approve_as(mail("me"));
    assert!(hand.answer().starts_with("MessageRefused"));
    hand.approve_as(mail("dba"));
    hand.until("CuttingOver");
}

#[test]
fn a_decision_names_in_the_audit_chain_what_it_was_about() {
    let mut hand = asking(|_| {});
    let evidence = hand.evidence(CUTOVER).hash();
    hand.approve();
    let record = hand.turn().audit.expect("a record");
    for event in ["MessageCounted", "GateApproved"] {
        let mut entries = record.entries.iter();
        let entry = entries.find(|entry| entry.event == event);
        let about = entry.and_then(|entry| entry.about.evidence.as_ref());
        assert_eq!(about, Some(&evidence), "{event}");
    }
}

#[test]
fn who_approves_twice_is_told_so_and_counts_once() {
    let mut hand = asking(|plan| {
        plan.gates.cutover.approvers.push(mail("dba"));
        plan.gates.cutover.quorum = 2;
    });
    hand.approve();
    hand.turn();
    hand.approve();
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: ops@example.com approved the cutover gate already."
    );
    assert_eq!(hand.open(CUTOVER).approvals.len(), 1);
}

#[test]
fn of_two_opposite_decisions_at_once_the_rejection_counts() {
    for rejected_first in [true, false] {
        let mut hand = asking(|plan| plan.gates.cutover.approvers.push(mail("dba")));
        let evidence = hand.evidence(CUTOVER).hash();
        if !rejected_first {
            hand.approve_as(mail("ops"));
        }
        hand.send_as(mail("dba"), say(CUTOVER, Verdict::Reject, evidence.clone()));
        if rejected_first {
            hand.send_as(mail("ops"), say(CUTOVER, Verdict::Approve, evidence));
        }
        hand.turn();
        assert!(!hand.wave().gates.contains_key(&CUTOVER));
        let held = hand.wave().hold.as_ref().map(|hold| hold.reason.sentence());
        let rejected = "The cutover gate was rejected by dba@example.com.";
        assert_eq!(held.as_deref(), Some(rejected), "{rejected_first}");
        assert_eq!(hand.phase(), "AwaitingCutover");
    }
}

#[test]
fn who_is_named_beside_a_pattern_is_somebody_else_than_the_rest_of_it() {
    let mut hand = asking(|plan| {
        plan.gates.cutover.approvers = vec![iam("*"), iam("anna")];
        plan.gates.cutover.quorum = 2;
    });
    hand.approve_as(iam("anna"));
    hand.turn();
    assert_eq!(hand.phase(), "AwaitingCutover");
    hand.approve_as(iam("bob"));
    hand.until("CuttingOver");
}

#[test]
fn a_reminder_that_is_refused_holds_the_wave_and_is_made_up_for() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.remind = Some(SignedDuration::from_hours(6));
        gate.escalate = Some(Escalation {
            before: SignedDuration::from_hours(2),
            to: vec![mail("lead")],
        });
    });
    let refusal = Refusal {
        kind: RefusalKind::Guard,
        message: "all@example.com would get the links of two".to_owned(),
    };
    for asking in [Asking::Reminder, Asking::Escalation] {
        hand.refuse = vec![("gate", Outcome::Refused(refusal.clone()))];
        hand.until_held();
        let open = hand.open(CUTOVER);
        let asked = match asking {
            Asking::First | Asking::Reminder => open.reminded,
            Asking::Escalation => open.escalated,
        };
        assert_eq!(asked, None, "nobody was asked");
        hand.resume();
        let asks = |hand: &Hand| {
            let tasks = hand.tasks.iter();
            let again =
                |task: &&Task| matches!(task, Task::OpenGate { asking: a, .. } if *a == asking);
            tasks.filter(again).count()
        };
        let before = asks(&hand);
        hand.until_that("asked again", |hand| asks(hand) > before);
        hand.turn();
        assert!(hand.wave().hold.is_none());
    }
}

#[test]
fn every_question_names_all_who_are_asked_by_mail() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers = vec![mail("ops"), iam("anna")];
        gate.remind = Some(SignedDuration::from_hours(6));
        gate.escalate = Some(Escalation {
            before: SignedDuration::from_hours(2),
            to: vec![mail("OPS"), mail("lead")],
        });
    });
    hand.until_that("an escalation", |hand| {
        hand.open(CUTOVER).escalated.is_some()
    });
    let asked = hand.tasks.iter().filter_map(|task| match task {
        Task::OpenGate { mailboxes, .. } => Some(mailboxes.clone()),
        _ => None,
    });
    assert_eq!(
        asked.collect::<Vec<_>>(),
        vec![vec![mail("ops"), mail("lead")]; 3]
    );
}

#[test]
fn replication_that_is_paused_or_begun_anew_lapses_an_approval() {
    for (state, what) in [
        (ReplicationState::Paused, "does not replicate any more"),
        (ReplicationState::InitialSync, "copies its disks anew"),
    ] {
        let mut hand = asking(|_| {});
        let seen = hand.seen.get_mut(&server_id(1)).expect("a server");
        seen.replication.state = state;
        hand.until_that("a lapse", |hand| {
            matches!(hand.wave().gates.get(&CUTOVER), Some(GateState::Lapsed { changes, .. })
                if changes.told == [format!("host01 {what}")])
        });
    }
}

#[test]
fn a_plan_can_want_more_than_a_link() {
    let mut hand = asking(|plan| {
        plan.gates.cutover.approvers = vec![mail("ops"), iam("*")];
        plan.gates.cutover.minimum = Door::Iam;
    });
    hand.approve_as(mail("ops"));
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the plan wants more than a mail link at the cutover gate: decide \
         by AWS credentials."
    );
    hand.approve_as(iam("anna"));
    hand.until("CuttingOver");
}

#[test]
fn drift_within_its_limits_changes_nothing() {
    let mut hand = asking(|_| {});
    let shown = hand.evidence(CUTOVER).clone();
    for seen in hand.seen.values_mut() {
        seen.replication.lag = Some(SignedDuration::from_secs(60));
        seen.replication.backlog_bytes = 1 << 20;
        seen.replication.state = ReplicationState::Backlog;
        seen.replication.last_snapshot = Some(hand.now);
    }
    hand.now += SignedDuration::from_hours(1);
    hand.turn();
    hand.turn();
    assert_eq!(*hand.evidence(CUTOVER), shown);
    hand.approve();
    hand.until("CuttingOver");
}

#[test]
fn a_server_that_falls_behind_lapses_the_approvals_and_people_are_told_first() {
    let mut hand = asking(|plan| {
        plan.gates.cutover.approvers.push(mail("dba"));
        plan.gates.cutover.quorum = 2;
    });
    hand.approve();
    hand.turn();
    let old = hand.evidence(CUTOVER).hash();
    let seen = hand.seen.get_mut(&server_id(1)).expect("a server");
    seen.replication.lag = Some(SignedDuration::from_mins(3));
    hand.turn();
    let Some(GateState::Lapsed { changes, .. }) = hand.wave().gates.get(&CUTOVER) else {
        panic!("lapsed")
    };
    assert_eq!(
        changes.told,
        ["host01 is 3 min behind its source; the plan allows 1 min"]
    );
    let Some(Task::Notify { news, .. }) = hand.tasks.last() else {
        panic!("people are told first")
    };
    assert_eq!(news.kind(), "gate_asks_again");
    hand.asked();
    let shown = hand.evidence(CUTOVER);
    assert_eq!(shown.changed.told.len(), 1);
    assert_eq!(shown.warnings[0].kind, WarningKind::Behind);
    assert_eq!(hand.open(CUTOVER).approvals, []);
    // What was shown before counts no more; what is shown now is known and lapses nothing.
    let body = Body::Decide {
        gate: CUTOVER,
        verdict: Verdict::Approve,
        evidence: old,
        door: Door::Mail,
        only: Part::default(),
        reason: None,
    };
    hand.send_as(mail("dba"), body);
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the evidence has changed since; look at it again."
    );
    hand.turn();
    assert!(hand.is_open(CUTOVER));
}

#[test]
fn a_stall_lapses_an_approval_that_waits_for_its_window() {
    let opens = start_of_time() + SignedDuration::from_hours(48);
    let mut hand = asking(|plan| {
        plan.window = Some(Window {
            opens,
            closes: opens + SignedDuration::from_hours(4),
            time_zone: "UTC".to_owned(),
        });
    });
    hand.approve();
    hand.turn();
    assert_eq!(hand.phase(), "AwaitingCutover");
    let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
    seen.replication.state = ReplicationState::Stalled;
    hand.asked();
    assert_eq!(
        hand.evidence(CUTOVER).changed.told,
        ["host00 does not replicate any more"]
    );
}

#[test]
fn a_server_that_leaves_lapses_the_approvals() {
    let mut hand = asking(|_| {});
    hand.send(Body::Skip {
        servers: vec![server_id(2)],
    });
    hand.turn();
    hand.until_that("asked again", |hand| {
        hand.is_open(CUTOVER) && hand.evidence(CUTOVER).round == 1
    });
    let shown = hand.evidence(CUTOVER);
    assert_eq!(shown.servers.len(), 2);
    assert!(shown.changed.told[0].starts_with("host02 "), "{shown:?}");
}

#[test]
fn a_part_is_cut_over_and_the_rest_waits_until_somebody_asks() {
    let mut hand = asking(|_| {});
    let only = application("db");
    hand.say(mail("ops"), CUTOVER, Door::Mail, only);
    hand.until("Soaking");
    assert_eq!(hand.stages(), ["cut over", "cut over", "tested"]);
    // The rest goes on replicating for as long as it takes, and its test instance does not cost.
    hand.now += SignedDuration::from_hours(24);
    hand.until_that("the rest's gate", |hand| hand.phase() == "AwaitingCutover");
    assert_eq!(hand.stages(), ["finalized", "finalized", "tested"]);
    for _ in 0..20 {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at);
    }
    assert!(hand.servers[2].instance.is_none());
    assert!(!hand.is_open(CUTOVER));
    hand.send(Body::Ask { gate: CUTOVER });
    hand.asked();
    assert_eq!(hand.evidence(CUTOVER).servers.len(), 1);
    hand.approve();
    hand.until("Completed");
    assert_eq!(hand.stages(), ["finalized"; 3]);
}

#[test]
fn the_rest_can_be_asked_for_during_the_soak_or_left_out() {
    let mut hand = asking(|_| {});
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("db"));
    hand.until("Soaking");
    let mut left = hand.clone();
    hand.send(Body::Ask { gate: CUTOVER });
    hand.asked();
    hand.approve();
    hand.until("Completed");

    left.send(Body::Skip {
        servers: vec![server_id(2)],
    });
    left.until("Completed");
    assert_eq!(left.stages(), ["finalized", "finalized", "skipped"]);
}

#[test]
fn what_comes_after_something_is_approved_only_with_it() {
    let mut hand = asking(|_| {});
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("web"));
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: web comes after db, so that host00 has to be approved with it."
    );
    hand.say(mail("ops"), CUTOVER, Door::Mail, application("cache"));
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the gate does not ask about application cache."
    );
    let stranger = Part {
        applications: Vec::new(),
        servers: vec![server_id(9)],
    };
    hand.say(mail("ops"), CUTOVER, Door::Mail, stranger);
    assert!(hand.answer().contains("does not ask about server"));
}

#[test]
fn a_quorum_approves_what_enough_of_it_named() {
    let mut hand = asking(|plan| {
        plan.gates.cutover.approvers = vec![mail("ops"), mail("dba"), mail("lead")];
        plan.gates.cutover.quorum = 2;
    });
    let first = Part {
        applications: Vec::new(),
        servers: vec![server_id(0)],
    };
    let second = Part {
        applications: Vec::new(),
        servers: vec![server_id(1)],
    };
    hand.say(mail("ops"), CUTOVER, Door::Mail, first);
    hand.say(mail("dba"), CUTOVER, Door::Mail, second);
    hand.turn();
    assert!(hand.is_open(CUTOVER), "no server has two approvals");
    hand.approve_as(mail("lead"));
    hand.turn();
    let Some(GateState::Approved { jobs, put_off, .. }) = hand.wave().gates.get(&CUTOVER) else {
        panic!("approved")
    };
    assert_eq!(jobs.len(), 2);
    assert_eq!(put_off.iter().collect::<Vec<_>>(), [&server_id(2)]);
}

#[test]
fn an_approval_can_be_withdrawn_until_it_is_acted_on() {
    let opens = start_of_time() + SignedDuration::from_hours(8);
    let mut hand = asking(|plan| {
        plan.window = Some(Window {
            opens,
            closes: opens + SignedDuration::from_hours(4),
            time_zone: "UTC".to_owned(),
        });
    });
    let evidence = hand.evidence(CUTOVER).hash();
    let withdraw = Body::Withdraw {
        gate: CUTOVER,
        evidence,
        door: Door::Mail,
    };
    hand.approve();
    hand.turn();
    assert!(!hand.is_open(CUTOVER));
    hand.send_as(mail("eve"), withdraw.clone());
    assert!(hand.answer().starts_with("MessageRefused"));
    hand.send(withdraw.clone());
    assert_eq!(
        hand.answer(),
        "MessageCounted: ops@example.com withdrew the approval of the cutover gate, which is open \
         again."
    );
    assert_eq!(hand.open(CUTOVER).approvals, []);
    hand.approve();
    hand.until("CuttingOver");
    hand.send(withdraw);
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the approval of the cutover gate is being acted on; hold the \
         wave instead."
    );
}

#[test]
fn people_are_reminded_then_others_are_asked_as_well() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers.push(mail("dba"));
        gate.quorum = 2;
        gate.remind = Some(SignedDuration::from_hours(6));
        gate.escalate = Some(Escalation {
            before: SignedDuration::from_hours(2),
            to: vec![mail("lead")],
        });
    });
    hand.approve();
    hand.approve_as(mail("lead"));
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: lead@example.com may decide at the cutover gate only once it was \
         escalated."
    );
    let expires = hand.open(CUTOVER).expires;
    hand.until_that("an escalation", |hand| {
        hand.open(CUTOVER).escalated.is_some()
    });
    assert!(hand.now >= expires - SignedDuration::from_hours(2) && hand.now < expires);
    let asked: Vec<(Asking, Vec<String>)> = hand
        .tasks
        .iter()
        .filter_map(|task| match task {
            Task::OpenGate {
                asking, approvers, ..
            } => Some((*asking, approvers.iter().map(ToString::to_string).collect())),
            _ => None,
        })
        .collect();
    let name = |name: &str| format!("{name}@example.com");
    assert_eq!(
        asked,
        [
            (Asking::First, vec![name("ops"), name("dba")]),
            (Asking::Reminder, vec![name("dba")]),
            (Asking::Escalation, vec![name("lead")]),
        ]
    );
    hand.approve_as(mail("lead"));
    hand.until("CuttingOver");
}

#[test]
fn silence_rejects_where_the_plan_says_so() {
    let mut hand = asking(|plan| plan.gates.cutover.on_expiry = OnExpiry::Reject);
    hand.until_held();
    assert_eq!(
        hand.wave().hold.as_ref().map(|h| h.reason.sentence()),
        Some("The cutover gate was rejected by its plan, as nobody decided in time.".to_owned())
    );
    hand.resume();
    hand.asked();
    assert!(hand.now < hand.open(CUTOVER).expires);
}

#[test]
fn silence_finalizes_where_the_plan_says_so() {
    let mut hand = asking(|plan| {
        plan.gates.finalize = plan.gates.cutover.clone();
        plan.gates.finalize.on_expiry = OnExpiry::Proceed;
    });
    hand.approve();
    hand.until("Completed");
    assert!(hand.told.iter().any(
        |line| line == "GateExpired: The finalize gate expired; by its plan the wave proceeds."
    ));
}

#[test]
fn a_part_can_be_finalized_and_the_rest_later() {
    let mut hand = asking(|plan| plan.gates.finalize = plan.gates.cutover.clone());
    hand.approve();
    hand.until_that("the finalize gate", |hand| hand.is_open(Gate::Finalize));
    hand.say(mail("ops"), Gate::Finalize, Door::Mail, application("web"));
    hand.until_that("the rest", |hand| {
        hand.stages() == ["cut over", "cut over", "finalized"] && hand.phase() == "AwaitingFinalize"
    });
    hand.turn();
    assert!(!hand.is_open(Gate::Finalize));
    hand.send(Body::Ask {
        gate: Gate::Finalize,
    });
    hand.until_that("asked again", |hand| hand.is_open(Gate::Finalize));
    hand.say(mail("ops"), Gate::Finalize, Door::Mail, Part::default());
    hand.until("Completed");
}

#[test]
fn a_failed_check_can_be_waived_with_a_reason_that_approvers_see() {
    let failing = vec![CommandStatus::Failed("exit 1".to_owned())];
    let mut hand = Hand::new(plan(1, 0));
    hand.commands = failing;
    hand.until_held();
    let waive = |check: &str, reason: &str| Body::Waive {
        servers: vec![server_id(0)],
        check: check.to_owned(),
        reason: reason.to_owned(),
    };
    for (body, why) in [
        (waive("Check", "  "), "a waiver needs a reason"),
        (
            waive("Other", "known"),
            "the plan runs no check Other on host00",
        ),
    ] {
        hand.send_as(operator(), body);
        assert_eq!(hand.answer(), format!("MessageRefused: Refused: {why}."));
    }
    hand.send_as(operator(), waive("Check", "the port opens at noon"));
    hand.turn();
    assert!(hand.wave().hold.is_none(), "it goes on");
    hand.asked();
    let shown = hand.evidence(CUTOVER);
    assert_eq!(
        (shown.servers[0].checks, shown.summary.checks_waived),
        (0, 1)
    );
    assert_eq!(shown.waived[0].reason, "the port opens at noon");
    assert_eq!(shown.warnings[0].kind, WarningKind::WaivedCheck);
    hand.commands.clear();
    hand.approve();
    hand.until("Completed");
}
