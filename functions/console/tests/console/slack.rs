//! Clicks in Slack: taken once, and refused when anything is wrong with them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::{Request, Response};
use serde_json::{Value, json};
use tidegate_domain::gate::{Approval, Door, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::link::Link;
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::slack::Answer;
use tidegate_slack::app::App;
use tidegate_slack::button::Button;
use tidegate_slack::signature::{SIGNATURE, TIMESTAMP, sign};

use crate::fixture::{Console, FakeSigner, error, evidence, notice, request, time};
use tidegate_world::contract::fixtures::wave_id;

/// An approver in Slack, and another.
const ANNA: &str = "U024BE7LH";
const BERT: &str = "W012A3CDE";
const TEAM: &str = "T024BE7LD";
const RESPONSE_URL: &str = "https://hooks.slack.com/actions/T024BE7LD/1/x";

fn slack(user: &str) -> Approver {
    Approver::Slack(user.to_owned())
}

fn app() -> App {
    let secret = json!({
        "signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "team_id": TEAM,
        "webhook_url": "https://hooks.slack.com/services/T/B/x",
    });
    App::parse(&secret.to_string()).expect("an app")
}

/// A console with the wave `orders`, whose cutover gate asks two users in Slack.
async fn console_with(change: impl FnOnce(&mut Wave)) -> Console {
    let console = Console::empty();
    *console.slack.app.borrow_mut() = Some(Arc::new(app()));
    console
        .save("orders", |wave| {
            wave.plan.gates.cutover.approvers = vec![slack(ANNA), slack(BERT)];
            wave.plan.gates.cutover.quorum = 1;
            change(wave);
        })
        .await;
    console
}

async fn console() -> Console {
    console_with(|_| {}).await
}

fn open(wave: &mut Wave) -> &mut OpenGate {
    match wave.gates.get_mut(&Gate::Cutover) {
        Some(GateState::Open(open)) => open,
        other => panic!("{other:?}"),
    }
}

fn button() -> Button {
    Button {
        wave: wave_id("orders"),
        gate: Gate::Cutover,
        evidence: evidence().hash(),
        expires: time("2026-12-05T20:00:00Z"),
    }
}

fn value_of(button: &Button) -> String {
    button.value(&FakeSigner(b"a key").code(&button.signed()))
}

fn payload(user: &str, action: &str, value: &str) -> Value {
    json!({
        "type": "block_actions",
        "team": {"id": TEAM, "domain": "example"},
        "user": {"id": user, "username": "somebody", "team_id": TEAM},
        "response_url": RESPONSE_URL,
        "actions": [{"action_id": action, "block_id": "tidegate_gate", "type": "button", "value": value}],
    })
}

/// The request that Slack sends at noon, when the fixture's clock stands still.
fn click(payload: &Value) -> Request {
    let form = serde_urlencoded::to_string([("payload", payload.to_string())]).expect("a form");
    signed(
        form.as_bytes(),
        &time("2026-12-01T12:00:00Z").as_second().to_string(),
    )
}

fn signed(body: &[u8], at: &str) -> Request {
    let mut request = request("POST", "/slack/actions");
    let signature = sign(&app().signing_secret, at, body);
    for (name, value) in [
        ("content-type", "application/x-www-form-urlencoded"),
        (TIMESTAMP, at),
        (SIGNATURE, &signature),
    ] {
        request.headers.insert(name.to_owned(), value.to_owned());
    }
    request.body = Some(STANDARD.encode(body));
    request.is_base64_encoded = true;
    request
}

fn approve(user: &str) -> Request {
    click(&payload(user, "tidegate_approve", &value_of(&button())))
}

/// A console that asks in Slack, and a click that it takes.
pub(super) async fn asked() -> (Console, Request) {
    (console().await, approve(ANNA))
}

fn reject(user: &str) -> Request {
    click(&payload(user, "tidegate_reject", &value_of(&button())))
}

/// What Slack was told last.
fn last(console: &Console) -> Answer {
    let answers = console.slack.answers.borrow();
    let (url, answer) = answers.last().expect("an answer").clone();
    assert_eq!(url, RESPONSE_URL);
    answer
}

fn whispered(console: &Console) -> String {
    match last(console) {
        Answer::Whisper(text) => text,
        Answer::Replace(message) => panic!("{message:?}"),
    }
}

fn replaced(console: &Console) -> (String, bool) {
    match last(console) {
        Answer::Replace(message) => {
            let blocks = Value::from(message.blocks).to_string();
            let buttons = blocks.contains("tidegate_approve");
            (message.text + " " + &blocks, buttons)
        }
        Answer::Whisper(text) => panic!("{text}"),
    }
}

/// The request is refused with that status, nothing was recorded, and nobody was told in Slack.
async fn refused(console: &Console, request: Request, status: u16) -> String {
    let response = console.send(request).await;
    assert_eq!(response.status_code, status, "{}", response.body);
    assert!(console.messages().is_empty());
    assert_eq!(console.driver("orders").await.wakes, 0);
    assert!(console.slack.answers.borrow().is_empty());
    error(&response)
}

/// Slack gets its 200, nothing was recorded, and the person is told why.
async fn turned_down(console: &Console, request: Request) -> String {
    let response = console.send(request).await;
    assert_eq!((response.status_code, response.body.as_str()), (200, ""));
    assert!(console.messages().is_empty());
    assert_eq!(console.driver("orders").await.wakes, 0);
    whispered(console)
}

#[tokio::test]
async fn a_user_approves_and_everybody_sees_it() {
    let console = console().await;
    let response: Response = console.send(approve(ANNA)).await;
    assert_eq!((response.status_code, response.body.as_str()), (200, ""));
    let messages = console.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].by, slack(ANNA));
    assert_eq!(
        messages[0].body,
        Body::Decide {
            gate: Gate::Cutover,
            verdict: Verdict::Approve,
            evidence: evidence().hash(),
            door: Door::Slack,
            only: Part::default(),
            reason: None,
        }
    );
    assert_eq!(console.driver("orders").await.wakes, 1);
    let (shown, buttons) = replaced(&console);
    assert!(
        shown.contains("<@U024BE7LH> approved, 2026-12-01 12:00 UTC"),
        "{shown}"
    );
    assert!(!buttons, "nobody is asked any more");
}

