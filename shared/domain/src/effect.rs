//! Effects: what a wave wants done, saved before it is done.
//!
//! **Invariant 4**: decide, save, act. An effect has an ID for all time, is claimed before its
//! call, and running it twice does it once.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::gate::{Asking, Door, Evidence, Gate};
use crate::id::{CommandId, EffectId, InstanceId, JobId, NodeId, ServerId, SnapshotId, WaveId};
use crate::news::News;
use crate::plan::{Approver, Channel, Document};
use crate::wave::Posted;
use crate::words::one_line;

/// How long after a claim's deadline nobody else may take the effect over. Whoever claimed it is
/// dead at the deadline, which is its function's time-out, and began no call shortly before it;
/// this covers clocks that differ and a call that AWS has taken and not yet finished.
pub const CLAIM_GRACE: SignedDuration = SignedDuration::from_secs(10);

/// How long after its decision a cutover or a finalize may still be begun. Less than it takes until
/// a claim lapses (the shortest time-out of a function is 20 seconds), so that an effect whose
/// function died only finds out what became of it, and is decided again if nothing did.
pub const IRREVERSIBLE_WITHIN: SignedDuration = SignedDuration::from_secs(25);

/// The most of what AWS said that the audit chain keeps with an effect, in characters.
const MOST_SAID: usize = 300;

/// An effect as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Which effect.
    pub id: EffectId,
    /// The wave that wants it.
    pub wave: WaveId,
    /// What is wanted.
    pub task: Task,
    /// How far it has come.
    pub status: EffectStatus,
}

/// How far an effect has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectStatus {
    /// Saved, not begun.
    Planned,
    /// A function is at it, until `until` at the latest.
    Claimed {
        /// The driver's generation.
        generation: u64,
        /// When the function that claimed it is dead for certain.
        until: Timestamp,
    },
    /// It ended, or was refused.
    Answered {
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
}

