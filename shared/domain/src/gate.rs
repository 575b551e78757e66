//! Gates: a question to people, what they are shown, and what they said.
//!
//! **Invariant 9**: a decision counts once, for the evidence it was shown, by an allowed person,
//! in time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{ApplicationName, InstanceId, JobId, ServerId, WaveId};
use crate::plan::{Approver, GatePlan, Window};

/// Which gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Before the cutover.
    Cutover,
    /// Before finalize, which cannot be undone.
    Finalize,
}

/// How a gate stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// Asked, and being decided.
    Open(OpenGate),
    /// Approved by enough people, or by the plan.
    Approved {
        /// The evidence that was approved.
        evidence: String,
        /// When.
        at: Timestamp,
        /// By whom; empty when the plan says `automatic`.
        by: Vec<String>,
        /// The job of each server that was approved: another launch needs another approval.
        jobs: BTreeMap<ServerId, JobId>,
    },
}

/// A gate that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGate {
    /// What is shown.
    pub evidence: Evidence,
    /// When it opened.
    pub opened: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Approvals so far, one for each person.
    pub approvals: Vec<Approval>,
}

/// One person's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: Approver,
    /// When.
    pub at: Timestamp,
}

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on.
    Approve,
    /// Do not.
    Reject,
}

/// What an approver is shown, frozen when the gate opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The wave.
    pub wave: WaveId,
    /// The gate.
    pub gate: Gate,
    /// How often this gate was asked before: a new question is a new evidence.
    pub round: u32,
    /// When cutovers may be launched.
    pub window: Option<Window>,
    /// How long one application is expected to be down, from the tests' own durations.
    pub projected_downtime: Option<SignedDuration>,
    /// Each server that the gate is about.
    pub servers: Vec<ServerEvidence>,
    /// Servers that left the wave, and why.
    pub left_out: Vec<LeftOut>,
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
    /// The hash that a decision carries: SHA-256 of the canonical JSON, in hexadecimal. The
    /// structure has a fixed order of fields and no maps, so its JSON is canonical.
    #[must_use]
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(json))
    }
}

impl Gate {
    /// The gate's name in plans, links and commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cutover => "cutover",
            Self::Finalize => "finalize",
        }
    }

    /// The gate of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "cutover" => Some(Self::Cutover),
            "finalize" => Some(Self::Finalize),
            _ => None,
        }
    }
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl GatePlan {
    /// The approver of this gate that `who` is, if any: an IAM approver ending in `*` stands for
    /// every principal that begins so.
    #[must_use]
    pub fn approver(&self, who: &Approver) -> Option<&Approver> {
        self.approvers.iter().find(|allowed| match (allowed, who) {
            (Approver::Iam(pattern), Approver::Iam(arn)) => match pattern.strip_suffix('*') {
                Some(start) => arn.starts_with(start),
                None => pattern == arn,
            },
            (Approver::Mail(a), Approver::Mail(b)) => a.eq_ignore_ascii_case(b),
            (Approver::Slack(a), Approver::Slack(b)) => a == b,
            (Approver::Iam(_) | Approver::Mail(_) | Approver::Slack(_), _) => false,
        })
    }
}
