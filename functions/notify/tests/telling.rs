//! People are told, at least once.

use std::cell::RefCell;

use jiff::{SignedDuration, Timestamp};
use notify::{Ports, Request, handle};
use proptest::prelude::*;
use tidegate_domain::effect::{Effect, EffectStatus, Outcome, RefusalKind, Task};
use tidegate_domain::gate::Gate;
use tidegate_domain::id::{EffectId, ServerId, SnapshotId, WaveId};
use tidegate_domain::news::{Affected, AffectedServer, News};
use tidegate_domain::plan::{Approver, Channel, Window};
use tidegate_domain::wave::Posted;
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{CallError, HandlerError};
use tidegate_ports::mail::{Mail, Mails};
use tidegate_ports::slack::{NoSlack, SlackPosts};
use tidegate_ports::turns::{Loaded, Turns};
use tidegate_slack::message::Message;
use tidegate_world::contract::fixtures::Draft;
use tidegate_world::memory::MemoryStore;

/// A topic that keeps what it is sent.
struct FakeMails {
    sent: RefCell<Vec<Mail>>,
    answer: Result<(), CallError>,
}

impl Mails for FakeMails {
    async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        self.sent.borrow_mut().push(mail.clone());
        self.answer.clone()
    }
}

fn mails(answer: Result<(), CallError>) -> FakeMails {
    FakeMails {
        sent: RefCell::default(),
        answer,
    }
}

/// A channel that keeps what is written.
#[derive(Default)]
struct FakeSlack {
    written: RefCell<Vec<Message>>,
}

impl SlackPosts for FakeSlack {
    async fn post(&self, message: &Message) -> Result<Option<Posted>, CallError> {
        self.written.borrow_mut().push(message.clone());
        Ok(None)
    }

