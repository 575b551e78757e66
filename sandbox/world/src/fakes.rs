//! Fakes for the tests of handlers: small, scripted stand-ins of AWS, beside the [`MemoryStore`].
//!
//! A fake does what the service does and keeps a list of the calls; [`Script`] says which of the
//! next calls are refused, fail, or lose their answers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::{Effect, EffectStatus, Refusal, RefusalKind, Task};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_ports::act::Request;
use tidegate_ports::clock::Clock;
use tidegate_ports::error::CallError;
use tidegate_ports::turns::Turns;

use crate::contract::fixtures::{Draft, at, wave_id};
use crate::contract::ok;
use crate::memory::MemoryStore;

mod archive;
mod mgn;
mod ssm;

pub use archive::{MemoryArchive, MemoryBus};
pub use mgn::FakeMgn;
pub use ssm::FakeSsm;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Done,
    /// It is refused so; nothing is done.
    Refused(RefusalKind),
    /// It fails; nothing is done, but the caller cannot know.
    Fails,
    /// It is done; the answer is lost.
    Lost,
}

/// What becomes of the next calls that change something; those that come after are done.
#[derive(Debug, Default)]
pub struct Script(RefCell<VecDeque<Fate>>);

impl Script {
    /// These are the fates of the next calls.
    pub fn next(&self, fates: &[Fate]) {
        self.0.borrow_mut().extend(fates);
    }

    /// Play one call.
    ///
    /// # Errors
    /// As the script has it.
    pub fn play<T>(&self, call: impl FnOnce() -> T) -> Result<T, CallError> {
        match self.0.borrow_mut().pop_front().unwrap_or(Fate::Done) {
            Fate::Done => Ok(call()),
            Fate::Refused(kind) => Err(CallError::Refused(Refusal {
                kind,
                message: format!("{kind:?}"),
            })),
            Fate::Fails => Err(CallError::Unknown("it failed".to_owned())),
            Fate::Lost => {
                call();
                Err(CallError::Unknown("the answer was lost".to_owned()))
            }
        }
    }
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct FixedClock(Cell<Timestamp>);

impl Default for FixedClock {
    fn default() -> Self {
        Self(Cell::new(at(0)))
    }
}

impl FixedClock {
    /// Let time pass.
    pub fn pass(&self, seconds: i64) {
        let later = self
            .0
            .get()
            .saturating_add(SignedDuration::from_secs(seconds));
        self.0.set(later.unwrap_or(Timestamp::MAX));
    }

    /// The deadline of a function that begins now.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.0
            .get()
            .saturating_add(SignedDuration::from_secs(60))
            .unwrap_or(Timestamp::MAX)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}

/// One planned effect in a table of its own.
#[derive(Debug)]
pub struct Planned {
    /// The table.
    pub store: MemoryStore,
    /// What the function is called with.
    pub request: Request,
}

impl Planned {
    /// An effect of that task, saved by the wave `orders` in its first turn.
    pub async fn new(task: Task) -> Self {
        let (store, wave) = (MemoryStore::new(), wave_id("orders"));
        let loaded = ok(store.load(&wave).await, "load");
        let mut draft = Draft::next(&wave, loaded, at(0));
        let effect = draft.plan(&[]);
        for planned in &mut draft.effects {
            planned.task = task.clone();
        }
        ok(Turns::save(&store, &draft.turn()).await, "save");
        Self {
            store,
            request: Request {
                wave,
                generation: 1,
                effect,
            },
        }
    }

    /// The effect as it is stored.
    #[must_use]
    pub fn effect(&self) -> Effect {
        let key: (WaveId, EffectId) = (self.request.wave.clone(), self.request.effect.clone());
        self.store.inspect(|tables| {
            let stored = tables.effects.get(&key).map(|stored| stored.effect.clone());
            ok(stored.ok_or("it is not there"), "find the effect")
        })
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> EffectStatus {
        self.effect().status
    }
}

/// Run a future that waits for nothing but fakes.
///
/// # Panics
/// If it waits for something else.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a fake does not wait"),
    }
}
