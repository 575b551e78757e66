//! Commands and their invocations: sent, delivered, run, ended, cancelled.
//!
//! **Invariant:** an invocation ends once; a command ends when its last invocation did.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::document;
use super::outcome::Outcome;
use super::{COMMAND_CHANGE, Due, Hook, INVOCATION_CHANGE, NodeKind, SsmSimulator, errors, limits};
use crate::core::ApiError;
use crate::core::output::later;

/// How long SSM waits for a document that says nothing itself.
const DEFAULT_SECONDS: i64 = 3_600;

/// The status of an invocation, or of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationStatus {
    /// Not delivered.
    Pending,
    /// Running.
    InProgress,
    /// Ended well.
    Success,
    /// Ended badly, or never reached its node.
    Failed,
    /// Took too long.
    TimedOut,
    /// Cancelled.
    Cancelled,
}

impl InvocationStatus {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether it is over.
    pub fn ended(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress)
    }
}

/// A command.
#[derive(Clone, Debug)]
pub struct Command {
    /// A UUID.
    pub id: String,
    /// The document as it was named.
    pub document: String,
    /// The comment, at most 100 characters.
    pub comment: String,
    /// The document's parameters.
    pub parameters: Value,
    /// When it was sent.
    pub requested: Timestamp,
    /// Where it stands.
    pub status: InvocationStatus,
    /// Its invocations, by node.
    pub invocations: BTreeMap<String, Invocation>,
    pub(super) targets: Value,
    pub(super) instance_ids: Value,
    pub(super) version: String,
    pub(super) timeout_seconds: i64,
}

/// A command on one node.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Where it stands.
    pub status: InvocationStatus,
    /// More exactly, as StatusDetails has it.
    pub details: &'static str,
    /// When it began to run.
    pub began: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    pub(super) outcome: Outcome,
    pub(super) after: Option<SignedDuration>,
}

impl Command {
    pub(super) fn details(&self) -> &'static str {
        if self.status == InvocationStatus::TimedOut {
            return self
                .invocations
                .values()
                .find(|invocation| invocation.status == InvocationStatus::TimedOut)
                .map_or("ExecutionTimedOut", |invocation| invocation.details);
        }
        self.status.name()
    }

    pub(super) fn expires(&self) -> Timestamp {
        let run = self.execution_seconds();
        later(
            self.requested,
            SignedDuration::from_secs(self.timeout_seconds.saturating_add(run)),
        )
    }

    fn execution_seconds(&self) -> i64 {
        self.parameters["executionTimeout"][0]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(DEFAULT_SECONDS)
    }
}

