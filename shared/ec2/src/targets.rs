//! What cutovers launched, put away: instances stopped, snapshots made of their volumes.
//!
//! **Invariant 4**: stopping twice is stopping once; a volume that has a snapshot with the
//! instance's tag gets no second one.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use tidegate_aws::failures::call_error;
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::{EffectId, InstanceId, ServerId, SnapshotId};
use tidegate_ports::error::CallError;
use tidegate_ports::instances::Targets;

/// The tag of a snapshot that names the instance whose data it keeps.
pub const INSTANCE_TAG: &str = "tidegate:instance";
/// The tag of a snapshot that names the source server.
pub const SERVER_TAG: &str = "tidegate:server";
/// The tag of a snapshot that names the effect that made it.
pub const EFFECT_TAG: &str = "tidegate:effect";

/// Targets in the account and Region of its configuration.
#[derive(Debug, Clone)]
pub struct SdkTargets {
    client: Client,
}

impl SdkTargets {
    /// Targets, without retries of the SDK's.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config = aws_sdk_ec2::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            client: Client::from_conf(config),
        }
    }

    /// The volumes attached to an instance.
    async fn volumes(&self, instance: &InstanceId) -> Result<Vec<String>, CallError> {
        let mut volumes = Vec::new();
        let mut pages = self
            .client
            .describe_volumes()
            .filters(filter("attachment.instance-id", [instance.as_str()]))
            .into_paginator()
            .items()
            .send();
        while let Some(volume) = pages.next().await {
            let volume = volume.map_err(call_error)?;
            volumes.extend(volume.volume_id().map(str::to_owned));
        }
        Ok(volumes)
    }

    /// The snapshots that keep this instance's data already, by volume.
    async fn kept(&self, instance: &InstanceId) -> Result<BTreeMap<String, SnapshotId>, CallError> {
        let mut kept = BTreeMap::new();
        let mut pages = self
            .client
            .describe_snapshots()
            .owner_ids("self")
            .filters(filter(&format!("tag:{INSTANCE_TAG}"), [instance.as_str()]))
            .filters(filter("status", ["pending", "completed"]))
            .into_paginator()
            .items()
            .send();
        while let Some(snapshot) = pages.next().await {
            let snapshot = snapshot.map_err(call_error)?;
            if let (Some(volume), Ok(id)) = (
                snapshot.volume_id(),
                SnapshotId::parse(snapshot.snapshot_id().unwrap_or_default()),
            ) {
                kept.insert(volume.to_owned(), id);
            }
        }
        Ok(kept)
    }
}

impl Targets for SdkTargets {
    async fn stop(&self, instance: &InstanceId) -> Result<(), CallError> {
        let request = self.client.stop_instances().instance_ids(instance.as_str());
        request.send().await.map(drop).map_err(call_error)
    }

    async fn keep(
        &self,
        instance: &InstanceId,
        server: &ServerId,
        effect: &EffectId,
    ) -> Result<Vec<SnapshotId>, CallError> {
        let volumes = self.volumes(instance).await?;
        let mut kept = self.kept(instance).await?;
        let mut snapshots = Vec::with_capacity(volumes.len());
        for volume in volumes {
            if let Some(id) = kept.remove(&volume) {
                snapshots.push(id);
                continue;
            }
            let tags = [
                (INSTANCE_TAG, instance.as_str()),
                (SERVER_TAG, server.as_str()),
                (EFFECT_TAG, effect.as_str()),
            ];
            let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
            let made = self
                .client
                .create_snapshot()
                .volume_id(&volume)
                .description(format!(
                    "Tidegate: what {server} wrote on {instance} before its cutover was undone"
                ))
                .tag_specifications(
                    TagSpecification::builder()
                        .resource_type(ResourceType::Snapshot)
                        .set_tags(Some(tags.to_vec()))
                        .build(),
                )
                .send()
                .await
                .map_err(call_error)?;
            let id = made.snapshot_id().unwrap_or_default();
            snapshots.push(SnapshotId::parse(id).map_err(|error| {
                CallError::refused(RefusalKind::Invalid, format!("EC2 answered {error}"))
            })?);
        }
        Ok(snapshots)
    }
}

fn filter<const N: usize>(name: &str, values: [&str; N]) -> Filter {
    let values = values.iter().map(ToString::to_string).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}
