//! What happens by the clock: the sweep, and executions that die.

use std::rc::Rc;

use jiff::SignedDuration;
use serde_json::json;

use super::functions::Function;
use super::invocation::invoke;
use super::{Cloud, Status, executions};
use crate::invariants::covered;

/// The rate of the schedule.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// The schedule of `sweep`. A sweep with nothing due is left out: it does nothing.
pub(super) fn sweep_every_minute(cloud: &Rc<Cloud>) {
    let cloud = Rc::clone(cloud);
    let runtime = cloud.runtime.clone();
    runtime.spawn(async move {
        loop {
            cloud.runtime.sleep(MINUTE).await;
            let now = cloud.now();
            let due = cloud.table.inspect(|tables| {
                tables
                    .drivers
                    .values()
                    .any(|d| d.driver.wake_at.is_some_and(|at| at <= now))
            });
            let missed = cloud.faults.borrow().sweep_missed;
            if !due {
                continue;
            }
            if cloud.random.borrow_mut().chance(missed) {
                covered(&cloud, "sweep is left out");
            } else {
                invoke(&cloud, Function::Sweep, json!({}));
            }
        }
    });
}

/// Executions that are stopped, by a person or by a failure of Step Functions.
pub(super) fn kill_executions(cloud: &Rc<Cloud>) {
    let cloud = Rc::clone(cloud);
    let runtime = cloud.runtime.clone();
    runtime.spawn(async move {
        loop {
            let wait = cloud.random.borrow_mut().between(5, 120);
            cloud
                .runtime
                .sleep(SignedDuration::from_secs(i64::try_from(wait).unwrap_or(60)))
                .await;
            let odds = cloud.faults.borrow().execution_stopped;
            if odds <= 0.0 || !cloud.random.borrow_mut().chance(odds) {
                continue;
            }
            let running: Vec<String> = cloud
                .executions
                .borrow()
                .values()
                .filter(|e| e.status == Status::Running)
                .map(|e| e.name.clone())
                .collect();
            let picked = cloud.random.borrow_mut().pick(&running).cloned();
            if let Some(name) = picked {
                executions::stop(&cloud, &name);
            }
        }
    });
}
