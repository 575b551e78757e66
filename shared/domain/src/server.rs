//! One server of a wave and the stage it is in.
//!
//! Every stage carries only what is valid there. Servers run through the stages on their own; the
//! wave's gates and the order of applications are the only barriers.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

mod launch;

pub use launch::{CheckResult, Kept, Launch, Passed, Target, Trial, Waiver};

use crate::effect::LifeCycleTarget;
use crate::id::{ApplicationName, CommandId, EffectId, InstanceId, JobId, ServerId};

/// A server of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Which source server.
    pub id: ServerId,
    /// Its name for people.
    pub hostname: String,
    /// Its application.
    pub application: ApplicationName,
    /// Whether its failure holds its application.
    pub critical: bool,
    /// Where it stands.
    pub stage: Stage,
    /// Since when: an observation must be newer to say something about the stage.
    pub since: Timestamp,
    /// Test launches so far.
    pub tests: u32,
    /// Cutover launches so far.
    pub cutovers: u32,
    /// The test that passed, launched by our own job.
    pub test: Option<Passed>,
    /// What our latest launch made, while it runs as far as we know.
    pub instance: Option<InstanceId>,
    /// What our latest cutover launched, while it exists as far as we know.
    #[serde(default)]
    pub target: Option<Target>,
    /// Snapshots of what a cutover that was undone had launched.
    #[serde(default)]
    pub kept: Option<Kept>,
    /// When its source was quiesced, while it is.
    pub quiesced_at: Option<Timestamp>,
    /// The cutover that passed.
    pub cutover: Option<Passed>,
    /// How long the application was down on this server: from the quiesce to the passed cutover.
    pub downtime: Option<SignedDuration>,
    /// The job of our latest launch, until the life cycle is set back to READY_FOR_TEST.
    pub launched: Option<JobId>,
    /// Whether a cutover job of ours was started and its life cycle was not set back since.
    pub cutting_over: bool,
    /// Whether its attempts were used up: it counts against the failure budget.
    pub failed: bool,
    /// How often in a row AWS refused something for it. Refused servers get calls of their own.
    pub refusals: u32,
    /// Its stall, while its replication stalls.
    pub stall: Option<Stall>,
    /// What is known so far of the launch that is being validated.
    #[serde(default)]
    pub trial: Trial,
    /// Checks that may fail on it, because a person said so.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
    /// How many of its launches came from a previous snapshot, and were worth nothing.
    #[serde(default)]
    pub previous_snapshots: u32,
}

/// A replication that stalls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// Since when we know of it.
    pub since: Timestamp,
    /// How often RetryDataReplication was asked for.
    pub retries: u32,
    /// When to ask again.
    pub retry_at: Timestamp,
    /// Whether people were told that asking did not help.
    #[serde(default)]
    pub reported: bool,
}

/// Why an instance is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A test.
    Test,
    /// The cutover.
    Cutover,
}

/// Where a server stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits until its replication is in step and its life cycle allows a test.
    Replicating,
    /// To be launched, or being launched.
    Launching {
        /// What for.
        purpose: Purpose,
        /// How far.
        step: JobStep,
    },
    /// Waits for EC2's status checks and for SSM to reach the instance.
    Checking {
        /// What for.
        purpose: Purpose,
        /// What was launched.
        launch: Launch,
        /// Since when.
        since: Timestamp,
    },
    /// The application's documents run on the instance, one after the other.
    Validating {
        /// What for.
        purpose: Purpose,
        /// What was launched.
        launch: Launch,
        /// Which of the application's documents, from 0.
        check: u32,
        /// How far.
        run: Run,
    },
    /// The test passed; MGN is told so (READY_FOR_CUTOVER).
    Accepting {
        /// How far.
        call: CallStep,
    },
    /// Ready for its cutover.
    Tested {
        /// What becomes of the test instance.
        instance: TestInstance,
    },
    /// The application is stopped on the source.
    Quiescing {
        /// How far.
        run: Run,
    },
    /// Waits for a read of zero lag and backlog that is newer than `since`.
    Settling {
        /// When the quiesce ended.
        since: Timestamp,
    },
    /// The life cycle is set back.
    Returning {
        /// To which state.
        to: LifeCycleTarget,
        /// How far.
        call: CallStep,
        /// What comes after.
        then: Then,
    },
    /// The application is stopped on what the cutover launched, so that its last writes are kept.
    Silencing {
        /// How far.
        run: Run,
        /// What comes after.
        then: Then,
    },
    /// What the cutover launched is stopped, so that it and its source never run both.
    Stopping {
        /// How far.
        call: CallStep,
        /// What comes after.
        then: Then,
    },
    /// Snapshots are made of what the cutover launched.
    Keeping {
        /// How far.
        call: CallStep,
        /// What comes after.
        then: Then,
    },
    /// Waits until those snapshots are complete.
    Copying {
        /// What comes after.
        then: Then,
    },
    /// The application is started again on the source.
    Restarting {
        /// How far.
        run: Run,
        /// What comes after.
        then: Then,
    },
    /// The instance is terminated because the server leaves the wave.
    Terminating {
        /// How far.
        step: JobStep,
        /// What comes after.
        then: Then,
    },
    /// Runs in AWS, validated.
    CutOver {
        /// Since when.
        at: Timestamp,
    },
    /// To be finalized, or being finalized.
    Finalizing {
        /// How far.
        call: CallStep,
    },
    /// Finalized: replication is gone, there is no way back.
    Finalized {
        /// When.
        at: Timestamp,
    },
    /// Not finalized, and nothing more is done with it.
    Ended {
        /// Why.
        end: End,
    },
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStep {
    /// To be asked for, not before this time, when slots are free.
    Due {
        /// The time.
        not_before: Timestamp,
    },
    /// Asked for by this effect.
    Requested {
        /// Which effect.
        effect: EffectId,
        /// Since when.
        since: Timestamp,
    },
    /// Under way.
    Running {
        /// The job.
        job: JobId,
        /// When it was asked for.
        since: Timestamp,
    },
}

