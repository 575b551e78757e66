//! What is missing, what does not answer, and what answers something else.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Console, command, tidegate, told, view};

#[tokio::test]
async fn everything_that_is_missing_is_told_at_once() {
    let output = command(&["status"])
        .output()
        .await
        .expect("the program runs");
    let (code, _, error) = told(&output);
    assert_eq!(code, 2);
    for name in ["TIDEGATE_CONSOLE_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID"] {
        assert!(error.contains(name), "{name}: {error}");
    }
    assert_eq!(error.lines().count(), 4, "{error}");
}

#[tokio::test]
async fn an_address_that_cannot_be_is_told() {
    for address in ["console", "http://tidegate.example.com", "ftp://127.0.0.1"] {
        let (code, _, error) = told(&tidegate(address, &["status"]).await);
        assert_eq!(code, 2);
        assert!(
            error.contains(address) && error.contains("https://") || error.contains("no URL"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let (code, _, error) = told(&tidegate(&address, &["status"]).await);
    assert_eq!(code, 5);
    assert!(
        error.starts_with(&format!(
            "error: no answer from the console at {address}/: "
        )),
        "{error}"
    );
}

#[tokio::test]
async fn each_answer_has_its_sentence_and_exit_code() {
    for (status, body, code, sentence) in [
        (
            404,
            json!({ "error": "There is no wave nope." }),
            3,
            "There is no wave nope.",
        ),
        (
            403,
            json!({ "error": "You are no approver." }),
            4,
            "You are no approver.",
        ),
        (
            409,
            json!({ "error": "The name is used." }),
            4,
            "The name is used.",
        ),
        (
            400,
            json!({ "error": "No such command." }),
            2,
            "No such command.",
        ),
        (501, json!({ "error": "It broke." }), 1, "It broke."),
        (
            403,
            json!({ "message": "Forbidden" }),
            4,
            "AWS did not let the request through to the console (Forbidden): your credentials need \
             execute-api:Invoke on it, in its account and Region",
        ),
    ] {
        let console = Console::default().answer("GET /api/waves", &[(status, body)]);
        let address = console.serve().await;
        let (found, output, error) = told(&tidegate(&address, &["status"]).await);
        assert_eq!(
            (found, output.as_str(), error),
            (code, "", format!("error: {sentence}"))
        );
    }
}

#[tokio::test]
async fn something_that_is_no_console_is_told() {
    for (status, body) in [
        (200, "<html>hello</html>"),
        (404, "{\"message\":\"Not Found\"}"),
    ] {
        let console = Console::default().answer_text("GET /api/waves", status, body);
        let address = console.serve().await;
        let (_, _, error) = told(&tidegate(&address, &["status"]).await);
        assert!(
            error.contains("Tidegate console") && error.contains(&address),
            "{error}"
        );
    }
    let console = Console::default().answer("GET /api/waves", &[(200, json!([{ "other": 1 }]))]);
    let address = console.serve().await;
    let (code, _, error) = told(&tidegate(&address, &["status"]).await);
    assert_eq!(code, 1);
    assert!(
        error.contains("a shape that this version does not know"),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_that_failed_on_the_way_is_sent_again_as_the_same_message() {
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[(200, view(&json!({}))), (200, view(&held()))],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[
                (503, json!({ "message": "Service Unavailable" })),
                (500, json!({ "message": "Internal Server Error" })),
                (202, json!({ "wave": "orders" })),
            ],
        );
    let address = console.serve().await;
    let output = tidegate(&address, &["hold", "orders", "--note", "wait"]).await;
    assert!(output.status.success(), "{output:?}");
    let bodies: Vec<Value> = console
        .requests()
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| serde_json::from_slice(&request.body).expect("JSON"))
        .collect();
    assert_eq!(bodies.len(), 3);
    let messages: BTreeSet<&str> = bodies
        .iter()
        .map(|body| body["message"].as_str().expect("a message ID"))
        .collect();
    assert_eq!(messages.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/base", listener.local_addr().expect("an address"));
    let console = Console::default().answer("GET /api/waves", &[(200, json!([]))]);
    let after = console.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            drop(listener.accept().await);
        }
        after.serve_on(listener);
    });
    let output = tidegate(&address, &["status"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(console.requests().len(), 1);
}

#[tokio::test]
async fn what_a_terminal_would_obey_is_not_shown() {
    let mut wave = view(&json!({}));
    wave["servers"][0]["hostname"] = json!("evil\u{1b}[2J\u{7}\u{202e}10bd");
    let console = Console::default().answer("GET /api/waves/orders", &[(200, wave)]);
    let address = console.serve().await;
    for arguments in [
        &["status", "orders"][..],
        &["status", "orders", "--json"][..],
    ] {
        let (code, output, _) = told(&tidegate(&address, arguments).await);
        assert_eq!(code, 0);
        assert!(
            output.contains("evil\u{fffd}[2J\u{fffd}\u{fffd}10bd"),
            "{output}"
        );
        assert!(!output.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    }
}

fn held() -> Value {
    json!({
        "held": true,
        "hold": { "id": 7, "since": "2026-12-05T21:18:00Z", "reason": "Held by anna: wait", "commands": [] }
    })
}
