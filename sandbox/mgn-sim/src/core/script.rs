//! What a test or a rehearsal makes happen.
//!
//! **Invariant:** these only start what could happen by itself; nothing here writes a state
//! that MGN could not get into.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::config::Machine;
use super::errors::{self, ApiError};
use super::faults::{FailingStage, LaunchFaultKind};
use super::job::JobKind;
use super::output::later;
use super::simulator::Simulator;
use super::timeline::Due;

/// Servers are named by hostname or ID; an unknown one changes nothing and answers `false`.
impl Simulator {
    /// The server's next launch fails with LAUNCH_FAILED.
    pub fn fail_next_launch(&mut self, server: &str) -> bool {
        self.script_next_launch(server, LaunchFaultKind::Fail(FailingStage::Launch))
    }

    /// What happens in the server's next launch.
    pub fn script_next_launch(&mut self, server: &str, fault: LaunchFaultKind) -> bool {
        self.with_server(server, |simulator, id| {
            if let Some(server) = simulator.servers.get_mut(id) {
                server.scripted.push(fault);
            }
        })
    }

    /// The server's replication stalls, until RetryDataReplication or [`unstall`](Self::unstall).
    pub fn stall(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            simulator.stall_begins(id, "NOT_CONVERGING", now);
        })
    }

    /// The server's stall ends.
    pub fn unstall(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            simulator.stall_ends(id, now);
        })
    }

    /// The source writes more than the line carries: the replication is BACKLOG for a while.
    pub fn fall_behind(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            simulator.falls_behind(id, now);
        })
    }

    /// The source's system goes down: launches use the previous snapshot.
    pub fn source_down(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            simulator.source_goes_down(id, now);
        })
    }

    /// The source's system is up again.
    pub fn source_up(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            if let Some(server) = simulator.servers.get_mut(id) {
                server.down_since = None;
                simulator.server_changes.push(id.to_owned());
            }
            simulator.stall_ends(id, now);
        })
    }

    /// Nothing writes on the source any more: lag and backlog drain to zero.
    pub fn source_quiesced(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            let durations = &simulator.config.durations;
            let drained = later(now, durations.plain(durations.quiesce_drain));
            if let Some(server) = simulator.servers.get_mut(id)
                && server.quiesced_since.is_none()
            {
                server.quiesced_since = Some(now);
                simulator.timeline.add(drained, Due::Look);
            }
        })
    }

    /// The source writes again.
    pub fn source_resumed(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            if let Some(server) = simulator.servers.get_mut(id) {
                server.quiesced_since = None;
            }
        })
    }

    /// A new source server appears: somebody installed an agent. Its ID.
    pub fn install_agent(&mut self, machine: &Machine) -> String {
        let now = self.now;
        self.add_machine(machine, now)
    }

    /// The agent of an imported server is installed, and replicates.
    pub fn agent_installed(&mut self, server: &str) -> bool {
        self.with_server(server, |simulator, id| {
            let now = simulator.now;
            if simulator.servers[id].awaits_agent {
                simulator.start_replicating(id, now);
            }
        })
    }

    /// Somebody else calls `StartTest`, `StartCutover` or `TerminateTargetInstances`: neither
    /// counted nor hit by faults of calls. The job's ID.
    ///
    /// # Errors
    /// As the operation answers.
    pub fn start_foreign_job(
        &mut self,
        operation: &str,
        servers: &[&str],
        tags: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        let kind = match operation {
            "StartTest" => JobKind::Test,
            "StartCutover" => JobKind::Cutover,
            "TerminateTargetInstances" => JobKind::Terminate,
            _ => return Err(errors::unknown_operation(operation)),
        };
        let ids: Vec<&str> = servers
            .iter()
            .map(|name| self.server_id(name).unwrap_or(name))
            .collect();
        let input = json!({"sourceServerIDs": ids, "tags": tags});
        let reply = self.start_launch(kind, &input)?;
        Ok(reply.body["job"]["jobID"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// An instance's status checks become impaired, whatever they were.
    pub fn impair(&mut self, instance: &str) -> bool {
        let Some(known) = self.instances.get_mut(instance) else {
            return false;
        };
        known.bootable = false;
        known.checks = super::instance::StatusChecks::Impaired;
        self.instance_changes.push(instance.to_owned());
        true
    }

    /// Every fault by chance or by plan ends; servers that are down or stalled recover.
    pub fn heal(&mut self) {
        self.config.faults.heal();
        self.timeline.forget_faults();
        let ids: Vec<String> = self.servers.keys().cloned().collect();
        for id in ids {
            if let Some(server) = self.servers.get_mut(&id) {
                server.scripted.clear();
            }
            self.source_up(&id);
        }
    }

    /// Everything there is, for people who look.
    pub fn state(&self) -> Value {
        let servers: Vec<Value> = self
            .servers
            .values()
            .map(|server| self.show_server(server))
            .collect();
        let jobs: Vec<Value> = self.jobs.values().map(|job| self.show_job(job)).collect();
        let instances: Vec<Value> = self
            .instances
            .values()
            .map(|instance| {
                json!({
                    "instance": instance.id,
                    "server": instance.server,
                    "job": instance.job,
                    "state": instance.state(),
                    "checks": instance.checks.name(),
                })
            })
            .collect();
        json!({
            "now": self.now.to_string(),
            "initialized": self.initialized,
            "servers": servers,
            "jobs": jobs,
            "instances": instances,
            "calls": self.calls(),
            "eventsEmitted": self.events_emitted,
        })
    }

    fn with_server(&mut self, name: &str, change: impl FnOnce(&mut Self, &str)) -> bool {
        match self.server_id(name).map(str::to_owned) {
            Some(id) => {
                change(self, &id);
                true
            }
            None => false,
        }
    }
}
