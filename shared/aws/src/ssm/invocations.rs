//! How commands fare.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{CommandInvocation, CommandInvocationStatus, CommandPlugin};
use tidegate_domain::id::{CommandId, NodeId};
use tidegate_domain::observation::CommandStatus;
use tidegate_ports::error::ReadError;

use super::SdkSsm;
use crate::failures::read_error;

/// The most characters of an output's end that are kept.
const OUTPUT: usize = 300;

impl SdkSsm {
    pub(super) async fn read_invocations(
        &self,
        command: &CommandId,
    ) -> Result<BTreeMap<NodeId, CommandStatus>, ReadError> {
        let mut pages = self
            .client
            .list_command_invocations()
            .command_id(command.as_str())
            .details(true)
            .into_paginator()
            .items()
            .send();
        let mut statuses = BTreeMap::new();
        while let Some(invocation) = pages.next().await {
            let invocation = invocation.map_err(read_error)?;
            match NodeId::parse(invocation.instance_id.clone().unwrap_or_default()) {
                Ok(node) => {
                    statuses.insert(node, status(&invocation));
                }
                Err(error) => {
                    tracing::warn!(command = %command, %error, "SSM gave a node without a name");
                }
            }
        }
        Ok(statuses)
    }
}

fn status(invocation: &CommandInvocation) -> CommandStatus {
    use CommandInvocationStatus as Wire;
    match &invocation.status {
        Some(Wire::Success) => CommandStatus::Succeeded,
        Some(Wire::Failed | Wire::TimedOut | Wire::Cancelled) => {
            CommandStatus::Failed(reason(invocation))
        }
        // What no enum lists is not taken for an end; the document's own time-out bounds it.
        Some(_) | None => CommandStatus::Pending,
    }
}

/// What SSM says, and the end of the output of the step that failed.
fn reason(invocation: &CommandInvocation) -> String {
    let status = invocation
        .status
        .as_ref()
        .map_or("Failed", CommandInvocationStatus::as_str);
    let mut text = match invocation.status_details.as_deref() {
        // "Undeliverable", "Delivery Timed Out", "Execution Timed Out" say more than "TimedOut".
        Some(details) if !details.is_empty() => details.to_owned(),
        Some(_) | None => status.to_owned(),
    };
    let plugins = invocation.command_plugins();
    // Steps for the other platform are skipped with code 0.
    let failed = plugins
        .iter()
        .find(|plugin| plugin.response_code != 0)
        .or(plugins.last());
    if let Some(plugin) = failed {
        if plugin.response_code != 0 {
            text.push_str(&format!(", exit code {}", plugin.response_code));
        }
        let output = end_of_output(plugin);
        if !output.is_empty() {
            text.push_str(": ");
            text.push_str(&output);
        }
    }
    text
}

fn end_of_output(plugin: &CommandPlugin) -> String {
    let output = plugin.output.as_deref().unwrap_or_default().trim();
    let length = output.chars().count();
    output.chars().skip(length.saturating_sub(OUTPUT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(status: &str, details: &str, plugins: &[(i32, &str)]) -> CommandInvocation {
        let plugins = plugins.iter().map(|(code, output)| {
            CommandPlugin::builder()
                .response_code(*code)
                .output(*output)
                .build()
        });
        CommandInvocation::builder()
            .status(status.into())
            .status_details(details)
            .set_command_plugins(Some(plugins.collect()))
            .build()
    }

    #[test]
    fn an_end_is_told_from_what_goes_on() {
        for going_on in ["Pending", "InProgress", "Delayed", "Cancelling", "Dreaming"] {
            let status = status(&invocation(going_on, going_on, &[]));
            assert_eq!(status, CommandStatus::Pending, "{going_on}");
        }
        let succeeded = status(&invocation("Success", "Success", &[(0, "fine")]));
        assert_eq!(succeeded, CommandStatus::Succeeded);
    }

    #[test]
    fn a_failure_says_why() {
        let check = |invocation, expected: &str| {
            assert_eq!(
                status(&invocation),
                CommandStatus::Failed(expected.to_owned())
            );
        };
        check(
            invocation(
                "Failed",
                "Failed",
                &[(0, ""), (1, "port 5432 is closed\n"), (0, "")],
            ),
            "Failed, exit code 1: port 5432 is closed",
        );
        check(
            invocation("TimedOut", "Delivery Timed Out", &[]),
            "Delivery Timed Out",
        );
        check(invocation("Cancelled", "", &[]), "Cancelled");
        let long = "ä".repeat(1_000);
        check(
            invocation("Failed", "Failed", &[(2, &long)]),
            &format!("Failed, exit code 2: {}", "ä".repeat(OUTPUT)),
        );
    }
}
