//! Futures over a virtual clock: nothing waits, time jumps to when the next thing is due.
//!
//! **Invariant**: one thread, one order. Tasks run in the order in which they were woken, timers
//! in the order of their times and then of their making; nothing else makes a choice.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use jiff::{SignedDuration, Timestamp};

/// A running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

/// The executor; a clone is another handle on the same one.
#[derive(Clone)]
pub struct Runtime {
    inner: Rc<Inner>,
}

struct Inner {
    now: Cell<Timestamp>,
    timers: RefCell<BTreeMap<(Timestamp, u64), Waker>>,
    tasks: RefCell<BTreeMap<TaskId, Option<Task>>>,
    killed: RefCell<BTreeSet<TaskId>>,
    ready: Arc<Ready>,
    made: Cell<u64>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
}

#[derive(Default)]
struct Ready(Mutex<VecDeque<TaskId>>);

struct TaskWaker {
    task: TaskId,
    ready: Arc<Ready>,
}

impl Ready {
    fn push(&self, task: TaskId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(task);
    }

    fn pop(&self) -> Option<TaskId> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.task);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// An executor whose clock begins at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self {
            inner: Rc::new(Inner {
                now: Cell::new(start),
                timers: RefCell::default(),
                tasks: RefCell::default(),
                killed: RefCell::default(),
                ready: Arc::default(),
                made: Cell::new(0),
            }),
        }
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.now.get()
    }

    /// Let time jump: whatever was due meanwhile is late.
    pub fn jump(&self, ahead: SignedDuration) {
        self.inner
            .now
            .set(self.now().saturating_add(ahead).unwrap_or(Timestamp::MAX));
    }

    /// Run a future beside the others. It gets its turn after those that are ready.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let task = TaskId(self.next());
        let ready = Arc::clone(&self.inner.ready);
        let waker = Waker::from(Arc::new(TaskWaker { task, ready }));
        let entry = Task {
            future: Box::pin(future),
            waker,
        };
        self.inner.tasks.borrow_mut().insert(task, Some(entry));
        self.inner.ready.push(task);
        task
    }

    /// Drop a task where it stands, the running one included.
    pub fn kill(&self, task: TaskId) {
        let taken = match self.inner.tasks.borrow_mut().get_mut(&task) {
            Some(entry) => entry.take(),
            None => return,
        };
        match taken {
            Some(entry) => {
                self.inner.tasks.borrow_mut().remove(&task);
                drop(entry);
            }
            // It runs just now; it is dropped when it pauses.
            None => {
                self.inner.killed.borrow_mut().insert(task);
            }
        }
    }

    /// Wait until a time.
    pub fn sleep_until(&self, until: Timestamp) -> Sleep {
        Sleep {
            runtime: self.clone(),
            until,
            entry: None,
        }
    }

    /// Wait.
    pub fn sleep(&self, duration: SignedDuration) -> Sleep {
        self.sleep_until(
            self.now()
                .saturating_add(duration)
                .unwrap_or(Timestamp::MAX),
        )
    }

    /// What a future gives, unless `until` comes first; then it is dropped.
    pub async fn within<T>(&self, until: Timestamp, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep_until(until));
        std::future::poll_fn(move |context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            sleep.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Run one task, or jump to the next timer; false if nothing is left to happen by `limit`.
    pub fn step(&self, limit: Timestamp) -> bool {
        if let Some(task) = self.inner.ready.pop() {
            self.poll(task);
            return true;
        }
        let mut timers = self.inner.timers.borrow_mut();
        let Some(entry) = timers.first_entry().filter(|entry| entry.key().0 <= limit) else {
            return false;
        };
        let ((at, _), waker) = entry.remove_entry();
        drop(timers);
        self.inner.now.set(at.max(self.now()));
        waker.wake();
        true
    }

    fn poll(&self, task: TaskId) {
        let taken = self
            .inner
            .tasks
            .borrow_mut()
            .get_mut(&task)
            .and_then(Option::take);
        let Some(mut entry) = taken else {
            return;
        };
        let waker = entry.waker.clone();
        let ended = entry
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready();
        let killed = self.inner.killed.borrow_mut().remove(&task);
        if ended || killed {
            self.inner.tasks.borrow_mut().remove(&task);
        } else {
            self.inner.tasks.borrow_mut().insert(task, Some(entry));
        }
    }

    fn next(&self) -> u64 {
        let number = self.inner.made.get();
        self.inner.made.set(number + 1);
        number
    }
}

