//! In time is when a person decided, however late a driver comes to count it.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::Task;
use tidegate_domain::gate::{ARRIVES_WITHIN, Asking, Door, Gate, Verdict};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::message::{Body, MOST_MESSAGES};
use tidegate_domain::plan::{Approver, Escalation, OnExpiry, Window};

use crate::asking::{CUTOVER, asking, mail};
use crate::fixture::{Hand, operator, say, start_of_time};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A decision about what the open gate shows, as the console took it then.
fn taken(hand: &mut Hand, by: Approver, gate: Gate, verdict: Verdict, at: Timestamp) {
    let evidence = hand.evidence(gate).hash();
    hand.send_as(by, say(gate, verdict, evidence));
    hand.inbox.last_mut().expect("the message").at = at;
}

/// Where the wave is, and what it is held for.
fn stands(hand: &Hand) -> String {
    let hold = hand.wave().hold.as_ref();
    let hold = hold.map_or("not held".to_owned(), |hold| hold.reason.sentence());
    format!("{}: {hold}", hand.phase())
}

/// Two of three have to approve, and one has.
fn half_decided(on_expiry: OnExpiry) -> Hand {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.approvers = vec![mail("ops"), mail("dba"), mail("lead")];
        gate.quorum = 2;
        gate.on_expiry = on_expiry;
    });
    hand.approve_as(mail("dba"));
    hand.turn();
    hand
}

/// A wave that waits at its finalize gate, which silence decides so.
fn silence_decides(on_expiry: OnExpiry) -> Hand {
    let mut hand = asking(|plan| {
        plan.gates.finalize = plan.gates.cutover.clone();
        plan.gates.finalize.on_expiry = on_expiry;
    });
    hand.approve();
    hand.until_that("the finalize gate", |hand| hand.is_open(Gate::Finalize));
    hand
}

#[test]
fn what_a_decision_taken_then_and_counted_late_comes_to() {
    use OnExpiry::{Hold, Reject};
    use Verdict::{Approve, Reject as Rejection};
    const APPROVED: &str = "CuttingOver: not held";
    const REJECTED: &str = "AwaitingCutover: The cutover gate was rejected by ops@example.com.";
    const EXPIRED: &str = "AwaitingCutover: The cutover gate expired undecided.";
    const BY_PLAN: &str = "AwaitingCutover: The cutover gate was rejected by its plan, as nobody \
                           decided in time.";
    // The outcome of silence, what is said, how long before the expiry it is taken and how long
    // after it is counted.
    for (on_expiry, verdict, before, after, expected) in [
        (Hold, Approve, 1, 2, APPROVED),
        (Hold, Approve, 1, 90_000, APPROVED),
        (Hold, Approve, 0, 2, EXPIRED),
        (Hold, Approve, -1, 2, EXPIRED),
        (Hold, Rejection, 1, 90_000, REJECTED),
        (Hold, Rejection, 0, 2, EXPIRED),
        (Reject, Approve, 1, 90_000, APPROVED),
        (Reject, Approve, 0, 90_000, BY_PLAN),
        (Reject, Rejection, 1, 90_000, REJECTED),
        (Reject, Rejection, -1, 90_000, BY_PLAN),
    ] {
        let mut hand = half_decided(on_expiry);
        let expires = hand.open(CUTOVER).expires;
        taken(
            &mut hand,
            mail("ops"),
            CUTOVER,
            verdict,
            expires - SECOND * before,
        );
        hand.now = expires + SECOND * after;
        hand.turn();
        assert_eq!(
            stands(&hand),
            expected,
            "{on_expiry:?}, {verdict:?}, taken {before} s before, counted {after} s after"
        );
    }
}

#[test]
fn a_decision_in_time_ends_the_hold_that_came_before_it() {
    for (verdict, answer, expected) in [
        (
            Verdict::Approve,
            "MessageCounted: ops@example.com approved the cutover gate by a mail link, in time at \
             2026-12-06 20:00:47 UTC. The wave is held no more.",
            "CuttingOver: not held",
        ),
        (
            Verdict::Reject,
            "MessageCounted: ops@example.com rejected the cutover gate by a mail link, in time at \
             2026-12-06 20:00:47 UTC.",
            "AwaitingCutover: The cutover gate was rejected by ops@example.com.",
        ),
    ] {
        let mut hand = half_decided(OnExpiry::Hold);
        let expires = hand.open(CUTOVER).expires;
        hand.until_held();
        assert!(hand.now >= expires);
        let expired = hand.wave().hold.clone().expect("a hold");
        assert_eq!(
            expired.reason,
            HoldReason::Expired {
                gate: CUTOVER.to_string()
            }
        );
        taken(&mut hand, mail("ops"), CUTOVER, verdict, expires - SECOND);
        assert_eq!(hand.answer(), answer);
        assert_eq!(stands(&hand), expected);
        // A resume of the hold that went away releases no other.
        hand.send_as(operator(), Body::Resume { hold: expired.id });
        assert!(hand.answer().starts_with("MessageRefused"), "{verdict:?}");
    }
}

