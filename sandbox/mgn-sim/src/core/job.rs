//! Jobs and their logs, as DescribeJobs and DescribeJobLogItems show them.
//!
//! **Invariant:** a job ends COMPLETED, whatever became of its servers; there is no FAILED.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::faults::LaunchFaultKind;
use super::paging;
use super::server::{LifeCycleState, text};
use super::simulator::{Reply, Simulator};
use super::wire::{self, Object};

/// What a job was started by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// StartTest.
    Test,
    /// StartCutover.
    Cutover,
    /// TerminateTargetInstances.
    Terminate,
}

impl JobKind {
    fn type_name(self) -> &'static str {
        match self {
            Self::Test | Self::Cutover => "LAUNCH",
            Self::Terminate => "TERMINATE",
        }
    }

    fn initiated_by(self) -> &'static str {
        match self {
            Self::Test => "START_TEST",
            Self::Cutover => "START_CUTOVER",
            Self::Terminate => "TERMINATE",
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Accepted.
    Pending,
    /// Working.
    Started,
    /// Over.
    Completed,
}

impl JobStatus {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Started => "STARTED",
            Self::Completed => "COMPLETED",
        }
    }
}

/// What became of one server in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchStatus {
    /// Nothing yet.
    Pending,
    /// Under way.
    InProgress,
    /// Launched.
    Launched,
    /// Not launched.
    Failed,
    /// Its instance is terminated.
    Terminated,
}

impl LaunchStatus {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Launched => "LAUNCHED",
            Self::Failed => "FAILED",
            Self::Terminated => "TERMINATED",
        }
    }
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// `mgnjob-` and 17 digits.
    pub id: String,
    /// What started it.
    pub kind: JobKind,
    /// When.
    pub created: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Where it stands.
    pub status: JobStatus,
    /// Its servers, by ID.
    pub participants: BTreeMap<String, Participant>,
    /// The tags given with the call.
    pub tags: BTreeMap<String, String>,
    /// What happened, in order.
    pub log: Vec<LogItem>,
    pub(crate) ending: bool,
}

/// A server in a job.
#[derive(Clone, Debug)]
pub struct Participant {
    /// What became of it.
    pub status: LaunchStatus,
    /// Its new instance.
    pub instance: Option<String>,
    /// Whether its part of the job is over.
    pub ended: bool,
    pub(crate) stage: Stage,
    pub(crate) faults: Vec<LaunchFaultKind>,
    pub(crate) nth: u64,
    /// The life cycle before the job.
    pub(crate) from: LifeCycleState,
    pub(crate) from_previous_snapshot: bool,
    pub(crate) told_instance: Option<String>,
    pub(crate) told_failure: Option<String>,
    pub(crate) actions: Vec<ActionRun>,
}

/// The step of a launch or termination that ends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    Cleanup,
    Snapshot,
    SnapshotTimeout,
    Conversion,
    Launch,
    /// The launch is done but for the instance's ID, which somebody outside tells.
    AwaitingInstance,
    Ended,
}

/// A post-launch action that runs on a launched instance.
#[derive(Clone, Debug)]
pub(crate) struct ActionRun {
    pub(crate) document: Value,
    pub(crate) execution: String,
    pub(crate) status: &'static str,
}

/// An item of a job's log.
#[derive(Clone, Debug)]
pub struct LogItem {
    /// When.
    pub at: Timestamp,
    /// JobLogEvent, or `LAUNCH_END`.
    pub event: &'static str,
    /// The server it is about.
    pub server: Option<String>,
    /// The conversion server.
    pub conversion_server: Option<String>,
    /// The new instance.
    pub target: Option<String>,
    /// What went wrong.
    pub raw_error: Option<String>,
}

impl LogItem {
    pub(crate) fn new(at: Timestamp, event: &'static str, server: Option<&str>) -> Self {
        Self {
            at,
            event,
            server: server.map(str::to_owned),
            conversion_server: None,
            target: None,
            raw_error: None,
        }
    }
}

