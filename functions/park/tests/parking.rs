//! A driver sleeps only if nothing happened since it looked.

use std::cell::RefCell;

use jiff::Timestamp;
use park::{Request, handle};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::WaveId;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::CallError;
use tidegate_ports::executions::Executions;
use tidegate_world::memory::MemoryStore;

/// Step Functions, with the tokens that were woken and what it answers.
struct FakeExecutions {
    woken: RefCell<Vec<String>>,
    answer: Result<(), CallError>,
}

impl FakeExecutions {
    fn answering(answer: Result<(), CallError>) -> Self {
        Self {
            woken: RefCell::default(),
            answer,
        }
    }
}

impl Executions for FakeExecutions {
    async fn start(&self, _wave: &WaveId, _generation: u64) -> Result<(), CallError> {
        unreachable!("park starts nothing")
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        self.woken.borrow_mut().push(token.to_owned());
        self.answer.clone()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn request(wakes: u64) -> Request {
    Request {
        wave: WaveId::parse("orders").expect("a wave"),
        generation: 1,
        turn: 7,
        wakes,
        wake_at: at(600),
        token: "token-7".to_owned(),
    }
}

/// A wave that was woken once.
async fn store() -> MemoryStore {
    let store = MemoryStore::new();
    let wave = request(0).wave;
    store.create(&wave, at(0)).await.expect("created");
    store.count_wake(&wave).await.expect("counted");
    store
}

#[tokio::test]
async fn sleeps_when_nothing_happened() {
    let (store, executions) = (store().await, FakeExecutions::answering(Ok(())));
    handle(request(1), &store, &executions)
        .await
        .expect("it parks");
    let driver = store
        .driver(&request(1).wave)
        .await
        .expect("read")
        .expect("a driver");
    assert_eq!(driver.parked.expect("it sleeps").token, "token-7");
    assert_eq!(driver.wake_at, Some(at(600)));
    assert!(executions.woken.borrow().is_empty());
}

#[tokio::test]
async fn wakes_itself_when_something_happened() {
    let (store, executions) = (store().await, FakeExecutions::answering(Ok(())));
    handle(request(0), &store, &executions)
        .await
        .expect("it goes on");
    let driver = store
        .driver(&request(0).wave)
        .await
        .expect("read")
        .expect("a driver");
    assert_eq!(driver.parked, None);
    assert_eq!(*executions.woken.borrow(), ["token-7"]);
}

#[tokio::test]
async fn a_token_that_nobody_sleeps_with_is_no_error() {
    let gone = CallError::refused(RefusalKind::NotFound, "the task timed out");
    handle(
        request(0),
        &store().await,
        &FakeExecutions::answering(Err(gone)),
    )
    .await
    .expect("it was awake");
}

#[tokio::test]
async fn an_unknown_answer_is_tried_again() {
    let lost = CallError::Unknown("connection reset".to_owned());
    let error = handle(
        request(0),
        &store().await,
        &FakeExecutions::answering(Err(lost)),
    )
    .await
    .expect_err("nobody knows whether it was woken");
    assert_eq!(error.name(), "Retryable");
}
