//! AWS as the functions meet it, in one process over a virtual clock: the table in memory, MGN and
//! SSM simulated, Lambda, Step Functions and EventBridge played after their contracts.
//!
//! **Invariant**: everything that happens is decided by the seed; the functions' own `handle` and
//! the deployed state machine file are what runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use mgn_sim::region::Region;
use serde_json::Value;
use tidegate_domain::id::{SnapshotId, WaveId};
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;

use crate::asl::definition::Definition;
use crate::faults::Faults;
use crate::invariants::{Checks, covered};
use crate::journal::Journal;
use crate::memory::MemoryStore;
use crate::random::Random;
use crate::runtime::{Runtime, Slot};

use slack::Channel;

mod answers;
mod clicks;
mod ec2;
mod errands;
mod events;
mod executions;
mod functions;
mod invocation;
mod mails;
mod mgn;
mod schedule;
mod sends;
pub mod slack;
mod ssm;
pub(crate) mod table;
mod templates;

pub use clicks::{Click, Sent};
pub use ec2::Snapshot;
pub use errands::{Errand, Way};
pub use executions::{Execution, Status};
pub use functions::Function;
pub use invocation::Invocation;
pub use mails::Mailboxes;
pub use templates::Templates;

/// The account that the world plays.
pub const ACCOUNT: &str = "111122223333";
/// Its Region.
pub const REGION: &str = "eu-central-1";
/// How long a driver may be silent before it counts as dead.
pub const LEASE: SignedDuration = SignedDuration::from_secs(180);
/// How long a woken driver waits for more wakes.
pub const SETTLE_SECONDS: u32 = 3;

/// The state machine as it is deployed.
const STATE_MACHINE: &str = include_str!("../../../infra/statemachines/driver.asl.json");

/// One account and Region.
#[derive(Debug)]
pub struct Cloud {
    /// Time and tasks.
    pub runtime: Runtime,
    /// The table.
    pub table: MemoryStore,
    /// MGN and SSM.
    pub region: RefCell<Region>,
    /// Snapshots in EC2.
    pub snapshots: RefCell<BTreeMap<SnapshotId, Snapshot>>,
    /// EC2's launch templates.
    pub templates: RefCell<Templates>,
    /// What goes wrong.
    pub faults: RefCell<Faults>,
    /// Chance.
    pub random: RefCell<Random>,
    /// What happened.
    pub journal: Journal,
    /// What must always hold.
    pub checks: RefCell<Checks>,
    /// The executions, by name.
    pub executions: RefCell<BTreeMap<String, Execution>>,
    /// Invocations so far, by function.
    pub invocations: RefCell<BTreeMap<Function, u64>>,
    /// What people got by mail.
    pub mailboxes: RefCell<Mailboxes>,
    /// What people wanted of `console`, whatever became of it.
    pub wanted: RefCell<Vec<(WaveId, Approver, Body)>>,
    /// Slack.
    pub slack: RefCell<Channel>,
    definition: Rc<Definition>,
    tokens: RefCell<BTreeMap<String, Slot<()>>>,
    bell: RefCell<Slot<()>>,
    /// The latest event that reached `events`.
    latest_event: Cell<u64>,
    made: Cell<u64>,
}

impl Cloud {
    /// An account over these simulators, whose clock begins at `start`.
    ///
    /// # Errors
    /// The state machine file holds something that cannot be run here.
    pub fn new(
        start: Timestamp,
        seed: u64,
        region: Region,
        faults: Faults,
        journal: Journal,
    ) -> anyhow::Result<Rc<Self>> {
        let cloud = Rc::new(Self {
            runtime: Runtime::new(start),
            table: MemoryStore::new(),
            region: RefCell::new(region),
            snapshots: RefCell::default(),
            templates: RefCell::default(),
            faults: RefCell::new(faults),
            random: RefCell::new(Random::new(seed, 1)),
            journal,
            checks: RefCell::default(),
            executions: RefCell::default(),
            invocations: RefCell::default(),
            mailboxes: RefCell::default(),
            wanted: RefCell::default(),
            slack: RefCell::new(Channel::new(seed)),
            definition: Rc::new(Definition::parse(STATE_MACHINE)?),
            tokens: RefCell::default(),
            bell: RefCell::default(),
            latest_event: Cell::new(0),
            made: Cell::new(0),
        });
        events::flow(&cloud);
        schedule::sweep_every_minute(&cloud);
        schedule::kill_executions(&cloud);
        Ok(cloud)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    /// Write a line into the journal.
    pub fn note(&self, line: impl FnOnce() -> String) {
        self.journal.note(self.now(), line);
    }

    /// The executions of a wave that run.
    #[must_use]
    pub fn running(&self, wave: &WaveId) -> Vec<String> {
        let executions = self.executions.borrow();
        let of_wave = executions.values().filter(|e| e.wave == *wave);
        of_wave
            .filter(|e| e.status == Status::Running)
            .map(|e| e.name.clone())
            .collect()
    }

    /// SendTaskSuccess by whoever appends past `console`.
    pub fn wake(&self, token: &str) {
        executions::wake(self, token);
    }

    /// StartExecution by a person.
    pub fn start_by_hand(self: &Rc<Self>, wave: &WaveId, generation: u64) {
        let beside = !self.running(wave).is_empty();
        if executions::start(self, wave, generation) && beside {
            covered(self, "second driver beside one that runs");
        }
    }

    /// Somebody asks something of `console`, one after the other.
    pub fn ask(self: &Rc<Self>, errands: Vec<Errand>) {
        let cloud = Rc::clone(self);
        self.runtime.spawn(async move {
            for errand in errands {
                errand.done(&cloud, false).await;
            }
        });
    }

    /// Somebody presses a button in Slack.
    pub fn press(self: &Rc<Self>, click: Click) {
        clicks::press(self, click);
    }

    /// Somebody puts an event on the bus.
    pub fn emit(self: &Rc<Self>, event: Value) {
        events::deliver(self, event);
    }

    /// Something was asked of MGN or SSM: what is due by itself may have changed.
    pub fn ring(&self) {
        self.bell.borrow().give(());
    }

    fn number(&self) -> u64 {
        let number = self.made.get();
        self.made.set(number + 1);
        number
    }
}
