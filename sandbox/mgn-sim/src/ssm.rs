//! Systems Manager as far as Run Command goes: managed nodes, commands, their outcomes.
//!
//! No document really runs: each invocation's outcome and length come from rules, from
//! success after a few seconds to never being delivered.
//!
//! **Invariant:** pure and deterministic, like [`Simulator`](crate::Simulator).

mod answers;
mod command;
mod document;
mod errors;
mod limits;
mod list;
mod node;
mod outcome;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use command::{Command, Invocation, InvocationStatus};
pub use node::{Node, NodeKind};
pub use outcome::{OUTCOME_HELP, Outcome, OutcomeRule};

use crate::core::output::Envelope;
use crate::core::random::Random;
use crate::core::{ApiError, CallFaultKind, Faults, Output, Reply, Simulator};

/// The detail-type of a command's changes.
pub const COMMAND_CHANGE: &str = "EC2 Command Status-change Notification";
/// The detail-type of an invocation's changes.
pub const INVOCATION_CHANGE: &str = "EC2 Command Invocation Status-change Notification";

/// What a simulated SSM is made from.
#[derive(Clone, Debug)]
pub struct SsmConfig {
    /// The source of all chance.
    pub seed: u64,
    /// The account's twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Every duration is divided by this.
    pub speed: f64,
    /// From SendCommand to InProgress.
    pub delivery: SignedDuration,
    /// From InProgress to the end, unless an outcome says otherwise.
    pub run: SignedDuration,
    /// From an instance's launch to its node being online.
    pub online: SignedDuration,
    /// The documents there are; with none every document is accepted.
    pub documents: BTreeSet<String>,
    /// What becomes of invocations; the first rule that fits decides, success without one.
    pub outcomes: Vec<OutcomeRule>,
    /// Faults of calls and events, as for MGN.
    pub faults: Faults,
}

impl Default for SsmConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            speed: 1.0,
            delivery: SignedDuration::from_secs(1),
            run: SignedDuration::from_secs(5),
            online: SignedDuration::from_secs(90),
            documents: BTreeSet::new(),
            outcomes: Vec::new(),
            faults: Faults::default(),
        }
    }
}

/// A simulated account and Region of SSM.
#[derive(Clone, Debug)]
pub struct SsmSimulator {
    config: SsmConfig,
    random: Random,
    now: Timestamp,
    nodes: BTreeMap<String, Node>,
    commands: BTreeMap<String, Command>,
    /// Command IDs, the oldest first.
    order: Vec<String>,
    timeline: BTreeMap<(Timestamp, u64), Due>,
    planned: u64,
    outbox: Vec<Output>,
    events_emitted: u64,
    calls: BTreeMap<String, u64>,
    runs: BTreeMap<String, u64>,
    contents: BTreeMap<String, BTreeMap<String, document::Parameter>>,
    slow: Option<SignedDuration>,
    hooks: Vec<Hook>,
    instances_seen: usize,
    servers_seen: usize,
}

#[derive(Clone, Debug)]
enum Due {
    Begin { command: String, node: String },
    End { command: String, node: String },
    Deliver(Output),
    Look,
}

/// What a command did to a source.
#[derive(Clone, Debug)]
enum Hook {
    Quiesced(String),
    Resumed(String),
}

impl SsmSimulator {
    /// An account without nodes; [`follow`](Self::follow) brings MGN's.
    pub fn new(config: SsmConfig) -> Self {
        Self {
            random: Random::new(config.seed ^ 0x55d1_9a2e),
            config,
            now: Timestamp::UNIX_EPOCH,
            nodes: BTreeMap::new(),
            commands: BTreeMap::new(),
            order: Vec::new(),
            timeline: BTreeMap::new(),
            planned: 0,
            outbox: Vec::new(),
            events_emitted: 0,
            calls: BTreeMap::new(),
            runs: BTreeMap::new(),
            contents: BTreeMap::new(),
            slow: None,
            hooks: Vec::new(),
            instances_seen: 0,
            servers_seen: 0,
        }
    }

    /// Whether [`call`](Self::call) knows this operation.
    pub fn knows(operation: &str) -> bool {
        matches!(
            operation,
            "SendCommand"
                | "ListCommands"
                | "ListCommandInvocations"
                | "GetCommandInvocation"
                | "CancelCommand"
                | "DescribeInstanceInformation"
                | "DescribeDocument"
        )
    }

