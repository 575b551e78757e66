//! Observations: what AWS said when it was last asked. Written by `observe`, read by the decision.
//!
//! **Invariant 1**: the decision believes these, never an event.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{CommandId, EffectId, InstanceId, JobId, NodeId, ServerId};
use crate::launch_settings::LaunchSettings;

/// So long must the reads of a server's launch settings have failed before they count as not
/// readable: a throttle passes.
const UNREADABLE: SignedDuration = SignedDuration::from_mins(5);

/// The outcome of the latest round of reads for a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveSeen {
    /// When the round began: everything that it read is at least as new.
    pub at: Timestamp,
    /// Whether MGN answered.
    pub mgn: Answer,
    /// Whether everything else that was asked (SSM, EC2) answered.
    pub others: Answer,
}

/// Whether a service answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It answered.
    Answered,
    /// MGN is not initialized in this account and Region.
    Uninitialized,
    /// The caller may not read; the service's message.
    Denied(String),
    /// It failed or throttled; the message.
    Failed(String),
}

/// What is known of one source server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSeen {
    /// Which server.
    pub id: ServerId,
    /// When it was read: the time before the call, so never newer than the truth.
    pub at: Timestamp,
    /// Its hostname as MGN knows it; may be empty.
    pub hostname: String,
    /// Its fully qualified name; may be empty.
    pub fqdn: String,
    /// Its tags in MGN.
    pub tags: BTreeMap<String, String>,
    /// Whether MGN has it archived.
    pub archived: bool,
    /// Its life cycle state.
    pub life_cycle: LifeCycle,
    /// Its replication.
    pub replication: Replication,
    /// The job of its last StartTest.
    pub last_test: Option<JobId>,
    /// The job of its last StartCutover.
    pub last_cutover: Option<JobId>,
    /// The job that its stage waits for, with its own part in it.
    pub job: Option<JobSeen>,
    /// The instance that its stage waits for.
    pub instance: Option<InstanceSeen>,
    /// The managed node of the source itself (hybrid activation), found by its hostname.
    pub node: Option<NodeId>,
    /// The commands in flight on it or its instance.
    pub commands: BTreeMap<CommandId, CommandStatus>,
    /// How far the snapshots are that its stage waits for.
    #[serde(default)]
    pub snapshots: SnapshotsSeen,
    /// How it would be launched, read on its own.
    #[serde(default)]
    pub settings: SettingsSeen,
}

/// How far the snapshots of a server are, all of them together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotsSeen {
    /// Nothing was read, or at least one is under way.
    #[default]
    Pending,
    /// All are complete.
    Complete,
    /// At least one failed or is no more.
    Failed,
}

/// How a server would be launched, as far as MGN and EC2 told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsSeen {
    /// When its launch configuration was read.
    pub configuration_at: Option<Timestamp>,
    /// When the default version of its launch template was looked up.
    pub template_at: Option<Timestamp>,
    /// What was read last.
    pub known: Option<LaunchSettings>,
    /// What the test that passed was launched with, where that is something else.
    pub tested: Option<LaunchSettings>,
    /// The reads that have failed since.
    pub failing: Option<Failing>,
}

/// Reads that fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// When the latest of them failed.
    pub at: Timestamp,
    /// What AWS says.
    pub message: String,
    /// Whether it is the launch configuration that cannot be read, and not the launch template.
    pub configuration: bool,
}

/// MGN's life cycle states (botocore's model).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LifeCycle {
    /// Replication is stopped.
    Stopped,
    /// Not yet replicated.
    NotReady,
    /// Can be launched for a test.
    ReadyForTest,
    /// A test was started; says nothing of its success.
    Testing,
    /// The test was accepted.
    ReadyForCutover,
    /// A cutover was started; says nothing of its success.
    CuttingOver,
    /// Finalized.
    Cutover,
    /// Disconnected.
    Disconnected,
    /// Seen by the vCenter client only.
    Discovered,
    /// Imported, its agent not yet registered.
    PendingInstallation,
    /// A state that the model did not have when this was built.
    Unknown,
}

/// As MGN writes it.
impl fmt::Display for LifeCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How a server replicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    /// The state.
    pub state: ReplicationState,
    /// How far behind; absent when MGN gives none.
    pub lag: Option<SignedDuration>,
    /// Bytes written on the source and not yet replicated.
    pub backlog_bytes: u64,
    /// Bytes of all its disks.
    pub total_bytes: u64,
    /// Bytes replicated so far.
    pub replicated_bytes: u64,
    /// When MGN expects the initial synchronisation to end.
    pub eta: Option<Timestamp>,
    /// The latest snapshot that can be launched.
    pub last_snapshot: Option<Timestamp>,
    /// What MGN says is wrong, as its error code.
    pub error: Option<String>,
}

/// MGN's replication states (botocore's model).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplicationState {
    /// Stopped.
    Stopped,
    /// Setting up.
    Initiating,
    /// First full copy.
    InitialSync,
    /// Behind.
    Backlog,
    /// Making a snapshot.
    CreatingSnapshot,
    /// In step.
    Continuous,
    /// Paused.
    Paused,
    /// Reading the disks again.
    Rescan,
    /// Stalled.
    Stalled,
    /// Disconnected.
    Disconnected,
    /// Agentless: waiting for a snapshot.
    PendingSnapshotShipping,
    /// Agentless: copying a snapshot.
    ShippingSnapshot,
    /// A state that the model did not have when this was built.
    Unknown,
}

