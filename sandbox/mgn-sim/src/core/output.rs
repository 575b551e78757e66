//! What comes out of the simulator by itself: events, and instances to run or terminate.
//!
//! MGN emits exactly three kinds of event, best effort, and none else: a launch result per
//! server, the first READY_FOR_TEST, and the begin and end of a stall.
//!
//! **Invariant:** an event's envelope is EventBridge's, its `detail` the documented one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::random::Random;
use super::simulator::Simulator;
use super::timeline::Due;
use super::wire;

/// Something that came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An EventBridge event, with its envelope.
    Event(Value),
    /// An instance is launched.
    RunInstance {
        /// The source server's ID.
        server: String,
        /// Its hostname.
        hostname: String,
        /// The job's ID.
        job: String,
        /// The ID that the instance has unless
        /// [`instance_started`](super::Simulator::instance_started) tells another.
        instance: String,
        /// The tags that MGN puts on it.
        tags: BTreeMap<String, String>,
        /// Whether it is left stopped after the launch.
        stopped: bool,
    },
    /// An instance is terminated.
    TerminateInstance {
        /// Its ID.
        instance: String,
    },
}

/// The detail-type of launch results.
pub const LAUNCH_RESULT: &str = "MGN Source Server Launch Result";
/// The detail-type of the first READY_FOR_TEST.
pub const LIFECYCLE_CHANGE: &str = "MGN Source Server Lifecycle State Change";
/// The detail-type of stalls.
pub const STALLED_CHANGE: &str = "MGN Source Server Data Replication Stalled Change";

impl Simulator {
    /// Emits an event about servers; faults may lose, double or delay it.
    pub(crate) fn emit(
        &mut self,
        at: Timestamp,
        detail_type: &str,
        servers: &[&str],
        detail: Value,
    ) {
        self.events_emitted += 1;
        let count = self.events_emitted;
        let resources: Vec<String> = servers
            .iter()
            .map(|server| self.arn("source-server", server))
            .collect();
        let event = Envelope {
            random: &self.random,
            account: &self.config.account,
            region: &self.config.region,
        }
        .event("aws.mgn", detail_type, count, at, &resources, detail);
        for delay in self
            .config
            .faults
            .of_event(&self.random, detail_type, count)
        {
            if delay.is_zero() {
                self.outbox.push(Output::Event(event.clone()));
            } else {
                let due = Due::Deliver(Output::Event(event.clone()));
                self.timeline.add(later(at, delay), due);
            }
        }
    }

    pub(crate) fn emit_ready(&mut self, at: Timestamp, server: &str) {
        self.emit(
            at,
            LIFECYCLE_CHANGE,
            &[server],
            json!({"state": "READY_FOR_TEST"}),
        );
    }

    pub(crate) fn emit_stalled(&mut self, at: Timestamp, server: &str, stalled: bool) {
        let state = if stalled { "STALLED" } else { "NOT_STALLED" };
        self.emit(at, STALLED_CHANGE, &[server], json!({ "state": state }));
    }

    pub(crate) fn emit_launch(&mut self, at: Timestamp, servers: &[&str], job: &str, state: &str) {
        self.emit(
            at,
            LAUNCH_RESULT,
            servers,
            json!({"state": state, "job-id": job}),
        );
    }

    /// The ARN of one of this account's resources.
    pub(crate) fn arn(&self, kind: &str, id: &str) -> String {
        format!(
            "arn:aws:mgn:{}:{}:{kind}/{id}",
            self.config.region, self.config.account
        )
    }
}

/// Makes EventBridge's envelopes.
pub(crate) struct Envelope<'a> {
    pub(crate) random: &'a Random,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
}

impl Envelope<'_> {
    /// The `count`-th event of a source.
    pub(crate) fn event(
        &self,
        source: &str,
        detail_type: &str,
        count: u64,
        at: Timestamp,
        resources: &[String],
        detail: Value,
    ) -> Value {
        json!({
            "version": "0",
            "id": self.random.uuid(source, detail_type, count),
            "detail-type": detail_type,
            "source": source,
            "account": self.account,
            "time": wire::event_time(at),
            "region": self.region,
            "resources": resources,
            "detail": detail,
        })
    }
}

/// A time after another; the end of time if there is none.
pub(crate) fn later(at: Timestamp, delay: jiff::SignedDuration) -> Timestamp {
    at.checked_add(delay).unwrap_or(Timestamp::MAX)
}
