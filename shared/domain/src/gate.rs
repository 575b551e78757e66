//! Gates: a question to people, what they are shown, and what they said.
//!
//! **Invariant 9**: a decision counts once, for the evidence it was shown, by an allowed person,
//! in time.

mod changes;
mod evidence;
mod facts;
mod people;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{ApplicationName, JobId, ServerId};
use crate::plan::Approver;

pub use changes::Changes;
pub use evidence::{
    CheckShown, Evidence, LeftOut, ServerEvidence, Summary, Took, Waited, Waived, Warning,
    WarningKind,
};
pub use shown::{Shown, Trouble};

/// How long a decision may be on its way from when the console took it until it lies in the inbox:
/// no longer than the console's function lives (30 seconds), and a margin for clocks that differ.
pub const ARRIVES_WITHIN: SignedDuration = SignedDuration::from_secs(45);

/// Which gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Before the cutover.
    Cutover,
    /// Before finalize, which cannot be undone.
    Finalize,
}

/// How the person behind a decision was proved, the weakest first: a plan can demand a minimum.
/// (A signed-in session will stand between Slack and IAM.) The order is one of proofs, not of how
/// people came: the link that a page leads to counts as the page.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// A signed link: whoever can read that mailbox, or was sent on what came to it.
    #[default]
    Mail,
    /// A page that an AWS principal asked for (`tidegate page`): whoever has its address, which is
    /// given to that principal alone, for an hour.
    Page,
    /// A click that Slack signed: whoever is signed in to Slack as that user.
    Slack,
    /// An AWS principal, proved by its signature (SigV4).
    Iam,
}

/// How a gate stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a wave has two of them, and the open one is the usual one"
)]
pub enum GateState {
    /// Asked, and being decided.
    Open(OpenGate),
    /// Approved by enough people, or by the plan.
    Approved {
        /// The hash of the evidence that was approved.
        evidence: String,
        /// When.
        at: Timestamp,
        /// By whom; empty when the plan decided.
        by: Vec<String>,
        /// The job of each server that was approved: another launch needs another approval.
        jobs: BTreeMap<ServerId, JobId>,
        /// The digest of the launch settings that each of them was shown with, where they could
        /// be read: what differs from them needs another approval.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        settings: BTreeMap<ServerId, String>,
        /// Servers that the gate was asked about and that were not approved: they stay as they
        /// are, replicating, until a person has the gate asked again.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        put_off: BTreeSet<ServerId>,
        /// What was asked and who approved, until the approval is acted on: until then it can be
        /// withdrawn, and it lapses as a whole when the evidence changes materially.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        question: Option<Box<OpenGate>>,
        /// What was shown, while the approval is acted on: it lapses for what has not begun when
        /// that changes materially.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acted_on: Option<Shown>,
        /// What changed since: the servers that it concerns are approved no more, and the gate asks
        /// again once the others have come to rest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lapse: Option<Lapse>,
    },
    /// The evidence changed materially; people are being told, then the gate asks again.
    Lapsed {
        /// When.
        at: Timestamp,
        /// What changed.
        changes: Changes,
    },
}

/// That an approval does not count for some of its servers any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapse {
    /// Which.
    pub servers: BTreeSet<ServerId>,
    /// What changed.
    pub changes: Changes,
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
    /// When those who had not decided were last asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Timestamp>,
    /// Whether they are to be asked again now: a person wants it, or it was refused the last time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// When those were asked to whom the plan escalates: from then on they may decide too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Timestamp>,
    /// Those who were asked by mail and whom it may not have reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<Approver>,
    /// How often those who had not decided were asked again.
    #[serde(default)]
    pub reminders: u32,
    /// How many approvals were taken back: links and buttons that are made after that count anew.
    #[serde(default)]
    pub withdrawals: u32,
    /// Whether the wave was held for something else while it was asked: who is silent then has not
    /// answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Whether it expired while the wave was held for something else: silence under a hold is no
    /// answer, and the gate is asked anew once the wave goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired_under_hold: bool,
}

/// One person's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: Approver,
    /// When.
    pub at: Timestamp,
    /// How the person was proved.
    #[serde(default)]
    pub door: Door,
    /// The servers that were approved; every one if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<ServerId>,
    /// Why, if the person said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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

/// The part of a gate's servers that a decision is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// All servers of these applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationName>,
    /// And these servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerId>,
}

/// Why people are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asking {
    /// The gate has just opened.
    #[default]
    First,
    /// It expires soon, and they have not decided.
    Reminder,
    /// It expires soon, and those who were asked have not decided.
    Escalation,
}

impl Asking {
    /// Why people are asked once more, or others than before, as a sentence; none the first time.
    /// `by` is when the gate expires, for people.
    #[must_use]
    pub fn sentence(self, by: &str) -> Option<String> {
        match self {
            Self::First => None,
            Self::Reminder => Some(format!(
                "This is a reminder: too few have decided so far, and the question expires at {by}."
            )),
            Self::Escalation => Some(format!(
                "You are asked as well, because too few of those who were asked first have \
                 decided; the question expires at {by}."
            )),
        }
    }
}

impl OpenGate {
    /// A gate that has just been asked.
    #[must_use]
    pub fn new(evidence: Evidence, opened: Timestamp, expires: Timestamp) -> Self {
        Self {
            evidence,
            opened,
            expires,
            approvals: Vec::new(),
            reminded: None,
            again: false,
            escalated: None,
            unreached: Vec::new(),
            reminders: 0,
            withdrawals: 0,
            held: false,
            expired_under_hold: false,
        }
    }

    /// Whether a decision that was taken then is in time, whenever it is counted.
    #[must_use]
    pub fn in_time(&self, taken: Timestamp) -> bool {
        taken < self.expires
    }

    /// From when on nothing arrives any more that was taken in time.
    #[must_use]
    pub fn settled(&self) -> Timestamp {
        let settled = self.expires.saturating_add(ARRIVES_WITHIN);
        settled.unwrap_or(Timestamp::MAX)
    }
}

impl Part {
    /// Whether it is everything that the gate is about.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.applications.is_empty() && self.servers.is_empty()
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

impl Door {
    /// The door for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "a mail link",
            Self::Page => "a page opened with AWS credentials",
            Self::Slack => "Slack",
            Self::Iam => "AWS credentials",
        }
    }
}
