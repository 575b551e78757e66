//! StartReplication, StopReplication, PauseReplication, ResumeReplication and
//! RetryDataReplication.
//!
//! **Invariant:** a replication that a job needs is not stopped under it.

use serde_json::Value;

use super::super::errors::{self, ApiError};
use super::super::output::later;
use super::super::server::{LifeCycleState, SourceServer, text};
use super::super::simulator::{Reply, Simulator};
use super::super::timeline::Due;
use super::{ReplicationState, end_replication, interrupt, under_way};

impl Simulator {
    pub(crate) fn start_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if server.replication.state != ReplicationState::Stopped || server.awaits_agent {
            return Err(self.wrong_replication(server, "StartReplication"));
        }
        self.check_active_servers(id)?;
        self.start_replicating(id, self.now);
        self.server_reply(id)
    }

    pub(crate) fn stop_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        self.check_not_in_job(server)?;
        if matches!(
            server.replication.state,
            ReplicationState::Stopped | ReplicationState::Disconnected
        ) {
            return Err(self.wrong_replication(server, "StopReplication"));
        }
        let moves = self.config.guesses.stop_moves_life_cycle;
        let now = self.now;
        let server = self.server_mut(id)?;
        end_replication(server, ReplicationState::Stopped, now);
        server.replication.last_snapshot = None;
        if moves {
            server.life_cycle = LifeCycleState::Stopped;
        }
        self.server_reply(id)
    }

    pub(crate) fn pause_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if !under_way(server.replication.state) {
            return Err(self.wrong_replication(server, "PauseReplication"));
        }
        let now = self.now;
        interrupt(self.server_mut(id)?, ReplicationState::Paused, now);
        self.server_reply(id)
    }

    pub(crate) fn resume_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if server.replication.state != ReplicationState::Paused {
            return Err(self.wrong_replication(server, "ResumeReplication"));
        }
        self.go_on(id, self.now);
        self.server_reply(id)
    }

    pub(crate) fn retry_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if server.replication.state != ReplicationState::Stalled {
            // Conflict is not among this operation's declared errors.
            return Err(errors::validation(
                "other",
                &format!(
                    "RetryDataReplication is for a stalled replication only; that of {id} is {}.",
                    server.replication.state.name()
                ),
                Vec::new(),
            ));
        }
        let count = u64::from(server.replication.epoch);
        let durations = &self.config.durations;
        let delay = durations.drawn(durations.retry, &self.random, "retry", id, count);
        let due = Due::Replication {
            server: id.to_owned(),
            epoch: server.replication.epoch,
        };
        self.timeline.add(later(self.now, delay), due);
        self.server_reply(id)
    }

    fn wrong_replication(&self, server: &SourceServer, operation: &str) -> ApiError {
        errors::conflict(
            &format!(
                "Cannot call {operation} while the replication is {}.",
                server.replication.state.name()
            ),
            "SourceServer",
            &server.id,
        )
    }
}
