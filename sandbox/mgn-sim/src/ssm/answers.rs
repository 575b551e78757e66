//! How SSM shows commands and invocations.
//!
//! **Invariant:** times are seconds since 1970 in replies, as AWS JSON 1.1 has them; only
//! GetCommandInvocation gives text.

use serde_json::{Value, json};

use super::command::milliseconds;
use super::{Command, Invocation, InvocationStatus, SsmSimulator, errors, limits};
use crate::core::ApiError;
use crate::core::wire::epoch_seconds;

impl SsmSimulator {
    pub(super) fn show_command(&self, command: &Command) -> Value {
        let count = |status: InvocationStatus| {
            command
                .invocations
                .values()
                .filter(|invocation| invocation.status == status)
                .count()
        };
        let completed = command
            .invocations
            .values()
            .filter(|invocation| invocation.status.ended())
            .count();
        let undelivered = command
            .invocations
            .values()
            .filter(|invocation| invocation.details == "DeliveryTimedOut")
            .count();
        json!({
            "CommandId": command.id,
            "DocumentName": command.document,
            "DocumentVersion": command.version,
            "Comment": command.comment,
            "ExpiresAfter": epoch_seconds(command.expires()),
            "Parameters": command.parameters,
            "InstanceIds": command.instance_ids,
            "Targets": command.targets,
            "RequestedDateTime": epoch_seconds(command.requested),
            "Status": command.status.name(),
            "StatusDetails": command.details(),
            "OutputS3Region": self.config.region,
            "OutputS3BucketName": "",
            "OutputS3KeyPrefix": "",
            "MaxConcurrency": "50",
            "MaxErrors": "0",
            "TargetCount": command.invocations.len(),
            "CompletedCount": completed,
            "ErrorCount": count(InvocationStatus::Failed) + count(InvocationStatus::TimedOut) - undelivered,
            "DeliveryTimedOutCount": undelivered,
            "ServiceRole": "",
            "NotificationConfig": {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""},
            "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false},
            "TimeoutSeconds": command.timeout_seconds,
        })
    }

    pub(super) fn show_invocation(
        &self,
        command: &Command,
        node: &str,
        invocation: &Invocation,
        details: bool,
    ) -> Value {
        let plugins = if details {
            let mut plugin = json!({
                "Name": self.plugin(node),
                "Status": invocation.status.name(),
                "StatusDetails": invocation.details,
                "ResponseCode": response_code(invocation.status),
                "Output": output(invocation.status),
                "StandardOutputUrl": "",
                "StandardErrorUrl": "",
                "OutputS3Region": self.config.region,
                "OutputS3BucketName": "",
                "OutputS3KeyPrefix": "",
            });
            if let Some(began) = invocation.began {
                plugin["ResponseStartDateTime"] = epoch_seconds(began);
            }
            if let Some(ended) = invocation.ended {
                plugin["ResponseFinishDateTime"] = epoch_seconds(ended);
            }
            vec![plugin]
        } else {
            Vec::new()
        };
        json!({
            "CommandId": command.id,
            "InstanceId": node,
            "InstanceName": self.nodes.get(node).map_or("", |node| node.computer_name.as_str()),
            "Comment": command.comment,
            "DocumentName": command.document,
            "DocumentVersion": command.version,
            "RequestedDateTime": epoch_seconds(command.requested),
            "Status": invocation.status.name(),
            "StatusDetails": invocation.details,
            "StandardOutputUrl": "",
            "StandardErrorUrl": "",
            "CommandPlugins": plugins,
            "ServiceRole": "",
            "NotificationConfig": {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""},
            "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false},
        })
    }

    pub(super) fn get_invocation(&mut self, input: &Value) -> Result<Value, ApiError> {
        let id = input["CommandId"].as_str().unwrap_or_default();
        let node = input["InstanceId"].as_str().unwrap_or_default();
        if id.len() != 36 {
            return Err(limits::constraint(
                "commandId",
                "Member must have length 36",
            ));
        }
        limits::node_id(node, "instanceId")?;
        let command = self.commands.get(id).ok_or_else(errors::no_invocation)?;
        let invocation = command
            .invocations
            .get(node)
            .ok_or_else(errors::no_invocation)?;
        let time = |at: Option<jiff::Timestamp>| at.map_or(String::new(), milliseconds);
        let elapsed = match (invocation.began, invocation.ended) {
            (Some(began), Some(ended)) => {
                format!("PT{:.3}S", ended.duration_since(began).as_secs_f64())
            }
            _ => String::new(),
        };
        let failed = invocation.status == InvocationStatus::Failed;
        Ok(json!({
            "CommandId": command.id,
            "InstanceId": node,
            "Comment": command.comment,
            "DocumentName": command.document,
            "DocumentVersion": command.version,
            "PluginName": self.plugin(node),
            "ResponseCode": response_code(invocation.status),
            "ExecutionStartDateTime": time(invocation.began),
            "ExecutionElapsedTime": elapsed,
            "ExecutionEndDateTime": time(invocation.ended),
            "Status": invocation.status.name(),
            "StatusDetails": invocation.details,
            "StandardOutputContent": if failed { "" } else { output(invocation.status) },
            "StandardOutputUrl": "",
            "StandardErrorContent": if failed { output(invocation.status) } else { "" },
            "StandardErrorUrl": "",
            "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false},
        }))
    }

    fn plugin(&self, node: &str) -> &'static str {
        if self.nodes.get(node).is_some_and(|node| node.windows) {
            "aws:runPowerShellScript"
        } else {
            "aws:runShellScript"
        }
    }
}

fn response_code(status: InvocationStatus) -> i32 {
    match status {
        InvocationStatus::Pending | InvocationStatus::InProgress | InvocationStatus::TimedOut => -1,
        InvocationStatus::Success => 0,
        InvocationStatus::Failed | InvocationStatus::Cancelled => 1,
    }
}

fn output(status: InvocationStatus) -> &'static str {
    match status {
        InvocationStatus::Success => "simulated: ok\n",
        InvocationStatus::Failed => "simulated: failed to run commands: exit status 1\n",
        InvocationStatus::Pending
        | InvocationStatus::InProgress
        | InvocationStatus::TimedOut
        | InvocationStatus::Cancelled => "",
    }
}
