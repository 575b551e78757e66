//! EventBridge: what MGN and SSM emit reaches `events`, best effort.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use mgn_sim::Output;
use serde_json::Value;

use super::Cloud;
use super::functions::Function;
use super::invocation::invoke;
use crate::invariants::covered;
use crate::runtime::Slot;

/// Lambda tries an asynchronous invocation twice more.
const RETRIES: i64 = 2;

/// Let MGN's and SSM's time pass, and deliver what comes out.
pub(super) fn flow(cloud: &Rc<Cloud>) {
    let cloud = Rc::clone(cloud);
    let runtime = cloud.runtime.clone();
    runtime.spawn(async move {
        loop {
            let bell = Slot::default();
            *cloud.bell.borrow_mut() = bell.clone();
            let next = cloud
                .region
                .borrow()
                .next_change()
                .unwrap_or(Timestamp::MAX);
            cloud.runtime.within(next, bell.take()).await;
            let now = cloud.now();
            let outputs = cloud.region.borrow_mut().advance_to(now);
            for output in outputs {
                if let Output::Event(event) = output {
                    cloud.note(|| format!("event {}: {}", event["detail-type"], event["detail"]));
                    deliver(&cloud, event);
                }
            }
        }
    });
}

/// One event: lost, doubled or late, as the faults have it.
pub(super) fn deliver(cloud: &Rc<Cloud>, event: Value) {
    let (lost, double, late) = {
        let faults = cloud.faults.borrow();
        let mut random = cloud.random.borrow_mut();
        let late = if random.chance(faults.event_late) {
            random.between(1, 900)
        } else {
            0
        };
        (
            random.chance(faults.event_lost),
            random.chance(faults.event_doubled),
            late,
        )
    };
    if lost {
        return covered(cloud, "event is lost");
    }
    if late > 0 {
        covered(cloud, "event comes late");
    }
    let number = cloud.number();
    let late = SignedDuration::from_secs(i64::try_from(late).unwrap_or(0));
    if double {
        covered(cloud, "event comes twice");
        hand_over(cloud, number, event.clone(), SignedDuration::from_secs(1));
    }
    hand_over(cloud, number, event, late);
}

/// Hand it to `events`, `late`; `number` says which came first.
fn hand_over(cloud: &Rc<Cloud>, number: u64, event: Value, late: SignedDuration) {
    let cloud = Rc::clone(cloud);
    let runtime = cloud.runtime.clone();
    runtime.clone().spawn(async move {
        runtime.sleep(late).await;
        if cloud
            .latest_event
            .replace(number.max(cloud.latest_event.get()))
            > number
        {
            covered(&cloud, "event comes after a newer one");
        }
        for attempt in 0..=RETRIES {
            if invoke(&cloud, Function::Events, event.clone())
                .take()
                .await
                .is_ok()
            {
                return;
            }
            runtime.sleep(SignedDuration::from_mins(attempt + 1)).await;
        }
    });
}
