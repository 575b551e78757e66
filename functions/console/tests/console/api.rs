//! The JSON API: who may ask what, and what comes of it.

use serde_json::{Value, json};
use tidegate_domain::gate::{Approval, Door, Gate, GateState, Part, Verdict};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;
use tidegate_domain::view::{TimelineEntry, WaveSummary, WaveView};
use tidegate_domain::wave::{Phase, Wave};
use tidegate_world::contract::fixtures::server_id;

use crate::fixture::{
    Console, OPERATOR, STRANGER, UUID, error, evidence, post, request, signed, time,
};
use crate::slack::open;

const COMMANDS: &str = "/api/waves/orders/commands";
const DECISIONS: &str = "/api/waves/orders/gates/cutover/decisions";

fn decision(verdict: &str) -> Value {
    json!({"message": UUID, "verdict": verdict, "evidence": evidence().hash()})
}

/// Send a command; gives the status and the error, if there is one.
async fn command(console: &Console, body: Value) -> String {
    let response = console.send(post(COMMANDS, STRANGER, &body)).await;
    match response.status_code {
        202 => {
            assert_eq!(response.body, r#"{"wave":"orders"}"#);
            "202".to_owned()
        }
        status => format!("{status} {}", error(&response)),
    }
}

#[tokio::test]
async fn nobody_comes_in_without_aws_credentials() {
    let console = Console::with_open_gate().await;
    for path in [
        "/api/waves",
        "/api/waves/orders",
        "/api/nothing",
        "/api",
        "/api/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let response = console.send(request(method, path)).await;
            assert_eq!(response.status_code, 403, "{method} {path}");
            assert_eq!(
                error(&response),
                "Sign the request with AWS credentials (SigV4)."
            );
            let odd = console.send(signed(method, path, "not an ARN")).await;
            assert_eq!(odd.status_code, 403);
        }
    }
}

#[tokio::test]
async fn waves_are_listed_and_shown() {
    let console = Console::with_open_gate().await;
    console.save("billing", |_| {}).await;
    let list = console.send(signed("GET", "/api/waves", STRANGER)).await;
    let list: Vec<WaveSummary> = serde_json::from_str(&list.body).expect("summaries");
    let names: Vec<_> = list
        .iter()
        .map(|wave| (wave.wave.as_str(), wave.servers))
        .collect();
    assert_eq!(names, [("orders", 2), ("billing", 2)]);

    let shown = console
        .send(signed("GET", "/api/waves/orders", STRANGER))
        .await;
    assert_eq!(
        shown.headers["content-type"],
        "application/json; charset=utf-8"
    );
    let view: WaveView = serde_json::from_str(&shown.body).expect("a view");
    assert_eq!(view.gates[0].evidence, evidence().hash());

    let timeline = console
        .send(signed("GET", "/api/waves/orders/timeline", STRANGER))
        .await;
    let timeline: Vec<TimelineEntry> = serde_json::from_str(&timeline.body).expect("a timeline");
    assert_eq!(timeline[0].text, "A turn was taken.");
}