impl Simulator {
    pub(crate) fn show_job(&self, job: &Job) -> Value {
        let guesses = &self.config.guesses;
        let participants: Vec<Value> = job
            .participants
            .iter()
            .map(|(server, participant)| {
                let actions: Vec<Value> = participant
                    .actions
                    .iter()
                    .map(|run| {
                        Object::new()
                            .with("ssmDocument", run.document.clone())
                            .with("ssmDocumentType", "COMMAND")
                            .with("executionID", run.execution.as_str())
                            .with("executionStatus", run.status)
                            .with_some(
                                "failureReason",
                                (run.status == "FAILED").then_some("The document failed."),
                            )
                            .build()
                    })
                    .collect();
                Object::new()
                    .with("sourceServerID", server.as_str())
                    .with("launchStatus", participant.status.name())
                    .with_some("launchedEc2InstanceID", participant.instance.as_deref())
                    .with_object(
                        "postLaunchActionsStatus",
                        (!actions.is_empty())
                            .then(|| json!({"postLaunchActionsLaunchStatusList": actions})),
                        guesses,
                    )
                    .build()
            })
            .collect();
        Object::new()
            .with("jobID", job.id.as_str())
            .with("arn", self.arn("job", &job.id))
            .with("type", job.kind.type_name())
            .with("initiatedBy", job.kind.initiated_by())
            .with("creationDateTime", wire::timestamp(job.created, guesses))
            .with_some(
                "endDateTime",
                job.ended.map(|at| wire::timestamp(at, guesses)),
            )
            .with("status", job.status.name())
            .with("participatingServers", participants)
            .with("tags", wire::strings(&job.tags))
            .build()
    }

    pub(crate) fn describe_jobs(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let filters = &input["filters"];
        let time = |name: &str| -> Option<Timestamp> { filters[name].as_str()?.parse().ok() };
        let (from, to) = (time("fromDate"), time("toDate"));
        let ids: Vec<&str> = filters["jobIDs"]
            .as_array()
            .map(|ids| ids.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let meant = |job: &&Job| {
            from.is_none_or(|from| job.created >= from) && to.is_none_or(|to| job.created <= to)
        };
        let key = |job: &Job| paging::newest_first(job.created, &job.id);
        let mut items: Vec<(String, &Job)> = if ids.is_empty() {
            self.jobs
                .values()
                .filter(meant)
                .map(|job| (key(job), job))
                .collect()
        } else {
            ids.iter()
                .filter_map(|id| self.jobs.get(*id))
                .filter(meant)
                .map(|job| (key(job), job))
                .collect()
        };
        items.sort_by(|left, right| left.0.cmp(&right.0));
        items.dedup_by(|left, right| left.0 == right.0);
        let size = self.config.default_page_size;
        paging::page("DescribeJobs", input, items, size, |job| self.show_job(job)).map(Reply::ok)
    }

    pub(crate) fn describe_job_log_items(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let guesses = &self.config.guesses;
        let id = text(input, "jobID");
        // NotFound is not among this operation's declared errors.
        let job = self.jobs.get(id).ok_or_else(|| {
            errors::validation("other", &format!("Job {id} does not exist."), Vec::new())
        })?;
        let items = job
            .log
            .iter()
            .enumerate()
            .map(|(index, item)| (format!("{index:08}"), item))
            .collect();
        let size = self.config.default_page_size;
        paging::page(
            "DescribeJobLogItems",
            input,
            items,
            size,
            |item: &LogItem| {
                let data = Object::new()
                    .with_some("sourceServerID", item.server.as_deref())
                    .with_some("conversionServerID", item.conversion_server.as_deref())
                    .with_some("targetInstanceID", item.target.as_deref())
                    .with_some("rawError", item.raw_error.as_deref())
                    .build();
                Object::new()
                    .with("logDateTime", wire::timestamp(item.at, guesses))
                    .with("event", item.event)
                    .with_object(
                        "eventData",
                        data.as_object()
                            .is_some_and(|data| !data.is_empty())
                            .then_some(data),
                        guesses,
                    )
                    .build()
            },
        )
        .map(Reply::ok)
    }

    pub(crate) fn delete_job(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "jobID");
        let job = self
            .jobs
            .get(id)
            .ok_or_else(|| errors::not_found("Job", id))?;
        if job.status != JobStatus::Completed {
            return Err(errors::conflict(
                &format!(
                    "Job {id} is {}; only a COMPLETED job can be deleted.",
                    job.status.name()
                ),
                "Job",
                id,
            ));
        }
        self.jobs.remove(id);
        Ok(Reply::empty())
    }
}
