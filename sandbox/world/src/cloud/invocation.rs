//! Lambda: one invocation of a function, with its deadline, its crashes and its pauses.
//!
//! **Invariant**: every port call is a point at which the invocation may die, be paused, be
//! refused, or lose its answer. It never lives past its deadline.

use std::cell::Cell;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidegate_domain::id::WaveId;
use tidegate_ports::clock::Clock;

use super::functions::{Function, run};
use super::{Cloud, LEASE};
use crate::asl::machine::TaskError;
use crate::invariants::covered;
use crate::runtime::{Slot, TaskId};

/// A call that takes this long is a pause, in which others may have gone on.
const LONG: SignedDuration = SignedDuration::from_secs(1);

/// The call by which a message reaches its inbox.
pub(super) const APPEND: &str = "append";

/// What an invocation gives to whoever waits for it.
pub(super) type Answer = Slot<Result<Value, TaskError>>;

/// One invocation; to the handler it is all of AWS.
#[derive(Debug)]
pub struct Invocation {
    pub(super) cloud: Rc<Cloud>,
    pub(super) function: Function,
    pub(super) number: u64,
    pub(super) until: Timestamp,
    skew: SignedDuration,
    slow: SignedDuration,
    /// The wave that it is about, if its payload names one.
    wave: Option<WaveId>,
    answer: Answer,
    task: Cell<Option<TaskId>>,
    /// Whether it changed something outside the table.
    pub(super) changed: Cell<bool>,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Goes,
    /// It is refused for its rate; nothing is done.
    Throttled,
    /// It fails; nothing is done, but the caller cannot know.
    Fails,
    /// It is done; the answer is lost.
    Lost,
}

/// Which kind of service a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// The table.
    Table,
    /// MGN, SSM, EC2, SNS, Step Functions.
    Other,
    /// Nobody: the function is about to answer.
    Nobody,
}

/// Invoke a function.
pub(super) fn invoke(cloud: &Rc<Cloud>, function: Function, payload: Value) -> Answer {
    invoke_slow(cloud, function, payload, SignedDuration::ZERO)
}

/// Invoke a function that takes so long until it has appended a message.
pub(super) fn invoke_slow(
    cloud: &Rc<Cloud>,
    function: Function,
    payload: Value,
    slow: SignedDuration,
) -> Answer {
    let answer = Answer::default();
    let number = cloud.number();
    *cloud.invocations.borrow_mut().entry(function).or_default() += 1;
    let skew = {
        let most = cloud.faults.borrow().skew_milliseconds;
        let offset = cloud.random.borrow_mut().between(0, 2 * most);
        let offset = i64::try_from(offset).unwrap_or(0) - i64::try_from(most).unwrap_or(0);
        SignedDuration::from_millis(offset)
    };
    let invocation = Rc::new(Invocation {
        cloud: Rc::clone(cloud),
        function,
        number,
        until: cloud
            .now()
            .saturating_add(function.timeout())
            .unwrap_or(Timestamp::MAX),
        skew,
        slow,
        wave: payload["wave"]
            .as_str()
            .and_then(|id| WaveId::parse(id).ok()),
        answer: answer.clone(),
        task: Cell::new(None),
        changed: Cell::new(false),
    });
    cloud.note(|| format!("{}#{number} begins {payload}", function.name()));
    let running = Rc::clone(&invocation);
    let task = cloud.runtime.spawn(async move {
        let result = run(&running, payload).await;
        // Between the last call and the answer there is one more point to die at.
        running.point("its answer", Service::Nobody).await;
        running.end(result);
    });
    invocation.task.set(Some(task));
    let runtime = cloud.runtime.clone();
    cloud.runtime.spawn(async move {
        runtime.sleep_until(invocation.until).await;
        if invocation.end(Err(TaskError::new(
            "Sandbox.Timedout",
            "the function timed out",
        ))) {
            covered(
                &invocation.cloud,
                format!("{} times out", invocation.function.name()),
            );
            runtime.kill(task);
        }
    });
    answer
}