/// What is wanted. The name of the function that does it is [`Task::function`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
#[expect(
    clippy::large_enum_variant,
    reason = "a wave has a few of them at a time, and they are moved seldom"
)]
pub enum Task {
    /// Make these servers belong to this wave and to no other live one. At most 200.
    Claim {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// Give these servers free. At most 200.
    Release {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// Find out everything that can be known to fail before anything is launched.
    Preflight {
        /// The documents that the plan names, without doubles.
        documents: Vec<String>,
        /// Servers whose launch configuration is looked at. At most 50.
        servers: Vec<ServerId>,
    },
    /// StartTest: one job. At most 200 servers.
    StartTest {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// StartCutover: one job. At most 200 servers, if they still have neither lag nor backlog.
    StartCutover {
        /// Which servers.
        servers: Vec<ServerId>,
        /// Not to be called later: what it was decided on has grown old, or it would not end in
        /// its window.
        not_after: Timestamp,
    },
    /// TerminateTargetInstances of tests, and of cutovers that are undone: one job. At most 200
    /// servers.
    TerminateTests {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// StopInstances: what these servers' cutovers launched is not to write any more, because the
    /// sources are to run again. At most 25.
    StopTargets {
        /// The instance of each server.
        targets: BTreeMap<ServerId, InstanceId>,
    },
    /// CreateSnapshot of every volume of these stopped instances: what was written in AWS is kept.
    /// At most 25.
    KeepData {
        /// The instance of each server.
        targets: BTreeMap<ServerId, InstanceId>,
    },
    /// ChangeServerLifeCycleState, server by server. At most 25.
    ChangeLifeCycle {
        /// Which servers.
        servers: Vec<ServerId>,
        /// To which state.
        to: LifeCycleTarget,
    },
    /// RetryDataReplication, server by server. At most 25.
    RetryReplication {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// SendCommand to at most 50 nodes.
    RunDocument {
        /// What to run.
        document: Document,
        /// On which node, for which server.
        nodes: BTreeMap<ServerId, NodeId>,
    },
    /// Ask the approvers.
    OpenGate {
        /// Which gate.
        gate: Gate,
        /// What they are shown.
        evidence: Evidence,
        /// Who is asked.
        approvers: Vec<Approver>,
        /// Until when they can decide.
        expires: Timestamp,
        /// All who are asked at this gate by mail, now, later or before: no two of them may have
        /// one mailbox.
        #[serde(default)]
        mailboxes: Vec<Approver>,
        /// By which ways they are asked.
        #[serde(default)]
        notify: Vec<Channel>,
        /// Why they are asked.
        #[serde(default)]
        asking: Asking,
        /// How many approvals of this question were taken back.
        #[serde(default)]
        withdrawals: u32,
        /// The least proof that the gate takes.
        #[serde(default)]
        minimum: Door,
    },
    /// Change a message in Slack whose question is over.
    CloseQuestion {
        /// Which gate.
        gate: Gate,
        /// The message.
        posted: Posted,
        /// What became of the question, a sentence.
        end: String,
        /// Who in it ended the question, in Slack.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        by: Vec<Approver>,
    },
    /// FinalizeCutover, server by server, if the server's last cutover is the job that was
    /// validated. At most 25.
    Finalize {
        /// The validated job of each server.
        servers: BTreeMap<ServerId, JobId>,
        /// Not to be called later: what it was decided on has grown old.
        not_after: Timestamp,
    },
    /// Tell people. At least once.
    Notify {
        /// Of what.
        news: News,
        /// By which way.
        #[serde(default)]
        channel: Channel,
    },
}

/// The states that Tidegate sets by ChangeServerLifeCycleState.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LifeCycleTarget {
    /// After a test that is to be repeated or given up.
    ReadyForTest,
    /// After a test that passed, or a cutover that is to be repeated or given up.
    ReadyForCutover,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done; there is nothing more to say.
    Done,
    /// A job was started (or found to have been started by this effect already).
    Job(JobId),
    /// A command was sent (or found to have been sent by this effect already).
    Command(CommandId),
    /// Done server by server; those not named were done.
    Servers(BTreeMap<ServerId, Refusal>),
    /// The snapshots of each server that was done, or why it was not.
    Kept(BTreeMap<ServerId, Result<Vec<SnapshotId>, Refusal>>),
    /// Claimed, except for these, which belong to the wave named.
    Claimed(BTreeMap<ServerId, WaveId>),
    /// The approvers were asked.
    Asked {
        /// The message in Slack that can be changed, if there is one.
        posted: Option<Posted>,
        /// Those whom mail may not reach: it was refused, or no subscriber of the topic takes it
        /// for certain.
        unreached: Vec<Approver>,
        /// What was said when a mail was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// Preflight found these problems; none is good.
    Problems(Vec<String>),
    /// It was refused as a whole: nothing was done.
    Refused(Refusal),
}

/// How it ended, for the audit chain: with the IDs by which AWS knows it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Asked { unreached, .. } if unreached.is_empty() => f.write_str("done"),
            Self::Asked {
                unreached, refused, ..
            } => {
                write!(f, "done; mail may not reach {}", list(unreached))?;
                match refused {
                    Some(said) => write!(f, ": {}", one_line(said, MOST_SAID)),
                    None => Ok(()),
                }
            }
            Self::Job(job) => write!(f, "job {job}"),
            Self::Command(command) => write!(f, "command {command}"),
            Self::Servers(refused) if refused.is_empty() => f.write_str("done"),
            Self::Servers(refused) => write!(f, "refused for {}", list(refused.keys())),
            Self::Kept(servers) => {
                let refused = servers.iter().filter(|(_, kept)| kept.is_err());
                let refused: Vec<_> = refused.map(|(server, _)| server).collect();
                match refused.as_slice() {
                    [] => f.write_str("done"),
                    refused => write!(f, "refused for {}", list(refused)),
                }
            }
            Self::Claimed(taken) if taken.is_empty() => f.write_str("done"),
            Self::Claimed(taken) => write!(f, "others have {}", list(taken.keys())),
            Self::Problems(problems) if problems.is_empty() => f.write_str("no problems"),
            Self::Problems(problems) => write!(f, "{} problems", problems.len()),
            Self::Refused(refusal) => {
                write!(f, "refused: {}", one_line(&refusal.message, MOST_SAID))
            }
        }
    }
}

fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    all.join(", ")
}

/// Why AWS, or a guard of our own, did not do something. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind, which says what to do about it.
    pub kind: RefusalKind,
    /// What was said.
    pub message: String,
}

