//! Calls to AWS: in order, for whom they are, with what they need.

use jiff::SignedDuration;
use serde_json::json;
use tidegate_domain::gate::Gate;
use tidegate_domain::wave::Phase;
use tidegate_ports::claims::Claims;
use tidegate_world::cloud::Function;
use tidegate_world::contract::fixtures::{all_seen, at, wave_id};
use tidegate_world::fakes::run;
use tidegate_world::invariants::{after, before, saved};

use crate::fixture::{Test, passed};

#[test]
fn a_cutover_in_order_is_good() {
    assert_eq!(Test::new().cut_over(), [0; 0]);
}

#[test]
fn a_cutover_without_a_test_of_our_own_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.servers[0].test = None);
    assert_eq!(test.cut_over(), [7]);
    let mut test = Test::new();
    test.change(|draft| draft.servers[0].test = Some(passed(9)));
    assert_eq!(test.cut_over(), [7]);
    // A cutover is no test, and one test's approval is not another's.
    let mut test = Test::new();
    test.change(|draft| draft.servers[0].test = Some(passed(2)));
    assert_eq!(test.cut_over(), [7]);
    let mut test = Test::new();
    test.started(3, "StartTest");
    test.change(|draft| draft.servers[0].test = Some(passed(3)));
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn a_cutover_without_its_gate_is_found() {
    let mut test = Test::new();
    test.change(|draft| drop(draft.wave.gates.remove(&Gate::Cutover)));
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn a_cutover_without_a_fresh_read_of_zero_lag_is_found() {
    let test = Test::new();
    test.cloud.runtime.jump(SignedDuration::from_secs(61));
    assert_eq!(test.cut_over(), [7]);
    let test = Test::new();
    test.cloud.checks.borrow_mut().caught_up.clear();
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn a_cutover_outside_its_window_is_found() {
    let mut test = Test::new();
    test.change(|draft| {
        draft.wave.plan.window = Some(tidegate_domain::plan::Window {
            opens: at(-20),
            closes: at(-10),
            time_zone: "UTC".to_owned(),
        });
    });
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn an_operation_of_another_function_is_found() {
    let test = Test::new();
    before(&test.cloud, &test.call(Function::Prepare, "StartTest"));
    before(
        &test.cloud,
        &test.call(Function::Launch, "DeleteSourceServer"),
    );
    assert_eq!(test.violated(), [6, 6]);
}

#[test]
fn a_server_of_nobody_or_of_another_wave_is_found() {
    let test = Test::new();
    run(test.cloud.table.release(&test.server, &wave_id("orders"))).expect("a release");
    before(&test.cloud, &test.call(Function::Launch, "StartTest"));
    run(Claims::claim(
        &test.cloud.table,
        &test.server,
        &wave_id("billing"),
    ))
    .expect("a claim");
    before(&test.cloud, &test.call(Function::Launch, "StartTest"));
    assert_eq!(test.violated(), [2, 2]);
}

#[test]
fn an_effect_that_is_done_twice_is_found() {
    let test = Test::new();
    for job in ["mgnjob-00000000000000007", "mgnjob-00000000000000008"] {
        let body = json!({"job": {"jobID": job}});
        after(
            &test.cloud,
            &test.call(Function::Launch, "StartTest"),
            &body,
        );
    }
    assert_eq!(test.violated(), [4]);
}

#[test]
fn a_finalize_before_its_time_is_found() {
    let finalize = |test: &Test| {
        before(
            &test.cloud,
            &test.call(Function::Finalize, "FinalizeCutover"),
        );
        let violations = test.cloud.checks.borrow().violations.clone();
        violations
            .first()
            .map(|violation| violation.text.clone())
            .unwrap_or_default()
    };
    let test = Test::new();
    assert!(finalize(&test).contains("the wave is CuttingOver"));
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Finalizing);
    assert!(finalize(&test).contains("its last cutover is None"));
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Finalizing);
    test.cloud
        .checks
        .borrow_mut()
        .soaking
        .insert(wave_id("orders"), at(-10));
    assert!(finalize(&test).contains("it soaks since"));
}

#[test]
fn a_job_for_a_server_that_is_in_one_is_found() {
    let found = |completed: bool, refusals: u32| {
        let mut test = Test::new();
        let id = test.server.clone();
        test.change(|draft| draft.servers[0].refusals = refusals);
        test.change(|draft| {
            draft.loaded.seen = all_seen("checks", 1, at(0));
            let seen = draft.loaded.seen.values_mut();
            let jobs = seen.filter_map(|seen| seen.job.as_mut());
            jobs.for_each(|job| job.completed = completed);
            draft.plan(&[id]);
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(true, 0), [0; 0]);
    assert_eq!(found(false, 0), [8]);
    assert_eq!(found(false, 1), [0; 0], "MGN was asked already");
}
