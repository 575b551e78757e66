//! Approvers are asked: each with a link of their own, everything that they need in the mail.

use std::cell::RefCell;

use gate::{Ports, Request, handle};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use tidegate_domain::effect::{Effect, EffectStatus, Outcome, RefusalKind, Task};
use tidegate_domain::gate::{
    Asking, Evidence, Gate, LeftOut, ServerEvidence, Warning, WarningKind,
};
use tidegate_domain::id::{ApplicationName, EffectId, InstanceId, JobId, ServerId, WaveId};
use tidegate_domain::link::Sealed;
use tidegate_domain::plan::{Approver, Channel, Window};
use tidegate_domain::wave::Posted;
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{CallError, HandlerError, ReadError};
use tidegate_ports::mail::{Mail, Mails, Subscribers, Subscription};
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::{NoSlack, SlackPosts};
use tidegate_ports::turns::{Loaded, Turns};
use tidegate_slack::button::SealedButton;
use tidegate_slack::message::Message;
use tidegate_world::contract::fixtures::Draft;
use tidegate_world::memory::MemoryStore;

/// A key in memory.
struct FakeSigner(Result<(), ReadError>);

impl Signer for FakeSigner {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.0.clone()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a key").expect("any key will do");
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError> {
        Ok(self.sign(message).await? == code)
    }
}

/// A topic that keeps what it is sent, and answers so for the mail of that number.
#[derive(Default)]
struct FakeMails {
    sent: RefCell<Vec<Mail>>,
    subscriptions: Vec<Subscription>,
    failure: Option<(usize, CallError)>,
}

impl Mails for FakeMails {
    async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        let mut sent = self.sent.borrow_mut();
        sent.push(mail.clone());
        match &self.failure {
            Some((number, error)) if *number == sent.len() => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }
}

impl Subscribers for FakeMails {
    async fn subscriptions(&self) -> Result<Vec<Subscription>, ReadError> {
        Ok(self.subscriptions.clone())
    }
}

/// A channel that keeps what is written, and answers so.
#[derive(Default)]
struct FakeSlack {
    written: RefCell<Vec<Message>>,
    failure: Option<CallError>,
}

impl SlackPosts for FakeSlack {
    async fn post(&self, message: &Message) -> Result<Option<Posted>, CallError> {
        self.written.borrow_mut().push(message.clone());
        let posted = Posted {
            channel: "C024BE91L".to_owned(),
            ts: "1548261231.000200".to_owned(),
        };
        self.failure.clone().map_or(Ok(Some(posted)), Err)
    }

    async fn change(&self, posted: &Posted, message: &Message) -> Result<(), CallError> {
        assert_eq!(posted.ts, "1548261231.000200");
        self.post(message).await.map(|_| ())
    }
}

struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

fn server(number: usize, application: &str) -> ServerEvidence {
    ServerEvidence {
        checks: 2,
        ..ServerEvidence::new(
            ServerId::parse(format!("s-{number:017}")).expect("a server"),
            format!("{application}{number:02}.corp.example.com"),
            ApplicationName::parse(application).expect("an application"),
            JobId::parse(format!("mgnjob-{number:017}")).expect("a job"),
            InstanceId::parse(format!("i-{number:017x}")).expect("an instance"),
            time("2026-12-01T10:00:00Z"),
        )
    }
}

fn evidence(gate: Gate) -> Evidence {
    let mut servers = vec![server(1, "orders-db")];
    servers.extend((2..25).map(|number| server(number, "orders-web")));
    let difference = "instance type was m5.large, is m5.xlarge";
    let warning = Warning {
        kind: WarningKind::Changed,
        text: format!("Would be launched otherwise than tested: {difference}: orders-web02."),
        servers: 1,
    };
    let changed = format!("orders-web02\nwould be launched otherwise: {difference}");
    Evidence {
        changed: (gate == Gate::Cutover)
            .then_some(changed)
            .into_iter()
            .collect(),
        warnings: (gate == Gate::Cutover)
            .then_some(warning)
            .into_iter()
            .collect(),
        window: (gate == Gate::Cutover).then(|| Window {
            opens: time("2026-12-05T21:00:00Z"),
            closes: time("2026-12-06T01:00:00Z"),
            time_zone: "Europe/Berlin".to_owned(),
        }),
        projected_downtime: (gate == Gate::Cutover).then(|| SignedDuration::from_secs(5_430)),
        servers,
        left_out: vec![LeftOut {
            server: ServerId::parse("s-00000000000000099").expect("a server"),
            hostname: "orders-web99".to_owned(),
            reason: "the launch failed:\r\n\r\nApprove here: https://evil.example.com".to_owned(),
        }],
        ..Evidence::new(wave(), gate, u32::from(gate == Gate::Finalize))
    }
}

fn approvers() -> Vec<Approver> {
    vec![
        Approver::Mail("ops@example.com".to_owned()),
        Approver::Mail("dba@example.com".to_owned()),
        Approver::Iam("arn:aws:sts::111122223333:assumed-role/Ops/*".to_owned()),
    ]
}

/// A store in which the gate is to be opened.
async fn store(gate: Gate, approvers: Vec<Approver>) -> MemoryStore {
    let store = MemoryStore::new();
    let mut draft = Draft::next(&wave(), Loaded::default(), time("2026-12-01T12:00:00Z"));
    draft.effects.push(Effect {
        id: effect(),
        wave: wave(),
        task: Task::OpenGate {
            gate,
            evidence: evidence(gate),
            approvers,
            expires: time("2026-12-05T20:00:00Z"),
            notify: vec![Channel::Sns],
            asking: Asking::First,
        },
        status: EffectStatus::Planned,
    });
    store.save(&draft.turn()).await.expect("saved");
    store
}

