//! One round of reads. What fails is remembered as the answer of its service, and what was known
//! before stays.

use std::collections::BTreeMap;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tidegate_domain::decide::{Interest, Selectors};
use tidegate_domain::id::{CommandId, InstanceId, JobId, NodeId, ServerId, SnapshotId};
use tidegate_domain::observation::{
    AccountJob, AccountJobs, Answer, CommandStatus, InstanceSeen, LaunchStatus, ServerSeen,
    SnapshotsSeen,
};
use tidegate_domain::wave::Wave;
use tidegate_ports::commands::Commands;
use tidegate_ports::error::ReadError;
use tidegate_ports::instances::{Instances, Snapshots};
use tidegate_ports::mgn::{Job, JobLog, Jobs, SourceServers};

use crate::settings;

/// How far back the account's jobs are listed: a job in progress that is older is not expected.
const JOBS_SINCE: SignedDuration = SignedDuration::from_hours(24);
/// How many reads of one kind run at once, so that hundreds of commands fit one invocation.
pub(crate) const AT_ONCE: usize = 8;

/// What one round read. None: it was not asked for, or the service did not answer.
pub(crate) struct Round {
    /// Whether MGN answered everything.
    pub(crate) mgn: Answer,
    /// Whether SSM and EC2 answered everything.
    pub(crate) others: Answer,
    /// The source servers.
    pub(crate) servers: Option<Vec<ServerSeen>>,
    /// The jobs.
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// The logs of jobs of which a server's part has ended.
    pub(crate) logs: BTreeMap<JobId, JobLog>,
    /// The account's jobs in progress.
    pub(crate) account_jobs: Option<AccountJobs>,
    /// The instances; `managed` is not to be believed without [`Round::managed`].
    pub(crate) instances: BTreeMap<InstanceId, InstanceSeen>,
    /// Those of the instances that SSM reaches.
    pub(crate) managed: Option<Vec<InstanceId>>,
    /// The snapshots.
    pub(crate) snapshots: BTreeMap<SnapshotId, SnapshotsSeen>,
    /// The sources' nodes with their computer names.
    pub(crate) source_nodes: Option<Vec<(NodeId, String)>>,
    /// The commands, node by node.
    pub(crate) commands: BTreeMap<CommandId, BTreeMap<NodeId, CommandStatus>>,
    /// The launch settings, server by server.
    pub(crate) settings: BTreeMap<ServerId, settings::Read>,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            mgn: Answer::Answered,
            others: Answer::Answered,
            servers: None,
            jobs: BTreeMap::new(),
            logs: BTreeMap::new(),
            account_jobs: None,
            instances: BTreeMap::new(),
            managed: None,
            snapshots: BTreeMap::new(),
            source_nodes: None,
            commands: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }
}

impl Round {
    /// The source servers: those of the wave, or those that its selectors pick.
    pub(crate) async fn servers(
        &mut self,
        mgn: &impl SourceServers,
        wave: &Wave,
        interest: &Interest,
        at: Timestamp,
    ) {
        let read = if interest.select {
            mgn.all_servers(at).await.map(|mut all| {
                let selectors = Selectors::of(&wave.plan);
                all.retain(|server| selectors.pick(server));
                all
            })
        } else if interest.servers.is_empty() {
            return;
        } else {
            mgn.servers(&interest.servers, at).await
        };
        self.servers = note(&mut self.mgn, "source servers", read);
    }

    /// The jobs that stages wait for, their logs where needed, and the account's jobs.
    pub(crate) async fn jobs(
        &mut self,
        mgn: &impl Jobs,
        interest: &Interest,
        known: &BTreeMap<ServerId, ServerSeen>,
        at: Timestamp,
    ) {
        let wanted: Vec<JobId> = interest.jobs.keys().cloned().collect();
        if !wanted.is_empty() {
            let read = mgn.jobs(&wanted).await;
            let jobs = note(&mut self.mgn, "jobs", read).unwrap_or_default();
            self.jobs = jobs.into_iter().map(|job| (job.id.clone(), job)).collect();
        }
        let with_logs: Vec<JobId> = self
            .jobs
            .values()
            .filter(|job| log_matters(job, interest, known))
            .map(|j| j.id.clone())
            .collect();
        let logs: Vec<_> = futures::stream::iter(&with_logs)
            .map(async |job| (job, mgn.job_log(job).await))
            .buffered(AT_ONCE)
            .collect()
            .await;
        for (job, read) in logs {
            if let Some(log) = note(&mut self.mgn, "a job's log", read) {
                self.logs.insert(job.clone(), log);
            }
        }
        if interest.account_jobs {
            let from = at.saturating_sub(JOBS_SINCE).unwrap_or(Timestamp::MIN);
            let read = mgn.jobs_since(from).await;
            if let Some(listed) = note(&mut self.mgn, "the account's jobs", read) {
                let mut all = self.jobs.clone();
                all.extend(listed.into_iter().map(|job| (job.id.clone(), job)));
                let in_progress = all.into_values().filter(|job| !job.completed);
                let jobs = in_progress.map(account_job).collect();
                self.account_jobs = Some(AccountJobs { at, jobs });
            }
        }
    }

