//! Events on their way to the targets of deployed rules, and to the dead-letter queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::sandbox::Sandbox;

const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/mgn";
const TARGET: &str = "arn:aws:lambda:us-east-1:000000000000:function:events";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:undelivered";

/// A local AWS with one rule for everything of MGN, whose one function answers as it is told.
#[derive(Clone)]
struct StandIn {
    target: Value,
    answer: (u16, &'static str),
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    invocations: Vec<Value>,
    messages: Vec<Value>,
    signatures: Vec<String>,
}

impl StandIn {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panicked")
    }

    fn reply(&self, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> (u16, &'static str, Value) {
        let header = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if uri.path().ends_with("/invocations") {
            self.seen().invocations.push(body);
            let (status, error) = self.answer;
            return (status, error, json!({"Message": "as it was told"}));
        }
        match header("x-amz-target").as_str() {
            "AWSEvents.ListRules" => {
                let pattern = json!({"source": ["aws.mgn"]}).to_string();
                let rule = json!({"Name": "mgn", "Arn": RULE, "State": "ENABLED", "EventPattern": pattern});
                (200, "", json!({"Rules": [rule]}))
            }
            "AWSEvents.ListTargetsByRule" => (200, "", json!({"Targets": [self.target]})),
            "AWSEvents.TestEventPattern" => (200, "", json!({"Result": true})),
            "AmazonSQS.SendMessage" => {
                let mut seen = self.seen();
                seen.messages.push(body);
                seen.signatures.push(header("authorization"));
                (200, "", json!({"MessageId": "1"}))
            }
            // EC2, which makes the launch templates, is not here.
            _ => (400, "NotHere", json!({})),
        }
    }
}

async fn reply(
    State(stand_in): State<StandIn>,
    _: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let (status, error, body) = stand_in.reply(&uri, &headers, &body);
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("x-amzn-errortype", error)], body.to_string())
}

/// What the stand-in saw of one event, once `enough` was.
async fn deliver(
    target: Value,
    answer: (u16, &'static str),
    enough: impl Fn(&Seen) -> bool,
) -> (Value, StandIn) {
    let stand_in = StandIn {
        target,
        answer,
        seen: Arc::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(reply).with_state(stand_in.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let sandbox = Sandbox::start(&["--ready", "--aws-endpoint", &endpoint]).await;
    let stalled = json!({"server": "server0001"});
    sandbox
        .control(reqwest::Method::POST, "stall", &stalled)
        .await;
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for left in (0..2_000).rev() {
        tick.tick().await;
        if enough(&stand_in.seen()) {
            break;
        }
        assert!(left > 0, "the event arrived nowhere");
    }
    let events = sandbox
        .control(reqwest::Method::GET, "events", &Value::Null)
        .await;
    sandbox.front.stop().await;
    server.abort();
    (events[0].clone(), stand_in)
}

fn target(retries: u32) -> Value {
    json!({
        "Id": "events",
        "Arn": TARGET,
        "RetryPolicy": {"MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": 3600},
        "DeadLetterConfig": {"Arn": QUEUE},
    })
}

/// The message in the dead-letter queue: where to, what, and which attributes.
fn letter(stand_in: &StandIn) -> (String, Value, Value) {
    let seen = stand_in.seen();
    assert_eq!(seen.messages.len(), 1);
    assert!(
        seen.signatures[0].starts_with("AWS4-HMAC-SHA256 ") && seen.signatures[0].contains("/sqs/"),
        "{}",
        seen.signatures[0]
    );
    let message = &seen.messages[0];
    let url = message["QueueUrl"].as_str().expect("a queue").to_owned();
    let body = message["MessageBody"].as_str().expect("a body");
    let attributes = message["MessageAttributes"]
        .as_object()
        .expect("attributes");
    let attributes = attributes
        .iter()
        .map(|(name, value)| {
            assert_eq!(value["DataType"], "String");
            (name.clone(), value["StringValue"].clone())
        })
        .collect();
    let body = serde_json::from_str(body).expect("an event");
    (url, body, Value::Object(attributes))
}

#[tokio::test]
async fn an_event_whose_target_is_not_there_lands_in_the_queue_at_once() {
    let answer = (404, "ResourceNotFoundException");
    let (event, stand_in) = deliver(target(10), answer, |seen| !seen.messages.is_empty()).await;
    let (url, body, attributes) = letter(&stand_in);
    assert!(url.ends_with("/000000000000/undelivered"), "{url}");
    assert_eq!(body, event);
    assert_eq!(
        attributes,
        json!({
            "RULE_ARN": RULE,
            "TARGET_ARN": TARGET,
            "ERROR_CODE": "NO_RESOURCE",
            "ERROR_MESSAGE": "ResourceNotFoundException: as it was told",
        })
    );
    assert_eq!(stand_in.seen().invocations.len(), 1);
}

#[tokio::test]
async fn a_target_that_fails_is_tried_as_often_as_its_rule_says() {
    for retries in [0, 2] {
        let answer = (500, "ServiceException");
        let enough = |seen: &Seen| !seen.messages.is_empty();
        let (event, stand_in) = deliver(target(retries), answer, enough).await;
        let (_, body, attributes) = letter(&stand_in);
        assert_eq!(body, event);
        assert_eq!(attributes["ERROR_CODE"], "INTERNAL_ERROR");
        assert_eq!(stand_in.seen().invocations.len(), 1 + retries as usize);
    }
}

#[tokio::test]
async fn an_event_that_is_delivered_lands_in_no_queue() {
    let enough = |seen: &Seen| !seen.invocations.is_empty();
    let (event, stand_in) = deliver(target(10), (202, ""), enough).await;
    let seen = stand_in.seen();
    assert_eq!(seen.invocations, [event]);
    assert!(seen.messages.is_empty());
}