impl RefusalKind {
    /// What a conflict (409) is. MGN's model declares no quota error on every call that starts a job,
    /// so that a used-up quota may come as a conflict; its text names the quota then.
    #[must_use]
    pub fn of_conflict(message: &str) -> Self {
        if message.to_ascii_lowercase().contains("quota") {
            Self::Quota
        } else {
            Self::Conflict
        }
    }
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// 402: a quota is used up. Try again when slots are free.
    Quota,
    /// 409: a server is in a job or in another state. Look again.
    Conflict,
    /// 429: too many requests. Try again later.
    Throttled,
    /// 404: it does not exist.
    NotFound,
    /// 400: the request is wrong, and will be wrong again.
    Invalid,
    /// 403: the role lacks a right.
    Denied,
    /// MGN is not initialized.
    Uninitialized,
    /// A guard of our own: what was decided no longer fits what is.
    Guard,
}

impl Task {
    /// The function that does this, which is also the name of its state in the state machine.
    #[must_use]
    pub fn function(&self) -> &'static str {
        match self {
            Self::Claim { .. } | Self::Release { .. } | Self::Preflight { .. } => "prepare",
            Self::StartTest { .. }
            | Self::StartCutover { .. }
            | Self::TerminateTests { .. }
            | Self::StopTargets { .. }
            | Self::KeepData { .. } => "launch",
            Self::ChangeLifeCycle { .. } | Self::RetryReplication { .. } => "lifecycle",
            Self::RunDocument { .. } => "validate",
            Self::OpenGate { .. } | Self::CloseQuestion { .. } => "gate",
            Self::Finalize { .. } => "finalize",
            Self::Notify { .. } => "notify",
        }
    }

    /// How many of MGN's server slots the task takes while its job runs.
    #[must_use]
    pub fn slots(&self) -> u32 {
        match self {
            Self::StartTest { servers }
            | Self::StartCutover { servers, .. }
            | Self::TerminateTests { servers } => u32::try_from(servers.len()).unwrap_or(u32::MAX),
            Self::Claim { .. }
            | Self::Release { .. }
            | Self::Preflight { .. }
            | Self::StopTargets { .. }
            | Self::KeepData { .. }
            | Self::ChangeLifeCycle { .. }
            | Self::RetryReplication { .. }
            | Self::RunDocument { .. }
            | Self::OpenGate { .. }
            | Self::CloseQuestion { .. }
            | Self::Finalize { .. }
            | Self::Notify { .. } => 0,
        }
    }
}

impl Task {
    /// What it does, for people.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "Claiming servers",
            Self::Release { .. } => "Giving servers free",
            Self::Preflight { .. } => "The preflight",
            Self::StartTest { .. } => "Launching tests",
            Self::StartCutover { .. } => "Launching cutovers",
            Self::TerminateTests { .. } => "Terminating instances",
            Self::StopTargets { .. } => "Stopping instances",
            Self::KeepData { .. } => "Keeping data in snapshots",
            Self::ChangeLifeCycle { .. } => "Changing the life cycle",
            Self::RetryReplication { .. } => "Retrying replication",
            Self::RunDocument { .. } => "Running a document",
            Self::OpenGate { .. } => "Asking the approvers",
            Self::CloseQuestion { .. } => "Changing a message in Slack",
            Self::Finalize { .. } => "Finalizing",
            Self::Notify { .. } => "Telling people",
        }
    }
}
