//! What was launched for a server: how it was validated, what was waived, how it is put away.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{CommandId, InstanceId, JobId, SnapshotId};

/// What a cutover launched, and how far it was put away since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The instance.
    pub instance: InstanceId,
    /// Whether it was stopped, because its source runs again or is to.
    pub stopped: bool,
}

/// Snapshots of a target's volumes: what was written in AWS since the cutover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The snapshots, one for each volume.
    pub snapshots: Vec<SnapshotId>,
    /// Whether all of them are complete, so that the volumes are not needed any more.
    pub complete: bool,
}

/// A launch while it is validated, and how it was validated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// When it was seen to be launched.
    pub launched_at: Option<Timestamp>,
    /// When EC2's status checks had passed and SSM reached it.
    pub booted_at: Option<Timestamp>,
    /// The checks that were run to their end, in order.
    pub results: Vec<CheckResult>,
}

/// A check that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The document.
    pub document: String,
    /// The command of its last run.
    pub command: CommandId,
    /// Whether it failed and was waived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// A person's word that a check may fail on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// The check's document.
    pub check: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A launch by our own job: LAUNCHED, from a snapshot of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Our job.
    pub job: JobId,
    /// What it launched.
    pub instance: InstanceId,
    /// When the job was asked for.
    pub requested_at: Timestamp,
}

/// A launch whose validation passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The launch.
    pub launch: Launch,
    /// When its last check passed.
    pub at: Timestamp,
    /// How many checks it passed.
    pub checks: u32,
    /// How it was validated.
    #[serde(default)]
    pub trial: Trial,
    /// The digest of the settings that it was launched with, if they could be read; what they
    /// say is with the observations ([`crate::observation::SettingsSeen::digested`]), because a
    /// decision about thousands of servers has to fit one transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
}
