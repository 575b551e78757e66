//! Applying a plan: errors at once, owners named, the driver started once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::message::Body;
use tidegate_domain::plan::{Plan, PlanError, parse};
use tidegate_domain::wave::Phase;
use tidegate_ports::claims::Claims;

use crate::fixture::{Console, OPERATOR, UUID, error, post, time};

const PLAN: &str = "\
wave: billing
start: { on: manual }
gates:
  cutover: { approvers: [ops@example.com] }
  finalize: { automatic: true }
applications:
  - name: billing-db
    servers: [{ id: s-00000000000000001 }, { hostname: db02 }, { id: s-00000000000000003 }]
";

async fn apply(console: &Console, plan: &str) -> (u16, Value) {
    let body = json!({"plan": plan, "message": UUID});
    let response = console.send(post("/api/waves", OPERATOR, &body)).await;
    (
        response.status_code,
        serde_json::from_str(&response.body).expect("JSON"),
    )
}

/// The lines of what is wrong.
fn lines(body: &Value) -> Vec<u64> {
    let problems = body["problems"].as_array().expect("problems").iter();
    problems
        .map(|problem| problem["line"].as_u64().expect("a line"))
        .collect()
}

#[tokio::test]
async fn a_plan_becomes_a_message_and_its_driver_is_started() {
    let console = Console::empty();
    assert_eq!(
        apply(&console, PLAN).await,
        (202, json!({"wave": "billing"}))
    );
    let messages = console.messages();
    assert_eq!(messages.len(), 1);
    assert!(matches!(&messages[0].body, Body::Apply(plan) if plan.wave.as_str() == "billing"));
    assert_eq!(*console.executions.calls.borrow(), ["start billing 1"]);
    assert_eq!(console.driver("billing").await.generation, 1);

    // A doubled request is the same message, and starts no second driver.
    assert_eq!(apply(&console, PLAN).await.0, 202);
    assert_eq!(console.messages().len(), 1);
    assert_eq!(*console.executions.calls.borrow(), ["start billing 1"]);
    assert_eq!(console.driver("billing").await.wakes, 1);
}

#[tokio::test]
async fn a_driver_that_cannot_be_started_is_left_to_sweep() {
    let console = Console::empty();
    console.executions.away.set(true);
    assert_eq!(apply(&console, PLAN).await.0, 202);
    assert_eq!(console.messages().len(), 1);
    assert!(console.driver("billing").await.wake_at.is_some());
}

#[tokio::test]
async fn every_error_of_a_plan_is_named_at_once() {
    let console = Console::empty();
    let wrong = PLAN
        .replace("manual", "tuesday")
        .replace("hostname:", "hostnam:");
    let (status, body) = apply(&console, &wrong).await;
    assert_eq!(status, 422);
    let problems: Vec<PlanError> =
        serde_json::from_value(body["problems"].clone()).expect("problems");
    let lines: BTreeSet<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, BTreeSet::from([2, 8]));
    let count = problems.len();
    assert_eq!(
        body["error"],
        format!("The plan has {count} errors: mend them and apply it again.")
    );
    assert!(console.messages().is_empty());
    assert!(console.executions.calls.borrow().is_empty());
}

#[tokio::test]
async fn a_name_is_used_once() {
    let console = Console::empty();
    console
        .save("billing", |wave| wave.phase = Phase::Completed)
        .await;
    let (status, body) = apply(&console, PLAN).await;
    assert_eq!(status, 409);
    assert_eq!(
        body["error"],
        "The name billing was used by a wave that has ended (Completed): give this one another."
    );
}