#[tokio::test]
async fn a_double_click_and_a_replayed_request_count_once() {
    let console = console().await;
    let first = approve(ANNA);
    for request in [first.clone(), first, approve(ANNA), reject(ANNA)] {
        assert_eq!(console.send(request).await.status_code, 200);
    }
    assert_eq!(console.messages().len(), 1);
    assert_eq!(console.slack.answers.borrow().len(), 4);
    assert!(
        whispered(&console).starts_with("You decided at the cutover gate of wave orders before"),
        "{}",
        whispered(&console)
    );
}

#[tokio::test]
async fn buttons_stay_until_enough_have_approved() {
    let console = console_with(|wave| wave.plan.gates.cutover.quorum = 2).await;
    console.send(approve(ANNA)).await;
    let (shown, buttons) = replaced(&console);
    assert!(shown.contains("1 approval more needed."), "{shown}");
    assert!(buttons);
    console
        .save("orders", |wave| {
            let approval = Approval {
                by: slack(ANNA),
                at: time("2026-12-01T12:00:00Z"),
                door: Door::Slack,
                only: Vec::new(),
                reason: None,
            };
            open(wave).approvals.push(approval);
        })
        .await;
    console.send(approve(BERT)).await;
    let (shown, buttons) = replaced(&console);
    assert!(shown.contains("<@U024BE7LH> approved") && shown.contains("<@W012A3CDE> approved"));
    assert!(!buttons);
    assert_eq!(console.messages().len(), 2);
}

#[tokio::test]
async fn a_rejection_says_what_comes_of_it() {
    let console = console().await;
    console.send(reject(BERT)).await;
    let (shown, buttons) = replaced(&console);
    assert!(shown.contains("<@W012A3CDE> rejected"), "{shown}");
    assert!(shown.contains("The wave is held until somebody resumes or aborts it."));
    assert!(!buttons);
}

