//! MGN, by role: reading is open to all, each way of changing something to one function.
//!
//! SDK retries are off on everything that changes something (invariant 4).

use jiff::Timestamp;
use tidegate_domain::effect::LifeCycleTarget;
use tidegate_domain::id::{EffectId, InstanceId, JobId, ServerId};
use tidegate_domain::observation::{LaunchStatus, ServerSeen};

use crate::error::{CallError, ReadError};

/// The key of the job tag that carries the effect.
pub const EFFECT_TAG: &str = "tidegate:effect";

/// A job as DescribeJobs gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// Whether it has ended.
    pub completed: bool,
    /// The effect that started it: its tag [`EFFECT_TAG`].
    pub effect: Option<EffectId>,
    /// The servers that take part.
    pub servers: Vec<JobServer>,
}

/// A server's part in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobServer {
    /// Which server.
    pub id: ServerId,
    /// How it fares.
    pub launch: LaunchStatus,
    /// What was launched for it.
    pub instance: Option<InstanceId>,
}

/// What a job's log says of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLog {
    /// Servers that were launched from a previous snapshot (USING_PREVIOUS_SNAPSHOT).
    pub previous_snapshot: Vec<ServerId>,
    /// Servers that were skipped (SERVER_SKIPPED).
    pub skipped: Vec<ServerId>,
}

/// Source servers, read.
pub trait SourceServers {
    /// These servers (200 a call, paged), without those that MGN does not know; with `at` as the
    /// time of the read. What belongs to jobs, instances and commands is empty.
    async fn servers(&self, ids: &[ServerId], at: Timestamp) -> Result<Vec<ServerSeen>, ReadError>;

    /// Every server that is not archived, paged.
    async fn all_servers(&self, at: Timestamp) -> Result<Vec<ServerSeen>, ReadError>;
}

/// Jobs, read.
pub trait Jobs {
    /// These jobs, paged.
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, ReadError>;

    /// Every job started since, paged, whoever started it.
    async fn jobs_since(&self, from: Timestamp) -> Result<Vec<Job>, ReadError>;

    /// The log of a job, paged.
    async fn job_log(&self, job: &JobId) -> Result<JobLog, ReadError>;
}

/// Launches and terminations: `launch` alone.
pub trait Launches {
    /// StartTest, tagged with the effect. At most 200 servers.
    async fn start_test(&self, servers: &[ServerId], effect: &EffectId)
    -> Result<JobId, CallError>;

    /// StartCutover, tagged with the effect. At most 200 servers.
    async fn start_cutover(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError>;

    /// TerminateTargetInstances, tagged with the effect. At most 200 servers.
    async fn terminate(&self, servers: &[ServerId], effect: &EffectId) -> Result<JobId, CallError>;
}

/// Life cycle changes: `lifecycle` alone.
pub trait LifeCycles {
    /// ChangeServerLifeCycleState.
    async fn change(&self, server: &ServerId, to: LifeCycleTarget) -> Result<(), CallError>;

    /// RetryDataReplication.
    async fn retry_replication(&self, server: &ServerId) -> Result<(), CallError>;
}

/// The irreversible step: `finalize` alone.
pub trait Finalizes {
    /// FinalizeCutover.
    async fn finalize(&self, server: &ServerId) -> Result<(), CallError>;
}

/// What `prepare` checks about MGN before anything is launched.
pub trait LaunchConfigurations {
    /// Problems of a server's launch configuration, for people; empty if there are none.
    async fn problems(&self, server: &ServerId) -> Result<Vec<String>, ReadError>;
}
