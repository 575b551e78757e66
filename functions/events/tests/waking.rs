//! An event wakes the waves that it concerns, and changes nothing else.

use std::cell::RefCell;

use events::{Place, handle};
use jiff::Timestamp;
use tidegate_domain::id::{CommandId, ServerId, WaveId};
use tidegate_ports::claims::{Claims, Owners};
use tidegate_ports::driver::{Drivers, Parked};
use tidegate_ports::error::{CallError, HandlerError, StoreError};
use tidegate_ports::executions::Executions;
use tidegate_ports::references::References;
use tidegate_world::memory::MemoryStore;

const LAUNCH: &[u8] = include_bytes!("../../../events/mgn-launch-result.json");
const COMMAND: &[u8] = include_bytes!("../../../events/ssm-command-invocation.json");
const UNDOCUMENTED: &[u8] = include_bytes!("../../../events/ignored-mgn-undocumented.json");

#[derive(Default)]
struct FakeExecutions(RefCell<Vec<String>>);

impl Executions for FakeExecutions {
    async fn start(&self, _wave: &WaveId, _generation: u64) -> Result<(), CallError> {
        unreachable!("events starts nothing")
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        self.0.borrow_mut().push(token.to_owned());
        Ok(())
    }
}

/// A table that does not answer.
struct Away;

impl Owners for Away {
    async fn owner(&self, _server: &ServerId) -> Result<Option<WaveId>, StoreError> {
        Err(StoreError::Unavailable("connection reset".into()))
    }
}

fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

fn place() -> Place {
    Place {
        account: "111122223333".to_owned(),
        region: "us-west-2".to_owned(),
    }
}

/// A wave that owns the samples' server and command, and sleeps.
async fn store() -> MemoryStore {
    let store = MemoryStore::new();
    let server = ServerId::parse("s-12345678901234567").expect("a server");
    let command = CommandId::parse("e8d3c0e4-71f7-4491-898f-c9b35bee5f3b").expect("a command");
    store
        .create(&wave(), Timestamp::UNIX_EPOCH)
        .await
        .expect("created");
    assert_eq!(store.claim(&server, &wave()).await.expect("claimed"), None);
    store.remember(&command, &wave()).await.expect("remembered");
    let parked = Parked {
        token: "token".to_owned(),
        generation: 1,
        turn: 1,
    };
    store
        .park(&wave(), &parked, 0, Timestamp::UNIX_EPOCH)
        .await
        .expect("parked");
    store
}

async fn deliver(
    event: &[u8],
    store: &MemoryStore,
    executions: &FakeExecutions,
) -> Result<(), HandlerError> {
    handle(event, &place(), store, store, store, executions)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn an_event_of_a_server_or_a_command_wakes_its_wave() {
    for (event, wakes) in [(LAUNCH, 1), (COMMAND, 1), (UNDOCUMENTED, 0), (b"{", 0)] {
        let (store, executions) = (store().await, FakeExecutions::default());
        deliver(event, &store, &executions)
            .await
            .expect("delivered");
        let driver = store
            .driver(&wave())
            .await
            .expect("read")
            .expect("a driver");
        assert_eq!(driver.wakes, wakes);
        assert_eq!(executions.0.borrow().len() as u64, wakes);
    }
}

#[tokio::test]
async fn a_server_that_nobody_owns_wakes_nobody() {
    let (store, executions) = (MemoryStore::new(), FakeExecutions::default());
    deliver(LAUNCH, &store, &executions)
        .await
        .expect("delivered");
    deliver(COMMAND, &store, &executions)
        .await
        .expect("delivered");
    assert!(executions.0.borrow().is_empty());
    assert!(store.inspect(|tables| tables.drivers.is_empty()));
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_tried_again() {
    let (store, executions) = (store().await, FakeExecutions::default());
    let error = handle(LAUNCH, &place(), &Away, &store, &store, &executions)
        .await
        .expect_err("the table is away");
    assert_eq!(error.name(), "Retryable");
}