#[tokio::test]
async fn a_live_wave_can_be_amended() {
    let console = Console::empty();
    console.save("billing", |_| {}).await;
    assert_eq!(apply(&console, PLAN).await.0, 202);
    assert!(matches!(console.messages()[0].body, Body::Apply(_)));
    // Sent again it is the same message, whatever became of the wave; another plan is not.
    console
        .save("billing", |wave| wave.phase = Phase::Completed)
        .await;
    assert_eq!(apply(&console, PLAN).await.0, 202);
    let (status, body) = apply(&console, &PLAN.replace("billing", "invoices")).await;
    assert_eq!(status, 202, "{body}");
    let (status, body) = apply(&console, &PLAN.replace("db02", "db03")).await;
    assert_eq!(status, 409, "{body}");
    let error = body["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("The message ID "), "{error}");
    assert_eq!(console.messages().len(), 2);
}

#[tokio::test]
async fn a_wave_keeps_its_window_when_it_is_over_and_no_other_is_begun_in_one() {
    let with_window = |opens: &str| {
        let window = format!("window: {{ opens: {opens}, lasts: 4h, time_zone: UTC }}\ngates:");
        PLAN.replace("gates:", &window)
    };
    let plan = with_window("2026-12-01T20:00");
    let console = Console::empty();
    let before = parse(&plan, time("2026-12-01T12:00:00Z")).expect("a good plan");
    console
        .save("billing", |wave| {
            wave.plan = before.clone();
            wave.phase = Phase::CuttingOver;
            wave.hold = Some(Hold {
                id: HoldId(1),
                since: time("2026-12-02T00:00:00Z"),
                reason: HoldReason::WindowMissed,
            });
        })
        .await;
    console.at("2026-12-02T03:00:00Z");

    // As it is, changed elsewhere, with a later window: each with a message of its own.
    let changed = plan.replace("automatic: true", "automatic: true, after_soak: 1h");
    let later = with_window("2026-12-02T04:00");
    for (number, plan) in [&plan, &changed, &later].into_iter().enumerate() {
        let message = UUID.replace(&UUID[..8], &format!("{number:08}"));
        let body = json!({"plan": plan, "message": message});
        let response = console.send(post("/api/waves", OPERATOR, &body)).await;
        assert_eq!(response.status_code, 202, "{}", response.body);
    }
    let plans: Vec<Plan> = console
        .messages()
        .into_iter()
        .map(|message| match message.body {
            Body::Apply(plan) => *plan,
            other => panic!("a plan: {other:?}"),
        })
        .collect();
    assert_eq!(plans[0], before);
    assert_eq!(plans[1].window, before.window);
    assert_ne!(plans[1].gates, before.gates);
    assert_eq!(
        plans[2].window.as_ref().map(|window| window.opens),
        Some(time("2026-12-02T04:00:00Z"))
    );

    // Another window that is over, and a new wave in one, are refused with the place.
    let another = with_window("2026-12-01T19:00");
    let new = plan.replace("wave: billing", "wave: shipping");
    for plan in [another, new] {
        let (status, body) = apply(&console, &plan).await;
        assert_eq!(status, 422, "{body}");
        let problem = &body["problems"][0];
        assert_eq!(problem["line"], 3);
        let message = problem["message"].as_str().expect("a message");
        assert!(
            message.starts_with("`opens`: the window is over"),
            "{message}"
        );
    }
    assert_eq!(console.messages().len(), 3);
}

#[tokio::test]
async fn servers_of_another_live_wave_are_named_with_it() {
    let console = Console::empty();
    let server = |number: usize| ServerId::parse(format!("s-{number:017}")).expect("a server");
    let wave = |name: &str| WaveId::parse(name).expect("a wave");
    console
        .store
        .claim(&server(1), &wave("orders"))
        .await
        .expect("claimed");
    console
        .store
        .claim(&server(3), &wave("billing"))
        .await
        .expect("claimed");
    let (status, body) = apply(&console, PLAN).await;
    assert_eq!(status, 422);
    assert_eq!(
        body["problems"],
        json!([{
            "line": 8,
            "column": 21,
            "message": "s-00000000000000001 belongs to wave orders, which is under way: take it out \
                        of the plan, or end that wave first"
        }])
    );
    // With whatever else is wrong.
    let over = "window: { opens: 2026-11-01T21:00, lasts: 4h, time_zone: UTC }\ngates:";
    let (status, body) = apply(&console, &PLAN.replace("gates:", over)).await;
    assert_eq!(status, 422);
    assert_eq!(lines(&body), [3, 9]);
    // Also beside errors for which it is no plan at all, those of a window among them.
    let window = "window: { opens: 2026-11-01T21:00, lasts: 4h, time_zone: UTC }\ngates:";
    let faulty = PLAN.replace("gates:", window).replace("manual", "tuesday");
    let (status, body) = apply(&console, &faulty).await;
    assert_eq!(status, 422);
    assert_eq!(lines(&body), [2, 3, 9]);
    // A name that cannot be read may be the owner's.
    let (_, body) = apply(&console, &PLAN.replace("wave: billing", "wave: Billing")).await;
    let problems = body["problems"].as_array().expect("problems");
    assert_eq!(lines(&body), [1, 8, 8], "{problems:?}");
    let message = problems[1]["message"].as_str().expect("a message");
    assert!(message.contains("unless this is that wave"), "{message}");
    assert!(console.messages().is_empty());
    console
        .store
        .release(&server(1), &wave("orders"))
        .await
        .expect("released");
    assert_eq!(apply(&console, PLAN).await.0, 202);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let console = Console::empty();
    let long = format!("{PLAN}#{}", "x".repeat(1024 * 1024));
    assert_eq!(apply(&console, &long).await.0, 413);
    let mut endless = post("/api/waves", OPERATOR, &json!({}));
    endless.body = Some("x".repeat(3 * 1024 * 1024));
    let response = console.send(endless).await;
    assert_eq!(response.status_code, 413);
    assert_eq!(
        error(&response),
        "The body is too large: send at most 2097152 bytes."
    );
    // A parameter as large as this would not fit the table.
    let parameters = format!("parameters: {{ text: \"{}\" }}", "x".repeat(300_000));
    let stuffed =
        format!("{PLAN}    validate: [{{ document: Tidegate-CheckPort, {parameters} }}]\n");
    let (status, body) = apply(&console, &stuffed).await;
    assert_eq!(status, 422, "{body}");
}
