//! A plan: what one wave shall do, parsed and checked. Holds only what is valid.
//!
//! [`parse()`] reads the file that people write, in YAML or JSON, and names every error with its
//! line and column.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::gate::Door;
use crate::id::{ApplicationName, ServerId, WaveId};

mod parse;

pub use parse::{Named, PlanError, PlanErrors, named, parse, parse_change};

/// The most servers that one wave may hold (invariant 11).
pub const MOST_SERVERS: usize = 3_000;

/// A checked plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The wave's name.
    pub wave: WaveId,
    /// When the wave starts.
    pub start: Start,
    /// When cutovers may be launched; any time if there is none.
    pub window: Option<Window>,
    /// The two gates.
    pub gates: Gates,
    /// What to do when things go wrong, and limits.
    pub policy: Policy,
    /// Servers that cut over together, in the file's order; `after` has no cycle.
    pub applications: Vec<Application>,
}

/// What starts a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Every server's replication is CONTINUOUS and its first snapshot can be launched.
    Replication,
    /// A point in time.
    Schedule(Timestamp),
    /// A person.
    Manual,
}

/// The maintenance window: cutovers are launched in it and only if they are expected to end in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When it opens.
    pub opens: Timestamp,
    /// When it closes.
    pub closes: Timestamp,
    /// The IANA time zone of the site, for people.
    pub time_zone: String,
}

/// The gates of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Before the cutover.
    pub cutover: GatePlan,
    /// Before the one irreversible step.
    pub finalize: GatePlan,
    /// How long the wave runs in AWS before the finalize gate opens.
    pub soak: SignedDuration,
}

/// Who decides at a gate, and how long they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePlan {
    /// The gate approves itself when its conditions are met; then `approvers` is empty.
    pub automatic: bool,
    /// Who may decide, without doubles; at least `quorum` of them.
    pub approvers: Vec<Approver>,
    /// How many different approvers must approve; at least 1.
    pub quorum: u32,
    /// How long after opening the gate expires.
    pub expires: SignedDuration,
    /// What becomes of a gate that expires undecided.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// How people are asked; at least one way.
    #[serde(default = "by_mail")]
    pub notify: Vec<Channel>,
    /// The weakest proof of a person that is good enough.
    #[serde(default)]
    pub minimum: Door,
    /// How long before the expiry those who have not decided are reminded; shorter than `expires`.
    #[serde(default)]
    pub remind: Option<SignedDuration>,
    /// Whom to ask as well, shortly before the expiry.
    #[serde(default)]
    pub escalate: Option<Escalation>,
    /// Whether whoever started or last changed the wave may approve it.
    #[serde(default)]
    pub self_approval: bool,
    /// Approvers of several identities: each list is one person, who counts once.
    #[serde(default)]
    pub people: Vec<Vec<Approver>>,
}

/// What becomes of a gate that expires undecided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// The wave is held; a `resume` asks again.
    #[default]
    Hold,
    /// As if somebody had rejected it.
    Reject,
    /// As if it had been approved; for the finalize gate alone.
    Proceed,
    /// What was cut over is undone; for the finalize gate alone.
    RollBack,
}

/// A way to reach people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A mail through SNS; what asks goes to each with a link of their own.
    #[default]
    Sns,
    /// A message in Slack; what asks has buttons.
    Slack,
}

/// Whom to ask as well before a gate expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// How long before the expiry; shorter than the gate's `expires`.
    pub before: SignedDuration,
    /// Whom; at least one. From then on they may decide as the approvers may.
    pub to: Vec<Approver>,
}

/// Somebody who may decide at a gate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// `name@example.com`: gets a mail with a link of their own.
    Mail(String),
    /// `slack:U…`: a Slack user ID.
    Slack(String),
    /// `iam:arn:…`: an IAM principal; a `*` at the end stands for anything.
    Iam(String),
}

/// Limits, and what to do when they are passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The lag at which a server still counts as in step with its source.
    pub max_lag: SignedDuration,
    /// Launches per server and phase, and runs of a failed check; at least 1.
    pub attempts: u32,
    /// Per cent of the non-critical servers that may fail before the wave is held.
    pub failure_budget: u8,
    /// What becomes of a server whose attempts are used up.
    pub on_failure: OnFailure,
    /// How long test instances run after their validation before they are terminated.
    pub keep_test_instances: SignedDuration,
    /// How often to look at what no event tells: lag, boots, jobs.
    pub observe_every: SignedDuration,
    /// How long one launch may take before it counts as failed.
    pub launch_timeout: SignedDuration,
    /// How long an instance may take to pass its EC2 status checks and be reached by SSM.
    pub boot_timeout: SignedDuration,
}