#[test]
fn a_late_count_needs_the_whole_quorum() {
    let mut hand = asking(|plan| {
        plan.gates.cutover.approvers.push(mail("dba"));
        plan.gates.cutover.quorum = 2;
    });
    let expires = hand.open(CUTOVER).expires;
    hand.until_held();
    taken(
        &mut hand,
        mail("ops"),
        CUTOVER,
        Verdict::Approve,
        expires - SECOND,
    );
    hand.turn();
    assert!(hand.wave().hold.is_some(), "one of two");
    taken(&mut hand, mail("dba"), CUTOVER, Verdict::Approve, expires);
    hand.turn();
    assert!(hand.wave().hold.is_some(), "too late");
    taken(
        &mut hand,
        mail("dba"),
        CUTOVER,
        Verdict::Approve,
        expires - SECOND,
    );
    hand.turn();
    assert_eq!(stands(&hand), "CuttingOver: not held");
}

#[test]
fn another_hold_stays_and_the_approvals_with_it() {
    let mut hand = half_decided(OnExpiry::Hold);
    hand.send_as(
        operator(),
        Body::Hold {
            note: "storm".to_owned(),
        },
    );
    hand.turn();
    let expires = hand.open(CUTOVER).expires;
    hand.now = expires + SignedDuration::from_hours(2);
    taken(
        &mut hand,
        mail("ops"),
        CUTOVER,
        Verdict::Approve,
        expires - SECOND,
    );
    hand.turn();
    assert!(hand.wave().hold.is_some());
    hand.resume();
    hand.until("CuttingOver");
}

#[test]
fn a_gate_that_was_asked_again_takes_nothing_of_before() {
    let mut hand = half_decided(OnExpiry::Hold);
    let expires = hand.open(CUTOVER).expires;
    hand.until_held();
    taken(
        &mut hand,
        mail("ops"),
        CUTOVER,
        Verdict::Approve,
        expires - SECOND,
    );
    let late = hand.inbox.pop().expect("the decision");
    hand.resume();
    hand.asked();
    hand.inbox.push(late);
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the evidence has changed since; look at it again."
    );
    assert_eq!(hand.open(CUTOVER).approvals, []);
}

#[test]
fn silence_is_acted_on_once_nothing_in_time_can_still_arrive() {
    let mut hand = silence_decides(OnExpiry::Proceed);
    let expires = hand.open(Gate::Finalize).expires;
    hand.now = expires;
    let decision = hand.turn();
    assert!(hand.is_open(Gate::Finalize));
    assert_eq!(decision.wake_at, expires + ARRIVES_WITHIN);

    let mut rejected = hand.clone();
    hand.now = expires + ARRIVES_WITHIN;
    hand.turn();
    assert_eq!(hand.phase(), "Finalizing");

    rejected.now = expires + ARRIVES_WITHIN - SECOND * 4;
    let at = expires - SECOND;
    taken(
        &mut rejected,
        mail("ops"),
        Gate::Finalize,
        Verdict::Reject,
        at,
    );
    rejected.turn();
    assert_eq!(
        stands(&rejected),
        "AwaitingFinalize: The finalize gate was rejected by ops@example.com."
    );
}

#[test]
fn silence_is_not_acted_on_while_messages_wait() {
    let mut hand = silence_decides(OnExpiry::Proceed);
    let expires = hand.open(Gate::Finalize).expires;
    for _ in 0..MOST_MESSAGES {
        hand.send_as(operator(), Body::Start);
    }
    hand.now = expires + SignedDuration::from_hours(1);
    // The store hands out so many; the rejection is the next.
    let decision = hand.turn();
    assert!(hand.is_open(Gate::Finalize));
    assert_eq!(decision.wake_at, hand.now, "it looks for more at once");
    let at = expires - SECOND;
    taken(&mut hand, mail("ops"), Gate::Finalize, Verdict::Reject, at);
    hand.turn();
    assert_eq!(
        stands(&hand),
        "AwaitingFinalize: The finalize gate was rejected by ops@example.com."
    );
}

#[test]
fn nobody_is_reminded_of_what_is_over() {
    let mut hand = asking(|plan| {
        let gate = &mut plan.gates.cutover;
        gate.remind = Some(SignedDuration::from_hours(6));
        gate.escalate = Some(Escalation {
            before: SignedDuration::from_hours(2),
            to: vec![mail("lead")],
        });
        gate.on_expiry = OnExpiry::Reject;
    });
    // The driver was dead all the while.
    hand.now = hand.open(CUTOVER).expires;
    hand.turn();
    let asked = hand
        .tasks
        .iter()
        .filter(|task| matches!(task, Task::OpenGate { asking, .. } if *asking != Asking::First));
    assert_eq!(asked.count(), 0);
    hand.until_held();
}

/// Held half an hour before this gate expires, and found by the next driver an hour after it, or when it
/// had just expired.
fn held_over_its_expiry(hand: &mut Hand, gate: Gate, found: SignedDuration) -> Timestamp {
    let expires = hand.open(gate).expires;
    hand.now = expires - SignedDuration::from_mins(30);
    let note = "a look at the lag".to_owned();
    hand.send_as(operator(), Body::Hold { note });
    hand.turn();
    hand.now = expires + found;
    expires
}

