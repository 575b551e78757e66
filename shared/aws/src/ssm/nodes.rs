//! Managed nodes and documents, read.

use std::collections::BTreeMap;

use aws_sdk_ssm::operation::describe_document::DescribeDocumentError;
use aws_sdk_ssm::types::{
    DocumentStatus, InstanceInformation, InstanceInformationStringFilter, PingStatus,
};
use tidegate_domain::id::{CommandId, InstanceId, NodeId};
use tidegate_domain::observation::CommandStatus;
use tidegate_ports::commands::{Commands, Documents};
use tidegate_ports::error::ReadError;

use super::SdkSsm;
use crate::failures::read_error;

/// The most instances in one filter (API reference, InstanceInformationStringFilter, is 100).
const MOST_INSTANCES: usize = 50;
/// The most nodes in a page (API reference, DescribeInstanceInformation).
const PAGE: i32 = 50;

impl Commands for SdkSsm {
    async fn invocations(
        &self,
        command: &CommandId,
    ) -> Result<BTreeMap<NodeId, CommandStatus>, ReadError> {
        self.read_invocations(command).await
    }

    async fn source_nodes(&self) -> Result<Vec<(NodeId, String)>, ReadError> {
        let filter = filter("ResourceType", vec!["ManagedInstance".to_owned()])?;
        let nodes = self.online(filter).await?;
        Ok(nodes
            .into_iter()
            .filter_map(|node| {
                let id = NodeId::parse(node.instance_id?).ok()?;
                let name = node.computer_name.unwrap_or_default();
                // An EC2 instance is no source of ours.
                id.as_str().starts_with("mi-").then_some((id, name))
            })
            .collect())
    }

    async fn managed(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, ReadError> {
        let mut managed = Vec::new();
        for instances in instances.chunks(MOST_INSTANCES) {
            let ids = instances.iter().map(ToString::to_string).collect();
            let nodes = self.online(filter("InstanceIds", ids)?).await?;
            managed.extend(
                nodes
                    .into_iter()
                    .filter_map(|node| InstanceId::parse(node.instance_id?).ok())
                    .filter(|id| instances.contains(id)),
            );
        }
        Ok(managed)
    }
}

impl Documents for SdkSsm {
    async fn exists(&self, document: &str) -> Result<bool, ReadError> {
        let result = self.client.describe_document().name(document).send().await;
        match result {
            Ok(output) => Ok(matches!(
                output.document.and_then(|document| document.status),
                Some(DocumentStatus::Active | DocumentStatus::Updating)
            )),
            Err(error) => match error.as_service_error() {
                Some(DescribeDocumentError::InvalidDocument(_)) => Ok(false),
                Some(_) | None => Err(read_error(error)),
            },
        }
    }
}

impl SdkSsm {
    /// The nodes that a filter gives and that SSM reaches now.
    async fn online(
        &self,
        filter: InstanceInformationStringFilter,
    ) -> Result<Vec<InstanceInformation>, ReadError> {
        let mut pages = self
            .client
            .describe_instance_information()
            .filters(filter)
            .max_results(PAGE)
            .into_paginator()
            .items()
            .send();
        let mut nodes = Vec::new();
        while let Some(node) = pages.next().await {
            let node = node.map_err(read_error)?;
            if node.ping_status == Some(PingStatus::Online) {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }
}

fn filter(key: &str, values: Vec<String>) -> Result<InstanceInformationStringFilter, ReadError> {
    InstanceInformationStringFilter::builder()
        .key(key)
        .set_values(Some(values))
        .build()
        .map_err(|error| ReadError::Failed(error.to_string()))
}
