//! One mailbox never gets two people's links, however far apart they are sent.

use tidegate_domain::effect::{Outcome, RefusalKind, Task};
use tidegate_domain::gate::{Asking, Door, Gate};
use tidegate_domain::plan::{Approver, Channel};
use tidegate_ports::mail::Subscription;

use crate::fixture::{FakeMails, FakeSigner, ask, evidence, outcome, refusal, store_with, time};

fn mail(name: &str) -> Approver {
    Approver::Mail(format!("{name}@example.com"))
}

/// Asks one person, at a gate at which others were asked before or are asked later.
fn asking(asking: Asking, who: &str) -> Task {
    Task::OpenGate {
        gate: Gate::Cutover,
        evidence: evidence(Gate::Cutover),
        approvers: vec![mail(who)],
        expires: time("2026-12-05T20:00:00Z"),
        mailboxes: vec![mail("ops"), mail("lead")],
        notify: vec![Channel::Sns],
        asking,
        withdrawals: 0,
        minimum: Door::Mail,
    }
}

fn asked_all_but(unreached: Vec<Approver>) -> Outcome {
    Outcome::Asked {
        posted: None,
        unreached,
        refused: None,
    }
}

fn subscription(endpoint: &str, filter: Option<&str>) -> Subscription {
    Subscription {
        endpoint: endpoint.to_owned(),
        filter: filter.map(str::to_owned),
        filters_body: false,
    }
}

#[tokio::test]
async fn who_is_asked_alone_is_not_asked_through_a_mailbox_that_gets_others_links() {
    for (kind, who) in [
        (Asking::First, "ops"),
        (Asking::Reminder, "ops"),
        (Asking::Escalation, "lead"),
    ] {
        let store = store_with(asking(kind, who)).await;
        let mails = FakeMails {
            subscriptions: vec![subscription("ops@example.com", None)],
            ..FakeMails::default()
        };
        let asked = ask(&store, &FakeSigner(Ok(())), &mails).await;
        asked.expect("answered");
        assert!(mails.sent.borrow().is_empty(), "{kind:?}");
        let refusal = refusal(&store);
        assert_eq!(refusal.kind, RefusalKind::Guard);
        for name in ["ops@example.com", "lead@example.com"] {
            assert!(refusal.message.contains(name), "{}", refusal.message);
        }
    }
}

#[tokio::test]
async fn who_has_a_mailbox_of_their_own_is_asked() {
    let store = store_with(asking(Asking::Escalation, "lead")).await;
    let mails = FakeMails {
        subscriptions: vec![
            subscription("ops@example.com", Some(r#"{"to":["ops@example.com"]}"#)),
            subscription("lead@example.com", Some(r#"{"to":["lead@example.com"]}"#)),
        ],
        ..FakeMails::default()
    };
    let asked = ask(&store, &FakeSigner(Ok(())), &mails).await;
    asked.expect("answered");
    assert_eq!(mails.sent.borrow().len(), 1);
    assert_eq!(outcome(&store), asked_all_but(Vec::new()));
}

#[tokio::test]
async fn whom_mail_may_not_reach_is_told() {
    for policy in [
        r#"{"to":["ops@example.com"]}"#,
        r#"{"to":["lead@example.com"],"wave":["billing"]}"#,
        r#"{"to":["lead@example.com"],"kind":["gate_opened","wave_held"]}"#,
    ] {
        let store = store_with(asking(Asking::Escalation, "lead")).await;
        let mails = FakeMails {
            subscriptions: vec![subscription("lead@example.com", Some(policy))],
            ..FakeMails::default()
        };
        let asked = ask(&store, &FakeSigner(Ok(())), &mails).await;
        asked.expect("answered");
        assert_eq!(mails.sent.borrow().len(), 1, "it is sent all the same");
        let expected = asked_all_but(vec![mail("lead")]);
        assert_eq!(outcome(&store), expected, "{policy}");
    }
}

#[tokio::test]
async fn where_no_link_decides_none_is_sent_and_the_door_is_named() {
    for (minimum, door) in [
        (Door::Page, "a page opened with AWS credentials"),
        (Door::Slack, "Slack"),
        (Door::Iam, "AWS credentials"),
    ] {
        let mut task = asking(Asking::Escalation, "lead");
        if let Task::OpenGate { minimum: least, .. } = &mut task {
            *least = minimum;
        }
        let store = store_with(task).await;
        // It takes everybody's mail, in which nothing is anybody's own.
        let mails = FakeMails {
            subscriptions: vec![subscription("team@example.com", None)],
            ..FakeMails::default()
        };
        let asked = ask(&store, &FakeSigner(Ok(())), &mails).await;
        asked.expect("answered");
        let sent = mails.sent.borrow();
        assert_eq!(sent[0].to, Some(mail("lead")));
        let text = &sent[0].text;
        assert!(
            !text.contains("token=") && !text.contains("a link that is yours"),
            "{text}"
        );
        assert!(text.contains(&format!("decide by {door}.")), "{text}");
        assert_eq!(outcome(&store), asked_all_but(Vec::new()));
    }
}
