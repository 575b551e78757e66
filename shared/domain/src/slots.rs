//! MGN's slots, shared by all waves of an account and Region: 20 jobs, and 200 servers in all of
//! them (AWS General Reference, MGN quotas; neither can be raised).
//!
//! **Invariant 8**: reservations live in one versioned item that the decision updates in its own
//! transaction; a reservation that nobody releases expires.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{EffectId, JobId, WaveId};
use crate::observation::AccountJobs;

/// Jobs in progress at once.
pub const MOST_JOBS: u32 = 20;
/// Servers in all jobs in progress.
pub const MOST_SERVERS_IN_JOBS: u32 = 200;
/// How long a reservation lives without being renewed by its wave.
pub const RESERVATION: SignedDuration = SignedDuration::from_mins(30);

/// The reservations of an account and Region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// One for each effect that starts a job.
    pub reservations: BTreeMap<EffectId, Reservation>,
    /// Waves that wait for slots, and when each said so last.
    pub waiting: BTreeMap<WaveId, Timestamp>,
}

/// Slots held for one job, from before it is asked for until it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Whose.
    pub wave: WaveId,
    /// How many servers.
    pub servers: u32,
    /// The job, once it is known.
    pub job: Option<JobId>,
    /// When it lapses by itself.
    pub expires: Timestamp,
}

/// What can still be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Jobs.
    pub jobs: u32,
    /// Servers in all of them.
    pub servers: u32,
}

impl Slots {
    /// Drop what has lapsed.
    pub fn expire(&mut self, now: Timestamp) {
        self.reservations.retain(|_, r| r.expires > now);
        self.waiting
            .retain(|_, said| now.duration_since(*said) < RESERVATION);
    }

    /// What is free: the quotas less every reservation and less every job in progress that no
    /// reservation stands for.
    #[must_use]
    pub fn free(&self, jobs: Option<&AccountJobs>) -> Free {
        let others = jobs.into_iter().flat_map(|j| &j.jobs).filter(|job| {
            !self.reservations.iter().any(|(effect, r)| {
                r.job.as_ref() == Some(&job.id) || job.effect.as_ref() == Some(effect)
            })
        });
        let (mut used_jobs, mut used_servers) = others.fold((0u32, 0u32), |(j, s), job| {
            (j + 1, s.saturating_add(job.servers))
        });
        for reservation in self.reservations.values() {
            used_jobs += 1;
            used_servers = used_servers.saturating_add(reservation.servers);
        }
        Free {
            jobs: MOST_JOBS.saturating_sub(used_jobs),
            servers: MOST_SERVERS_IN_JOBS.saturating_sub(used_servers),
        }
    }

    /// This wave's share of `free`: the same for each wave that waits, rounded up, so that one slot
    /// goes to whoever asks first.
    #[must_use]
    pub fn share(&self, wave: &WaveId, free: Free) -> Free {
        let others = self.waiting.keys().filter(|w| *w != wave).count();
        let parts = u32::try_from(others).unwrap_or(u32::MAX - 1) + 1;
        Free {
            jobs: free.jobs.div_ceil(parts),
            servers: free.servers.div_ceil(parts),
        }
    }
}
