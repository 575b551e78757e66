//! Waves: one writer, one decision, and an end that somebody asked for.

use tidegate_domain::gate::{Door, Evidence, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::id::MessageId;
use tidegate_domain::message::Body;
use tidegate_domain::plan::OnExpiry;
use tidegate_domain::wave::Phase;
use tidegate_ports::turns::Turns;
use tidegate_world::cloud::Function;
use tidegate_world::contract::fixtures::{Draft, at, wave_id};
use tidegate_world::fakes::run;
use tidegate_world::invariants::{at_the_end, before, decided, saved};

use crate::fixture::Test;

#[test]
fn a_second_writer_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.wave.generation = 5);
    let loaded = run(test.cloud.table.load(&wave_id("orders"))).expect("a read");
    let mut stale = Draft::next(&wave_id("orders"), loaded, at(0));
    stale.wave.generation = 4;
    saved(&test.cloud, &stale.turn());
    stale.wave.turn += 1;
    saved(&test.cloud, &stale.turn());
    assert_eq!(test.violated(), [2, 2, 2]);
}

#[test]
fn a_terminal_wave_that_changes_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Completed);
    before(&test.cloud, &test.call(Function::Launch, "StartTest"));
    test.change(|draft| draft.wave.phase = Phase::Testing);
    saved(&test.cloud, &test.draft.turn());
    assert_eq!(test.violated(), [12, 12]);
}

#[test]
fn a_wave_that_ends_as_nobody_asked_for_is_found() {
    let found = |from: Phase, to: Phase, asked: Option<Body>| {
        let mut test = Test::new();
        test.change(|draft| draft.wave.phase = from);
        let messages: Vec<MessageId> = asked
            .into_iter()
            .map(|body| test.says(at(0), body))
            .collect();
        test.change(|draft| {
            draft.wave.phase = to;
            draft.drained = messages;
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    let back = || Body::RollBack {
        note: String::new(),
    };
    let soaking = || Phase::Soaking { until: at(9) };
    assert_eq!(found(soaking(), Phase::Aborting, Some(Body::Abort)), [0; 0]);
    assert_eq!(found(soaking(), Phase::RollingBack, Some(back())), [0; 0]);
    assert_eq!(found(soaking(), Phase::Aborting, None), [12]);
    assert_eq!(found(soaking(), Phase::RollingBack, None), [12]);
    assert_eq!(
        found(soaking(), Phase::AwaitingFinalize, Some(Body::Abort)),
        [12]
    );
    assert_eq!(found(Phase::Aborting, Phase::Completed, None), [12]);
    assert_eq!(
        found(Phase::Aborting, Phase::RolledBack, Some(back())),
        [12]
    );
}

#[test]
fn a_rollback_that_the_plan_wants_of_a_gate_has_to_wait_for_it() {
    let found = |on_expiry: OnExpiry, now: i64, held: bool| {
        let mut test = Test::new();
        test.change(|draft| {
            draft.wave.phase = Phase::AwaitingFinalize;
            draft.wave.plan.gates.finalize.on_expiry = on_expiry;
            let evidence = Evidence::new(wave_id("orders"), Gate::Finalize, 0);
            let mut open = OpenGate::new(evidence, at(0), at(100));
            open.expired_under_hold = held;
            draft
                .wave
                .gates
                .insert(Gate::Finalize, GateState::Open(open));
        });
        test.change(|draft| {
            draft.wave.phase = Phase::RollingBack;
            draft.wave.gates.remove(&Gate::Finalize);
            draft.now = at(now);
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(OnExpiry::RollBack, 200, false), [0; 0]);
    assert_eq!(
        found(OnExpiry::RollBack, 101, false),
        [12],
        "a decision may be on its way"
    );
    assert_eq!(
        found(OnExpiry::RollBack, 200, true),
        [12],
        "it expired under a hold"
    );
    assert_eq!(found(OnExpiry::Hold, 200, false), [12]);
}

#[test]
fn a_hold_that_nobody_released_is_found() {
    let found = |reason: HoldReason, decided: i64| {
        let mut test = Test::new();
        let evidence = Evidence::new(wave_id("orders"), Gate::Cutover, 0);
        let hash = evidence.hash();
        test.change(|draft| {
            let open = OpenGate::new(evidence, at(0), at(100));
            draft
                .wave
                .gates
                .insert(Gate::Cutover, GateState::Open(open));
            let (id, since) = (HoldId(1), at(100));
            draft.wave.hold = Some(Hold { id, since, reason });
        });
        let decision = Body::Decide {
            gate: Gate::Cutover,
            verdict: Verdict::Approve,
            evidence: hash,
            door: Door::Mail,
            only: Part::default(),
            reason: None,
        };
        let message = test.says(at(decided), decision);
        test.change(|draft| {
            draft.wave.hold = None;
            draft.drained.push(message);
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    let expired = |gate: &str| HoldReason::Expired {
        gate: gate.to_owned(),
    };
    assert_eq!(found(expired("cutover"), 99), [0; 0]);
    assert_eq!(found(expired("cutover"), 100), [2], "it was too late");
    assert_eq!(found(expired("finalize"), 99), [2], "of another gate");
    assert_eq!(found(HoldReason::WindowMissed, 99), [2]);
}

#[test]
fn a_decision_that_comes_out_otherwise_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Completed);
    decided(&test.cloud, &test.draft.turn());
    assert!(test.violated().contains(&3));
}

#[test]
fn an_audit_chain_that_was_altered_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.record("something"));
    at_the_end(&test.cloud, false);
    assert_eq!(test.violated(), [0; 0]);
    test.change(|draft| draft.wave.audit.hash = "0".repeat(64));
    saved(&test.cloud, &test.draft.turn());
    at_the_end(&test.cloud, false);
    assert_eq!(test.violated(), [2, 2]);
}
