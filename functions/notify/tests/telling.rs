//! People are told, at least once.

use std::cell::RefCell;

use jiff::{SignedDuration, Timestamp};
use notify::{Request, handle};
use tidegate_domain::effect::{Effect, EffectStatus, Outcome, RefusalKind, Task};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{CallError, HandlerError};
use tidegate_ports::mail::{Mail, Mails};
use tidegate_ports::turns::{Loaded, Turns};
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
    let store = MemoryStore::new();
    let mut draft = Draft::next(&wave(), Loaded::default(), FixedClock.now());
    let status = EffectStatus::Planned;
    draft.effects.push(Effect {
        id: effect(),
        wave: wave(),
        task,
        status,
    });
    store.save(&draft.turn()).await.expect("saved");
    store
}

fn news(subject: &str, text: &str) -> Task {
    Task::Notify {
        subject: subject.to_owned(),
        text: text.to_owned(),
        action_required: true,
    }
}

fn status(store: &MemoryStore) -> EffectStatus {
    store.inspect(|tables| tables.effects[&(wave(), effect())].effect.status.clone())
}

async fn tell(store: &MemoryStore, mails: &FakeMails, seconds: i64) -> Result<(), HandlerError> {
    let request = Request {
        wave: wave(),
        generation: 1,
        effect: effect(),
    };
    let until = FixedClock.now() + SignedDuration::from_secs(seconds);
    handle(request, store, mails, &FixedClock, until)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn news_go_to_all_who_subscribed() {
    let store = store(news("orders is\nheld", "The window closes.")).await;
    let mails = mails(Ok(()));
    tell(&store, &mails, 60).await.expect("told");
    let expected = Mail {
        subject: "orders is held".to_owned(),
        text: "The window closes.".to_owned(),
        wave: "orders".to_owned(),
        to: None,
        action_required: true,
    };
    assert_eq!(*mails.sent.borrow(), [expected]);
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
async fn a_text_that_is_too_long_is_cut_and_an_empty_one_filled() {
    for (text, least, most) in [
        ("ü".repeat(200_000), 100_000, 110_000),
        (" ".to_owned(), 5, 20),
    ] {
        let store = store(news("news", &text)).await;
        let mails = mails(Ok(()));
        tell(&store, &mails, 60).await.expect("told");
        let length = mails.sent.borrow()[0].text.len();
        assert!((least..most).contains(&length), "{length}");
    }
}

#[tokio::test]
async fn refusals_are_answered_and_unknown_fates_left_open() {
    let store_refused = store(news("news", "text")).await;
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
        let store = store(news("news", "text")).await;
        let error = tell(&store, &mails(Err(error)), 60)
            .await
            .expect_err("left open");
        assert_eq!(error.name(), "Retryable");
        assert!(matches!(status(&store), EffectStatus::Claimed { .. }));
    }
}

#[tokio::test]
async fn nothing_is_begun_that_could_outlive_the_deadline() {
    let store = store(news("news", "text")).await;
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
