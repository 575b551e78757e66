//! A plan that is changed under way: told by name to whom it concerns, and never looser once its
//! wave was started.

use jiff::SignedDuration;
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::{Door, Gate, GateState};
use tidegate_domain::id::JobId;
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::plan::{Escalation, GatePlan, OnExpiry, Plan};

use crate::asking::{CUTOVER, asking, iam, mail};
use crate::fixture::{Hand, operator, plan};

/// The plan that is under way, changed so.
fn changed(hand: &Hand, change: impl FnOnce(&mut Plan)) -> Body {
    let mut plan = hand.wave().plan.clone();
    change(&mut plan);
    Body::Apply(Box::new(plan))
}

/// A gate that is as strict as can be.
fn strict(plan: &mut Plan) {
    for gate in [&mut plan.gates.cutover, &mut plan.gates.finalize] {
        *gate = GatePlan::asking(
            vec![mail("ops"), mail("dba"), iam("anna")],
            2,
            SignedDuration::from_hours(24),
        );
        gate.people = vec![vec![mail("dba"), iam("anna")]];
        gate.minimum = Door::Page;
    }
}

type Change = fn(&mut GatePlan);
type PlanChange = fn(&mut Plan);

#[test]
fn once_a_wave_was_started_its_gates_get_no_looser() {
    let looser: [(Change, &str); 8] = [
        (|gate| *gate = GatePlan::automatic(), "would ask nobody"),
        (|gate| gate.quorum = 1, "would want 1 approvals, not 2"),
        (|gate| gate.minimum = Door::Mail, "would take a mail link"),
        (
            |gate| gate.self_approval = true,
            "would let people approve what they did themselves",
        ),
        (
            |gate| gate.on_expiry = OnExpiry::Proceed,
            "would take silence for an approval",
        ),
        (
            |gate| gate.on_expiry = OnExpiry::RollBack,
            "would take silence for a rollback",
        ),
        (
            |gate| {
                gate.on_expiry = OnExpiry::RollBack;
                gate.expires = SignedDuration::from_secs(1);
            },
            "would take silence for a rollback; the {} gate would take silence for a rollback after \
             1 s, not 24 h",
        ),
        (
            |gate| gate.people.clear(),
            "would count a person more than once",
        ),
    ];
    let mut hand = asking(strict);
    for gate in [Gate::Cutover, Gate::Finalize] {
        for (change, what) in looser {
            let what = what.replace("{}", gate.name());
            let body = changed(&hand, |plan| match gate {
                Gate::Cutover => change(&mut plan.gates.cutover),
                Gate::Finalize => change(&mut plan.gates.finalize),
            });
            hand.send_as(operator(), body);
            assert_eq!(
                hand.answer(),
                format!(
                    "MessageRefused: Refused: the wave has started, and from then on its gates get no \
                     looser: the {gate} gate {what}."
                )
            );
            assert!(hand.is_open(CUTOVER), "nothing lapsed");
        }
    }
}

#[test]
fn where_silence_acts_nobody_makes_it_act_sooner_or_for_want_of_people() {
    let tried = |on_expiry: OnExpiry, change: PlanChange| {
        let mut hand = asking(|plan| {
            strict(plan);
            plan.gates.finalize.people.clear();
            plan.gates.finalize.on_expiry = on_expiry;
        });
        let body = changed(&hand, change);
        hand.send_as(operator(), body);
        hand.answer()
    };
    let cases: [(PlanChange, &str); 5] = [
        (
            |plan| plan.gates.finalize.expires = SignedDuration::from_secs(1),
            "the finalize gate would take silence for {} after 1 s, not 24 h",
        ),
        (
            |plan| {
                plan.gates.finalize.approvers = vec![iam("eve"), iam("mallory")];
            },
            "the finalize gate would take silence for an answer of people of whom nobody was asked \
             before",
        ),
        (
            // The only one who stays cannot answer well enough any more.
            |plan| {
                let gate = &mut plan.gates.finalize;
                gate.approvers = vec![mail("ops"), iam("eve"), iam("mallory")];
                gate.minimum = Door::Iam;
            },
            "the finalize gate would take silence for an answer of people of whom nobody was asked \
             before",
        ),
        (
            |plan| {
                let gate = &mut plan.gates.finalize;
                gate.approvers = vec![iam("eve"), iam("mallory")];
                gate.escalate = Some(Escalation {
                    before: SignedDuration::from_secs(1),
                    to: vec![iam("anna")],
                });
            },
            "the finalize gate would take silence for an answer of people of whom nobody was asked \
             before",
        ),
        (
            |plan| plan.gates.soak = SignedDuration::from_mins(1),
            "the finalize gate, which can do without an answer, would come after a soak of 1 min, \
             not 1 h",
        ),
    ];
    for (on_expiry, silence) in [
        (OnExpiry::Proceed, "an approval"),
        (OnExpiry::RollBack, "a rollback"),
    ] {
        for (change, why) in &cases {
            let why = why.replace("{}", silence);
            assert_eq!(
                tried(on_expiry, *change),
                format!(
                    "MessageRefused: Refused: the wave has started, and from then on its gates get no \
                     looser: {why}."
                )
            );
        }
        let with_others: PlanChange = |plan| {
            let gate = &mut plan.gates.finalize;
            gate.approvers = vec![iam("anna"), iam("eve")];
            gate.expires = gate.expires.saturating_mul(2);
        };
        let answer = tried(on_expiry, with_others);
        assert!(answer.starts_with("MessageCounted"), "{answer}");
    }
    // Where silence holds the wave, nothing is done for want of people.
    for (change, _) in cases {
        for on_expiry in [OnExpiry::Hold, OnExpiry::Reject] {
            let answer = tried(on_expiry, change);
            assert!(answer.starts_with("MessageCounted"), "{answer}");
        }
    }
}