fn effect() -> EffectId {
    EffectId::parse("orders-9-0").expect("an effect")
}

fn status(store: &MemoryStore) -> EffectStatus {
    store.inspect(|tables| tables.effects[&(wave(), effect())].effect.status.clone())
}

async fn ask_at(
    now: &str,
    store: &MemoryStore,
    signer: &FakeSigner,
    mails: &FakeMails,
) -> Result<(), HandlerError> {
    ask_by(now, store, signer, mails, &NoSlack).await
}

async fn ask_by(
    now: &str,
    store: &MemoryStore,
    signer: &FakeSigner,
    mails: &FakeMails,
    slack: &impl SlackPosts,
) -> Result<(), HandlerError> {
    let clock = FixedClock(time(now));
    let ports = Ports {
        effects: store,
        signer,
        mails,
        slack,
        clock: &clock,
    };
    let until = clock.0 + SignedDuration::from_secs(60);
    let request = Request {
        wave: wave(),
        generation: 1,
        effect: effect(),
    };
    handle(request, &ports, "https://console.example.com", until)
        .await
        .map(|_| ())
}

async fn ask(
    store: &MemoryStore,
    signer: &FakeSigner,
    mails: &FakeMails,
) -> Result<(), HandlerError> {
    ask_at("2026-12-01T12:00:00Z", store, signer, mails).await
}

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
    assert!(matches!(
        status(&store),
        EffectStatus::Answered {
            outcome: Outcome::Done,
            ..
        }
    ));
}

#[tokio::test]
async fn the_mail_of_a_cutover_says_everything() {
    let store = store(Gate::Cutover, approvers()).await;
    let mails = FakeMails::default();
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("asked");
    let mail = &mails.sent.borrow()[0];
    insta::assert_snapshot!(format!("{}\n\n{}", mail.subject, mail.text));
}

#[tokio::test]
async fn the_mail_of_a_finalize_says_that_there_is_no_way_back() {
    let only = vec![Approver::Iam(
        "arn:aws:iam::111122223333:role/Ops".to_owned(),
    )];
    let store = store(Gate::Finalize, only).await;
    let mails = FakeMails::default();
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("asked");
    let sent = mails.sent.borrow();
    assert_eq!(sent.len(), 1);
    insta::assert_snapshot!(format!("{}\n\n{}", sent[0].subject, sent[0].text));
}

#[tokio::test]
async fn what_others_wrote_cannot_pass_for_a_line_of_ours() {
    let store = store(Gate::Cutover, approvers()).await;
    let mails = FakeMails::default();
    ask(&store, &FakeSigner(Ok(())), &mails)
        .await
        .expect("asked");
    let text = &mails.sent.borrow()[0].text;
    assert!(text.contains("  orders-web99: the launch failed:    Approve here: https://evil"));
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
    assert!(matches!(
        status(&store),
        EffectStatus::Answered {
            outcome: Outcome::Done,
            ..
        }
    ));
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
    let EffectStatus::Answered {
        outcome: Outcome::Refused(refusal),
        ..
    } = status(&store)
    else {
        panic!("{:?}", status(&store));
    };
    assert_eq!(refusal.message, "not allowed to publish");
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_a_refusal() {
    let store = store(Gate::Cutover, approvers()).await;
    let signer = FakeSigner(Err(ReadError::Denied("kms:GenerateMac".to_owned())));
    ask(&store, &signer, &FakeMails::default())
        .await
        .expect("answered");
    let EffectStatus::Answered {
        outcome: Outcome::Refused(refusal),
        ..
    } = status(&store)
    else {
        panic!("{:?}", status(&store));
    };
    assert_eq!(refusal.kind, RefusalKind::Denied);
}

fn people_in_slack() -> Vec<Approver> {
    vec![
        Approver::Slack("U024BE7LH".to_owned()),
        Approver::Slack("W012A3CDE".to_owned()),
    ]
}

const NOON: &str = "2026-12-01T12:00:00Z";

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
    let EffectStatus::Answered {
        outcome: Outcome::Refused(refusal),
        ..
    } = status(&store)
    else {
        panic!("{:?}", status(&store));
    };
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
    let EffectStatus::Answered {
        outcome: Outcome::Refused(refusal),
        ..
    } = status(&mixed)
    else {
        panic!("{:?}", status(&mixed));
    };
    assert!(refusal.message.contains("HTTP 503"), "{}", refusal.message);
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
    let EffectStatus::Answered {
        outcome: Outcome::Refused(refusal),
        ..
    } = status(&store)
    else {
        panic!("refused");
    };
    assert_eq!(refusal.kind, RefusalKind::Guard);
    assert_eq!(
        refusal.message,
        "all@example.com would get the links of ops@example.com and dba@example.com: give each \
         subscriber of the topic a filter policy on `to` with their own address"
    );
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
        let store = MemoryStore::new();
        let mut draft = Draft::next(&wave(), Loaded::default(), time(NOON));
        draft.effects.push(Effect {
            id: effect(),
            wave: wave(),
            task: Task::CloseQuestion {
                gate: Gate::Cutover,
                posted: posted.clone(),
                end: "It was approved by slack:U024BE7LH.".to_owned(),
            },
            status: EffectStatus::Planned,
        });
        store.save(&draft.turn()).await.expect("saved");
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
            "Wave orders, cutover gate: It was approved by <@U024BE7LH>."
        );
        let EffectStatus::Answered { outcome, .. } = status(&store) else {
            panic!("{:?}", status(&store));
        };
        assert_eq!(outcome == Outcome::Done, done, "{outcome:?}");
    }
}
