//! What people are told, apart from what they are asked: facts, from which `notify` writes mails.
//!
//! **Invariant**: what somebody must act on is told apart from what is only news, and by its kind,
//! so that each subscriber can take what they want. What befalls many servers at once is one piece of
//! news, and of bounded length.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{Changes, Gate};
use crate::id::{ServerId, SnapshotId};
use crate::plan::{Approver, Window};
use crate::words::one_line;

/// The most servers that are listed; the others are counted.
const MOST_LISTED: usize = 20;
/// The longest reason that is told of one of them, in characters.
const LONGEST_REASON: usize = 500;

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "news")]
pub enum News {
    /// The wave began.
    WaveStarted {
        /// With how many servers.
        servers: u32,
    },
    /// Nothing new starts until a person has seen to it.
    WaveHeld {
        /// Why, one sentence.
        reason: String,
        /// What goes on from here, each with what it does.
        commands: Vec<(String, String)>,
        /// The wave's window, if it has one that is not over.
        window: Option<Window>,
    },
    /// Servers failed for good.
    ServerFailed {
        /// In what: `test` or `cutover`.
        purpose: String,
        /// Which, each with why.
        #[serde(flatten)]
        servers: Affected,
    },
    /// The replication of servers stalls. MGN is asked to retry; what helps is on the sources.
    ReplicationStalled {
        /// Which, each with what MGN says.
        #[serde(flatten)]
        servers: Affected,
        /// The wave's window, if it has one that is not over.
        window: Option<Window>,
    },
    /// MGN does not terminate test instances, which run on.
    TerminationRefused {
        /// Of which servers, each with the instance and what MGN says.
        #[serde(flatten)]
        servers: Affected,
    },
    /// What a gate was asked on is no longer so.
    GateAsksAgain {
        /// Which gate.
        gate: Gate,
        /// What changed.
        changes: Changes,
        /// For how many servers alone, if the others are acted on as approved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<u32>,
    },
    /// Somebody changed the plan of a wave that had started.
    PlanChanged {
        /// Who.
        by: Approver,
        /// What is different.
        changes: Changes,
    },
    /// What people said was set aside unread, while the wave was held for something else.
    MessagesSetAside {
        /// Who said what, a clause each.
        said: Vec<String>,
    },
    /// Mail may not reach some who are asked at a gate.
    ApproversUnreached {
        /// Which gate.
        gate: Gate,
        /// Whom.
        approvers: Vec<Approver>,
        /// What was said when a mail to one of them was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
        /// Until when they can decide.
        expires: Timestamp,
    },
    /// A gate was approved for some servers; the rest waits.
    GateApprovedInPart {
        /// Which gate.
        gate: Gate,
        /// For which servers, and which wait: a sentence.
        text: String,
    },
    /// Every server is finalized or was left out.
    WaveCompleted,
    /// What was cut over is being undone.
    RollbackStarted {
        /// Who wanted it, or that the plan did: a sentence.
        why: String,
    },
    /// What was cut over runs on its source again.
    WaveRolledBack {
        /// Servers whose targets were put away, each with the snapshots that keep its data.
        kept: Vec<(String, Vec<SnapshotId>)>,
    },
    /// A person ended the wave, and it is cleaned up.
    WaveAborted,
}

/// Servers that something befell: the first, and of the others as many as are listed. (The first
/// lies flat, as it did when news were about one server.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The first.
    #[serde(flatten)]
    pub first: AffectedServer,
    /// Others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<AffectedServer>,
    /// How many there are besides.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: u32,
}

/// A server that something befell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffectedServer {
    /// Its name for people.
    pub hostname: String,
    /// Which server.
    pub server: ServerId,
    /// Why, or what MGN says.
    #[serde(alias = "error")]
    pub reason: String,
}

/// None goes without saying.
fn is_none(more: &u32) -> bool {
    *more == 0
}

impl Affected {
    /// One server.
    #[must_use]
    pub fn one(hostname: &str, server: &ServerId, reason: &str) -> Self {
        let first = AffectedServer {
            hostname: hostname.to_owned(),
            server: server.clone(),
            reason: one_line(reason, LONGEST_REASON),
        };
        Self {
            first,
            others: Vec::new(),
            more: 0,
        }
    }

    /// Those that are listed, the first of them first.
    pub fn listed(&self) -> impl Iterator<Item = &AffectedServer> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// How many there are besides the first.
    #[must_use]
    pub fn besides(&self) -> usize {
        self.others.len() + self.more as usize
    }