/// A wait; dropping it takes its timer away.
#[derive(Debug)]
pub struct Sleep {
    runtime: Runtime,
    until: Timestamp,
    entry: Option<(Timestamp, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.runtime.now() >= self.until && self.entry.is_some() {
            return Poll::Ready(());
        }
        let key = match self.entry {
            Some(key) => key,
            None => (self.until, self.runtime.next()),
        };
        self.entry = Some(key);
        self.runtime
            .inner
            .timers
            .borrow_mut()
            .insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.entry {
            self.runtime.inner.timers.borrow_mut().remove(&key);
        }
    }
}

/// A value that is given once and waited for once.
#[derive(Debug)]
pub struct Slot<T> {
    inner: Rc<RefCell<Inside<T>>>,
}

#[derive(Debug)]
struct Inside<T> {
    given: bool,
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            inner: Rc::new(RefCell::new(Inside {
                given: false,
                value: None,
                waker: None,
            })),
        }
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Rc::clone(&self.inner),
        }
    }
}

impl<T> Slot<T> {
    /// Give the value; a second one is dropped. Gives whether it was the first.
    pub fn give(&self, value: T) -> bool {
        let mut inner = self.inner.borrow_mut();
        if inner.given {
            return false;
        }
        inner.given = true;
        inner.value = Some(value);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Wait for the value.
    pub async fn take(&self) -> T {
        std::future::poll_fn(|context| {
            let mut inner = self.inner.borrow_mut();
            match inner.value.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    inner.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(runtime: &Runtime) {
        while runtime.step(Timestamp::MAX) {}
    }

    #[test]
    fn timers_come_in_order_and_time_jumps() {
        let runtime = Runtime::new(Timestamp::UNIX_EPOCH);
        let order = Rc::new(RefCell::new(Vec::new()));
        for seconds in [30, 10, 20] {
            let (clock, order) = (runtime.clone(), Rc::clone(&order));
            runtime.spawn(async move {
                clock.sleep(SignedDuration::from_secs(seconds)).await;
                order.borrow_mut().push((seconds, clock.now().as_second()));
            });
        }
        run(&runtime);
        assert_eq!(*order.borrow(), [(10, 10), (20, 20), (30, 30)]);
    }

    #[test]
    fn a_killed_task_goes_no_further() {
        let runtime = Runtime::new(Timestamp::UNIX_EPOCH);
        let reached = Rc::new(Cell::new(false));
        let (clock, mark) = (runtime.clone(), Rc::clone(&reached));
        let task = runtime.spawn(async move {
            clock.sleep(SignedDuration::from_secs(5)).await;
            mark.set(true);
        });
        runtime.step(Timestamp::MAX);
        runtime.kill(task);
        run(&runtime);
        assert!(!reached.get());
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        let runtime = Runtime::new(Timestamp::UNIX_EPOCH);
        let (clock, slot) = (runtime.clone(), Slot::<u8>::default());
        let (given, answers) = (slot.clone(), Rc::new(RefCell::new(Vec::new())));
        let noted = Rc::clone(&answers);
        runtime.spawn(async move {
            let limit = clock.now() + SignedDuration::from_secs(1);
            let answer = clock.within(limit, slot.take()).await;
            noted.borrow_mut().push(answer);
            given.give(7);
            let limit = clock.now() + SignedDuration::from_secs(1);
            let answer = clock.within(limit, slot.take()).await;
            noted.borrow_mut().push(answer);
        });
        run(&runtime);
        assert_eq!(*answers.borrow(), [None, Some(7)]);
    }
}
