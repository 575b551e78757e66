//! Jobs and their logs, read.

use aws_sdk_mgn::operation::describe_jobs::builders::DescribeJobsFluentBuilder;
use aws_sdk_mgn::types::{self as mgn, DescribeJobsRequestFilters, JobLogEvent, JobStatus};
use jiff::Timestamp;
use tidegate_domain::id::{EffectId, InstanceId, JobId, ServerId};
use tidegate_ports::error::ReadError;
use tidegate_ports::mgn::{EFFECT_TAG, Job, JobLog, JobServer, Jobs};

use super::wire::{filter_time, launch_status};
use super::{MOST_IDS, SdkMgn};
use crate::failures::read_error;

impl Jobs for SdkMgn {
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, ReadError> {
        let mut jobs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_IDS) {
            let filters = DescribeJobsRequestFilters::builder()
                .set_job_ids(Some(ids.iter().map(ToString::to_string).collect()))
                .build();
            jobs.extend(read(self.client.describe_jobs().filters(filters)).await?);
        }
        Ok(jobs)
    }

    async fn jobs_since(&self, from: Timestamp) -> Result<Vec<Job>, ReadError> {
        let filters = DescribeJobsRequestFilters::builder()
            .from_date(filter_time(from))
            .build();
        read(self.client.describe_jobs().filters(filters)).await
    }

    async fn job_log(&self, job: &JobId) -> Result<JobLog, ReadError> {
        let mut items = self
            .client
            .describe_job_log_items()
            .job_id(job.as_str())
            .into_paginator()
            .items()
            .send();
        let mut log = JobLog {
            previous_snapshot: Vec::new(),
            skipped: Vec::new(),
        };
        while let Some(item) = items.next().await {
            let item = item.map_err(read_error)?;
            let servers = match item.event {
                Some(JobLogEvent::UsingPreviousSnapshot) => &mut log.previous_snapshot,
                Some(JobLogEvent::ServerSkipped) => &mut log.skipped,
                // Everything else is in the job itself. LAUNCH_END is in no model.
                Some(_) | None => continue,
            };
            let server = item.event_data.and_then(|data| data.source_server_id);
            match ServerId::parse(server.unwrap_or_default()) {
                Ok(server) => servers.push(server),
                Err(error) => {
                    tracing::warn!(job = %job, %error, "a job's log names no server");
                }
            }
        }
        Ok(log)
    }
}

async fn read(call: DescribeJobsFluentBuilder) -> Result<Vec<Job>, ReadError> {
    let mut pages = call.into_paginator().items().send();
    let mut jobs = Vec::new();
    while let Some(job) = pages.next().await {
        jobs.extend(parse(job.map_err(read_error)?));
    }
    Ok(jobs)
}

/// A job; None for one whose ID cannot be a job's.
fn parse(job: mgn::Job) -> Option<Job> {
    let id = match JobId::parse(job.job_id) {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(%error, "MGN gave a job that cannot be named");
            return None;
        }
    };
    let servers = job.participating_servers.unwrap_or_default();
    Some(Job {
        id,
        completed: job.status == Some(JobStatus::Completed),
        // Somebody else's tag may hold anything.
        effect: job
            .tags
            .and_then(|mut tags| tags.remove(EFFECT_TAG))
            .and_then(|effect| EffectId::parse(effect).ok()),
        servers: servers.into_iter().filter_map(part).collect(),
    })
}

fn part(server: mgn::ParticipatingServer) -> Option<JobServer> {
    Some(JobServer {
        id: ServerId::parse(server.source_server_id).ok()?,
        launch: launch_status(server.launch_status.as_ref()),
        instance: server
            .launched_ec2_instance_id
            .and_then(|id| InstanceId::parse(id).ok()),
    })
}
