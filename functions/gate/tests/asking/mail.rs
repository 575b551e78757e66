//! By mail: each with a link of their own, everything that they need in it.

use tidegate_domain::effect::{EffectStatus, Outcome, RefusalKind};
use tidegate_domain::gate::{Asking, Evidence, Gate};
use tidegate_domain::link::Sealed;
use tidegate_domain::plan::Approver;
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mail::{Mail, Subscription};
use tidegate_ports::signer::Signer;

use crate::fixture::{
    FakeMails, FakeSigner, approvers, ask, ask_at, evidence, evidence_again, outcome, refusal,
    status, store, store_showing, time,
};

/// The token in a mail.
fn token(mail: &Mail) -> String {
    let (_, rest) = mail.text.split_once("/decide?token=").expect("a link");
    rest.split_whitespace().next().expect("a token").to_owned()
}

#[tokio::test]
async fn everybody_is_asked_and_each_link_is_one_persons() {
    let store = store(Gate::Cutover, approvers()).await;
    let (signer, mails) = (FakeSigner(Ok(())), FakeMails::default());
    ask(&store, &signer, &mails).await.expect("asked");
    let sent = mails.sent.take();
    let to: Vec<_> = sent.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(
        to,
        [
            Some(approvers()[0].clone()),
            Some(approvers()[1].clone()),
            None
        ]
    );
    for mail in &sent[..2] {
        let sealed = Sealed::parse(&token(mail)).expect("a token");
        assert!(
            signer
                .verify(&sealed.signed(), sealed.code())
                .await
                .expect("verified")
        );
        let link = sealed.open().expect("a link");
        assert_eq!(Some(link.approver), mail.to);
        assert_eq!(link.evidence, evidence(Gate::Cutover).hash());
        assert_eq!(link.expires, time("2026-12-05T20:00:00Z"));
    }
    assert!(
        !sent[2].text.contains("token="),
        "the topic as a whole gets no link"
    );
    assert!(
        sent.iter()
            .all(|mail| mail.action_required && mail.wave == "orders")
    );
    assert!(matches!(outcome(&store), Outcome::Asked { .. }));
}

/// The first mail, as a person sees it.
async fn first_mail(evidence: Evidence, approvers: Vec<Approver>, asking: Asking) -> String {
    let store = store_showing(evidence, approvers, asking).await;
    let mails = FakeMails::default();
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("asked");
    let mail = &mails.sent.borrow()[0];
    format!("{}\n\n{}", mail.subject, mail.text)
}

#[tokio::test]
async fn the_mail_of_a_cutover_says_everything() {
    let mail = first_mail(evidence(Gate::Cutover), approvers(), Asking::First).await;
    insta::assert_snapshot!(mail);
}

#[tokio::test]
async fn a_reminder_says_that_it_is_one_and_until_when() {
    let mail = first_mail(evidence(Gate::Cutover), approvers(), Asking::Reminder).await;
    insta::assert_snapshot!(mail);
}

#[tokio::test]
async fn an_escalation_says_why_others_are_asked() {
    let lead = vec![Approver::Mail("lead@example.com".to_owned())];
    let mail = first_mail(evidence(Gate::Finalize), lead, Asking::Escalation).await;
    insta::assert_snapshot!(mail);
}

#[tokio::test]
async fn asked_again_says_what_changed() {
    let again = evidence_again(Gate::Cutover);
    let mail = first_mail(again, approvers(), Asking::First).await;
    insta::assert_snapshot!(mail);
}

#[tokio::test]
async fn the_mail_of_a_finalize_says_that_there_is_no_way_back() {
    let only = vec![Approver::Iam(
        "arn:aws:iam::111122223333:role/Ops".to_owned(),
    )];
    let mail = first_mail(evidence(Gate::Finalize), only, Asking::First).await;
    insta::assert_snapshot!(mail);
}

