//! Plan files: what is read from a good one, and every error of a bad one with its place.

use jiff::Timestamp;
use tidegate_domain::plan::parse;

#[path = "plan/good.rs"]
mod good;

#[path = "plan/shape.rs"]
mod shape;

#[path = "plan/start.rs"]
mod start;

#[path = "plan/gates.rs"]
mod gates;

#[path = "plan/applications.rs"]
mod applications;

#[path = "plan/hostile.rs"]
mod hostile;

#[path = "plan/schema.rs"]
mod schema;

/// A good plan, of which the cases change one place each.
const BASE: &str = r#"wave: orders
start: { on: replication }
window: { opens: 2026-12-05T22:00, lasts: 4h, time_zone: Europe/Berlin }
gates:
  cutover:  { approvers: [ops@example.com, "iam:arn:aws:iam::111122223333:user/anna"], quorum: 2 }
  finalize: { after_soak: 24h, automatic: true }
policy: { max_lag: 1m, attempts: 3, failure_budget: 5% }
applications:
  - name: orders-db
    servers: [{ hostname: db01 }, { id: s-0123456789abcdef0, criticality: critical }]
    quiesce: { document: Tidegate-StopServices, parameters: { services: [postgresql] } }
    validate: [{ document: Tidegate-CheckPort, parameters: { port: ["5432"] } }]
  - name: orders-web
    after: [orders-db]
    servers: [{ tag: { role: web } }]
"#;

/// The time at which the cases are read.
fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a timestamp")
}

/// What is wrong with `text`, one line for each error.
fn errors(text: &str) -> String {
    match parse(text, now()) {
        Ok(_) => "nothing".to_owned(),
        Err(errors) => errors
            .0
            .iter()
            .map(|error| format!("{error}\n"))
            .collect::<String>()
            .trim_end()
            .to_owned(),
    }
}

/// The errors of `text` are those expected.
#[track_caller]
fn check(text: &str, expected: &str) {
    let found = errors(text);
    assert_eq!(found, expected, "\n{text}");
}

/// The errors of the good plan with one place changed are those expected.
#[track_caller]
fn change(from: &str, to: &str, expected: &str) {
    assert_eq!(
        BASE.matches(from).count(),
        1,
        "{from:?} has to stand once in the good plan"
    );
    check(&BASE.replace(from, to), expected);
}
