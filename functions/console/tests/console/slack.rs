//! Clicks in Slack: taken once, and told to everybody.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::{Request, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate_domain::gate::{Approval, Door, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::slack::Answer;
use tidegate_slack::app::App;
use tidegate_slack::button::Button;
use tidegate_slack::signature::{SIGNATURE, TIMESTAMP, sign};

use crate::fixture::{ADDRESS, Console, FakeSigner, error, evidence, request, time};
use tidegate_world::contract::fixtures::wave_id;

/// An approver in Slack, and another.
pub(super) const ANNA: &str = "U024BE7LH";
pub(super) const BERT: &str = "W012A3CDE";
pub(super) const TEAM: &str = "T024BE7LD";
const RESPONSE_URL: &str = "https://hooks.slack.com/actions/T024BE7LD/1/x";

pub(super) fn slack(user: &str) -> Approver {
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
pub(super) async fn console_with(change: impl FnOnce(&mut Wave)) -> Console {
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

pub(super) async fn console() -> Console {
    console_with(|_| {}).await
}

pub(super) fn open(wave: &mut Wave) -> &mut OpenGate {
    match wave.gates.get_mut(&Gate::Cutover) {
        Some(GateState::Open(open)) => open,
        other => panic!("{other:?}"),
    }
}

/// The gate was approved by that user.
pub(super) fn approved_by(wave: &mut Wave, user: &str) {
    let approved = GateState::Approved {
        evidence: evidence().hash(),
        at: time("2026-12-01T12:00:00Z"),
        by: vec![slack(user).to_string()],
        jobs: Default::default(),
        settings: Default::default(),
        put_off: Default::default(),
        question: None,
        acted_on: None,
        lapse: None,
    };
    wave.gates.insert(Gate::Cutover, approved);
}

/// The gate was rejected by whoever is called so.
fn rejected_by(wave: &mut Wave, who: &str) {
    wave.gates.remove(&Gate::Cutover);
    wave.hold = Some(Hold {
        id: HoldId(3),
        since: time("2026-12-01T12:00:00Z"),
        reason: HoldReason::Rejected {
            gate: "cutover".to_owned(),
            by: who.to_owned(),
        },
    });
}

pub(super) fn button() -> Button {
    Button {
        wave: wave_id("orders"),
        gate: Gate::Cutover,
        evidence: evidence().hash(),
        expires: time("2026-12-05T20:00:00Z"),
        withdrawals: 0,
    }
}

pub(super) fn value_of(button: &Button) -> String {
    button.value(&FakeSigner(b"a key").code(&button.signed()))
}

pub(super) fn payload(user: &str, action: &str, value: &str) -> Value {
    json!({
        "type": "block_actions",
        "team": {"id": TEAM, "domain": "example"},
        "user": {"id": user, "username": "somebody", "team_id": TEAM},
        "response_url": RESPONSE_URL,
        "actions": [{"action_id": action, "block_id": "tidegate_gate", "type": "button", "value": value}],
    })
}

/// The request that Slack sends at noon, when the fixture's clock stands still.
pub(super) fn click(payload: &Value) -> Request {
    let form = serde_urlencoded::to_string([("payload", payload.to_string())]).expect("a form");
    signed(
        form.as_bytes(),
        &time("2026-12-01T12:00:00Z").as_second().to_string(),
    )
}

pub(super) fn signed(body: &[u8], at: &str) -> Request {
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

pub(super) fn approve(user: &str) -> Request {
    click(&payload(user, "tidegate_approve", &value_of(&button())))
}

/// A console that asks in Slack, and a click that it takes.
pub(super) async fn asked() -> (Console, Request) {
    (console().await, approve(ANNA))
}

pub(super) fn reject(user: &str) -> Request {
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

/// The request is refused with that status, nothing was recorded but that it was, and nobody was
/// told in Slack.
pub(super) async fn refused(console: &Console, request: Request, status: u16) -> String {
    let before = console.refusals().await;
    let response = console.send(request).await;
    assert_eq!(response.status_code, status, "{}", response.body);
    assert!(console.messages().is_empty());
    assert_eq!(console.driver("orders").await.wakes, 0);
    assert!(console.slack.answers.borrow().is_empty());
    let error = error(&response);
    assert_eq!(console.refusals().await, before + 1);
    let noted = console.noted().await;
    assert_eq!((&*noted.door, noted.status), ("slack", status));
    assert_eq!((noted.reason, &*noted.who), (error.clone(), ADDRESS));
    error
}

/// Slack gets its 200, no decision was recorded but that it was refused, and the person is told why.
pub(super) async fn turned_down(console: &Console, request: Request) -> String {
    let before = console.refusals().await;
    let said = answered(console, request).await;
    assert_eq!(console.refusals().await, before + 1, "{said}");
    let noted = console.noted().await;
    assert_eq!((&*noted.door, noted.signed), ("slack", true));
    assert!([403, 404, 409, 410].contains(&noted.status), "{noted:?}");
    let (user, why) = noted.reason.split_once(": ").expect("who");
    assert!(
        user.starts_with("slack:") && said == why,
        "{noted:?}: {said}"
    );
    said
}

/// Slack gets its 200, nothing was recorded, and the person alone is told something.
async fn answered(console: &Console, request: Request) -> String {
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
async fn a_refused_click_that_is_replayed_is_looked_at_anew() {
    let console = console_with(|wave| wave.plan.gates.cutover.minimum = Door::Iam).await;
    let click = approve(ANNA);
    turned_down(&console, click.clone()).await;
    console
        .save("orders", |wave| {
            wave.plan.gates.cutover.minimum = Door::Slack
        })
        .await;
    console.at("2026-12-01T12:04:59Z");
    for _ in 0..2 {
        assert_eq!(console.send(click.clone()).await.status_code, 200);
    }
    let messages = console.messages();
    assert_eq!(messages.len(), 1, "as that user, as it was clicked, once");
    assert_eq!(messages[0].by, slack(ANNA));
}

#[tokio::test]
async fn who_replays_a_request_for_the_page_is_told_nothing() {
    let console = console().await;
    let look = click(&payload(ANNA, "tidegate_look", &value_of(&button())));
    for now in ["2026-12-01T12:00:00Z", "2026-12-01T12:05:00Z"] {
        console.at(now);
        // The answer itself is empty; the address goes to Slack, for that user.
        let said = answered(&console, look.clone()).await;
        assert!(said.contains("for you alone"), "{said}");
    }
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

/// What the wave becomes while Slack takes one answer after the other.
fn meanwhile(console: &Console, changes: &[fn(&mut Wave)]) {
    *console.slack.meanwhile.borrow_mut() = Some((console.store.clone(), changes.to_vec()));
}

#[tokio::test]
async fn buttons_do_not_come_back_to_a_question_that_ended_meanwhile() {
    let console = console_with(|wave| wave.plan.gates.cutover.quorum = 2).await;
    meanwhile(&console, &[|wave| drop(wave.gates.remove(&Gate::Cutover))]);
    console.send(approve(ANNA)).await;
    let (shown, buttons) = replaced(&console);
    assert!(shown.contains("is not open now"), "{shown}");
    assert!(!buttons);
    assert_eq!(console.slack.answers.borrow().len(), 2);
}

#[tokio::test]
async fn what_another_door_decided_meanwhile_is_shown() {
    let check =
        async |click: Request, changes: &[fn(&mut Wave)], answers: usize, expected: &str| {
            let console = console().await;
            meanwhile(&console, changes);
            console.send(click).await;
            assert_eq!(console.messages().len(), 1);
            let (shown, buttons) = replaced(&console);
            assert!(shown.contains(expected), "{expected}: {shown}");
            assert!(!buttons);
            assert_eq!(console.slack.answers.borrow().len(), answers, "{shown}");
        };
    // Others were first.
    check(
        approve(ANNA),
        &[|wave| rejected_by(wave, "dev@example.com")],
        2,
        "was rejected by dev@example.com",
    )
    .await;
    let by_bert: fn(&mut Wave) = |wave| approved_by(wave, BERT);
    for click in [approve(ANNA), reject(ANNA)] {
        check(click, &[by_bert], 2, "was approved by <@W012A3CDE>").await;
    }
    check(
        reject(ANNA),
        &[|wave| rejected_by(wave, "slack:W012A3CDE")],
        2,
        "was rejected by <@W012A3CDE>",
    )
    .await;
    // Whom a reason names is told of, not called.
    check(
        reject(ANNA),
        &[|wave| rejected_by(wave, "slack:W012A3CDE: ask slack:U0THECEO1")],
        2,
        "was rejected by <@W012A3CDE>: ask slack:U0THECEO1 at",
    )
    .await;
    check(
        approve(ANNA),
        &[|wave| open(wave).evidence.round += 1],
        2,
        "What this message asked has changed since",
    )
    .await;
    check(
        approve(ANNA),
        &[|wave| wave.phase = Phase::Aborted],
        2,
        "has ended (Aborted)",
    )
    .await;
    // Nobody was: it was counted as it was shown, or will be.
    check(
        approve(ANNA),
        &[|wave| approved_by(wave, ANNA)],
        1,
        "<@U024BE7LH> approved",
    )
    .await;
    check(
        reject(ANNA),
        &[|wave| rejected_by(wave, "slack:U024BE7LH")],
        1,
        "<@U024BE7LH> rejected",
    )
    .await;
    check(
        approve(ANNA),
        &[|wave| open(wave).reminded = Some(time("2026-12-01T12:00:01Z"))],
        1,
        "<@U024BE7LH> approved",
    )
    .await;
    // It changes, and changes again: a click changes its message three times at most.
    let asks: fn(&mut Wave) = |wave| wave.plan.gates.cutover.quorum += 1;
    let console = console().await;
    meanwhile(&console, &[asks, asks, asks, asks]);
    console.send(approve(ANNA)).await;
    let (shown, buttons) = replaced(&console);
    assert!(
        shown.contains("2 approvals more needed.") && buttons,
        "{shown}"
    );
    assert_eq!(console.slack.answers.borrow().len(), 3);
}

#[tokio::test]
async fn slack_gets_its_answer_in_time_whoever_is_slow() {
    // Slack's own address takes no answer, or the first alone.
    for answers in [0, 1] {
        let console = console().await;
        console.slack.slow_after.set(Some(answers));
        meanwhile(&console, &[|wave| rejected_by(wave, "dev@example.com")]);
        let response = console.send(approve(ANNA)).await;
        assert_eq!(response.status_code, 200);
        assert_eq!(console.messages().len(), 1, "the decision was first");
        assert_eq!(console.driver("orders").await.wakes, 1);
        assert_eq!(console.slack.answers.borrow().len(), answers);
        console.send(approve("U0STRANGER")).await;
        assert_eq!(console.refusals().await, 1, "and so was the refusal");
    }
    // What was read took all the time.
    let console = console().await;
    console.clock.pace.set(SignedDuration::from_millis(2_500));
    assert_eq!(console.send(approve(ANNA)).await.status_code, 200);
    assert_eq!(console.messages().len(), 1);
    assert!(console.slack.answers.borrow().is_empty());
    let console = self::console().await;
    console.clock.pace.set(SignedDuration::from_millis(2_499));
    console.send(approve(ANNA)).await;
    assert_eq!(console.slack.answers.borrow().len(), 1);
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
async fn an_approver_who_wants_to_look_gets_an_address_of_their_own() {
    let console = console().await;
    let look = |user: &str| click(&payload(user, "tidegate_look", &value_of(&button())));
    let said = turned_down(&console, look("U0STRANGER")).await;
    assert!(said.starts_with("You are no approver"), "{said}");
    let said = answered(&console, look(ANNA)).await;
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
