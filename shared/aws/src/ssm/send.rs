//! Sending commands, and finding those that were sent.

use aws_config::retry::RetryConfig;
use aws_sdk_ssm::config::Config;
use aws_sdk_ssm::types::{CommandFilter, CommandFilterKey};
use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::{CommandId, EffectId, NodeId};
use tidegate_domain::plan::Document;
use tidegate_ports::commands::SendsCommands;
use tidegate_ports::error::{CallError, ReadError};

use super::{SdkSsm, comment};
use crate::failures::{call_error, read_error};

/// The most nodes of one command (API reference, SendCommand, InstanceIds).
const MOST_NODES: usize = 50;
/// TimeoutSeconds: how long a command may wait to be delivered (API reference, SendCommand).
const DELIVERY_SECONDS: std::ops::RangeInclusive<i64> = 30..=2_592_000;
/// How far apart the clocks of SSM and of whoever asks may be.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

impl SendsCommands for SdkSsm {
    async fn send(
        &self,
        document: &Document,
        nodes: &[NodeId],
        effect: &EffectId,
    ) -> Result<CommandId, CallError> {
        if nodes.is_empty() || nodes.len() > MOST_NODES {
            let message = format!("{} nodes for a command of 1 to {MOST_NODES}", nodes.len());
            return Err(CallError::refused(RefusalKind::Invalid, message));
        }
        let seconds = document
            .timeout
            .as_secs()
            .clamp(*DELIVERY_SECONDS.start(), *DELIVERY_SECONDS.end());
        let mut call = self
            .client
            .send_command()
            .document_name(&document.document)
            .set_instance_ids(Some(nodes.iter().map(ToString::to_string).collect()))
            .comment(comment(effect))
            .set_timeout_seconds(i32::try_from(seconds).ok())
            // Every node runs it at once and to its end: the servers do not wait for each other.
            .max_concurrency("100%")
            .max_errors("100%");
        for (name, values) in &document.parameters {
            call = call.parameters(name, values.clone());
        }
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let call = call.customize().config_override(once);
        let output = call.send().await.map_err(call_error)?;
        let id = output.command.and_then(|command| command.command_id);
        CommandId::parse(id.unwrap_or_default())
            .map_err(|error| CallError::Unknown(format!("the answer's command: {error}")))
    }

    async fn find(
        &self,
        effect: &EffectId,
        node: &NodeId,
        since: Timestamp,
    ) -> Result<Option<CommandId>, ReadError> {
        let since = since.saturating_sub(SKEW).unwrap_or(Timestamp::MIN);
        let since = CommandFilter::builder()
            .key(CommandFilterKey::InvokedAfter)
            .value(since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .build()
            .map_err(|error| ReadError::Failed(error.to_string()))?;
        let wanted = comment(effect);
        let mut commands = self
            .client
            .list_commands()
            .instance_id(node.as_str())
            .filters(since)
            .into_paginator()
            .items()
            .send();
        while let Some(command) = commands.next().await {
            let command = command.map_err(read_error)?;
            if command.comment.as_deref() == Some(&wanted) {
                let id = CommandId::parse(command.command_id.unwrap_or_default());
                return id
                    .map(Some)
                    .map_err(|error| ReadError::Failed(format!("the effect's command: {error}")));
            }
        }
        Ok(None)
    }
}