#[test]
fn before_an_automatic_finalize_the_soak_gets_no_shorter() {
    let mut hand = asking(|_| {});
    let body = changed(&hand, |plan| {
        plan.gates.soak = SignedDuration::from_mins(1);
    });
    hand.send_as(operator(), body);
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the wave has started, and from then on its gates get no looser: \
         the finalize gate, which can do without an answer, would come after a soak of 1 min, not 1 h."
    );
    // A person may be asked where the plan decided alone, whatever silence comes to.
    let body = changed(&hand, |plan| {
        plan.gates.finalize = plan.gates.cutover.clone();
        plan.gates.finalize.on_expiry = OnExpiry::Proceed;
    });
    hand.send_as(operator(), body);
    let answer = hand.answer();
    assert!(answer.starts_with("MessageCounted"), "{answer}");
}

#[test]
fn a_person_of_several_identities_can_be_taken_off_a_gate() {
    let mut hand = asking(|plan| {
        strict(plan);
        plan.gates.cutover.approvers.push(mail("lead"));
    });
    let body = changed(&hand, |plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers
            .retain(|who| *who != mail("dba") && *who != iam("anna"));
        gate.people.clear();
    });
    hand.send_as(operator(), body);
    let answer = hand.answer();
    assert!(
        answer.starts_with("MessageCounted: The plan was changed"),
        "{answer}"
    );
}

#[test]
fn a_wave_that_waits_can_be_given_any_gates() {
    let mut waits = plan(1, 0);
    strict(&mut waits);
    waits.start = tidegate_domain::plan::Start::Manual;
    let mut hand = Hand::new(waits);
    hand.turn();
    assert_eq!(hand.phase(), "Waiting");
    let body = changed(&hand, |plan| plan.gates.finalize = GatePlan::automatic());
    hand.send_as(operator(), body);
    assert_eq!(
        hand.answer(),
        "MessageCounted: The plan was changed; a gate that was asked is asked again. What is \
         different: the finalize gate asks nobody, asked people."
    );
}

#[test]
fn who_is_asked_is_told_what_changed() {
    let mut hand = asking(strict);
    let body = changed(&hand, |plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers.push(mail("eve"));
        gate.quorum = 3;
        gate.minimum = Door::Slack;
        gate.expires = SignedDuration::from_hours(2);
        gate.escalate = Some(Escalation {
            before: SignedDuration::from_mins(30),
            to: vec![mail("lead")],
        });
        plan.gates.soak = SignedDuration::from_mins(7);
        plan.policy.attempts += 1;
    });
    hand.send_as(operator(), body);
    hand.until_that("the next question", |hand| {
        matches!(hand.wave().gates.get(&CUTOVER), Some(GateState::Open(open)) if open.evidence.round == 1)
    });
    let soak = "the soak is 7 min, was ";
    let told: Vec<&str> = hand
        .evidence(CUTOVER)
        .changed
        .told
        .iter()
        .map(String::as_str)
        .collect();
    let (soaks, others): (Vec<&str>, Vec<&str>) = told.iter().partition(|t| t.starts_with(soak));
    assert_eq!(soaks.len(), 1);
    assert_eq!(
        others,
        [
            format!("{} changed the plan", operator()).as_str(),
            "the cutover gate asks also eve@example.com",
            "the cutover gate escalates also to lead@example.com",
            "the cutover gate wants 3 approvals, wanted 2 approvals",
            "the cutover gate wants Slack at least, wanted a page opened with AWS credentials at least",
            "the cutover gate waits for 2 h, waited for 24 h",
            "the cutover gate escalates 30 min before it expires, escalated never",
            "the policy's attempts is 3, was 2",
        ]
    );
}

/// What people were told of changes of the plan, a line for each time.
fn plan_changed(hand: &Hand) -> Vec<String> {
    let news = hand.tasks.iter().filter_map(|task| match task {
        Task::Notify {
            news: News::PlanChanged { by, changes },
            ..
        } => Some(format!("{by}: {}", changes.clause(50))),
        _ => None,
    });
    news.collect()
}

fn eve_approves(plan: &mut Plan) {
    plan.gates.cutover.approvers = vec![mail("eve")];
}