impl SsmSimulator {
    pub(super) fn send_command(&mut self, input: &Value) -> Result<Value, ApiError> {
        limits::send_command(input)?;
        let document = input["DocumentName"].as_str().unwrap_or_default();
        if !self.has_document(document) {
            return Err(errors::invalid_document(document));
        }
        self.check_parameters(document, &input["Parameters"])?;
        let nodes = self.targets_of(input)?;
        let id = self.random.uuid("command", "", self.order.len() as u64);
        let mut invocations = BTreeMap::new();
        let plain = document::plain(document).to_owned();
        for node in &nodes {
            let node = self.nodes[node].clone();
            let (mut outcome, after) = self.decide(&plain, &node);
            if !node.online(self.now) {
                outcome = Outcome::DeliveryTimedOut;
            }
            let invocation = Invocation {
                status: InvocationStatus::Pending,
                details: "Pending",
                began: None,
                ended: None,
                outcome,
                after,
            };
            invocations.insert(node.id, invocation);
        }
        let command = Command {
            id: id.clone(),
            document: document.to_owned(),
            comment: input["Comment"].as_str().unwrap_or_default().to_owned(),
            parameters: input
                .get("Parameters")
                .filter(|given| given.is_object())
                .cloned()
                .unwrap_or_else(|| json!({})),
            requested: self.now,
            // Nothing to do is done at once.
            status: if nodes.is_empty() {
                InvocationStatus::Success
            } else {
                InvocationStatus::Pending
            },
            invocations,
            targets: input
                .get("Targets")
                .filter(|given| given.is_array())
                .cloned()
                .unwrap_or_else(|| json!([])),
            instance_ids: input
                .get("InstanceIds")
                .filter(|given| given.is_array())
                .cloned()
                .unwrap_or_else(|| json!([])),
            version: input["DocumentVersion"]
                .as_str()
                .unwrap_or("$DEFAULT")
                .to_owned(),
            timeout_seconds: input["TimeoutSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS),
        };
        let shown = self.show_command(&command);
        self.commands.insert(id.clone(), command);
        self.order.push(id.clone());
        for node in nodes {
            let delay = self.drawn(self.config.delivery, "delivery", &format!("{id} {node}"));
            let due = Due::Begin {
                command: id.clone(),
                node,
            };
            self.plan(delay, due);
        }
        Ok(json!({ "Command": shown }))
    }

    /// The nodes that a SendCommand names; all of them must take commands.
    fn targets_of(&self, input: &Value) -> Result<Vec<String>, ApiError> {
        let strings = |list: &Value| -> Vec<String> {
            list.as_array()
                .map(|list| {
                    list.iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default()
        };
        let named = strings(&input["InstanceIds"]);
        if !named.is_empty() {
            let mut sorted = named.clone();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.len() != named.len() {
                return Err(errors::error(400, "DuplicateInstanceId", ""));
            }
            let invalid: Vec<&str> = named
                .iter()
                .filter(|id| {
                    !self
                        .nodes
                        .get(*id)
                        .is_some_and(|node| node.registered(self.now))
                })
                .map(String::as_str)
                .collect();
            if !invalid.is_empty() {
                return Err(errors::invalid_instances(&invalid, &self.config.account));
            }
            return Ok(named);
        }
        let targets = input["Targets"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if targets.is_empty() {
            return Err(errors::invalid(
                "Either InstanceIds or Targets must be given.",
            ));
        }
        let fits = |id: &str, name: &str| {
            targets.iter().all(|target| {
                let values = strings(&target["Values"]);
                match target["Key"].as_str().unwrap_or_default() {
                    "InstanceIds" | "instanceids" => {
                        values.iter().any(|value| value == id || value == "*")
                    }
                    "tag:Name" => values.iter().any(|value| value == name),
                    _ => false,
                }
            })
        };
        Ok(self
            .nodes
            .values()
            .filter(|node| node.registered(self.now) && fits(&node.id, &node.computer_name))
            .map(|node| node.id.clone())
            .collect())
    }

    pub(super) fn invocation_begins(&mut self, command: &str, node: &str) {
        let Some(known) = self.commands.get_mut(command) else {
            return;
        };
        let execution = SignedDuration::from_secs(known.execution_seconds());
        let delivery = SignedDuration::from_secs(known.timeout_seconds);
        let Some(invocation) = known.invocations.get_mut(node) else {
            return;
        };
        if invocation.status.ended() {
            return;
        }
        let outcome = invocation.outcome;
        let after = invocation.after;
        let subject = format!("{command} {node}");
        match outcome {
            Outcome::DeliveryTimedOut => {
                let delay = self.drawn(after.unwrap_or(delivery), "delivery time-out", &subject);
                self.plan_end(command, node, delay);
            }
            Outcome::Undeliverable => {
                let delay = self.drawn(after.unwrap_or(self.config.run), "undeliverable", &subject);
                self.plan_end(command, node, delay);
            }
            Outcome::Success | Outcome::Failed | Outcome::TimedOut | Outcome::Never => {
                invocation.status = InvocationStatus::InProgress;
                invocation.details = "InProgress";
                invocation.began = Some(self.now);
                let length = match outcome {
                    Outcome::TimedOut => after.unwrap_or(execution),
                    _ => after.unwrap_or(self.config.run),
                };
                let delay = self.drawn(length, "run", &subject);
                if outcome != Outcome::Never {
                    self.plan_end(command, node, delay);
                }
                self.announce(command, node);
                self.update_command(command);
            }
        }
    }

    fn plan_end(&mut self, command: &str, node: &str, delay: SignedDuration) {
        let due = Due::End {
            command: command.to_owned(),
            node: node.to_owned(),
        };
        self.plan(delay, due);
    }

    pub(super) fn invocation_ends(&mut self, command: &str, node: &str) {
        let now = self.now;
        let lost = self.nodes.get(node).is_none_or(|node| !node.online(now));
        let Some(known) = self.commands.get_mut(command) else {
            return;
        };
        let document = known.document.clone();
        let Some(invocation) = known.invocations.get_mut(node) else {
            return;
        };
        if invocation.status.ended() {
            return;
        }
        let (status, details) = match invocation.outcome {
            Outcome::DeliveryTimedOut => (InvocationStatus::TimedOut, "DeliveryTimedOut"),
            Outcome::Undeliverable => (InvocationStatus::Failed, "Undeliverable"),
            _ if lost => (InvocationStatus::TimedOut, "ExecutionTimedOut"),
            Outcome::Success => (InvocationStatus::Success, "Success"),
            Outcome::Failed => (InvocationStatus::Failed, "Failed"),
            Outcome::TimedOut | Outcome::Never => (InvocationStatus::TimedOut, "ExecutionTimedOut"),
        };
        invocation.status = status;
        invocation.details = details;
        invocation.ended = Some(now);
        if status == InvocationStatus::Success {
            self.touch_source(&document, node);
        }
        self.announce(command, node);
        self.update_command(command);
    }

    /// A document that stops or starts services on a source changes what MGN sees of it.
    fn touch_source(&mut self, document: &str, node: &str) {
        let Some(node) = self.nodes.get(node) else {
            return;
        };
        if node.kind != NodeKind::Hybrid {
            return;
        }
        if document.contains("Stop") {
            self.hooks.push(Hook::Quiesced(node.server.clone()));
        } else if document.contains("Start") {
            self.hooks.push(Hook::Resumed(node.server.clone()));
        }
    }

    pub(super) fn cancel_command(&mut self, input: &Value) -> Result<Value, ApiError> {
        let id = input["CommandId"].as_str().unwrap_or_default().to_owned();
        let only: Option<Vec<String>> = input["InstanceIds"]
            .as_array()
            .filter(|list| !list.is_empty())
            .map(|list| {
                list.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            });
        let now = self.now;
        let command = self
            .commands
            .get_mut(&id)
            .ok_or_else(|| errors::invalid_command(&id))?;
        let mut cancelled = Vec::new();
        for (node, invocation) in &mut command.invocations {
            let meant = only.as_ref().is_none_or(|only| only.contains(node));
            if meant && !invocation.status.ended() {
                invocation.status = InvocationStatus::Cancelled;
                invocation.details = "Cancelled";
                invocation.ended = Some(now);
                cancelled.push(node.clone());
            }
        }
        for node in cancelled {
            self.announce(&id, &node);
        }
        self.update_command(&id);
        Ok(json!({}))
    }

    /// Brings the command in line with its invocations; announces a change.
    fn update_command(&mut self, id: &str) {
        let Some(command) = self.commands.get_mut(id) else {
            return;
        };
        let all = || {
            command
                .invocations
                .values()
                .map(|invocation| invocation.status)
        };
        let any = |status| all().any(|known| known == status);
        let status = if all().any(|status| !status.ended()) {
            InvocationStatus::InProgress
        } else if any(InvocationStatus::Failed) {
            InvocationStatus::Failed
        } else if any(InvocationStatus::TimedOut) {
            InvocationStatus::TimedOut
        } else if any(InvocationStatus::Cancelled) {
            InvocationStatus::Cancelled
        } else {
            InvocationStatus::Success
        };
        if status == command.status {
            return;
        }
        command.status = status;
        let detail = json!({
            "command-id": command.id,
            "document-name": command.document,
            "expire-after": milliseconds(command.expires()),
            "parameters": command.parameters,
            "requested-date-time": milliseconds(command.requested),
            "status": status.name(),
        });
        let resources: Vec<String> = command
            .invocations
            .keys()
            .map(|node| node_arn(node, &self.config.region, &self.config.account))
            .collect();
        self.emit(COMMAND_CHANGE, &resources, detail);
    }

    fn announce(&mut self, id: &str, node: &str) {
        let Some(command) = self.commands.get(id) else {
            return;
        };
        let Some(invocation) = command.invocations.get(node) else {
            return;
        };
        let detail = json!({
            "command-id": command.id,
            "document-name": command.document,
            "instance-id": node,
            "requested-date-time": milliseconds(command.requested),
            "status": invocation.status.name(),
        });
        let resource = node_arn(node, &self.config.region, &self.config.account);
        self.emit(INVOCATION_CHANGE, &[resource], detail);
    }
}

/// A time as SSM's events and GetCommandInvocation have it.
pub(super) fn milliseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn node_arn(node: &str, region: &str, account: &str) -> String {
    if node.starts_with("mi-") {
        format!("arn:aws:ssm:{region}:{account}:managed-instance/{node}")
    } else {
        format!("arn:aws:ec2:{region}:{account}:instance/{node}")
    }
}