/// How far one document is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How often it was sent.
    pub tries: u32,
    /// How far the present try is.
    pub step: RunStep,
}

/// How far one try of a document is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStep {
    /// To be sent, not before this time.
    Due {
        /// The time.
        not_before: Timestamp,
    },
    /// Being sent by this effect.
    Sending {
        /// Which effect.
        effect: EffectId,
    },
    /// Sent.
    Running {
        /// The command.
        command: CommandId,
        /// Since when.
        since: Timestamp,
    },
}

/// How far a single call is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStep {
    /// To be made, not before this time.
    Due {
        /// The time.
        not_before: Timestamp,
    },
    /// Being made by this effect.
    Calling {
        /// Which effect.
        effect: EffectId,
    },
}

/// What becomes of the instance of a test that passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestInstance {
    /// It runs until then, unless the cutover replaces it first.
    Kept {
        /// Until when.
        until: Timestamp,
    },
    /// It is being terminated.
    Terminating(JobStep),
    /// It is gone.
    Gone,
}

/// What comes after a step back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Launch again.
    Launch(Purpose),
    /// Wait for zero lag, then launch the cutover again.
    Settle,
    /// Be as before the cutover was begun.
    Tested,
    /// Clean up what is left, then end.
    CleanUp(End),
}

/// Why nothing more is done with a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its attempts are used up; a `resume` tries again.
    Failed {
        /// In which phase.
        purpose: Purpose,
        /// Why, for people.
        reason: String,
    },
    /// It was left out, by a person or by policy.
    Skipped {
        /// Why, for people.
        reason: String,
    },
    /// The wave was aborted; `cut_over` says whether the server runs in AWS.
    Aborted {
        /// Whether its cutover had been launched: then it stays as it is.
        cut_over: bool,
    },
    /// Its cutover was undone: it runs on its source, and can be cut over again.
    RolledBack,
}

impl Server {
    /// The launches used up in a phase.
    #[must_use]
    pub fn launches(&self, purpose: Purpose) -> u32 {
        match purpose {
            Purpose::Test => self.tests,
            Purpose::Cutover => self.cutovers,
        }
    }

    /// Whether nothing more will happen to it by itself.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        matches!(self.stage, Stage::Finalized { .. } | Stage::Ended { .. })
    }

    /// Whether what its cutover launched runs in AWS, as far as we know.
    #[must_use]
    pub fn target_runs(&self) -> bool {
        self.target.as_ref().is_some_and(|target| !target.stopped)
    }

    /// Whether it has left the wave (and is not merely finished).
    #[must_use]
    pub fn left(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }
}

impl Stage {
    /// The stage's name for people and for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Replicating => "replicating",
            Self::Launching {
                purpose: Purpose::Test,
                ..
            } => "launching test",
            Self::Launching {
                purpose: Purpose::Cutover,
                ..
            } => "launching cutover",
            Self::Checking { .. } => "booting",
            Self::Validating { .. } => "validating",
            Self::Accepting { .. } => "accepting test",
            Self::Tested { .. } => "tested",
            Self::Quiescing { .. } => "quiescing source",
            Self::Settling { .. } => "catching up",
            Self::Returning { .. } => "setting back",
            Self::Silencing { .. } => "quiescing target",
            Self::Stopping { .. } => "stopping target",
            Self::Keeping { .. } => "making snapshots",
            Self::Copying { .. } => "completing snapshots",
            Self::Restarting { .. } => "restarting source",
            Self::Terminating { .. } => "terminating",
            Self::CutOver { .. } => "cut over",
            Self::Finalizing { .. } => "finalizing",
            Self::Finalized { .. } => "finalized",
            Self::Ended {
                end: End::Failed { .. },
            } => "failed",
            Self::Ended {
                end: End::Skipped { .. },
            } => "skipped",
            Self::Ended {
                end: End::Aborted { .. },
            } => "aborted",
            Self::Ended {
                end: End::RolledBack,
            } => "rolled back",
        }
    }
}

impl Purpose {
    /// As a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Cutover => "cutover",
        }
    }
}
