//! MGN's quotas on jobs and servers.
//!
//! Fixed per account and Region: 20 jobs in progress, 200 servers in a job, 200 servers in
//! all jobs that are not completed, one job per server.
//!
//! **Invariant:** no call leaves more behind than the quotas allow.

use super::errors::{self, ApiError};
use super::job::{Job, JobStatus};
use super::replication::ReplicationState;
use super::simulator::Simulator;

impl Simulator {
    /// Servers that count against the quota of servers in all jobs.
    pub fn servers_in_jobs(&self) -> usize {
        let early = self.config.guesses.slots_free_at_server_end;
        self.open_jobs()
            .flat_map(|job| job.participants.values())
            .filter(|participant| !early || !participant.ended)
            .count()
    }

    /// Jobs that are not completed.
    pub fn open_jobs(&self) -> impl Iterator<Item = &Job> {
        self.open_jobs
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .filter(|job| job.status != JobStatus::Completed)
    }

    /// Whether a job for this many more servers fits.
    pub(crate) fn check_job_quotas(&self, servers: usize) -> Result<(), ApiError> {
        let quotas = &self.config.quotas;
        let refuse = |name: &str, value: usize| {
            if self.config.guesses.launch_quota_is_conflict {
                let message = format!("The quota {name} ({value}) is exceeded.");
                errors::conflict(&message, "Job", "")
            } else {
                errors::quota(name, value, "Job", "")
            }
        };
        if servers > quotas.servers_in_job {
            return Err(refuse(
                "Max Source Servers in a single Job",
                quotas.servers_in_job,
            ));
        }
        if self.open_jobs().count() >= quotas.concurrent_jobs {
            return Err(refuse(
                "Concurrent jobs in progress",
                quotas.concurrent_jobs,
            ));
        }
        if self.servers_in_jobs() + servers > quotas.servers_in_all_jobs {
            return Err(refuse(
                "Max Source Servers in all Jobs",
                quotas.servers_in_all_jobs,
            ));
        }
        Ok(())
    }

    /// Whether one more server may replicate.
    pub(crate) fn check_active_servers(&self, id: &str) -> Result<(), ApiError> {
        let active = self
            .servers
            .values()
            .filter(|server| {
                !server.archived
                    && !matches!(
                        server.replication.state,
                        ReplicationState::Stopped | ReplicationState::Disconnected
                    )
            })
            .count();
        let limit = self.config.quotas.active_servers;
        if active >= limit {
            return Err(errors::quota(
                "Max Active Source Servers",
                limit,
                "SourceServer",
                id,
            ));
        }
        Ok(())
    }
}
