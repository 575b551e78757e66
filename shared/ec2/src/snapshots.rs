//! Snapshots, read: whether what was kept is whole.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, SnapshotState};
use tidegate_aws::failures::read_error;
use tidegate_domain::id::SnapshotId;
use tidegate_domain::observation::SnapshotsSeen;
use tidegate_ports::error::ReadError;
use tidegate_ports::instances::Snapshots;

use crate::SdkEc2;
/// The most values of a filter (EC2 API reference, "Filter").
const MOST_VALUES: usize = 200;

impl Snapshots for SdkEc2 {
    async fn snapshots(
        &self,
        ids: &[SnapshotId],
    ) -> Result<BTreeMap<SnapshotId, SnapshotsSeen>, ReadError> {
        // By a filter, not by ID: one that is no more would fail the call for all.
        let mut seen: BTreeMap<SnapshotId, SnapshotsSeen> = ids
            .iter()
            .map(|id| (id.clone(), SnapshotsSeen::Failed))
            .collect();
        for ids in ids.chunks(MOST_VALUES) {
            let named = Filter::builder()
                .name("snapshot-id")
                .set_values(Some(ids.iter().map(ToString::to_string).collect()));
            let mut pages = self
                .client
                .describe_snapshots()
                .owner_ids("self")
                .filters(named.build())
                .into_paginator()
                .items()
                .send();
            while let Some(snapshot) = pages.next().await {
                let snapshot = snapshot.map_err(read_error)?;
                if let Ok(id) = SnapshotId::parse(snapshot.snapshot_id().unwrap_or_default()) {
                    seen.insert(id, state(snapshot.state()));
                }
            }
        }
        Ok(seen)
    }
}

fn state(state: Option<&SnapshotState>) -> SnapshotsSeen {
    match state {
        Some(SnapshotState::Completed) => SnapshotsSeen::Complete,
        Some(SnapshotState::Error) => SnapshotsSeen::Failed,
        _ => SnapshotsSeen::Pending,
    }
}