#[tokio::test]
async fn a_decision_stands_if_slack_cannot_be_told() {
    let console = console().await;
    console.slack.away.set(true);
    assert_eq!(console.send(approve(ANNA)).await.status_code, 200);
    assert_eq!(console.messages().len(), 1);
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let console = console().await;
    let mut other_key = approve(ANNA);
    let body = STANDARD
        .decode(other_key.body.clone().expect("a body"))
        .expect("base64");
    let other = json!({
        "signing_secret": "00000000000000000000000000000000", "team_id": TEAM,
        "webhook_url": "https://hooks.slack.com/services/T/B/x",
    });
    let other = App::parse(&other.to_string())
        .expect("an app")
        .signing_secret;
    let at = other_key.headers[TIMESTAMP].clone();
    other_key
        .headers
        .insert(SIGNATURE.to_owned(), sign(&other, &at, &body));
    let said = refused(&console, other_key, 403).await;
    assert_eq!(
        said,
        "Not taken: the signature is not that of this request."
    );

    let mut altered = approve(ANNA);
    let elses = approve(BERT);
    altered.body = elses.body;
    refused(&console, altered, 403).await;

    for header in [SIGNATURE, TIMESTAMP] {
        let mut unsigned = approve(ANNA);
        unsigned.headers.remove(header);
        refused(&console, unsigned, 400).await;
    }
    for signature in ["", "v0=", "v1=00", "v0=é"] {
        let mut malformed = approve(ANNA);
        malformed
            .headers
            .insert(SIGNATURE.to_owned(), signature.to_owned());
        let response = console.send(malformed).await;
        assert!([400, 403].contains(&response.status_code), "{signature}");
        assert!(console.messages().is_empty());
    }
}

#[tokio::test]
async fn an_old_timestamp_is_refused() {
    let console = console().await;
    let request = approve(ANNA);
    for (now, status) in [
        ("2026-12-01T12:05:01Z", 403),
        ("2026-12-01T11:54:59Z", 403),
        ("2027-12-01T12:00:00Z", 403),
    ] {
        console.at(now);
        let said = refused(&console, request.clone(), status).await;
        assert!(said.contains("more than five minutes from now"), "{said}");
    }
    console.at("2026-12-01T12:05:00Z");
    assert_eq!(console.send(request).await.status_code, 200);
    assert_eq!(console.messages().len(), 1);
}

#[tokio::test]
async fn another_workspace_is_refused() {
    let console = console().await;
    let mut elsewhere = payload(ANNA, "tidegate_approve", &value_of(&button()));
    elsewhere["team"]["id"] = json!("T0EVIL000");
    let said = refused(&console, click(&elsewhere), 403).await;
    assert_eq!(said, "Not taken: the click is from another workspace.");
    // A guest from another organization, in a shared channel.
    let mut guest = payload(ANNA, "tidegate_approve", &value_of(&button()));
    guest["user"]["team_id"] = json!("T0EVIL000");
    refused(&console, click(&guest), 403).await;
}

