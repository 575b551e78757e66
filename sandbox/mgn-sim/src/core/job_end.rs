//! The end of a job, and the events that tell of its launches.
//!
//! **Invariant:** every launched or failed server of a job is announced once.

use jiff::Timestamp;

use super::job::{JobKind, JobStatus, LaunchStatus, LogItem, Participant};
use super::output::later;
use super::simulator::Simulator;
use super::timeline::Due;

impl Simulator {
    /// Emits the launch results of these servers of a job.
    pub(crate) fn announce_launch(&mut self, id: &str, servers: &[String], at: Timestamp) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let mut results: Vec<(String, &'static str)> = Vec::new();
        for server in servers {
            let Some(participant) = job.participants.get(server) else {
                continue;
            };
            let state = match (job.kind, participant.status) {
                (JobKind::Test, LaunchStatus::Launched) => "TEST_LAUNCH_SUCCEEDED",
                (JobKind::Test, LaunchStatus::Failed) => "TEST_LAUNCH_FAILED",
                (JobKind::Cutover, LaunchStatus::Launched) => "CUTOVER_LAUNCH_SUCCEEDED",
                (JobKind::Cutover, LaunchStatus::Failed) => "CUTOVER_LAUNCH_FAILED",
                _ => continue,
            };
            results.push((server.clone(), state));
        }
        if self.config.guesses.one_launch_event_per_job {
            for state in [
                "TEST_LAUNCH_SUCCEEDED",
                "TEST_LAUNCH_FAILED",
                "CUTOVER_LAUNCH_SUCCEEDED",
                "CUTOVER_LAUNCH_FAILED",
            ] {
                let of_state: Vec<&str> = results
                    .iter()
                    .filter(|(_, result)| *result == state)
                    .map(|(server, _)| server.as_str())
                    .collect();
                if !of_state.is_empty() {
                    self.emit_launch(at, &of_state, id, state);
                }
            }
        } else {
            for (server, state) in results {
                self.emit_launch(at, &[&server], id, state);
            }
        }
    }

    pub(crate) fn end_job_if_done(&mut self, id: &str, at: Timestamp) {
        let hold = self.config.guesses.actions_hold_job;
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let acting = |participant: &Participant| {
            hold && participant
                .actions
                .iter()
                .any(|run| run.status == "IN_PROGRESS")
        };
        if job.ending
            || job
                .participants
                .values()
                .any(|participant| !participant.ended || acting(participant))
        {
            return;
        }
        job.ending = true;
        let durations = &self.config.durations;
        let delay = durations.drawn(durations.job_end, &self.random, "job end", id, 0);
        self.timeline
            .add(later(at, delay), Due::JobEnd { job: id.to_owned() });
    }

    pub(crate) fn job_ends(&mut self, id: &str, at: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.status = JobStatus::Completed;
        job.ended = Some(at);
        job.log.push(LogItem::new(at, "JOB_END", None));
        let servers: Vec<String> = job.participants.keys().cloned().collect();
        self.open_jobs.remove(id);
        for server in &servers {
            if let Some(known) = self.servers.get_mut(server)
                && known.job.as_deref() == Some(id)
            {
                known.job = None;
            }
        }
        let guesses = &self.config.guesses;
        if guesses.launch_event_at_job_end || guesses.one_launch_event_per_job {
            self.announce_launch(id, &servers, at);
        }
    }
}
