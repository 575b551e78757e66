//! What an approver is shown, frozen when the gate opens, the short part first.
//!
//! **Invariant 9**: its canonical JSON is hashed, and a decision carries the hash.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Changes, Gate};
use crate::id::{ApplicationName, CommandId, InstanceId, JobId, ServerId, WaveId};
use crate::launch_settings::{Difference, SettingsMark};
use crate::observation::{LifeCycle, ReplicationState};
use crate::plan::Window;

/// What an approver is shown, frozen when the gate opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The wave.
    pub wave: WaveId,
    /// The gate.
    pub gate: Gate,
    /// How often this gate was asked before: a new question is a new evidence.
    pub round: u32,
    /// Everything in a few numbers.
    pub summary: Summary,
    /// What changed since the gate was asked before.
    pub changed: Changes,
    /// What an approver should know before all else.
    pub warnings: Vec<Warning>,
    /// When cutovers may be launched.
    pub window: Option<Window>,
    /// How long one application is expected to be down, from the tests' own durations.
    pub projected_downtime: Option<SignedDuration>,
    /// What waiting has cost so far.
    pub waited: Waited,
    /// The lag that the plan allows.
    pub max_lag: SignedDuration,
    /// Each server that the gate is about.
    pub servers: Vec<ServerEvidence>,
    /// The checks that were run, each command once; servers name theirs by its place here.
    pub checks: Vec<CheckShown>,
    /// Checks that failed and that a person waived.
    pub waived: Vec<Waived>,
    /// Checks that may fail at the cutover, because a person waived them.
    #[serde(default)]
    pub may_fail: Vec<Waived>,
    /// Servers that left the wave, and why.
    pub left_out: Vec<LeftOut>,
}

/// The evidence in a few numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Servers that the gate is about.
    pub servers: u32,
    /// Their applications.
    pub applications: u32,
    /// Checks that passed, over all of these servers.
    pub checks_passed: u32,
    /// Checks that failed and were waived.
    pub checks_waived: u32,
    /// Servers that left the wave.
    pub left_out: u32,
    /// The longest lag of any of these servers.
    pub longest_lag: Option<SignedDuration>,
    /// The oldest last snapshot of any of these servers.
    pub oldest_snapshot: Option<Timestamp>,
}

/// What waiting has cost so far: test instances that are kept, each from its launch until the gate
/// opened. Instance hours, not money: what an hour costs depends on the instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Test instances that ran when the gate opened.
    pub instances: u32,
    /// Their hours together, whole.
    pub instance_hours: u64,
}

/// Something that an approver should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// A sentence, with the first few servers that it is about.
    pub text: String,
    /// How many servers it is about.
    pub servers: u32,
}

/// Kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// Replication stalls.
    Stalled,
    /// Lag is beyond what the plan allows, or replication is not in step.
    Behind,
    /// MGN did not tell, or long ago.
    StaleData,
    /// An earlier test came from a previous snapshot and was repeated.
    PreviousSnapshot,
    /// A failed check was waived, or one may fail.
    WaivedCheck,
    /// What runs in AWS is not healthy.
    Unhealthy,
    /// It is not as it was when the test passed.
    Changed,
}

/// One server's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEvidence {
    /// Which server.
    pub server: ServerId,
    /// Its name for people.
    pub hostname: String,
    /// Its application.
    pub application: ApplicationName,
    /// The job whose launch was validated.
    pub job: JobId,
    /// The instance that was validated.
    pub instance: InstanceId,
    /// When its validation passed.
    pub validated_at: Timestamp,
    /// How many checks it passed.
    pub checks: u32,
    /// Which of [`Evidence::checks`] these were, in order.
    pub ran: Vec<u32>,
    /// How long its launch took.
    pub took: Took,
    /// Its life cycle state in MGN.
    pub life_cycle: Option<LifeCycle>,
    /// Its replication state.
    pub replication: Option<ReplicationState>,
    /// How far behind its replication was.
    pub lag: Option<SignedDuration>,
    /// Its latest snapshot that can be launched.
    pub last_snapshot: Option<Timestamp>,
    /// When MGN said so; absent if it never did.
    pub seen_at: Option<Timestamp>,
    /// What is wrong with the instance that it was cut over to, if the gate is about finalizing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The settings that its cutover would be launched with, or was launched with if the gate is
    /// about finalizing; absent if they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsMark>,
    /// In what they differ from what was tested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// How long a validated launch took, each in whole seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// From asking for the job until the instance was launched.
    pub launch: u32,
    /// Until EC2's status checks passed and SSM reached it.
    pub boot: u32,
    /// Until the last check passed.
    pub checks: u32,
}

/// A check that was run: one command, on up to 50 servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckShown {
    /// The document.
    pub document: String,
    /// Its command, by which SSM has the output.
    pub command: CommandId,
    /// Whether it failed there and was waived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// A check that a person waived on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    /// Which server.
    pub server: ServerId,
    /// Its name for people.
    pub hostname: String,
    /// The document.
    pub check: String,
    /// Who waived it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A server that left the wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which server.
    pub server: ServerId,
    /// Its name for people.
    pub hostname: String,
    /// Why.
    pub reason: String,
}

impl Evidence {
    /// Evidence about no server yet.
    #[must_use]
    pub fn new(wave: WaveId, gate: Gate, round: u32) -> Self {
        Self {
            wave,
            gate,
            round,
            summary: Summary::default(),
            changed: Changes::default(),
            warnings: Vec::new(),
            window: None,
            projected_downtime: None,
            waited: Waited::default(),
            max_lag: SignedDuration::ZERO,
            servers: Vec::new(),
            checks: Vec::new(),
            waived: Vec::new(),
            may_fail: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// The hash that a decision carries: SHA-256 of the canonical JSON, in hexadecimal. The
    /// structure has a fixed order of fields and no maps, so its JSON is canonical.
    #[must_use]
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(json))
    }

    /// The checks that were run on a server, in order.
    pub fn checks_of<'a>(
        &'a self,
        server: &'a ServerEvidence,
    ) -> impl Iterator<Item = &'a CheckShown> + 'a {
        server
            .ran
            .iter()
            .filter_map(|place| self.checks.get(usize::try_from(*place).ok()?))
    }
}

impl ServerEvidence {
    /// A server whose launch was validated, of which MGN has not told anything.
    #[must_use]
    pub fn new(
        server: ServerId,
        hostname: String,
        application: ApplicationName,
        job: JobId,
        instance: InstanceId,
        validated_at: Timestamp,
    ) -> Self {
        Self {
            server,
            hostname,
            application,
            job,
            instance,
            validated_at,
            checks: 0,
            ran: Vec::new(),
            took: Took::default(),
            life_cycle: None,
            replication: None,
            lag: None,
            last_snapshot: None,
            seen_at: None,
            trouble: None,
            settings: None,
            differences: Vec::new(),
        }
    }
}
