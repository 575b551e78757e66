//! SSM's ports over the simulator.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::{CommandId, EffectId, InstanceId, NodeId};
use tidegate_domain::observation::CommandStatus;
use tidegate_domain::plan::Document;
use tidegate_ports::commands::{Commands, Documents, SendsCommands};
use tidegate_ports::error::{CallError, ReadError};

use super::answers::{call_error, read_error};
use super::invocation::{Fate, Invocation, Service};
use super::mgn::id;
use crate::invariants::{self, Change};

/// The most values of one filter.
const MOST_VALUES: usize = 50;

impl Invocation {
    async fn read_ssm(&self, operation: &str, input: &Value) -> Result<Value, ReadError> {
        match self.point(operation, Service::Other).await {
            Fate::Goes => {}
            Fate::Throttled => return Err(ReadError::Failed("throttled".to_owned())),
            Fate::Fails | Fate::Lost => return Err(ReadError::Failed("no answer".to_owned())),
        }
        let now = self.cloud.now();
        let reply = self
            .cloud
            .region
            .borrow_mut()
            .call_ssm(operation, input, now);
        reply
            .map(|reply| reply.body)
            .map_err(|error| read_error(&error))
    }

    async fn list_ssm(
        &self,
        operation: &str,
        mut input: Value,
        member: &str,
    ) -> Result<Vec<Value>, ReadError> {
        let mut items = Vec::new();
        loop {
            let mut page = self.read_ssm(operation, &input).await?;
            if let Value::Array(found) = page[member].take() {
                items.extend(found);
            }
            match page["NextToken"].take() {
                Value::String(token) => input["NextToken"] = Value::String(token),
                _ => return Ok(items),
            }
        }
    }
}

fn comment(effect: &EffectId) -> String {
    format!("tidegate {effect}")
}

impl SendsCommands for Invocation {
    async fn send(
        &self,
        document: &Document,
        nodes: &[NodeId],
        effect: &EffectId,
    ) -> Result<CommandId, CallError> {
        let fate = self.point("SendCommand", Service::Other).await;
        match fate {
            Fate::Goes | Fate::Lost => {}
            Fate::Throttled => {
                return Err(CallError::refused(RefusalKind::Throttled, "throttled"));
            }
            Fate::Fails => return Err(CallError::Unknown("no answer".to_owned())),
        }
        let input = json!({
            "DocumentName": document.document,
            "InstanceIds": nodes,
            "Parameters": document.parameters,
            "Comment": comment(effect),
            "TimeoutSeconds": document.timeout.as_secs().max(30),
        });
        let cloud = &self.cloud;
        let change = Change::new(self.function, "SendCommand", &input);
        self.changed.set(true);
        invariants::before(cloud, &change);
        let now = cloud.now();
        let reply = cloud
            .region
            .borrow_mut()
            .call_ssm("SendCommand", &input, now);
        let shown = reply
            .as_ref()
            .map_or_else(ToString::to_string, |_| "accepted".to_owned());
        cloud.note(|| format!("{}#{} {change}: {shown}", self.function.name(), self.number));
        let code = reply
            .as_ref()
            .map_or_else(|error| error.code, |_| "accepted");
        invariants::covered(cloud, format!("{} {code}", change.operation));
        if let Ok(reply) = &reply {
            invariants::after(cloud, &change, &reply.body);
        }
        cloud.ring();
        if fate == Fate::Lost {
            return Err(CallError::Unknown("the answer was lost".to_owned()));
        }
        let body = reply.map_err(|error| call_error(&error))?.body;
        id(&body["Command"]["CommandId"])
            .ok_or_else(|| CallError::Unknown("no command ID".to_owned()))
    }

    async fn find(
        &self,
        effect: &EffectId,
        node: &NodeId,
        since: Timestamp,
    ) -> Result<Option<CommandId>, ReadError> {
        let input = json!({"InstanceId": node,
            "Filters": [{"key": "InvokedAfter", "value": since.to_string()}]});
        let found = self.list_ssm("ListCommands", input, "Commands").await?;
        let ours = comment(effect);
        let command = found
            .iter()
            .find(|command| command["Comment"] == ours.as_str());
        Ok(command.and_then(|command| id(&command["CommandId"])))
    }
}

impl Commands for Invocation {
    async fn invocations(
        &self,
        command: &CommandId,
    ) -> Result<BTreeMap<NodeId, CommandStatus>, ReadError> {
        let input = json!({"CommandId": command, "Details": true});
        let found = self
            .list_ssm("ListCommandInvocations", input, "CommandInvocations")
            .await?;
        Ok(found
            .iter()
            .filter_map(|shown| Some((id(&shown["InstanceId"])?, status(shown))))
            .collect())
    }

    async fn source_nodes(&self) -> Result<Vec<(NodeId, String)>, ReadError> {
        let input = json!({"MaxResults": 50, "Filters": [
            {"Key": "ResourceType", "Values": ["ManagedInstance"]},
            {"Key": "PingStatus", "Values": ["Online"]}]});
        let found = self
            .list_ssm(
                "DescribeInstanceInformation",
                input,
                "InstanceInformationList",
            )
            .await?;
        let named = |node: &Value| {
            Some((
                id(&node["InstanceId"])?,
                node["ComputerName"].as_str()?.to_owned(),
            ))
        };
        Ok(found.iter().filter_map(named).collect())
    }

    async fn managed(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, ReadError> {
        let mut managed = Vec::new();
        for instances in instances.chunks(MOST_VALUES) {
            let input = json!({"MaxResults": 50, "Filters": [
                {"Key": "InstanceIds", "Values": instances},
                {"Key": "PingStatus", "Values": ["Online"]}]});
            let found = self
                .list_ssm(
                    "DescribeInstanceInformation",
                    input,
                    "InstanceInformationList",
                )
                .await?;
            managed.extend(
                found
                    .iter()
                    .filter_map(|node| id::<InstanceId>(&node["InstanceId"])),
            );
        }
        Ok(managed)
    }
}

impl Documents for Invocation {
    async fn exists(&self, document: &str) -> Result<bool, ReadError> {
        match self
            .read_ssm("DescribeDocument", &json!({"Name": document}))
            .await
        {
            Ok(shown) => Ok(shown["Document"]["Status"] == "Active"),
            Err(ReadError::Failed(message)) if message.contains("InvalidDocument") => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn status(shown: &Value) -> CommandStatus {
    match shown["Status"].as_str().unwrap_or_default() {
        "Success" => CommandStatus::Succeeded,
        "Pending" | "InProgress" | "Delayed" | "Cancelling" => CommandStatus::Pending,
        status => {
            let details = shown["StatusDetails"].as_str().unwrap_or(status);
            CommandStatus::Failed(details.to_owned())
        }
    }
}