#[tokio::test]
async fn an_unknown_action_is_refused() {
    let console = console().await;
    for action in ["tidegate_finalize", "approve", "", "tidegate_approve "] {
        let said = refused(
            &console,
            click(&payload(ANNA, action, &value_of(&button()))),
            400,
        )
        .await;
        assert_eq!(said, "Not taken: the action is none of Tidegate's.");
    }
    let mut other = payload(ANNA, "tidegate_approve", &value_of(&button()));
    other["type"] = json!("view_submission");
    refused(&console, click(&other), 400).await;
    let nothing = signed(
        b"payload=%7B%7D",
        &time("2026-12-01T12:00:00Z").as_second().to_string(),
    );
    refused(&console, nothing, 400).await;
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused() {
    let console = console().await;
    let at = time("2026-12-01T12:00:00Z").as_second().to_string();
    let large = signed(&vec![b'a'; 10_000_000], &at);
    refused(&console, large.clone(), 413).await;
    let plain = Request {
        body: Some("a".repeat(10_000_000)),
        is_base64_encoded: false,
        ..large.clone()
    };
    refused(&console, plain, 413).await;
    let broken = Request {
        body: Some("not base64!".to_owned()),
        ..large
    };
    refused(&console, broken, 400).await;
}

#[tokio::test]
async fn a_user_who_is_no_approver_is_told_so() {
    let console = console().await;
    let said = turned_down(&console, approve("U0STRANGER")).await;
    assert_eq!(
        said,
        "You are no approver of the cutover gate of wave orders."
    );
}

#[tokio::test]
async fn a_plan_that_wants_more_than_slack_is_heard() {
    let console = console_with(|wave| wave.plan.gates.cutover.minimum = Door::Iam).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(said.contains("wants more than Slack"), "{said}");
}

#[tokio::test]
async fn the_value_of_another_wave_or_gate_decides_nothing_here() {
    let console = console().await;
    console
        .save("billing", |wave| {
            wave.plan.gates.cutover.approvers = vec![slack(BERT)];
        })
        .await;
    let billing = Button {
        wave: wave_id("billing"),
        ..button()
    };
    // Anna decides for orders, not for billing.
    let swapped = payload(ANNA, "tidegate_approve", &value_of(&billing));
    let said = turned_down(&console, click(&swapped)).await;
    assert_eq!(
        said,
        "You are no approver of the cutover gate of wave billing."
    );
    // Bert does, but what billing asks is not what this value was made for.
    let swapped = payload(BERT, "tidegate_approve", &value_of(&billing));
    let said = turned_down(&console, click(&swapped)).await;
    assert!(
        said.starts_with("What this message asked has changed since"),
        "{said}"
    );
    let finalize = Button {
        gate: Gate::Finalize,
        ..button()
    };
    let swapped = payload(ANNA, "tidegate_approve", &value_of(&finalize));
    turned_down(&console, click(&swapped)).await;
    let gone = Button {
        wave: wave_id("nothing"),
        ..button()
    };
    let said = turned_down(
        &console,
        click(&payload(ANNA, "tidegate_approve", &value_of(&gone))),
    )
    .await;
    assert_eq!(said, "There is no wave nothing any more.");
}

#[tokio::test]
async fn a_value_that_we_did_not_make_is_refused() {
    let console = console().await;
    let with_another_key = button().value(&FakeSigner(b"another key").code(&button().signed()));
    let link = Link {
        approver: slack(ANNA),
        ..console.link()
    };
    let value = value_of(&button());
    for forged in [
        with_another_key.as_str(),
        &console.token(&link),
        &value[..value.len() - 2],
        &value[1..],
        "",
        "a.b",
        &"a".repeat(3_000),
    ] {
        let said = refused(
            &console,
            click(&payload(ANNA, "tidegate_approve", forged)),
            403,
        )
        .await;
        assert_eq!(said, "Not taken: the button was not made by Tidegate.");
    }
    // Nor does a button open a link's page.
    let mut page = request("GET", "/decide");
    page.raw_query_string = format!("token={value}");
    assert!(notice(&console.send(page).await).starts_with("403 "));
}

#[tokio::test]
async fn a_gate_that_is_no_longer_asked_is_not_decided() {
    let console = console_with(|wave| open(wave).expires = time("2026-12-01T11:00:00Z")).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert_eq!(said, "The cutover gate of wave orders expired undecided.");

    let console = console_with(|wave| open(wave).evidence.round += 1).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(
        said.starts_with("What this message asked has changed since"),
        "{said}"
    );

    let console = console_with(|wave| drop(wave.gates.remove(&Gate::Cutover))).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(said.contains("is not open now"), "{said}");

    let console = console_with(|wave| wave.phase = Phase::Aborted).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(said.starts_with("Wave orders has ended"), "{said}");
}

#[tokio::test]
async fn an_approver_who_wants_to_look_gets_an_address_of_their_own() {
    let console = console().await;
    let look = |user: &str| click(&payload(user, "tidegate_look", &value_of(&button())));
    let said = turned_down(&console, look("U0STRANGER")).await;
    assert!(said.starts_with("You are no approver"), "{said}");
    let said = turned_down(&console, look(ANNA)).await;
    let (url, rest) = said.split_once('|').expect("a link");
    assert_eq!(
        rest,
        "The page of wave orders>, for you alone and for an hour."
    );
    let path = url
        .strip_prefix("<https://console.example.com/")
        .expect("ours");
    let (path, query) = path.split_once('?').expect("a query");
    let mut page = request("GET", &format!("/{path}"));
    page.raw_query_string = query.to_owned();
    let page = console.send(page).await;
    assert_eq!(page.status_code, 200);
    assert!(
        !page.body.contains("decide?token="),
        "a pass decides nothing"
    );
}

#[tokio::test]
async fn where_there_is_no_slack_nothing_is_taken() {
    let console = console().await;
    *console.slack.app.borrow_mut() = None;
    let said = refused(&console, approve(ANNA), 404).await;
    assert_eq!(said, "There is no Slack app here.");
    let get = console.send(request("GET", "/slack/actions")).await;
    assert_eq!(get.status_code, 405);
}