    async fn change(&self, posted: &Posted, _message: &Message) -> Result<(), CallError> {
        panic!("{posted:?} is left alone")
    }
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

fn effect() -> EffectId {
    EffectId::parse("orders-9-0").expect("an effect")
}

async fn store(task: Task) -> MemoryStore {
    store_of(wave(), task).await
}

async fn store_of(wave: WaveId, task: Task) -> MemoryStore {
    let store = MemoryStore::new();
    let mut draft = Draft::next(&wave, Loaded::default(), FixedClock.now());
    let status = EffectStatus::Planned;
    draft.effects.push(Effect {
        id: effect(),
        wave,
        task,
        status,
    });
    store.save(&draft.turn()).await.expect("saved");
    store
}

fn news(news: News) -> Task {
    let channel = Channel::Sns;
    Task::Notify { news, channel }
}

fn completed() -> Task {
    news(News::WaveCompleted)
}

fn status(store: &MemoryStore) -> EffectStatus {
    store.inspect(|tables| tables.effects[&(wave(), effect())].effect.status.clone())
}

async fn tell(store: &MemoryStore, mails: &FakeMails, seconds: i64) -> Result<(), HandlerError> {
    tell_of(wave(), store, mails, seconds).await
}

async fn tell_of(
    wave: WaveId,
    store: &MemoryStore,
    mails: &FakeMails,
    seconds: i64,
) -> Result<(), HandlerError> {
    let request = Request {
        wave,
        generation: 1,
        effect: effect(),
    };
    let ports = Ports {
        effects: store,
        mails,
        slack: &NoSlack,
        clock: &FixedClock,
    };
    let until = FixedClock.now() + SignedDuration::from_secs(seconds);
    handle(request, &ports, until).await.map(|_| ())
}

/// Tell that in Slack.
async fn tell_in(slack: &impl SlackPosts, news: News) -> EffectStatus {
    let channel = Channel::Slack;
    let store = store(Task::Notify { news, channel }).await;
    let mails = mails(Ok(()));
    let request = Request {
        wave: wave(),
        generation: 1,
        effect: effect(),
    };
    let ports = Ports {
        effects: &store,
        mails: &mails,
        slack,
        clock: &FixedClock,
    };
    let until = FixedClock.now() + SignedDuration::from_secs(60);
    handle(request, &ports, until).await.expect("answered");
    assert!(
        mails.sent.borrow().is_empty(),
        "the mail is an effect of its own"
    );
    status(&store)
}

#[tokio::test]
async fn news_go_to_all_who_subscribed() {
    let store = store(completed()).await;
    let mails = mails(Ok(()));
    tell(&store, &mails, 60).await.expect("told");
    {
        let sent = mails.sent.borrow();
        assert_eq!(sent[0].subject, "Tidegate: wave orders is completed");
        assert!(sent[0].text.starts_with("Wave orders is completed"));
        assert_eq!(
            (sent[0].wave.as_str(), sent[0].to.as_ref()),
            ("orders", None)
        );
        assert_eq!(
            (sent[0].kind, sent[0].action_required),
            ("wave_completed", false)
        );
    }
    assert!(matches!(
        status(&store),
        EffectStatus::Answered {
            outcome: Outcome::Done,
            ..
        }
    ));
    tell(&store, &mails, 60).await.expect("nothing to do");
    assert_eq!(mails.sent.borrow().len(), 1);
}

#[tokio::test]
async fn refusals_are_answered_and_unknown_fates_left_open() {
    let store_refused = store(completed()).await;
    let refused = mails(Err(CallError::refused(RefusalKind::Denied, "not allowed")));
    tell(&store_refused, &refused, 60).await.expect("answered");
    let answered = status(&store_refused);
    assert!(matches!(
        answered,
        EffectStatus::Answered {
            outcome: Outcome::Refused(_),
            ..
        }
    ));

    let throttled = CallError::refused(RefusalKind::Throttled, "slow down");
    for error in [CallError::Unknown("connection reset".to_owned()), throttled] {
        let store = store(completed()).await;
        let error = tell(&store, &mails(Err(error)), 60)
            .await
            .expect_err("left open");
        assert_eq!(error.name(), "Retryable");
        assert!(matches!(status(&store), EffectStatus::Claimed { .. }));
    }
}

#[tokio::test]
async fn nothing_is_begun_that_could_outlive_the_deadline() {
    let store = store(completed()).await;
    let mails = mails(Ok(()));
    tell(&store, &mails, 10).await.expect_err("too late");
    assert!(mails.sent.borrow().is_empty());
}

#[tokio::test]
async fn an_effect_of_another_function_is_a_permanent_error() {
    let store = store(Task::StartTest {
        servers: Vec::new(),
    })
    .await;
    let error = tell(&store, &mails(Ok(())), 60)
        .await
        .expect_err("not ours");
    assert_eq!(error.name(), "Permanent");
}

#[tokio::test]
async fn what_people_must_act_on_reads_well_in_slack() {
    let slack = FakeSlack::default();
    for news in every("db01 does not answer") {
        tell_in(&slack, news).await;
    }
    let held = slack.written.borrow();
    let held = held.iter().find(|told| told.text.contains("held"));
    insta::assert_json_snapshot!(held);
}

#[tokio::test]
async fn where_no_slack_is_set_up_the_effect_says_so() {
    let status = tell_in(&NoSlack, News::WaveCompleted).await;
    let EffectStatus::Answered {
        outcome: Outcome::Refused(refusal),
        ..
    } = status
    else {
        panic!("{status:?}")
    };
    assert!(refusal.message.contains("SlackParameter"));
}

fn window() -> Window {
    Window {
        opens: "2026-12-05T21:00:00Z".parse().expect("a time"),
        closes: "2026-12-06T01:00:00Z".parse().expect("a time"),
        time_zone: "Europe/Berlin".to_owned(),
    }
}

fn snapshot(number: u32) -> SnapshotId {
    SnapshotId::parse(format!("snap-{number:017}")).expect("a snapshot")
}

/// All news there are, with this text wherever others write.
fn every(text: &str) -> Vec<News> {
    let server = ServerId::parse("s-0123456789abcdef0").expect("a server");
    let affected = AffectedServer {
        hostname: text.to_owned(),
        server,
        reason: text.to_owned(),
    };
    let one = Affected {
        first: affected.clone(),
        others: Vec::new(),
        more: 0,
    };
    let many = Affected {
        others: vec![affected; 2],
        more: 3,
        ..one.clone()
    };
    let text = text.to_owned();
    vec![
        News::WaveStarted { servers: 12 },
        News::WaveHeld {
            reason: text.clone(),
            commands: vec![
                ("tidegate resume orders".to_owned(), "try again".to_owned()),
                (
                    "tidegate abort orders".to_owned(),
                    "end the wave".to_owned(),
                ),
            ],
            window: Some(window()),
        },
        News::WaveHeld {
            reason: text.clone(),
            commands: Vec::new(),
            window: None,
        },
        News::ServerFailed {
            purpose: "test".to_owned(),
            servers: one.clone(),
        },
        News::ServerFailed {
            purpose: "test".to_owned(),
            servers: many.clone(),
        },
        News::ReplicationStalled {
            servers: one,
            window: Some(window()),
        },
        News::ReplicationStalled {
            servers: many.clone(),
            window: None,
        },
        News::TerminationRefused { servers: many },
        News::MessagesSetAside {
            said: vec![text.clone(); 2],
        },
        News::GateAsksAgain {
            gate: Gate::Cutover,
            changes: vec![text.clone(); 60].into_iter().collect(),
            only: None,
        },
        News::GateAsksAgain {
            gate: Gate::Finalize,
            changes: std::iter::once(text.clone()).collect(),
            only: Some(2),
        },
        News::PlanChanged {
            by: Approver::Mail(text.clone()),
            changes: vec![text.clone(); 2].into_iter().collect(),
        },
        News::ApproversUnreached {
            gate: Gate::Finalize,
            approvers: vec![Approver::Mail(text.clone()); 22],
            refused: None,
            expires: "2026-12-06T01:00:00Z".parse().expect("a time"),
        },
        News::ApproversUnreached {
            gate: Gate::Cutover,
            approvers: vec![Approver::Mail("boss@example.com".to_owned())],
            refused: Some(text.clone()),
            expires: "2026-12-06T01:00:00Z".parse().expect("a time"),
        },
        News::GateApprovedInPart {
            gate: Gate::Cutover,
            text: text.clone(),
        },
        News::RollbackStarted { why: text.clone() },
        News::WaveRolledBack {
            kept: vec![
                (text.clone(), vec![snapshot(1), snapshot(2)]),
                (text, vec![snapshot(3)]),
            ],
        },
        News::WaveRolledBack { kept: Vec::new() },
        News::WaveCompleted,
        News::WaveAborted,
    ]
}

async fn sent(told: News) -> Mail {
    sent_of(wave(), told).await
}

async fn sent_of(wave: WaveId, told: News) -> Mail {
    let store = store_of(wave.clone(), news(told)).await;
    let mails = mails(Ok(()));
    tell_of(wave, &store, &mails, 60).await.expect("told");
    mails.sent.borrow()[0].clone()
}

#[tokio::test]
async fn every_mail_reads_well() {
    let mut all = String::new();
    for news in every("db01 does not answer") {
        let mail = sent(news).await;
        all.push_str(&format!(
            "Subject: {}\n[{}, action required: {}]\n\n{}\n----\n",
            mail.subject, mail.kind, mail.action_required, mail.text
        ));
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn a_subject_tells_what_and_by_when_however_long_the_names_are() {
    let longest = WaveId::parse("w".repeat(40)).expect("a wave");
    for news in every(&"h".repeat(300)) {
        let subject = sent_of(longest.clone(), news.clone()).await.subject;
        assert!(subject.contains(longest.as_str()), "{subject}");
        let by = matches!(
            news,
            News::WaveHeld {
                window: Some(_),
                ..
            } | News::ReplicationStalled {
                window: Some(_),
                ..
            } | News::ApproversUnreached { .. }
        );
        let told = subject.contains("act before 2026-12-06 01:00 UTC");
        assert_eq!(told, by, "{subject}");
        let what = match news {
            News::WaveStarted { .. } => "has started",
            News::WaveHeld { .. } => "is held",
            News::ServerFailed { .. } => "failed",
            News::ReplicationStalled { .. } => "replication stalls",
            News::TerminationRefused { .. } => "run on",
            News::MessagesSetAside { .. } => "set aside",
            News::GateAsksAgain { .. } => "is asked again",
            News::PlanChanged { .. } => "plan was changed",
            News::ApproversUnreached { .. } => "approvers unreached",
            News::GateApprovedInPart { .. } => "in part",
            News::WaveCompleted => "is completed",
            News::RollbackStarted { .. } => "is being rolled back",
            News::WaveRolledBack { .. } => "is rolled back",
            News::WaveAborted => "was aborted",
        };
        assert!(subject.contains(what), "{subject}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a hostname or an error says: one printable line of subject, no line of the text
    /// that it began itself, and no empty mail.
    #[test]
    fn what_others_write_begins_no_header_and_no_line(text in "(?s).{0,200}", forged: bool) {
        let text = if forged { format!("x\r\nBcc: all@example.com\n\n{text}") } else { text };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for news in every(&text) {
            let action = news.action_required();
            let mail = runtime.block_on(sent(news));
            prop_assert!(mail.subject.len() < 100 && mail.subject.contains("wave orders"));
            prop_assert!(mail.subject.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
            prop_assert!(!mail.text.trim().is_empty() && mail.text.len() < 200 * 1024);
            prop_assert!(!mail.text.contains('\r'));
            prop_assert!(mail.text.lines().all(|line| !line.starts_with("Bcc:")));
            prop_assert_eq!(mail.action_required, action);
        }
    }
}