#[tokio::test]
async fn what_does_not_exist_is_said_so() {
    let console = Console::with_open_gate().await;
    let cases = [
        (
            "GET",
            "/api/waves/nope",
            "404 There is no wave nope: apply its plan first, or look at the list.",
        ),
        (
            "GET",
            "/api/waves/nope/timeline",
            "404 There is no wave nope: apply its plan first, or look at the list.",
        ),
        (
            "GET",
            "/api/waves/No%20such",
            "404 There is no wave \"No%20such\": a name of 1 to 40 lower-case letters, digits and \
             hyphens that begins with a letter.",
        ),
        (
            "GET",
            "/api/waves/",
            "404 There is no wave \"\": a name of 1 to 40 lower-case letters, digits and hyphens that begins with a letter.",
        ),
        (
            "POST",
            "/api/waves/orders/gates/none/decisions",
            "404 There is no gate \"none\": name cutover or finalize.",
        ),
        ("GET", "/api/orders", "404 The API has no such path."),
        (
            "DELETE",
            "/api/waves/orders",
            "405 This path takes GET only.",
        ),
        (
            "PUT",
            "/api/waves",
            "405 This path takes GET and POST only.",
        ),
    ];
    for (method, path, expected) in cases {
        let response = console.send(signed(method, path, STRANGER)).await;
        assert_eq!(
            format!("{} {}", response.status_code, error(&response)),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn commands_go_to_the_inbox_and_wake_the_wave() {
    let console = Console::with_open_gate().await;
    let servers = [server_id("orders", 0), server_id("orders", 1)];
    let uuid = |number: usize| format!("3f1e9d0a-7a52-4c1b-9a37-{number:012}");
    let commands = [
        (
            json!({"command": "hold", "note": " not tonight "}),
            Body::Hold {
                note: "not tonight".to_owned(),
            },
        ),
        (
            json!({"command": "hold"}),
            Body::Hold {
                note: String::new(),
            },
        ),
        (
            json!({"command": "skip", "servers": servers}),
            Body::Skip {
                servers: servers.to_vec(),
            },
        ),
        (json!({"command": "abort"}), Body::Abort),
        (
            json!({"command": "rollback", "note": "it is slow"}),
            Body::RollBack {
                note: "it is slow".to_owned(),
            },
        ),
    ];
    for (number, (mut body, _)) in commands.clone().into_iter().enumerate() {
        body["message"] = uuid(number).into();
        assert_eq!(command(&console, body).await, "202");
    }
    let bodies: Vec<_> = console
        .messages()
        .into_iter()
        .map(|message| message.body)
        .collect();
    assert_eq!(bodies, commands.map(|(_, body)| body));
    assert_eq!(console.messages()[0].by, Approver::Iam(STRANGER.to_owned()));
    assert_eq!(console.driver("orders").await.wakes, 5);
}

#[tokio::test]
async fn a_doubled_command_is_one_message() {
    let console = Console::with_open_gate().await;
    let body = json!({"command": "abort", "message": UUID.to_uppercase()});
    assert_eq!(command(&console, body.clone()).await, "202");
    assert_eq!(command(&console, body.clone()).await, "202");
    // The wave has gone on, and whoever sends it again is told that it was taken.
    console
        .save("orders", |wave| wave.phase = Phase::Aborted)
        .await;
    assert_eq!(command(&console, body.clone()).await, "202");
    assert_eq!(console.messages().len(), 1);
    // The same ID for something else, or by somebody else, is no double.
    let used = format!(
        "409 The message ID {UUID} was used for another message of wave orders, which counts: \
         send a fresh UUID with each request."
    );
    let hold = json!({"command": "hold", "message": UUID});
    assert_eq!(command(&console, hold).await, used);
    let response = console.send(post(COMMANDS, OPERATOR, &body)).await;
    assert_eq!(
        format!("{} {}", response.status_code, error(&response)),
        used
    );
    assert_eq!(console.messages().len(), 1);
}

#[tokio::test]
async fn start_is_for_waves_that_wait() {
    let console = Console::with_open_gate().await;
    let start = json!({"command": "start", "message": UUID});
    assert_eq!(
        command(&console, start.clone()).await,
        "409 Wave orders has started already."
    );
    console
        .save("orders", |wave| wave.phase = Phase::Waiting)
        .await;
    assert_eq!(command(&console, start).await, "202");
    assert_eq!(console.messages()[0].body, Body::Start);
}

#[tokio::test]
async fn resume_names_the_hold_that_is_released() {
    let console = Console::with_open_gate().await;
    let resume = |hold: Value| json!({"command": "resume", "message": UUID, "hold": hold});
    assert_eq!(
        command(&console, resume(7.into())).await,
        "409 Wave orders is not held: there is nothing to resume."
    );
    console
        .save("orders", |wave| {
            let since = time("2026-12-01T12:00:00Z");
            wave.hold = Some(Hold {
                id: HoldId(9),
                since,
                reason: HoldReason::WindowMissed,
            });
        })
        .await;
    assert_eq!(
        command(&console, resume(7.into())).await,
        "409 Wave orders is held by hold 9 now, not by 7: look at the new reason first."
    );
    assert_eq!(
        command(&console, resume(Value::Null)).await,
        "400 Name the hold that is to be released, by its number: hold."
    );
    assert_eq!(command(&console, resume(9.into())).await, "202");
    assert_eq!(console.messages()[0].body, Body::Resume { hold: HoldId(9) });
}

#[tokio::test]
async fn a_gate_is_asked_again_only_when_somebody_would_be_asked() {
    let console = Console::with_open_gate().await;
    let ask = json!({"command": "ask", "message": UUID, "gate": "cutover"});
    let held = |wave: &mut Wave| {
        wave.hold = Some(Hold {
            id: HoldId(7),
            since: wave.phase_since,
            reason: HoldReason::WindowMissed,
        });
    };
    console.save("orders", held).await;
    assert_eq!(
        command(&console, ask.clone()).await,
        "409 Wave orders is held, and nobody is asked meanwhile: The window ends before everything \
         could be cut over. Let it go on first: tidegate resume orders"
    );
    let reminded = |wave: &mut Wave| {
        wave.hold = None;
        open(wave).reminded = Some(time("2026-12-01T11:59:00Z"));
    };
    console.at("2026-12-01T12:00:00Z");
    console.save("orders", reminded).await;
    assert_eq!(
        command(&console, ask.clone()).await,
        "409 Nobody would be asked: the cutover gate was asked again at 11:59:00 UTC already; wait some \
         minutes."
    );
    console.at("2026-12-01T12:10:00Z");
    assert!(console.messages().is_empty());
    assert_eq!(command(&console, ask).await, "202");
    assert_eq!(console.messages().len(), 1);
}

#[tokio::test]
async fn commands_that_are_not_right_are_refused_with_what_would_be() {
    let console = Console::with_open_gate().await;
    let cases = [
        (
            json!({}),
            "400 The body is not right: missing field `message`",
        ),
        (
            json!({"command": "start"}),
            "400 The body is not right: missing field `message`",
        ),
        (
            json!({"command": "start", "message": "link-1234"}),
            "400 The body is not right: message: the message ID is no UUID",
        ),
        (
            json!({"command": "stop", "message": UUID}),
            "400 The body is not right: command: unknown variant `stop`, expected one of `start`",
        ),
        (
            json!({"command": "hold", "message": UUID, "notes": ""}),
            "400 The body is not right: notes: unknown field `notes`",
        ),
        (
            json!({"command": "abort", "message": UUID, "hold": 7}),
            "400 The command does not take hold: leave it out.",
        ),
        (
            json!({"command": "hold", "message": UUID, "note": "a\nb"}),
            "400 The note must be one line of at most 500 characters.",
        ),
        (
            json!({"command": "skip", "message": UUID}),
            "400 Name 1 to 3000 servers that are to be left out: servers.",
        ),
        (
            json!({"command": "skip", "message": UUID, "servers": ["db01"]}),
            "400 The body is not right: servers[0]: \"db01\" is not a source server ID",
        ),
        (
            json!({"command": "skip", "message": UUID, "servers": ["s-99999999999999999"]}),
            "409 These servers are not in wave orders: s-99999999999999999.",
        ),
        (json!([1]), "400 The body is not right: "),
    ];
    for (body, expected) in cases {
        let answer = command(&console, body.clone()).await;
        assert!(answer.starts_with(expected), "{body}: {answer}");
    }
    let mut plain = post(
        COMMANDS,
        STRANGER,
        &json!({"command": "abort", "message": UUID}),
    );
    plain.headers.clear();
    assert_eq!(console.send(plain).await.status_code, 415);
    let mut large = post(COMMANDS, STRANGER, &json!({}));
    large.body = Some(" ".repeat(300 * 1024));
    assert_eq!(console.send(large).await.status_code, 413);
    let mut trailing = post(COMMANDS, STRANGER, &json!({}));
    trailing.body = Some(format!(
        "{} {{}}",
        json!({"command": "abort", "message": UUID})
    ));
    assert_eq!(console.send(trailing).await.status_code, 400);
    assert!(console.messages().is_empty());
}

#[tokio::test]
async fn an_ended_wave_takes_no_commands() {
    let console = Console::with_open_gate().await;
    console
        .save("orders", |wave| wave.phase = Phase::Completed)
        .await;
    assert_eq!(
        command(&console, json!({"command": "abort", "message": UUID})).await,
        "409 Wave orders has ended (Completed): there is nothing left to do."
    );
}

#[tokio::test]
async fn an_approver_decides_for_the_evidence_that_they_saw() {
    let console = Console::with_open_gate().await;
    let response = console
        .send(post(DECISIONS, OPERATOR, &decision("reject")))
        .await;
    assert_eq!(response.status_code, 202);
    let message = &console.messages()[0];
    assert_eq!(message.by, Approver::Iam(OPERATOR.to_owned()));
    let (gate, evidence) = (Gate::Cutover, evidence().hash());
    assert_eq!(
        message.body,
        Body::Decide {
            gate,
            verdict: Verdict::Reject,
            evidence,
            door: Door::Iam,
            only: Part::default(),
            reason: None,
        }
    );
    assert_eq!(console.driver("orders").await.wakes, 1);
}

#[tokio::test]
async fn a_person_who_approved_is_told_so_and_a_double_is_no_second_approval() {
    let console = Console::with_open_gate().await;
    let approve = decision("approve");
    let first = console.send(post(DECISIONS, OPERATOR, &approve)).await;
    assert_eq!(first.status_code, 202);
    // The same ID with the other verdict is no double of it.
    let opposite = console
        .send(post(DECISIONS, OPERATOR, &decision("reject")))
        .await;
    assert_eq!(opposite.status_code, 409);
    assert!(error(&opposite).starts_with("The message ID "));
    console
        .save("orders", |wave| {
            let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) else {
                panic!("the gate is not open");
            };
            open.approvals.push(Approval {
                by: Approver::Iam(OPERATOR.to_owned()),
                at: time("2026-12-01T13:00:00Z"),
                door: Door::Iam,
                only: Vec::new(),
                reason: None,
            });
        })
        .await;
    let mut again = decision("approve");
    again["message"] = "3f1e9d0a-7a52-4c1b-9a37-000000000002".into();
    let again = console.send(post(DECISIONS, OPERATOR, &again)).await;
    assert_eq!(again.status_code, 409);
    assert!(
        error(&again).starts_with(&format!(
            "iam:{OPERATOR} approved this at 2026-12-01 13:00 UTC already; a person counts once."
        )),
        "{}",
        error(&again)
    );
    // Whoever had no answer and sends it again is told that it was taken.
    let double = console.send(post(DECISIONS, OPERATOR, &approve)).await;
    assert_eq!(double.status_code, 202);
    assert_eq!(console.messages().len(), 1);
}

/// A decision that is refused; gives the status and the error.
async fn refused(console: &Console, path: &str, arn: &str, body: &Value) -> String {
    let response = console.send(post(path, arn, body)).await;
    assert!(console.messages().is_empty());
    format!("{} {}", response.status_code, error(&response))
}

#[tokio::test]
async fn decisions_that_do_not_count_are_refused() {
    let console = Console::with_open_gate().await;
    assert_eq!(
        refused(&console, DECISIONS, STRANGER, &decision("approve")).await,
        format!(
            "403 iam:{STRANGER} is no approver of the cutover gate of wave orders: its plan names \
             who is."
        )
    );
    let old = json!({"message": UUID, "verdict": "approve", "evidence": "0".repeat(64)});
    assert_eq!(
        refused(&console, DECISIONS, OPERATOR, &old).await,
        "409 The evidence at the cutover gate of wave orders has changed since you looked: look \
         again, then decide."
    );
    let finalize = "/api/waves/orders/gates/finalize/decisions";
    assert_eq!(
        refused(&console, finalize, OPERATOR, &decision("approve")).await,
        "409 The finalize gate of wave orders is not open."
    );
    let nowhere = "/api/waves/nope/gates/cutover/decisions";
    assert!(
        refused(&console, nowhere, OPERATOR, &decision("approve"))
            .await
            .starts_with("404 ")
    );
    let unknown = refused(&console, DECISIONS, OPERATOR, &decision("maybe")).await;
    assert!(
        unknown.starts_with("400 The body is not right: verdict: unknown variant"),
        "{unknown}"
    );

    console.at("2026-12-05T20:00:00Z");
    assert_eq!(
        refused(&console, DECISIONS, OPERATOR, &decision("approve")).await,
        "409 The cutover gate of wave orders has expired: resume the wave to ask again."
    );
    console
        .save("orders", |wave| {
            let approved = GateState::Approved {
                evidence: evidence().hash(),
                at: time("2026-12-01T13:00:00Z"),
                by: Vec::new(),
                jobs: Default::default(),
                settings: Default::default(),
                put_off: Default::default(),
                question: None,
                acted_on: None,
                lapse: None,
            };
            wave.gates.insert(Gate::Cutover, approved);
        })
        .await;
    assert_eq!(
        refused(&console, DECISIONS, OPERATOR, &decision("approve")).await,
        "409 The cutover gate of wave orders was approved already."
    );
    console
        .save("orders", |wave| {
            wave.gates.clear();
            wave.plan.gates.cutover.automatic = true;
            wave.plan.gates.cutover.approvers.clear();
        })
        .await;
    assert_eq!(
        refused(&console, DECISIONS, OPERATOR, &decision("approve")).await,
        "409 The cutover gate of wave orders is decided by the plan itself."
    );
}
