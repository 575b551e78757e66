//! What is due is woken, what died is restarted, and a bad wave keeps nobody waiting.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sweep::{Request, handle};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::WaveId;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::{Driver, Drivers, Parked, Parking};
use tidegate_ports::error::{CallError, HandlerError, chain};
use tidegate_ports::executions::Executions;
use tidegate_world::memory::MemoryStore;
use tokio::sync::Barrier;

const LEASE: SignedDuration = SignedDuration::from_secs(180);

/// Step Functions: what was asked, and the answers that are not Ok.
#[derive(Default)]
struct FakeExecutions {
    calls: RefCell<Vec<String>>,
    failures: BTreeMap<&'static str, CallError>,
}

impl FakeExecutions {
    fn failing(call: &'static str, error: CallError) -> Self {
        Self {
            failures: BTreeMap::from([(call, error)]),
            ..Self::default()
        }
    }

    fn call(&self, call: String) -> Result<(), CallError> {
        let answer = self
            .failures
            .get(call.as_str())
            .cloned()
            .map_or(Ok(()), Err);
        self.calls.borrow_mut().push(call);
        answer
    }
}

impl Executions for FakeExecutions {
    async fn start(&self, wave: &WaveId, generation: u64) -> Result<(), CallError> {
        self.call(format!("start {wave} {generation}"))
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        self.call(format!("wake {token}"))
    }
}

struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn wave(name: &str) -> WaveId {
    WaveId::parse(name).expect("a wave")
}

/// A wave whose driver of generation 1 sleeps until 500.
async fn asleep(store: &MemoryStore, name: &str) {
    let wave = wave(name);
    store.create(&wave, at(0)).await.expect("created");
    assert!(
        store
            .take_generation(&wave, 0, at(100))
            .await
            .expect("taken")
    );
    store.at_work(&wave, 1, at(100)).await.expect("at work");
    let parked = Parked {
        token: format!("token-{name}"),
        generation: 1,
        turn: 1,
    };
    let parking = store
        .park(&wave, &parked, 0, at(500))
        .await
        .expect("parked");
    assert_eq!(parking, Parking::Parked);
}

async fn driver(store: &MemoryStore, name: &str) -> Driver {
    store
        .driver(&wave(name))
        .await
        .expect("read")
        .expect("a driver")
}

async fn sweep_at(
    seconds: i64,
    store: &MemoryStore,
    executions: &FakeExecutions,
) -> Result<(), HandlerError> {
    let clock = FixedClock(at(seconds));
    handle(Request {}, store, executions, &clock, LEASE)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn what_is_not_due_is_left_alone() {
    let (store, executions) = (MemoryStore::new(), FakeExecutions::default());
    asleep(&store, "orders").await;
    sweep_at(499, &store, &executions).await.expect("swept");
    assert!(executions.calls.borrow().is_empty());
}

#[tokio::test]
async fn a_sleeper_that_is_due_is_woken() {
    let (store, executions) = (MemoryStore::new(), FakeExecutions::default());
    asleep(&store, "orders").await;
    sweep_at(500, &store, &executions).await.expect("swept");
    assert_eq!(*executions.calls.borrow(), ["wake token-orders"]);
}

#[tokio::test]
async fn a_dead_token_is_forgotten_and_its_driver_restarted_after_the_lease() {
    let gone = CallError::refused(RefusalKind::NotFound, "the task timed out");
    let executions = FakeExecutions::failing("wake token-orders", gone);
    let store = MemoryStore::new();
    asleep(&store, "orders").await;

    sweep_at(500, &store, &executions).await.expect("swept");
    assert_eq!(driver(&store, "orders").await.parked, None);
    assert_eq!(driver(&store, "orders").await.wake_at, Some(at(680)));

    sweep_at(679, &store, &executions)
        .await
        .expect("the lease still runs");
    sweep_at(680, &store, &executions).await.expect("swept");
    assert_eq!(
        *executions.calls.borrow(),
        ["wake token-orders", "start orders 2"]
    );
    assert_eq!(driver(&store, "orders").await.wake_at, Some(at(860)));
}

#[tokio::test]
async fn a_driver_that_was_never_started_is_started() {
    let (store, executions) = (MemoryStore::new(), FakeExecutions::default());
    store
        .create(&wave("orders"), at(10))
        .await
        .expect("created");
    sweep_at(10, &store, &executions).await.expect("swept");
    assert_eq!(*executions.calls.borrow(), ["start orders 1"]);
}

#[tokio::test]
async fn an_unknown_answer_leaves_the_sleeper_for_the_next_time() {
    let lost = CallError::Unknown("connection reset".to_owned());
    let executions = FakeExecutions::failing("wake token-orders", lost);
    let store = MemoryStore::new();
    asleep(&store, "orders").await;
    let error = sweep_at(500, &store, &executions)
        .await
        .expect_err("it failed");
    assert_eq!(error.name(), "Retryable");
    assert!(driver(&store, "orders").await.parked.is_some());
    assert_eq!(driver(&store, "orders").await.wake_at, Some(at(500)));
}

#[tokio::test]
async fn one_bad_wave_keeps_nobody_waiting() {
    let lost = CallError::Unknown("connection reset".to_owned());
    let executions = FakeExecutions::failing("wake token-billing", lost);
    let store = MemoryStore::new();
    for name in ["archive", "billing", "orders"] {
        asleep(&store, name).await;
    }
    sweep_at(500, &store, &executions)
        .await
        .expect_err("billing failed");
    assert_eq!(
        *executions.calls.borrow(),
        [
            "wake token-archive",
            "wake token-billing",
            "wake token-orders"
        ]
    );
}

/// Step Functions that answers nobody until so many ask at once.
struct Together {
    awaited: Barrier,
    asking: Cell<usize>,
    most: Cell<usize>,
}

impl Together {
    fn new(awaited: usize) -> Self {
        Self {
            awaited: Barrier::new(awaited),
            asking: Cell::new(0),
            most: Cell::new(0),
        }
    }
}

impl Executions for Together {
    async fn start(&self, _wave: &WaveId, _generation: u64) -> Result<(), CallError> {
        self.wake("a new driver").await
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        self.asking.set(self.asking.get() + 1);
        self.most.set(self.most.get().max(self.asking.get()));
        self.awaited.wait().await;
        self.asking.set(self.asking.get() - 1);
        if token.ends_with('3') {
            Err(CallError::Unknown("connection reset".to_owned()))
        } else {
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_slow_wave_keeps_nobody_waiting() {
    let (store, executions) = (MemoryStore::new(), Together::new(16));
    // One after the other, the first would wait for ever; all at once, 80 would ask.
    for number in 1..80 {
        asleep(&store, &format!("wave-{number}")).await;
    }
    let dead = wave("wave-80");
    store.create(&dead, at(10)).await.expect("created");
    let clock = FixedClock(at(500));
    let error = handle(Request {}, &store, &executions, &clock, LEASE)
        .await
        .expect_err("some failed");
    let told = chain(&error);
    assert!(told.contains("8 of 80 waves failed"), "{told}");
    assert_eq!(executions.most.get(), 16);
    // What died was restarted all the same.
    assert_eq!(driver(&store, "wave-80").await.generation, 1);
}
