//! In Slack: one message for all, and what becomes of it.

use tidegate_domain::effect::{Outcome, RefusalKind, Task};
use tidegate_domain::gate::{Asking, Gate};
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Posted;
use tidegate_ports::error::CallError;
use tidegate_ports::mail::Subscription;
use tidegate_ports::signer::Signer;
use tidegate_slack::button::SealedButton;
use tidegate_slack::message::Message;

use crate::fixture::{
    FakeMails, FakeSigner, FakeSlack, NOON, approvers, ask, ask_by, evidence, outcome, refusal,
    store, store_asking, store_with, time, wave,
};

fn people_in_slack() -> Vec<Approver> {
    vec![
        Approver::Slack("U024BE7LH".to_owned()),
        Approver::Slack("W012A3CDE".to_owned()),
    ]
}

/// The values of the message's buttons.
fn values(message: &Message) -> Vec<String> {
    let blocks = message.blocks.iter();
    let elements = blocks
        .filter_map(|block| block["elements"].as_array())
        .flatten();
    elements
        .filter_map(|element| element["value"].as_str())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn people_in_slack_are_asked_by_one_message() {
    let store = store(Gate::Cutover, people_in_slack()).await;
    let (signer, mails, slack) = (
        FakeSigner(Ok(())),
        FakeMails::default(),
        FakeSlack::default(),
    );
    ask_by(NOON, &store, &signer, &mails, &slack)
        .await
        .expect("asked");
    assert!(mails.sent.borrow().is_empty(), "nobody decides by mail");
    let written = slack.written.take();
    assert_eq!(written.len(), 1);
    insta::assert_json_snapshot!(written[0]);
    let values = values(&written[0]);
    assert_eq!(values.len(), 3);
    assert!(
        values.iter().all(|value| *value == values[0]),
        "all buttons are about the same question"
    );
    let sealed = SealedButton::parse(&values[0]).expect("a value");
    assert!(
        signer
            .verify(&sealed.signed(), sealed.code())
            .await
            .expect("verified")
    );
    let button = sealed.open().expect("a button");
    assert_eq!(button.evidence, evidence(Gate::Cutover).hash());
    assert_eq!((button.wave, button.gate), (wave(), Gate::Cutover));
    assert_eq!(button.expires, time("2026-12-05T20:00:00Z"));
}

#[tokio::test]
async fn each_is_asked_where_they_decide() {
    let mut people = approvers();
    people.extend(people_in_slack());
    let store = store(Gate::Finalize, people).await;
    let (signer, mails, slack) = (
        FakeSigner(Ok(())),
        FakeMails::default(),
        FakeSlack::default(),
    );
    ask_by(NOON, &store, &signer, &mails, &slack)
        .await
        .expect("asked");
    assert_eq!(mails.sent.borrow().len(), 3);
    assert_eq!(slack.written.borrow().len(), 1);
    let topic = &mails.sent.borrow()[2];
    assert!(
        !topic.text.contains("slack:"),
        "they do not decide on the command line"
    );
}

#[tokio::test]
async fn where_there_is_no_slack_the_refusal_says_what_to_set() {
    let store = store(Gate::Cutover, people_in_slack()).await;
    ask(&store, &FakeSigner(Ok(())), &FakeMails::default())
        .await
        .expect("answered");
    let refusal = refusal(&store);
    assert!(
        refusal.message.contains("SlackParameter"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn a_message_whose_fate_is_unknown_is_written_again_unless_mails_went_out() {
    let slack = FakeSlack {
        failure: Some(CallError::Unknown("Slack failed (HTTP 503)".to_owned())),
        ..FakeSlack::default()
    };
    let (signer, mails) = (FakeSigner(Ok(())), FakeMails::default());
    let alone = store(Gate::Cutover, people_in_slack()).await;
    let error = ask_by(NOON, &alone, &signer, &mails, &slack)
        .await
        .expect_err("nobody knows");
    assert_eq!(error.name(), "Retryable");

    let mut people = approvers();
    people.extend(people_in_slack());
    let mixed = store(Gate::Cutover, people).await;
    ask_by(NOON, &mixed, &signer, &mails, &slack)
        .await
        .expect("answered");
    let refusal = refusal(&mixed);
    assert!(refusal.message.contains("HTTP 503"), "{}", refusal.message);
}

#[tokio::test]
async fn a_question_whose_mail_is_refused_does_not_stand_in_slack_unnoticed() {
    let refused = CallError::refused(RefusalKind::Denied, "not allowed to publish");
    let (signer, slack) = (FakeSigner(Ok(())), FakeSlack::default());
    for (asking, written) in [(Asking::First, 0), (Asking::Reminder, 1)] {
        let mut people = approvers();
        people.extend(people_in_slack());
        let store = store_asking(Gate::Cutover, people, asking).await;
        let mails = FakeMails {
            failure: Some((1, refused.clone())),
            ..FakeMails::default()
        };
        ask_by(NOON, &store, &signer, &mails, &slack)
            .await
            .expect("answered");
        assert_eq!(slack.written.borrow().len(), written);
        let noticed = matches!(
            outcome(&store),
            Outcome::Asked {
                posted: Some(_),
                ..
            }
        );
        assert_eq!(noticed, written > 0, "{:?}", outcome(&store));
    }
}

#[tokio::test]
async fn whose_mail_is_refused_while_slack_takes_the_question_is_told() {
    let refused = CallError::refused(RefusalKind::Denied, "not allowed to publish");
    let own = |name: &str| Subscription {
        endpoint: name.to_owned(),
        filter: Some(format!(r#"{{"to":["{name}"]}}"#)),
        filters_body: false,
    };
    let (signer, slack) = (FakeSigner(Ok(())), FakeSlack::default());
    // The third mail is the topic's, for the one who decides on the command line.
    for (number, who) in [(1, 0), (2, 1), (3, 2)] {
        let mut people = approvers();
        people.extend(people_in_slack());
        let store = store_asking(Gate::Cutover, people, Asking::Escalation).await;
        let mails = FakeMails {
            subscriptions: vec![own("ops@example.com"), own("dba@example.com")],
            failure: Some((number, refused.clone())),
            ..FakeMails::default()
        };
        ask_by(NOON, &store, &signer, &mails, &slack)
            .await
            .expect("answered");
        let Outcome::Asked {
            posted: Some(_),
            unreached,
            refused: Some(said),
        } = outcome(&store)
        else {
            panic!("{:?}", outcome(&store));
        };
        assert_eq!(unreached, approvers()[who..=who]);
        assert_eq!(said, "not allowed to publish");
    }
}

#[tokio::test]
async fn a_question_that_is_over_says_so_in_its_message() {
    let posted = Posted {
        channel: "C024BE91L".to_owned(),
        ts: "1548261231.000200".to_owned(),
    };
    for (failure, done) in [
        (None, true),
        (Some(CallError::Unknown("no answer".to_owned())), false),
        (
            Some(CallError::refused(
                RefusalKind::NotFound,
                "message_not_found",
            )),
            false,
        ),
    ] {
        let store = store_with(Task::CloseQuestion {
            gate: Gate::Cutover,
            posted: posted.clone(),
            end: "It was approved by slack:U024BE7LH: slack:W012A3CDE knows.".to_owned(),
            by: people_in_slack()[..1].to_vec(),
        })
        .await;
        let slack = FakeSlack {
            failure,
            ..FakeSlack::default()
        };
        let (signer, mails) = (FakeSigner(Ok(())), FakeMails::default());
        ask_by(NOON, &store, &signer, &mails, &slack)
            .await
            .expect("answered");
        assert_eq!(
            slack.written.borrow()[0].text,
            "Wave orders, cutover gate: It was approved by <@U024BE7LH>: slack:W012A3CDE knows."
        );
        let outcome = outcome(&store);
        assert_eq!(outcome == Outcome::Done, done, "{outcome:?}");
    }
}
