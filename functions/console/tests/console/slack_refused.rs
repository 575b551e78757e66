//! Clicks in Slack that are refused: nothing is recorded, and whoever clicked is told why.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::Request;
use serde_json::json;
use tidegate_domain::gate::{Approval, Door, Gate};
use tidegate_domain::link::Link;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::{Phase, Wave};
use tidegate_slack::app::App;
use tidegate_slack::button::Button;
use tidegate_slack::signature::{SIGNATURE, TIMESTAMP, sign};
use tidegate_world::contract::fixtures::wave_id;

use super::fixture::{FakeSigner, MAIL, STRANGER, notice, request, time};
use super::slack::{
    ANNA, BERT, TEAM, approve, approved_by, button, click, console, console_with, open, payload,
    refused, reject, signed, slack, turned_down, value_of,
};

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
    guest["user"]["team_id"] = json!("E0EVIL000");
    refused(&console, click(&guest), 403).await;
}

#[tokio::test]
async fn an_app_of_an_organization_takes_its_clicks_alone() {
    let console = console().await;
    let app = json!({
        "signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "team_id": "E024BE7LD",
        "webhook_url": "https://hooks.slack.com/services/T/B/x",
    });
    let app = App::parse(&app.to_string()).expect("an app");
    *console.slack.app.borrow_mut() = Some(Arc::new(app));
    let mut sent = payload(ANNA, "tidegate_approve", &value_of(&button()));
    refused(&console, click(&sent), 403).await;
    sent["team"] = json!(null);
    sent["user"]["team_id"] = json!("E024BE7LD");
    sent["enterprise"] = json!({"id": "E0EVIL000", "name": "Other"});
    refused(&console, click(&sent), 403).await;
    sent["enterprise"] = json!({"id": "E024BE7LD", "name": "Example"});
    console.send(click(&sent)).await;
    assert_eq!(console.messages().len(), 1);
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
async fn who_applied_or_started_the_wave_can_only_reject() {
    let themselves: [fn(&mut Wave); 3] = [
        |wave| wave.applied_by = slack(ANNA),
        |wave| wave.started_by = Some(slack(ANNA)),
        |wave| {
            // By another identity that the plan knows.
            wave.plan.gates.cutover.people =
                vec![vec![slack(ANNA), Approver::Iam(STRANGER.to_owned())]];
        },
    ];
    for themselves in themselves {
        let console = console_with(themselves).await;
        let said = turned_down(&console, approve(ANNA)).await;
        assert!(said.contains("somebody else has to approve it"), "{said}");
        assert_eq!(
            console.slack.answers.borrow().len(),
            1,
            "nobody else is told"
        );
        console.send(reject(ANNA)).await;
        assert_eq!(console.messages().len(), 1, "a rejection counts");
    }
    let allowed = console_with(|wave| {
        wave.applied_by = slack(ANNA);
        wave.plan.gates.cutover.self_approval = true;
    });
    let console = allowed.await;
    console.send(approve(ANNA)).await;
    assert_eq!(console.messages().len(), 1);
}

#[tokio::test]
async fn who_approved_by_another_identity_is_told_so() {
    let mail = || Approver::Mail(MAIL.to_owned());
    let console = console_with(|wave| {
        wave.plan.gates.cutover.quorum = 2;
        wave.plan.gates.cutover.people = vec![vec![slack(ANNA), mail()]];
        let approval = Approval {
            by: mail(),
            at: time("2026-12-01T11:00:00Z"),
            door: Door::Mail,
            only: Vec::new(),
            reason: None,
        };
        open(wave).approvals.push(approval);
    });
    let console = console.await;
    assert_eq!(
        turned_down(&console, approve(ANNA)).await,
        "ops@example.com approved this at 2026-12-01 11:00 UTC already; a person counts once. The \
         cutover gate of wave orders has 1 of 2 approvals and waits until 2026-12-05 20:00 UTC."
    );
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
    assert_eq!(
        said,
        "The cutover gate of wave orders expired undecided at 2026-12-01 11:00 UTC."
    );

    let console = console_with(|wave| open(wave).evidence.round += 1).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(
        said.starts_with("What this message asked has changed since"),
        "{said}"
    );

    let console = console_with(|wave| drop(wave.gates.remove(&Gate::Cutover))).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(said.contains("is not open now"), "{said}");

    let console = console_with(|wave| approved_by(wave, BERT)).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert_eq!(
        said,
        "The cutover gate of wave orders was approved by slack:W012A3CDE at 2026-12-01 12:00 UTC. \
         Nothing is left to decide."
    );

    let console = console_with(|wave| wave.phase = Phase::Aborted).await;
    let said = turned_down(&console, approve(ANNA)).await;
    assert!(said.starts_with("Wave orders has ended"), "{said}");
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
