//! What a good plan means.

use jiff::SignedDuration;
use tidegate_domain::plan::{OnFailure, Plan, Start, parse};

use super::{BASE, change, check, now};

/// Every key that a plan may have.
pub(super) const EVERY_KEY: &str = include_str!("every-key.yaml");

#[test]
fn the_design_s_example_is_read() {
    let plan = parse(BASE, now()).expect("good");
    insta::assert_json_snapshot!("base", plan);
}

#[test]
fn every_key_is_read() {
    let plan = parse(EVERY_KEY, now()).expect("good");
    insta::assert_json_snapshot!("every-key", plan);
}

#[test]
fn a_plan_survives_its_storage() {
    for text in [BASE, EVERY_KEY] {
        let plan = parse(text, now()).expect("good");
        let json = serde_json::to_string(&plan).expect("to JSON");
        assert_eq!(
            serde_json::from_str::<Plan>(&json).expect("from JSON"),
            plan
        );
    }
}

#[test]
fn json_is_a_plan_too() {
    let json = r#"{
	"wave": "orders",
	"start": {"on": "schedule", "at": "2026-12-05T18:00:00+01:00"},
	"gates": {"cutover": {"automatic": true}, "finalize": {"automatic": true}},
	"applications": [{"name": "a", "servers": [{"hostname": "db\u0030\/1"}]}]
}"#;
    check(
        json,
        "5:58: `hostname`: expected a hostname: 1 to 255 letters, digits, points, hyphens and underscores; found the text `db0/1`",
    );
    let plan = parse(&json.replace(r"\/", ""), now()).expect("good");
    assert_eq!(
        plan.start,
        Start::Schedule("2026-12-05T17:00:00Z".parse().expect("time"))
    );
}

#[test]
fn what_is_left_out_has_a_default() {
    let plan = parse(
        "wave: w\nstart: { on: manual }\ngates: { cutover: { automatic: true }, finalize: { automatic: true } }\n\
         applications: [{ name: a, servers: [{ hostname: h }] }]",
        now(),
    )
    .expect("good");
    assert_eq!(plan.window, None);
    assert_eq!(plan.gates.soak, SignedDuration::from_hours(24));
    assert_eq!(
        plan.gates.cutover.expires,
        SignedDuration::from_hours(7 * 24)
    );
    assert_eq!(plan.policy.attempts, 3);
    assert_eq!(plan.policy.failure_budget, 5);
    assert_eq!(plan.policy.on_failure, OnFailure::Hold);
    assert_eq!(plan.policy.max_lag, SignedDuration::from_mins(1));
    assert_eq!(plan.policy.observe_every, SignedDuration::from_secs(15));
    assert_eq!(plan.policy.launch_timeout, SignedDuration::from_hours(2));
    assert_eq!(plan.policy.boot_timeout, SignedDuration::from_mins(30));
    assert_eq!(
        plan.policy.keep_test_instances,
        SignedDuration::from_hours(4)
    );
}

#[test]
fn stopping_services_brings_its_own_undo() {
    let plan = parse(BASE, now()).expect("good");
    let quiesce = plan.applications[0].quiesce.as_ref().expect("quiesce");
    let start = quiesce.start.as_ref().expect("start");
    assert_eq!(start.document, "Tidegate-StartServices");
    assert_eq!(start.parameters, quiesce.stop.parameters);

    let other = BASE.replace("Tidegate-StopServices", "Site-Stop");
    let plan = parse(&other, now()).expect("good");
    assert_eq!(
        plan.applications[0]
            .quiesce
            .as_ref()
            .expect("quiesce")
            .start,
        None
    );
}

#[test]
fn durations_are_read() {
    for (text, seconds) in [
        ("1s", 1),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1d", 86_400),
        ("1.5h", 5400),
    ] {
        let plan = parse(&BASE.replace("24h", text), now()).expect(text);
        assert_eq!(
            plan.gates.soak,
            SignedDuration::from_secs(seconds),
            "{text}"
        );
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_do_no_harm() {
    let text = format!("\u{feff}{}", BASE.replace('\n', "\r\n"));
    check(&text, "nothing");
    check(
        &text.replace("attempts: 3", "attempts: 11"),
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found `11`",
    );
}

#[test]
fn numbers_are_texts_where_texts_are_wanted() {
    change("hostname: db01", "hostname: 1001", "nothing");
    change("role: web", "role: 7", "nothing");
    change("[\"5432\"]", "5432", "nothing");
    change("[\"5432\"]", "[5432, \"http\"]", "nothing");
}