/// As MGN writes it.
impl fmt::Display for ReplicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Why a server does not replicate before somebody lets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halted {
    /// It has yet to begin: its agent is to be installed, or replication to be started.
    NotBegun,
    /// Somebody stopped it.
    Stopped,
    /// Somebody paused it.
    Paused,
}

/// A part of a sentence about the server.
impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBegun => "its replication has not begun",
            Self::Stopped => "its replication is stopped in MGN",
            Self::Paused => "its replication is paused in MGN",
        })
    }
}

/// A job and one server's part in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSeen {
    /// Which job.
    pub id: JobId,
    /// Whether the job has ended. There is no failed job: see `launch`.
    pub completed: bool,
    /// How this server fared in it.
    pub launch: LaunchStatus,
    /// The instance launched for this server.
    pub instance: Option<InstanceId>,
    /// The job's log says that this server was launched from a previous snapshot.
    pub previous_snapshot: bool,
    /// The job's log says that this server was skipped.
    pub skipped: bool,
}

/// A server's part in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LaunchStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// Launched.
    Launched,
    /// Failed.
    Failed,
    /// Terminated.
    Terminated,
    /// A status that the model did not have when this was built.
    Unknown,
}

/// An instance as EC2 sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSeen {
    /// Which instance.
    pub id: InstanceId,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is gone or going: shutting down, terminated, or unknown to EC2.
    pub gone: bool,
    /// Whether it has stopped: it writes no more, and its volumes are whole.
    #[serde(default)]
    pub stopped: bool,
    /// Both of its status checks.
    pub checks: StatusChecks,
    /// Whether SSM reaches it.
    pub managed: bool,
}

/// EC2's system and instance status checks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusChecks {
    /// Not decided yet.
    Pending,
    /// Both passed.
    Passed,
    /// At least one failed.
    Failed,
}

/// One SSM command on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandStatus {
    /// Not ended.
    Pending,
    /// Succeeded.
    Succeeded,
    /// Failed, timed out, was cancelled or never arrived; what SSM says, and the output's end.
    Failed(String),
}

/// The jobs of an account and Region that had not ended when they were last listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountJobs {
    /// When they were listed: the time before the call.
    pub at: Timestamp,
    /// The jobs, whoever started them.
    pub jobs: Vec<AccountJob>,
}

/// A job that holds slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountJob {
    /// Which job.
    pub id: JobId,
    /// How many servers take part in it.
    pub servers: u32,
    /// The effect that started it, where Tidegate did.
    pub effect: Option<EffectId>,
}

impl SettingsSeen {
    /// What is known, unless it could not be read for so long that it counts for nothing.
    #[must_use]
    pub fn readable(&self) -> Option<&LaunchSettings> {
        self.known.as_ref().filter(|_| self.unreadable().is_none())
    }

    /// Why the settings cannot be read, if that is so for good.
    #[must_use]
    pub fn unreadable(&self) -> Option<&str> {
        let failing = self.failing.as_ref()?;
        let long = failing.at.duration_since(failing.since) >= UNREADABLE;
        (long || self.known.is_none()).then_some(failing.message.as_str())
    }

    /// What is known, if all of it was read after these times.
    #[must_use]
    pub fn read_after(
        &self,
        configuration: Timestamp,
        template: Timestamp,
    ) -> Option<&LaunchSettings> {
        let fresh =
            self.configuration_at > Some(configuration) && self.template_at > Some(template);
        self.known.as_ref().filter(|_| fresh)
    }

    /// The settings of that digest, if they are still known.
    #[must_use]
    pub fn digested(&self, digest: &str) -> Option<&LaunchSettings> {
        let mut both = self.known.iter().chain(&self.tested);
        both.find(|settings| settings.digest() == digest)
    }
}

impl ServerSeen {
    /// Why it does not replicate before somebody lets it, if that is so.
    #[must_use]
    pub fn halted(&self) -> Option<Halted> {
        match (self.life_cycle, self.replication.state) {
            (_, ReplicationState::Stalled) => None,
            (_, ReplicationState::Paused) => Some(Halted::Paused),
            (LifeCycle::Discovered | LifeCycle::PendingInstallation, _)
            | (LifeCycle::NotReady, ReplicationState::Stopped) => Some(Halted::NotBegun),
            (LifeCycle::Stopped, _) | (_, ReplicationState::Stopped) => Some(Halted::Stopped),
            (
                LifeCycle::NotReady
                | LifeCycle::ReadyForTest
                | LifeCycle::Testing
                | LifeCycle::ReadyForCutover
                | LifeCycle::CuttingOver
                | LifeCycle::Cutover
                | LifeCycle::Disconnected
                | LifeCycle::Unknown,
                _,
            ) => None,
        }
    }

    /// CONTINUOUS, within `max_lag`, with a snapshot that can be launched.
    #[must_use]
    pub fn in_step(&self, max_lag: SignedDuration) -> bool {
        self.replication.state == ReplicationState::Continuous
            && self.replication.lag.is_none_or(|lag| lag <= max_lag)
    }

    /// CONTINUOUS with neither lag nor backlog.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.replication.state == ReplicationState::Continuous
            && self.replication.lag.is_none_or(|lag| lag.is_zero())
            && self.replication.backlog_bytes == 0
    }
}