    /// And these.
    fn add(&mut self, other: Self) {
        let room = (MOST_LISTED - 1).saturating_sub(self.others.len());
        let mut others = std::iter::once(other.first).chain(other.others);
        self.others.extend(others.by_ref().take(room));
        let left = u32::try_from(others.count()).unwrap_or(u32::MAX);
        self.more = self.more.saturating_add(left).saturating_add(other.more);
    }
}

impl News {
    /// Tell this together with other news of the same; gives back what is to be told apart.
    #[must_use]
    pub fn join(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (
                Self::ServerFailed { purpose, servers },
                Self::ServerFailed {
                    purpose: also,
                    servers: others,
                },
            ) if *purpose == also => servers.add(others),
            (
                Self::ReplicationStalled { servers, window },
                Self::ReplicationStalled {
                    servers: others,
                    window: also,
                },
            ) if *window == also => servers.add(others),
            (
                Self::TerminationRefused { servers },
                Self::TerminationRefused { servers: others },
            ) => servers.add(others),
            (_, other) => return Some(other),
        }
        None
    }

    /// The kind, to filter by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WaveStarted { .. } => "wave_started",
            Self::WaveHeld { .. } => "wave_held",
            Self::ServerFailed { .. } => "server_failed",
            Self::ReplicationStalled { .. } => "replication_stalled",
            Self::TerminationRefused { .. } => "termination_refused",
            Self::MessagesSetAside { .. } => "messages_set_aside",
            Self::GateAsksAgain { .. } => "gate_asks_again",
            Self::PlanChanged { .. } => "plan_changed",
            Self::ApproversUnreached { .. } => "approvers_unreached",
            Self::GateApprovedInPart { .. } => "gate_approved_in_part",
            Self::WaveCompleted => "wave_completed",
            Self::RollbackStarted { .. } => "rollback_started",
            Self::WaveRolledBack { .. } => "wave_rolled_back",
            Self::WaveAborted => "wave_aborted",
        }
    }

    /// Whether somebody must act on it.
    #[must_use]
    pub fn action_required(&self) -> bool {
        match self {
            Self::WaveHeld { .. }
            | Self::ReplicationStalled { .. }
            | Self::TerminationRefused { .. }
            | Self::MessagesSetAside { .. }
            | Self::ApproversUnreached { .. } => true,
            Self::WaveStarted { .. }
            | Self::ServerFailed { .. }
            | Self::GateAsksAgain { .. }
            | Self::PlanChanged { .. }
            | Self::GateApprovedInPart { .. }
            | Self::WaveCompleted
            | Self::RollbackStarted { .. }
            | Self::WaveRolledBack { .. }
            | Self::WaveAborted => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(number: usize) -> News {
        let server = ServerId::parse(format!("s-{number:017}")).expect("a server");
        News::ServerFailed {
            purpose: "test".to_owned(),
            servers: Affected::one(&format!("host{number:02}"), &server, "it did not boot"),
        }
    }

    #[test]
    fn many_servers_are_one_piece_of_news_that_lists_some_and_counts_the_rest() {
        let mut news = failed(0);
        for number in 1..40 {
            assert_eq!(news.join(failed(number)), None);
        }
        let mut twice = news.clone();
        assert_eq!(twice.join(news), None);
        let News::ServerFailed { servers, .. } = &twice else {
            panic!("{twice:?}")
        };
        assert_eq!((servers.listed().count(), servers.more), (MOST_LISTED, 60));
        assert_eq!(servers.besides(), 79);
        let other = News::WaveAborted;
        assert_eq!(twice.join(other.clone()), Some(other));
    }

    #[test]
    fn news_of_one_server_are_read_as_they_were_saved_once() {
        let server = r#""hostname":"host00","server":"s-00000000000000000""#;
        for text in [
            format!(r#"{{"news":"server_failed",{server},"purpose":"test","reason":"why"}}"#),
            format!(r#"{{"news":"replication_stalled",{server},"error":"why","window":null}}"#),
        ] {
            let news: News = serde_json::from_str(&text).expect("news");
            let (News::ServerFailed { servers, .. } | News::ReplicationStalled { servers, .. }) =
                &news
            else {
                panic!("{news:?}")
            };
            assert_eq!(
                (servers.first.reason.as_str(), servers.besides()),
                ("why", 0)
            );
            let saved = serde_json::to_string(&news).expect("JSON");
            assert_eq!(serde_json::from_str::<News>(&saved).expect("news"), news);
        }
    }
}
