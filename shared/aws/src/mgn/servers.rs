//! Source servers, read.

use aws_sdk_mgn::operation::describe_source_servers::builders::DescribeSourceServersFluentBuilder;
use aws_sdk_mgn::types::{DescribeSourceServersRequestFilters, SourceServer};
use jiff::Timestamp;
use tidegate_domain::id::{JobId, ServerId};
use tidegate_domain::observation::{Replication, ServerSeen};
use tidegate_ports::error::ReadError;
use tidegate_ports::mgn::SourceServers;

use super::wire::{bytes, lag, life_cycle, replication_state, time};
use super::{MOST_IDS, SdkMgn};
use crate::failures::read_error;

/// Servers in a page: a few kilobytes each.
const PAGE: i32 = 200;

impl SourceServers for SdkMgn {
    async fn servers(&self, ids: &[ServerId], at: Timestamp) -> Result<Vec<ServerSeen>, ReadError> {
        let mut servers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_IDS) {
            let filters = DescribeSourceServersRequestFilters::builder()
                .set_source_server_ids(Some(ids.iter().map(ToString::to_string).collect()))
                .build();
            let call = self.client.describe_source_servers().filters(filters);
            servers.extend(read(call, at).await?);
        }
        Ok(servers)
    }

    async fn all_servers(&self, at: Timestamp) -> Result<Vec<ServerSeen>, ReadError> {
        let filters = DescribeSourceServersRequestFilters::builder()
            .is_archived(false)
            .build();
        read(self.client.describe_source_servers().filters(filters), at).await
    }
}

async fn read(
    call: DescribeSourceServersFluentBuilder,
    at: Timestamp,
) -> Result<Vec<ServerSeen>, ReadError> {
    let mut pages = call.max_results(PAGE).into_paginator().items().send();
    let mut servers = Vec::new();
    while let Some(server) = pages.next().await {
        servers.extend(seen(server.map_err(read_error)?, at));
    }
    Ok(servers)
}

/// A server as the decision knows it; None for one whose ID cannot be a server's.
fn seen(server: SourceServer, at: Timestamp) -> Option<ServerSeen> {
    let id = match ServerId::parse(server.source_server_id.clone().unwrap_or_default()) {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(%error, "MGN gave a source server that cannot be named");
            return None;
        }
    };
    let hints = server
        .source_properties
        .as_ref()
        .and_then(|properties| properties.identification_hints.as_ref());
    let state = server.life_cycle.as_ref();
    let last_test = state
        .and_then(|state| state.last_test.as_ref())
        .and_then(|test| test.initiated.as_ref())
        .and_then(|initiated| initiated.job_id.as_deref());
    let last_cutover = state
        .and_then(|state| state.last_cutover.as_ref())
        .and_then(|cutover| cutover.initiated.as_ref())
        .and_then(|initiated| initiated.job_id.as_deref());
    Some(ServerSeen {
        at,
        hostname: hints
            .and_then(|hints| hints.hostname.clone())
            .unwrap_or_default(),
        fqdn: hints
            .and_then(|hints| hints.fqdn.clone())
            .unwrap_or_default(),
        archived: server.is_archived.unwrap_or(false),
        life_cycle: life_cycle(state.and_then(|state| state.state.as_ref())),
        replication: replication(&server),
        last_test: job(&id, last_test),
        last_cutover: job(&id, last_cutover),
        job: None,
        instance: None,
        node: None,
        commands: Default::default(),
        snapshots: Default::default(),
        settings: Default::default(),
        tags: server.tags.unwrap_or_default().into_iter().collect(),
        id,
    })
}

fn replication(server: &SourceServer) -> Replication {
    let Some(info) = &server.data_replication_info else {
        return Replication {
            state: replication_state(None),
            lag: None,
            backlog_bytes: 0,
            total_bytes: 0,
            replicated_bytes: 0,
            eta: None,
            last_snapshot: None,
            error: None,
        };
    };
    let mut replication = Replication {
        state: replication_state(info.data_replication_state.as_ref()),
        lag: info.lag_duration.as_deref().map(lag),
        backlog_bytes: 0,
        total_bytes: 0,
        replicated_bytes: 0,
        eta: info.eta_date_time.as_deref().and_then(time),
        last_snapshot: info.last_snapshot_date_time.as_deref().and_then(time),
        error: info
            .data_replication_error
            .as_ref()
            .and_then(|error| error.error.as_ref())
            .map(|error| error.as_str().to_owned()),
    };
    for disk in info.replicated_disks() {
        let sum = |total: &mut u64, count| *total = total.saturating_add(bytes(count));
        sum(
            &mut replication.backlog_bytes,
            disk.backlogged_storage_bytes,
        );
        sum(&mut replication.total_bytes, disk.total_storage_bytes);
        sum(
            &mut replication.replicated_bytes,
            disk.replicated_storage_bytes,
        );
    }
    replication
}

/// A job that a server names; an empty object stands for none.
fn job(server: &ServerId, id: Option<&str>) -> Option<JobId> {
    let job = JobId::parse(id.filter(|id| !id.is_empty())?);
    if let Err(error) = &job {
        tracing::warn!(server = %server, %error, "MGN gave a job that cannot be named");
    }
    job.ok()
}
