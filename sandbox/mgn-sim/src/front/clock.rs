//! Lets time pass: what the core has due is done when it is due, and what comes out goes
//! where it belongs.
//!
//! **Invariant:** outputs of one kind keep their order.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::local_aws::LocalAws;
use super::{Shared, deliver, mirror};
use crate::core::Output;

/// The longest sleep; replies settle what is due themselves, so this bounds only how late
/// an event is when nothing told the clock of a change.
const LONGEST: Duration = Duration::from_millis(50);

/// Events kept for `GET /_sim/events`.
const EVENTS_KEPT: usize = 10_000;

pub(super) async fn run(
    shared: Arc<Shared>,
    local: Option<LocalAws>,
    mut stopped: watch::Receiver<bool>,
) {
    let (events, instances) = match local {
        Some(local) => {
            let (events, event_queue) = mpsc::unbounded_channel();
            let (instances, instance_queue) = mpsc::unbounded_channel();
            tokio::spawn(deliver::run(local.clone(), event_queue, stopped.clone()));
            tokio::spawn(mirror::make_templates(Arc::clone(&shared), local.clone()));
            tokio::spawn(mirror::run(Arc::clone(&shared), local, instance_queue));
            (Some(events), Some(instances))
        }
        None => (None, None),
    };
    loop {
        let (outputs, next) = {
            let mut region = shared.region();
            let outputs = region.advance_to(Timestamp::now());
            (outputs, region.next_change())
        };
        for output in outputs {
            match output {
                Output::Event(event) => {
                    tracing::info!(event = %event["detail-type"], resources = %event["resources"], detail = %event["detail"], "event");
                    let mut kept = shared.events();
                    if kept.len() >= EVENTS_KEPT {
                        kept.remove(0);
                    }
                    kept.push(event.clone());
                    if let Some(events) = &events {
                        // The receiver lives as long as this task.
                        let _ = events.send(event);
                    }
                }
                Output::RunInstance { .. } | Output::TerminateInstance { .. } => {
                    if let Some(instances) = &instances {
                        let _ = instances.send(output);
                    }
                }
            }
        }
        let until_next = next.map_or(LONGEST, |next| {
            let wait = next.duration_since(Timestamp::now());
            if wait.is_negative() {
                Duration::ZERO
            } else {
                wait.unsigned_abs()
            }
        });
        tokio::select! {
            () = tokio::time::sleep(until_next.min(LONGEST)) => {}
            () = shared.changed.notified() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}