#[test]
fn silence_under_a_hold_is_no_answer() {
    for (gate, on_expiry) in [
        (CUTOVER, OnExpiry::Hold),
        (CUTOVER, OnExpiry::Reject),
        (Gate::Finalize, OnExpiry::Proceed),
        (Gate::Finalize, OnExpiry::RollBack),
    ] {
        // Whether a driver looks at the wave between the expiry and the resume or not.
        for looked in [true, false] {
            let mut hand = match gate {
                Gate::Cutover => half_decided(on_expiry),
                Gate::Finalize => silence_decides(on_expiry),
            };
            let expires = held_over_its_expiry(&mut hand, gate, SignedDuration::from_hours(1));
            if looked {
                hand.turn();
            }
            hand.resume();
            let before = hand.told.len();
            hand.until_that("another question", |hand| {
                hand.is_open(gate) && hand.evidence(gate).round == 1
            });
            assert!(hand.open(gate).expires > expires + SignedDuration::from_hours(20));
            assert_eq!(hand.open(gate).approvals, []);
            assert_eq!(
                hand.evidence(gate).changed.told,
                ["it expired while the wave was held, when silence is no answer"]
            );
            let acted = ["GateExpired", "GateRejected", "WaveHeld", "GateApproved"];
            let acted = |line: &String| acted.iter().any(|event| line.starts_with(event));
            assert!(!hand.told[before..].iter().any(acted), "{on_expiry:?}");
            // It is an answer where nothing hinders one.
            hand.now = hand.open(gate).expires + ARRIVES_WITHIN;
            hand.turn();
            assert!(hand.told[before..].iter().any(acted), "{on_expiry:?}");
        }
    }
}

#[test]
fn who_decides_after_an_expiry_under_a_hold_is_told_that_the_gate_is_asked_anew() {
    let mut hand = silence_decides(OnExpiry::Proceed);
    let expires = held_over_its_expiry(&mut hand, Gate::Finalize, SECOND);
    let (approve, reject) = (Verdict::Approve, Verdict::Reject);
    taken(&mut hand, mail("ops"), Gate::Finalize, approve, expires);
    assert_eq!(
        hand.answer(),
        "MessageRefused: Refused: the finalize gate expired while the wave was held; it is asked \
         anew once the wave goes on."
    );
    // What was decided in time counts, also when it comes after the hold.
    hand.resume();
    hand.turn();
    assert!(hand.is_open(Gate::Finalize));
    let at = expires - SECOND;
    taken(&mut hand, mail("ops"), Gate::Finalize, reject, at);
    hand.turn();
    assert_eq!(
        stands(&hand),
        "AwaitingFinalize: The finalize gate was rejected by ops@example.com."
    );
}

#[test]
fn a_withdrawal_after_the_expiry_is_not_answered_by_silence() {
    for on_expiry in [
        OnExpiry::Proceed,
        OnExpiry::RollBack,
        OnExpiry::Reject,
        OnExpiry::Hold,
    ] {
        let opens = start_of_time() + SignedDuration::from_hours(72);
        let mut hand = asking(|plan| {
            plan.gates.cutover.on_expiry = on_expiry;
            plan.window = Some(Window {
                opens,
                closes: opens + SignedDuration::from_hours(8),
                time_zone: "UTC".to_owned(),
            });
        });
        let evidence = hand.evidence(CUTOVER).hash();
        hand.approve();
        hand.turn();
        hand.now += SignedDuration::from_hours(48);
        hand.turn();
        hand.send(Body::Withdraw {
            gate: CUTOVER,
            evidence,
            door: Door::Mail,
        });
        hand.turn();
        hand.until_that("the question", |hand| hand.is_open(CUTOVER));
        let changed = hand.evidence(CUTOVER).changed.clone();
        assert_eq!(changed.told, ["ops@example.com withdrew the approval"]);
        assert!(hand.open(CUTOVER).expires > hand.now && hand.wave().hold.is_none());
    }
}

#[test]
fn a_hold_that_covered_the_asking_makes_silence_no_answer() {
    for on_expiry in [OnExpiry::Proceed, OnExpiry::RollBack] {
        let mut hand = asking(|plan| {
            plan.gates.finalize = plan.gates.cutover.clone();
            plan.gates.finalize.on_expiry = on_expiry;
        });
        hand.approve();
        hand.until_that("the gate", |hand| hand.is_open(Gate::Finalize));
        let expires = hand.open(Gate::Finalize).expires;
        hand.send(Body::Hold {
            note: "look".to_owned(),
        });
        hand.turn();
        hand.now = expires - SignedDuration::from_secs(30);
        hand.resume();
        hand.turn();
        hand.now = expires + ARRIVES_WITHIN;
        hand.until_that("another question", |hand| {
            hand.is_open(Gate::Finalize) && hand.open(Gate::Finalize).expires > expires
        });
        assert_eq!(hand.phase(), "AwaitingFinalize");
    }
}
