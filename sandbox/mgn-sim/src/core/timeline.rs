//! What is due by itself, and when.
//!
//! **Invariant:** things become due in the order of their times, and those of one time in
//! the order in which they were planned.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::output::Output;

/// Something that becomes due.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// The next step of a server's replication, unless its epoch is over.
    Replication { server: String, epoch: u32 },
    /// A job leaves PENDING.
    JobStart { job: String },
    /// The next step of one server's launch or termination in a job.
    Participant { job: String, server: String },
    /// A job becomes COMPLETED.
    JobEnd { job: String },
    /// A server's next post-launch action ends.
    Action { job: String, server: String },
    /// An instance's status checks are decided.
    Booted { instance: String },
    /// A server's replication stalls.
    Stall { server: String },
    /// A server's replication falls behind.
    Backlog { server: String },
    /// A source goes down.
    SourceDown { server: String },
    /// A source that is down has not been seen for too long.
    NotSeen {
        server: String,
        down_since: Timestamp,
    },
    /// A late event arrives.
    Deliver(Output),
    /// Nothing happens, but replies look different from now on (a quiesced source's lag).
    Look,
}

/// Things due, by time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    due: BTreeMap<(Timestamp, u64), Due>,
    added: u64,
}

impl Timeline {
    /// Plans something.
    pub(crate) fn add(&mut self, at: Timestamp, due: Due) {
        self.added += 1;
        self.due.insert((at, self.added), due);
    }

    /// The time of what comes next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes what is due by `now`, the earliest first.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        let entry = self.due.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let at = entry.key().0;
        Some((at, entry.remove()))
    }

    /// Takes away the faults that were planned and have not begun.
    pub(crate) fn forget_faults(&mut self) {
        self.due.retain(|_, due| match due {
            Due::Stall { .. } | Due::Backlog { .. } | Due::SourceDown { .. } => false,
            Due::Replication { .. }
            | Due::JobStart { .. }
            | Due::Participant { .. }
            | Due::JobEnd { .. }
            | Due::Action { .. }
            | Due::Booted { .. }
            | Due::NotSeen { .. }
            | Due::Deliver(_)
            | Due::Look => true,
        });
    }
}