#[tokio::test]
async fn what_others_wrote_cannot_pass_for_a_line_of_ours() {
    let store = store(Gate::Cutover, approvers()).await;
    let mails = FakeMails::default();
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("asked");
    let text = &mails.sent.borrow()[0].text;
    assert!(text.contains("  - orders-web99: the launch failed:    Approve here: https://evil"));
    assert!(
        !text
            .lines()
            .any(|line| line.trim_start().starts_with("Approve here"))
    );
}

#[tokio::test]
async fn asking_again_sends_the_same_links() {
    let (signer, mails) = (FakeSigner(Ok(())), FakeMails::default());
    for _ in 0..2 {
        let store = store(Gate::Cutover, approvers()).await;
        ask(&store, &signer, &mails).await.expect("asked");
    }
    let sent = mails.sent.borrow();
    assert_eq!(sent[..3], sent[3..]);
}

#[tokio::test]
async fn an_answered_effect_sends_nothing() {
    let store = store(Gate::Cutover, approvers()).await;
    let (signer, mails) = (FakeSigner(Ok(())), FakeMails::default());
    ask(&store, &signer, &mails).await.expect("asked");
    ask(&store, &signer, &mails).await.expect("nothing to do");
    assert_eq!(mails.sent.borrow().len(), 3);
}

#[tokio::test]
async fn nobody_is_asked_when_it_is_too_late_to_answer() {
    let store = store(Gate::Cutover, approvers()).await;
    let mails = FakeMails::default();
    let now = "2026-12-05T20:00:00Z";
    ask_at(now, &store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("answered");
    assert!(mails.sent.take().is_empty());
    assert_eq!(outcome(&store), Outcome::Done);
}

#[tokio::test]
async fn a_mail_whose_fate_is_unknown_is_sent_again_after_the_deadline() {
    let store = store(Gate::Cutover, approvers()).await;
    let lost = CallError::Unknown("connection reset".to_owned());
    let mails = FakeMails {
        failure: Some((2, lost)),
        ..FakeMails::default()
    };
    let signer = FakeSigner(Ok(()));
    let error = ask(&store, &signer, &mails)
        .await
        .expect_err("nobody knows");
    assert_eq!(error.name(), "Retryable");
    assert!(matches!(status(&store), EffectStatus::Claimed { .. }));
    ask_at("2026-12-01T12:02:00Z", &store, &signer, &mails)
        .await
        .expect("asked again");
    assert_eq!(mails.sent.borrow().len(), 5);
}

#[tokio::test]
async fn a_refusal_is_answered_after_the_others_were_asked() {
    let store = store(Gate::Cutover, approvers()).await;
    let refused = CallError::refused(RefusalKind::Denied, "not allowed to publish");
    let mails = FakeMails {
        failure: Some((1, refused)),
        ..FakeMails::default()
    };
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("answered");
    assert_eq!(mails.sent.borrow().len(), 3);
    let refusal = refusal(&store);
    assert_eq!(refusal.message, "not allowed to publish");
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_a_refusal() {
    let store = store(Gate::Cutover, approvers()).await;
    let signer = FakeSigner(Err(ReadError::Denied("kms:GenerateMac".to_owned())));
    ask(&store, &signer, &FakeMails::default())
        .await
        .expect("answered");
    let refusal = refusal(&store);
    assert_eq!(refusal.kind, RefusalKind::Denied);
}

#[tokio::test]
async fn nobody_is_asked_while_one_mailbox_would_get_several_links() {
    let store = store(Gate::Cutover, approvers()).await;
    let everything = Subscription {
        endpoint: "all@example.com".to_owned(),
        filter: None,
        filters_body: false,
    };
    let mails = FakeMails {
        subscriptions: vec![everything],
        ..FakeMails::default()
    };
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("answered");
    assert!(mails.sent.borrow().is_empty());
    let refusal = refusal(&store);
    assert_eq!(refusal.kind, RefusalKind::Guard);
    assert_eq!(
        refusal.message,
        "all@example.com may get the links of ops@example.com and dba@example.com: give each \
         subscriber of the topic a filter policy on `to` with their own address"
    );
}
