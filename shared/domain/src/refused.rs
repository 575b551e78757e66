//! Requests that the doors refused: a log beside the audit chain, so that strangers cannot write
//! the chain.
//!
//! **Invariant 11**: bounded. Of each kind (door and status, and whether a signature was verified
//! before) the first [`MOST_AN_HOUR`] of an hour are kept, the others counted; both pass away after
//! [`KEPT_DAYS`] days. One kind's flood leaves the others' places alone: what strangers send, who
//! have nothing that is signed, does not crowd out what was tried with something that is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many of a kind are kept in an hour.
pub const MOST_AN_HOUR: u64 = 20;

/// How long they are kept.
pub const KEPT_DAYS: u32 = 30;

/// The most that are shown of a day.
pub const MOST_SHOWN: usize = 1_000;

/// A refused request. Carries no token, body or header: what a stranger wrote is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRequest {
    /// When.
    pub at: Timestamp,
    /// Which door: `api`, `link`, `page` or `slack`.
    pub door: String,
    /// The HTTP status that was answered.
    pub status: u16,
    /// Whether something signed was verified before it was refused: a principal's request, Slack's,
    /// a link or the pass of a page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// Why, as the caller was told; one line.
    pub reason: String,
    /// Who asked: the AWS principal, or the network address where nobody is proved.
    pub who: String,
}

/// How many requests of a kind were refused in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCount {
    /// The hour in UTC, 0 to 23.
    pub hour: u8,
    /// The kind: `DOOR STATUS`, and `signed` behind it if it was.
    pub kind: String,
    /// How many, those that are not kept included.
    pub count: u64,
}

/// A day's refused requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedDay {
    /// Those that were kept, the earliest first, at most [`MOST_SHOWN`].
    pub requests: Vec<RefusedRequest>,
    /// How many there were of each kind in each hour.
    pub counts: Vec<RefusedCount>,
}

impl RefusedRequest {
    /// What is counted together.
    #[must_use]
    pub fn kind(&self) -> String {
        let signed = if self.signed { " signed" } else { "" };
        format!("{} {}{signed}", self.door, self.status)
    }
}