const EVE: [&str; 3] = [
    "iam:arn:aws:iam::111122223333:user/operator changed the plan",
    "the cutover gate asks also eve@example.com",
    "the cutover gate asks no more ops@example.com",
];

/// A wave of which both gates ask, in this phase.
fn asks_twice(phase: &str) -> Hand {
    let mut plan = plan(2, 1);
    plan.gates.finalize = plan.gates.cutover.clone();
    let mut hand = Hand::new(plan);
    hand.until(phase);
    hand
}

fn change(hand: &mut Hand, change: impl FnOnce(&mut Plan)) {
    let body = changed(hand, change);
    hand.send_as(operator(), body);
    let answer = hand.answer();
    assert!(answer.starts_with("MessageCounted"), "{answer}");
}

#[test]
fn what_changes_while_nobody_is_asked_is_told_at_once_and_with_the_next_question_of_each_gate() {
    for phase in ["Preflight", "Testing"] {
        let mut hand = asks_twice(phase);
        change(&mut hand, eve_approves);
        assert_eq!(
            plan_changed(&hand),
            [format!("{}: {}; {}", operator(), EVE[1], EVE[2])]
        );
        hand.asked();
        assert_eq!(hand.evidence(CUTOVER).changed.told, EVE);
        hand.approve_as(mail("eve"));
        hand.until("Soaking");
        change(&mut hand, |plan| plan.policy.attempts += 1);
        assert_eq!(plan_changed(&hand).len(), 2);
        hand.until_that("the finalize gate", |hand| hand.is_open(Gate::Finalize));
        let again = [EVE[0], "the policy's attempts is 3, was 2"];
        assert_eq!(
            hand.evidence(Gate::Finalize).changed.told,
            [&EVE[..], &again[..]].concat(),
            "{phase}"
        );
        // Once shown it is no news.
        hand.send(Body::Hold {
            note: String::new(),
        });
        hand.now = hand.open(Gate::Finalize).expires;
        hand.turn();
        hand.resume();
        hand.until_that("the next question", |hand| {
            hand.is_open(Gate::Finalize) && hand.evidence(Gate::Finalize).round == 1
        });
        assert_eq!(hand.evidence(Gate::Finalize).changed.told.len(), 1);
    }
}

#[test]
fn what_changes_at_an_open_gate_is_told_at_the_other_one_too() {
    let mut hand = asks_twice("AwaitingCutover");
    hand.asked();
    change(&mut hand, eve_approves);
    assert_eq!(plan_changed(&hand).len(), 1);
    hand.asked();
    assert_eq!(hand.evidence(CUTOVER).changed.told, EVE);
    hand.approve_as(mail("eve"));
    hand.until_that("the finalize gate", |hand| hand.is_open(Gate::Finalize));
    assert_eq!(hand.evidence(Gate::Finalize).changed.told, EVE);
}

#[test]
fn what_was_to_be_shown_is_not_lost_with_a_question_that_nobody_got() {
    let mut hand = asks_twice("Testing");
    change(&mut hand, eve_approves);
    hand.refuse.push((
        "gate",
        Outcome::Refused(Refusal {
            kind: RefusalKind::Guard,
            message: "no such topic".to_owned(),
        }),
    ));
    hand.until_held();
    hand.resume();
    hand.asked();
    assert_eq!(hand.evidence(CUTOVER).changed.told, EVE);
}

#[test]
fn what_was_to_be_shown_is_not_lost_with_an_expiry() {
    let mut hand = asks_twice("AwaitingCutover");
    hand.asked();
    hand.until_held();
    change(&mut hand, eve_approves);
    hand.resume();
    hand.until_that("the next question", |hand| {
        hand.is_open(CUTOVER) && hand.evidence(CUTOVER).round == 1
    });
    assert_eq!(hand.evidence(CUTOVER).changed.told, EVE);
}

#[test]
fn what_changes_at_a_gate_that_lapsed_into_more_tests_is_told_when_it_asks() {
    let mut hand = asks_twice("AwaitingCutover");
    hand.asked();
    // Somebody tests a server elsewhere, so that its test counts no more.
    let seen = hand.seen.values_mut().next().expect("a server");
    seen.last_test = JobId::parse("mgnjob-99999999999999999").ok();
    hand.until("Testing");
    change(&mut hand, eve_approves);
    hand.asked();
    let told = &hand.evidence(CUTOVER).changed.told;
    assert!(
        EVE.iter().all(|clause| told.iter().any(|t| t == clause)),
        "{told:?}"
    );
}

#[test]
fn what_changes_before_the_start_is_no_news() {
    let mut waits = plan(1, 0);
    waits.start = tidegate_domain::plan::Start::Manual;
    let mut hand = Hand::new(waits);
    hand.turn();
    change(&mut hand, eve_approves);
    hand.send_as(operator(), Body::Start);
    hand.asked();
    assert_eq!(plan_changed(&hand), [""; 0]);
    assert_eq!(hand.evidence(CUTOVER).changed.told, [""; 0]);
}