    /// One call of an operation, at a time. First settles everything due.
    ///
    /// # Errors
    /// [`ApiError`], with `__type` and `Message` in its body.
    pub fn call(
        &mut self,
        operation: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, ApiError> {
        self.settle(now);
        let count = self.calls.entry(operation.to_owned()).or_default();
        *count += 1;
        let count = *count;
        let fault = self.config.faults.of_call(&self.random, operation, count);
        match fault {
            Some(CallFaultKind::Throttle) => return Err(errors::throttled()),
            Some(CallFaultKind::ErrorBefore) => return Err(errors::internal()),
            Some(CallFaultKind::Deny) => return Err(errors::access_denied(operation)),
            Some(CallFaultKind::Slow(delay)) => self.slow = Some(delay),
            Some(CallFaultKind::ErrorAfter | CallFaultKind::LostAnswer) | None => {}
        }
        let body = match operation {
            "SendCommand" => self.send_command(input),
            "ListCommands" => self.list_commands(input),
            "ListCommandInvocations" => self.list_invocations(input),
            "GetCommandInvocation" => self.get_invocation(input),
            "CancelCommand" => self.cancel_command(input),
            "DescribeInstanceInformation" => self.describe_instance_information(input),
            "DescribeDocument" => self.describe_document(input),
            _ => Err(errors::unknown_operation(operation)),
        };
        match fault {
            Some(CallFaultKind::ErrorAfter) => Err(errors::internal()),
            Some(CallFaultKind::LostAnswer) => Err(crate::core::errors::lost()),
            _ => body.map(|body| Reply { status: 200, body }),
        }
    }

    /// Settles everything due by `now`, and returns the events since the last time.
    pub fn advance_to(&mut self, now: Timestamp) -> Vec<Output> {
        self.settle(now);
        std::mem::take(&mut self.outbox)
    }

    /// When the next change by itself is due.
    pub fn next_change(&self) -> Option<Timestamp> {
        if self.outbox.is_empty() {
            self.timeline.keys().next().map(|(at, _)| *at)
        } else {
            Some(self.now)
        }
    }

    /// How often each operation was called.
    pub fn calls(&self) -> &BTreeMap<String, u64> {
        &self.calls
    }

    /// The commands sent, by ID.
    pub fn commands(&self) -> &BTreeMap<String, Command> {
        &self.commands
    }

    /// The managed nodes, by ID.
    pub fn nodes(&self) -> &BTreeMap<String, Node> {
        &self.nodes
    }

    /// The configuration, to change outcomes and faults while it runs.
    pub fn config_mut(&mut self) -> &mut SsmConfig {
        &mut self.config
    }

    /// How long the answer to the last call is to be held back.
    pub fn take_slowness(&mut self) -> Option<SignedDuration> {
        self.slow.take()
    }

    /// Every fault and every outcome but success ends.
    pub fn heal(&mut self) {
        self.config.faults.heal();
        self.config.outcomes.clear();
    }

    /// Everything there is, for people who look.
    pub fn state(&self) -> Value {
        let nodes: Vec<Value> = self
            .nodes
            .values()
            .map(|node| self.show_node(node))
            .collect();
        let commands: Vec<Value> = self
            .commands
            .values()
            .map(|command| self.show_command(command))
            .collect();
        json!({"nodes": nodes, "commands": commands, "calls": self.calls})
    }

    /// Takes over what happened in MGN (instances launched and terminated, sources added,
    /// down and up), and tells MGN which sources commands quiesced. To be called after
    /// every call and advance of either.
    pub fn follow(&mut self, mgn: &mut Simulator) {
        for hook in std::mem::take(&mut self.hooks) {
            match hook {
                Hook::Quiesced(server) => mgn.source_quiesced(&server),
                Hook::Resumed(server) => mgn.source_resumed(&server),
            };
        }
        self.follow_servers(mgn);
        self.follow_instances(mgn);
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timeline.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn settle(&mut self, now: Timestamp) {
        let now = now.max(self.now);
        while let Some(entry) = self.timeline.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let due = entry.remove();
            self.now = at.max(self.now);
            match due {
                Due::Begin { command, node } => self.invocation_begins(&command, &node),
                Due::End { command, node } => self.invocation_ends(&command, &node),
                Due::Deliver(output) => self.outbox.push(output),
                Due::Look => {}
            }
        }
        self.now = now;
    }

    fn plan(&mut self, delay: SignedDuration, due: Due) {
        self.planned += 1;
        let at = crate::core::output::later(self.now, delay);
        self.timeline.insert((at, self.planned), due);
    }

    /// A duration divided by the speed, and shifted a little.
    fn drawn(&self, duration: SignedDuration, purpose: &str, subject: &str) -> SignedDuration {
        let shift = 0.9 + 0.2 * self.random.fraction(purpose, subject, 0);
        crate::core::durations::scaled(duration, shift / self.config.speed.max(f64::MIN_POSITIVE))
    }

    fn emit(&mut self, detail_type: &str, resources: &[String], detail: Value) {
        self.events_emitted += 1;
        let count = self.events_emitted;
        let event = Envelope {
            random: &self.random,
            account: &self.config.account,
            region: &self.config.region,
        }
        .event("aws.ssm", detail_type, count, self.now, resources, detail);
        for delay in self
            .config
            .faults
            .of_event(&self.random, detail_type, count)
        {
            let output = Output::Event(event.clone());
            if delay.is_zero() {
                self.outbox.push(output);
            } else {
                self.plan(delay, Due::Deliver(output));
            }
        }
    }
}

#[cfg(test)]
mod tests;
