//! ChangeServerLifeCycleState, FinalizeCutover, DisconnectFromService, MarkAsArchived and
//! DeleteSourceServer: the changes that need no job.
//!
//! **Invariant:** CUTOVER leads nowhere but to DISCONNECTED, the archive and deletion:
//! finalizing is the one irreversible step.

use serde_json::Value;

use super::errors::{self, ApiError};
use super::replication::{ReplicationState, end_replication};
use super::server::{LifeCycleState, SourceServer, text};
use super::simulator::{Reply, Simulator};

/// What MGN says about a server that a job has; seen in workshops.
const IN_A_JOB: &str =
    "One or more of the Source Servers included in API call are currently being processed by a Job";

impl Simulator {
    pub(crate) fn check_not_in_job(&self, server: &SourceServer) -> Result<(), ApiError> {
        if server.job.is_some() {
            return Err(errors::conflict(IN_A_JOB, "SourceServer", &server.id));
        }
        Ok(())
    }

    pub(crate) fn change_life_cycle(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let target = match text(&input["lifeCycle"], "state") {
            "READY_FOR_TEST" => LifeCycleState::ReadyForTest,
            "READY_FOR_CUTOVER" => LifeCycleState::ReadyForCutover,
            _ => LifeCycleState::Cutover,
        };
        let server = self.server(id)?;
        if server.life_cycle == LifeCycleState::Cutover {
            return Err(errors::conflict(
                "Cannot ChangeServerLifeCycleState for a CUTOVER server. If you need to restart the migration, reinstall the Replication Agent.",
                "SourceServer",
                id,
            ));
        }
        self.check_not_in_job(server)?;
        if !self.change_allowed(server.life_cycle, target) {
            return Err(errors::conflict(
                &format!(
                    "Cannot change the life cycle state of a Source Server from {} to {}.",
                    server.life_cycle.name(),
                    target.name()
                ),
                "SourceServer",
                id,
            ));
        }
        let needs_lag = self.config.guesses.change_needs_lag && target != LifeCycleState::Cutover;
        if needs_lag && self.lag(server).is_none() {
            return Err(errors::conflict(
                "The lag duration of the Source Server is null.",
                "SourceServer",
                id,
            ));
        }
        let now = self.now;
        let server = self.server_mut(id)?;
        match (server.life_cycle, target) {
            (LifeCycleState::CuttingOver, LifeCycleState::ReadyForCutover) => {
                server.last_cutover.reverted = Some(now);
            }
            (LifeCycleState::Testing, LifeCycleState::ReadyForCutover) => {
                server.last_test.finalized = Some(now);
            }
            (
                LifeCycleState::Testing | LifeCycleState::ReadyForCutover,
                LifeCycleState::ReadyForTest,
            ) => {
                server.last_test.reverted = Some(now);
            }
            (_, LifeCycleState::Cutover) => server.last_cutover.finalized = Some(now),
            _ => {}
        }
        server.life_cycle = target;
        if target == LifeCycleState::ReadyForTest {
            self.become_ready_for_test(id, now);
        }
        self.server_reply(id)
    }

    fn change_allowed(&self, from: LifeCycleState, to: LifeCycleState) -> bool {
        let guesses = &self.config.guesses;
        if from == to {
            return guesses.same_state_accepted;
        }
        match (to, from) {
            (
                LifeCycleState::ReadyForTest,
                LifeCycleState::Testing | LifeCycleState::ReadyForCutover,
            )
            | (
                LifeCycleState::ReadyForCutover,
                LifeCycleState::Testing | LifeCycleState::CuttingOver,
            ) => true,
            (LifeCycleState::ReadyForCutover, LifeCycleState::ReadyForTest) => {
                guesses.untested_ready_for_cutover
            }
            (LifeCycleState::Cutover, LifeCycleState::Disconnected) => {
                guesses.cutover_state_from_disconnected
            }
            (LifeCycleState::Cutover, LifeCycleState::CuttingOver) => {
                guesses.cutover_state_from_cutting_over
            }
            _ => false,
        }
    }

    pub(crate) fn finalize_cutover(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        self.check_not_in_job(server)?;
        if server.life_cycle != LifeCycleState::CuttingOver {
            return Err(errors::conflict(
                &format!(
                    "Cannot call FinalizeCutover for a Source Server in life cycle state {}.",
                    server.life_cycle.name()
                ),
                "SourceServer",
                id,
            ));
        }
        if let Some(action) = self.unmet_action(server) {
            return Err(errors::conflict(
                &format!(
                    "The post-launch action {action} must succeed before the cutover is finalized."
                ),
                "SourceServer",
                id,
            ));
        }
        let zeroes = self.config.guesses.finalize_zeroes_total;
        let now = self.now;
        let server = self.server_mut(id)?;
        server.life_cycle = LifeCycleState::Cutover;
        server.last_cutover.finalized = Some(now);
        end_replication(server, ReplicationState::Disconnected, now);
        server.replication.total_zeroed = zeroes;
        self.server_reply(id)
    }

    pub(crate) fn disconnect(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        self.check_not_in_job(server)?;
        let guesses = self.config.guesses.clone();
        if server.replication.state == ReplicationState::Disconnected
            && !guesses.disconnect_after_finalize
        {
            return Err(errors::conflict(
                "The Source Server is disconnected already.",
                "SourceServer",
                id,
            ));
        }
        let now = self.now;
        let server = self.server_mut(id)?;
        end_replication(server, ReplicationState::Disconnected, now);
        server.awaits_agent = false;
        if server.life_cycle != LifeCycleState::Cutover || guesses.disconnect_moves_cutover {
            server.life_cycle = LifeCycleState::Disconnected;
        }
        self.server_reply(id)
    }

    pub(crate) fn mark_as_archived(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server_mut(id)?;
        if !matches!(
            server.life_cycle,
            LifeCycleState::Cutover | LifeCycleState::Disconnected
        ) {
            return Err(errors::conflict(
                &format!(
                    "Only a CUTOVER or DISCONNECTED Source Server can be archived; {id} is {}.",
                    server.life_cycle.name()
                ),
                "SourceServer",
                id,
            ));
        }
        server.archived = true;
        self.server_reply(id)
    }

    pub(crate) fn delete_source_server(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        self.check_not_in_job(server)?;
        let never_replicated = server.awaits_agent
            || server.life_cycle == LifeCycleState::Discovered
                && server.replication.state == ReplicationState::Stopped;
        if !matches!(
            server.life_cycle,
            LifeCycleState::Cutover | LifeCycleState::Disconnected
        ) && !never_replicated
        {
            return Err(errors::conflict(
                "Only a disconnected Source Server can be deleted; call DisconnectFromService first.",
                "SourceServer",
                id,
            ));
        }
        let hostname = server.hostname.clone();
        if self
            .hostnames
            .get(&hostname)
            .is_some_and(|known| known == id)
        {
            self.hostnames.remove(&hostname);
        }
        self.servers.remove(id);
        self.server_changes.push(id.to_owned());
        Ok(Reply::empty())
    }
}