impl Invocation {
    /// Give the answer; false if there was one.
    fn end(&self, result: Result<Value, TaskError>) -> bool {
        let text = self.cloud.journal.is_kept().then(|| match &result {
            Ok(value) => format!("gave {value}"),
            Err(error) => format!("failed: {error}"),
        });
        let first = self.answer.give(result);
        if let Some(text) = text.filter(|_| first) {
            let name = self.function.name();
            self.cloud.note(|| format!("{name}#{} {text}", self.number));
        }
        first
    }

    /// One call begins; whoever survives it goes on with its fate.
    pub(super) async fn point(&self, call: &str, service: Service) -> Fate {
        let cloud = &self.cloud;
        let (latency, dies, fate) = {
            let faults = cloud.faults.borrow();
            let mut random = cloud.random.borrow_mut();
            let least = faults.at_least(self.function, call);
            let latency = if random.chance(faults.pause.max(least)) {
                random.between(1_000, 75_000)
            } else {
                random.between(2, 40)
            };
            let dies = random.chance(faults.crash.max(least));
            let (throttle, fails, lost) = match service {
                Service::Table => (0.0, faults.table_fails, faults.table_lost.max(least)),
                Service::Other => (faults.throttle, faults.fails, faults.lost.max(least)),
                Service::Nobody => (0.0, 0.0, 0.0),
            };
            let fate = if random.chance(throttle) {
                Fate::Throttled
            } else if random.chance(fails) {
                Fate::Fails
            } else if random.chance(lost) {
                Fate::Lost
            } else {
                Fate::Goes
            };
            (latency, dies, fate)
        };
        let latency = SignedDuration::from_millis(i64::try_from(latency).unwrap_or(0));
        let latency = if call == APPEND {
            latency.max(self.slow)
        } else {
            latency
        };
        let paused = latency >= LONG;
        let before = paused.then(|| self.turn());
        cloud.runtime.sleep(latency).await;
        if cloud.now() >= self.until {
            // Lambda has killed it; its answer is given by the time-out.
            return std::future::pending().await;
        }
        if dies {
            return self.die(call).await;
        }
        if before.is_some_and(|turn| turn < self.turn()) {
            let name = self.function.name();
            cloud.note(|| format!("{name}#{} goes on late at {call}", self.number));
            covered(cloud, format!("{name} goes on late at {call}"));
        }
        if fate != Fate::Goes {
            let name = self.function.name();
            cloud.note(|| format!("{name}#{} meets {fate:?} at {call}", self.number));
            covered(cloud, format!("{name} meets {fate:?} at {call}"));
        }
        fate
    }

    /// The last saved turn of its wave.
    fn turn(&self) -> u64 {
        self.cloud.table.inspect(|tables| {
            let stored = self.wave.as_ref().and_then(|wave| tables.waves.get(wave));
            stored.map_or(0, |stored| stored.wave.turn)
        })
    }

    /// It dies before a call.
    pub(super) async fn die<T>(&self, call: &str) -> T {
        let (cloud, name) = (&self.cloud, self.function.name());
        cloud.note(|| format!("{name}#{} dies before {call}", self.number));
        covered(cloud, format!("{name} dies before {call}"));
        self.end(Err(TaskError::new(
            "Runtime.ExitError",
            "the function died",
        )));
        if let Some(task) = self.task.get() {
            cloud.runtime.kill(task);
        }
        std::future::pending().await
    }

    /// How long a driver may be silent.
    pub(super) fn lease(&self) -> SignedDuration {
        LEASE
    }
}

impl Clock for Invocation {
    fn now(&self) -> Timestamp {
        self.cloud
            .now()
            .saturating_add(self.skew)
            .unwrap_or(Timestamp::MAX)
    }
}