    /// The instances that stages wait for, and whether SSM reaches them.
    pub(crate) async fn instances(
        &mut self,
        ec2: &impl Instances,
        ssm: &impl Commands,
        interest: &Interest,
    ) {
        let wanted: Vec<InstanceId> = interest.instances.values().cloned().collect();
        if wanted.is_empty() {
            return;
        }
        let read = ec2.instances(&wanted).await;
        let seen = note(&mut self.others, "instances", read).unwrap_or_default();
        let running: Vec<InstanceId> = seen
            .iter()
            .filter(|i| i.running)
            .map(|i| i.id.clone())
            .collect();
        self.instances = seen.into_iter().map(|i| (i.id.clone(), i)).collect();
        if !running.is_empty() {
            let read = ssm.managed(&running).await;
            self.managed = note(&mut self.others, "managed instances", read);
        }
    }

    /// The snapshots that stages wait for.
    pub(crate) async fn snapshots(&mut self, ec2: &impl Snapshots, interest: &Interest) {
        let wanted: Vec<SnapshotId> = interest.snapshots.values().flatten().cloned().collect();
        if !wanted.is_empty() {
            let read = ec2.snapshots(&wanted).await;
            self.snapshots = note(&mut self.others, "snapshots", read).unwrap_or_default();
        }
    }

    /// The commands in flight, and the nodes of the sources.
    pub(crate) async fn commands(&mut self, ssm: &impl Commands, interest: &Interest) {
        if interest.source_nodes {
            let read = ssm.source_nodes().await;
            self.source_nodes = note(&mut self.others, "the sources' nodes", read);
        }
        let reads: Vec<_> = futures::stream::iter(interest.commands.keys())
            .map(async |command| (command, ssm.invocations(command).await))
            .buffered(AT_ONCE)
            .collect()
            .await;
        for (command, read) in reads {
            if let Some(statuses) = note(&mut self.others, "a command", read) {
                self.commands.insert(command.clone(), statuses);
            }
        }
    }
}

/// Whether a server's own part in a job has ended.
pub(crate) fn ended(completed: bool, launch: LaunchStatus) -> bool {
    completed
        || match launch {
            LaunchStatus::Launched | LaunchStatus::Failed | LaunchStatus::Terminated => true,
            LaunchStatus::Pending | LaunchStatus::InProgress | LaunchStatus::Unknown => false,
        }
}

/// A launch that seems to have succeeded may be of a previous snapshot or skipped; only the log
/// tells. A failure needs no second witness.
pub(crate) fn needs_log(completed: bool, launch: LaunchStatus) -> bool {
    ended(completed, launch)
        && match launch {
            LaunchStatus::Failed | LaunchStatus::Terminated => false,
            LaunchStatus::Launched
            | LaunchStatus::Pending
            | LaunchStatus::InProgress
            | LaunchStatus::Unknown => true,
        }
}

/// A log is read for servers that may have been launched, once for each of them.
fn log_matters(job: &Job, interest: &Interest, known: &BTreeMap<ServerId, ServerSeen>) -> bool {
    let waiting = interest
        .jobs
        .get(&job.id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    waiting.iter().any(|server| {
        needs_log(job.completed, part_of(job, server))
            && !known
                .get(server)
                .is_some_and(|before| log_was_read(before, &job.id))
    })
}

/// Whether what is known of a server already says what its job's log says of it.
pub(crate) fn log_was_read(before: &ServerSeen, job: &JobId) -> bool {
    before
        .job
        .as_ref()
        .is_some_and(|known| known.id == *job && needs_log(known.completed, known.launch))
}

/// How a server fares in a job. A job that does not name it has not said.
pub(crate) fn part_of(job: &Job, server: &ServerId) -> LaunchStatus {
    let part = job.servers.iter().find(|part| part.id == *server);
    part.map_or(LaunchStatus::Unknown, |part| part.launch)
}

fn account_job(job: Job) -> AccountJob {
    AccountJob {
        servers: u32::try_from(job.servers.len()).unwrap_or(u32::MAX),
        id: job.id,
        effect: job.effect,
    }
}

/// What was read; a failure becomes the service's answer, the gravest one if several.
fn note<T>(answer: &mut Answer, what: &str, read: Result<T, ReadError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::warn!(what, %error, "a read failed");
            let new = Answer::from(&error);
            if gravity(&new) > gravity(answer) {
                *answer = new;
            }
            None
        }
    }
}

fn gravity(answer: &Answer) -> u8 {
    match answer {
        Answer::Answered => 0,
        Answer::Failed(_) => 1,
        Answer::Denied(_) => 2,
        Answer::Uninitialized => 3,
    }
}
