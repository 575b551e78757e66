//! The whole program against a console that says what each case wants, on this machine.

use std::collections::VecDeque;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

#[path = "console/commands.rs"]
mod commands;

#[path = "console/chain.rs"]
mod chain;

#[path = "console/decisions.rs"]
mod decisions;

#[path = "console/connection.rs"]
mod connection;

#[path = "console/signature.rs"]
mod signature;

/// The access key of the cases; the secret is the one of the examples in AWS's documentation.
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request as it came.
#[derive(Debug, Clone)]
struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What the console answers, in order; the last answer to a path stays.
type Answers = Vec<(&'static str, VecDeque<(u16, String)>)>;

/// A console.
#[derive(Clone, Default)]
struct Console {
    answers: Arc<Mutex<Answers>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Console {
    /// Answer requests to `POST /api/…` or `GET /api/…` so, one after the other.
    fn answer(self, request: &'static str, answers: &[(u16, Value)]) -> Self {
        let answers = answers
            .iter()
            .map(|(status, body)| (*status, body.to_string()))
            .collect();
        self.answers
            .lock()
            .expect("answers")
            .push((request, answers));
        self
    }

    /// Answer with a body that is not JSON.
    fn answer_text(self, request: &'static str, status: u16, body: &str) -> Self {
        self.answers
            .lock()
            .expect("answers")
            .push((request, VecDeque::from([(status, body.to_owned())])));
        self
    }

    /// Answer from now on; the address.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        self.serve_on(listener);
        format!("http://{address}/base")
    }

    fn serve_on(&self, listener: TcpListener) {
        let router = Router::new().fallback(reply).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("requests").clone()
    }

    /// The bodies of the POST requests to a path, without their message IDs.
    fn posted(&self, path: &str) -> Vec<Value> {
        self.requests()
            .into_iter()
            .filter(|request| request.method == Method::POST && request.uri.path() == path)
            .map(|request| {
                let mut body: Value = serde_json::from_slice(&request.body).expect("JSON");
                let message = body.as_object_mut().expect("an object").remove("message");
                let message = message.expect("a message ID");
                assert_eq!(message.as_str().expect("a text").len(), 36, "{message}");
                body
            })
            .collect()
    }
}

async fn reply(
    State(console): State<Console>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let wanted = format!(
        "{method} {}",
        uri.path().strip_prefix("/base").unwrap_or(uri.path())
    );
    console.requests.lock().expect("requests").push(Request {
        method,
        uri,
        headers,
        body,
    });
    let mut answers = console.answers.lock().expect("answers");
    let found = answers.iter_mut().find(|(request, _)| *request == wanted);
    let (status, body) = match found {
        Some((_, answers)) if answers.len() > 1 => answers.pop_front().expect("an answer"),
        Some((_, answers)) => answers.front().cloned().expect("an answer"),
        None => (
            404,
            json!({ "error": format!("no answer for {wanted}") }).to_string(),
        ),
    };
    (StatusCode::from_u16(status).expect("a status"), body)
}

/// Run the program against the console at `address`.
async fn tidegate(address: &str, arguments: &[&str]) -> Output {
    command(arguments)
        .env("TIDEGATE_CONSOLE_URL", address)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .output()
        .await
        .expect("the program runs")
}

/// The program with an environment that holds nothing of this machine's.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nonexistent")
        .stdin(std::process::Stdio::null());
    command
}

/// Exit code, standard output and standard error.
fn told(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned(),
        String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
    )
}

/// A view of wave `orders` with some of it replaced.
fn view(changes: &Value) -> Value {
    let mut view = json!({
        "wave": "orders",
        "phase": "Testing",
        "since": "2026-12-05T21:18:00Z",
        "held": false,
        "waiting_for": "the tests of its servers",
        "server_count": 2,
        "ended": false,
        "hold": null,
        "window": null,
        "gates": [],
        "stages": { "tested": 2 },
        "servers": [server("1", "web01"), server("2", "web02")],
        "downtime": {}
    });
    for (key, value) in changes.as_object().expect("changes") {
        view[key] = value.clone();
    }
    view
}

fn server(digit: &str, hostname: &str) -> Value {
    json!({
        "server": format!("s-{}", digit.repeat(17)), "hostname": hostname, "application": "web",
        "stage": "tested", "detail": null, "lag_seconds": 0, "backlog_bytes": 0,
        "replicated_percent": 100, "eta": null, "tests": 1, "cutovers": 0
    })
}