/// What becomes of a non-critical server whose attempts are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The wave is held until a person says what to do.
    Hold,
    /// The server leaves the wave; the others go on within the failure budget.
    Skip,
}

/// Servers that cut over together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name, unique in the plan.
    pub name: ApplicationName,
    /// Applications that must be cut over first.
    pub after: Vec<ApplicationName>,
    /// Which servers belong to it; at least one selector.
    pub servers: Vec<Selector>,
    /// What stops the application on the source before the cutover.
    pub quiesce: Option<Quiesce>,
    /// What is run on each launched instance, in order; all must succeed.
    pub validate: Vec<Document>,
}

/// Picks source servers when the wave starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// How it picks.
    pub select: Select,
    /// Whether no policy passes over a failure of one of these servers: it holds the application
    /// while others are cut over, and at the end of the tests the wave, for its gate asks about all.
    pub critical: bool,
}

/// How a selector picks servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The server with this ID.
    Id(ServerId),
    /// The one server with this hostname (or fully qualified name), in any letter case.
    Hostname(String),
    /// Every server that carries all of these tags; at least one.
    Tags(BTreeMap<String, String>),
}

/// An SSM document and what it is run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The document's name.
    pub document: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// How long it may take from when it was sent.
    pub timeout: SignedDuration,
}

/// Stops an application on its sources, and starts it again if the cutover does not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiesce {
    /// Stops it.
    pub stop: Document,
    /// Starts it again. `Tidegate-StopServices` brings `Tidegate-StartServices` by itself.
    pub start: Option<Document>,
}

fn by_mail() -> Vec<Channel> {
    vec![Channel::Sns]
}

impl GatePlan {
    /// A gate that approves itself.
    #[must_use]
    pub fn automatic() -> Self {
        Self {
            automatic: true,
            ..Self::asking(Vec::new(), 1, SignedDuration::from_hours(7 * 24))
        }
    }

    /// A gate that asks so many of these, by mail.
    #[must_use]
    pub fn asking(approvers: Vec<Approver>, quorum: u32, expires: SignedDuration) -> Self {
        Self {
            automatic: false,
            approvers,
            quorum,
            expires,
            on_expiry: OnExpiry::Hold,
            notify: by_mail(),
            minimum: Door::Mail,
            remind: None,
            escalate: None,
            self_approval: false,
            people: Vec::new(),
        }
    }

    /// Whether somebody is asked in Slack: the plan says so, or they decide there.
    #[must_use]
    pub fn in_slack(&self) -> bool {
        let escalated = self.escalate.iter().flat_map(|escalate| &escalate.to);
        let mut deciding = self.approvers.iter().chain(escalated);
        self.notify.contains(&Channel::Slack)
            || deciding.any(|one| matches!(one, Approver::Slack(_)))
    }
}

impl Window {
    /// Whether it has closed.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.closes <= now
    }
}

impl Plan {
    /// The application of that name.
    #[must_use]
    pub fn application(&self, name: &ApplicationName) -> Option<&Application> {
        self.applications.iter().find(|a| a.name == *name)
    }

    /// Whether an application comes after another, directly or by others between them.
    #[must_use]
    pub fn comes_after(&self, later: &ApplicationName, earlier: &ApplicationName) -> bool {
        // A plan has no cycle; who was looked at is not looked at again all the same.
        let mut known: BTreeSet<&ApplicationName> = BTreeSet::new();
        let mut open = vec![later];
        while let Some(name) = open.pop() {
            let after = self.application(name).map(|a| a.after.as_slice());
            for before in after.unwrap_or_default() {
                if before == earlier {
                    return true;
                }
                if known.insert(before) {
                    open.push(before);
                }
            }
        }
        false
    }
}

impl Approver {
    /// The user of Slack whose decision this tells of: their name, and perhaps a reason behind it.
    #[must_use]
    pub fn in_slack(told: &str) -> Option<Self> {
        let user = told.strip_prefix("slack:")?;
        let user = user.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        Some(Self::Slack(user.to_owned()))
    }
}

impl std::fmt::Display for Approver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mail(address) => f.write_str(address),
            Self::Slack(user) => write!(f, "slack:{user}"),
            Self::Iam(arn) => write!(f, "iam:{arn}"),
        }
    }
}
