//! StartTest, StartCutover and TerminateTargetInstances: what they accept, and the job
//! they start. None of them takes a client token: called twice, they act twice or conflict.
//!
//! **Invariant:** what a call changes is there at once: the job, TESTING or CUTTING_OVER, and
//! lastTest or lastCutover with the job's ID. A call that is refused changes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::faults::LaunchFaultKind;
use super::job::{Job, JobKind, JobStatus, LaunchStatus, Participant, Stage};
use super::output::later;
use super::server::{Attempt, LifeCycleState, SourceServer};
use super::simulator::{Reply, Simulator};
use super::timeline::Due;
use super::wire::Object;

/// What MGN says about a server that a job has; seen in workshops.
const IN_A_JOB: &str =
    "One or more of the Source Servers included in API call are currently being processed by a Job";

impl Simulator {
    pub(crate) fn start_launch(&mut self, kind: JobKind, input: &Value) -> Result<Reply, ApiError> {
        let mut servers: Vec<String> = input["sourceServerIDs"]
            .as_array()
            .map(|ids| {
                ids.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        servers.sort_unstable();
        servers.dedup();
        self.check_servers_known(&servers)?;
        let servers = self.accepted_servers(kind, servers)?;
        self.check_job_quotas(servers.len())?;
        let tags: BTreeMap<String, String> = input["tags"]
            .as_object()
            .map(|tags| {
                tags.iter()
                    .map(|(key, value)| {
                        (key.clone(), value.as_str().unwrap_or_default().to_owned())
                    })
                    .collect()
            })
            .unwrap_or_default();
        let id = self.create_job(kind, &servers, tags);
        let job = &self.jobs[&id];
        Ok(Reply::ok(
            Object::new().with("job", self.show_job(job)).build(),
        ))
    }

    fn check_servers_known(&self, servers: &[String]) -> Result<(), ApiError> {
        let Some(unknown) = servers.iter().find(|id| !self.servers.contains_key(*id)) else {
            return Ok(());
        };
        if self.config.guesses.unknown_server_is_not_found {
            return Err(errors::not_found("SourceServer", unknown));
        }
        let message = format!("Source Server {unknown} does not exist.");
        let field = json!({"name": "sourceServerIDs", "message": message});
        Err(errors::validation("other", &message, vec![field]))
    }

    /// The servers that the job takes: all of them, unless a batch is guessed to be taken in part.
    fn accepted_servers(
        &self,
        kind: JobKind,
        servers: Vec<String>,
    ) -> Result<Vec<String>, ApiError> {
        let (free, in_job): (Vec<String>, Vec<String>) = servers
            .into_iter()
            .partition(|id| self.servers[id].job.is_none());
        let in_job: Vec<(String, String)> = in_job
            .into_iter()
            .map(|id| (id, IN_A_JOB.to_owned()))
            .collect();
        let mut accepted = Vec::new();
        let mut wrong = Vec::new();
        for id in free {
            match self.refuses(kind, &self.servers[&id]) {
                Some(why) => wrong.push((id, why)),
                None => accepted.push(id),
            }
        }
        if !accepted.is_empty() && !self.config.guesses.batch_all_or_nothing {
            return Ok(accepted);
        }
        if !in_job.is_empty() {
            return Err(self.conflicts(IN_A_JOB, &in_job));
        }
        match wrong.first() {
            Some((_, why)) => Err(self.wrong_states(kind, why, &wrong)),
            None => Ok(accepted),
        }
    }

    fn conflicts(&self, message: &str, servers: &[(String, String)]) -> ApiError {
        if self.config.guesses.conflicts_listed {
            errors::batch_conflict(message, servers)
        } else {
            errors::conflict(message, "SourceServer", &servers[0].0)
        }
    }

    fn wrong_states(&self, kind: JobKind, why: &str, servers: &[(String, String)]) -> ApiError {
        let guessed = self.config.guesses.wrong_state_is_validation;
        match kind {
            JobKind::Test | JobKind::Cutover if guessed => {
                let fields = servers
                    .iter()
                    .map(|(_, why)| json!({"name": "sourceServerIDs", "message": why}))
                    .collect();
                errors::validation("other", why, fields)
            }
            JobKind::Test | JobKind::Cutover | JobKind::Terminate => self.conflicts(why, servers),
        }
    }

    /// Why this kind of job does not take this server.
    fn refuses(&self, kind: JobKind, server: &SourceServer) -> Option<String> {
        let guesses = &self.config.guesses;
        let state = server.life_cycle;
        let accepted = !server.archived
            && match kind {
                JobKind::Test => match state {
                    LifeCycleState::ReadyForTest | LifeCycleState::Testing => true,
                    LifeCycleState::ReadyForCutover => guesses.test_from_ready_for_cutover,
                    LifeCycleState::CuttingOver => guesses.test_from_cutting_over,
                    LifeCycleState::NotReady => guesses.test_from_not_ready && !server.awaits_agent,
                    LifeCycleState::Stopped
                    | LifeCycleState::Cutover
                    | LifeCycleState::Disconnected
                    | LifeCycleState::Discovered
                    | LifeCycleState::PendingInstallation => false,
                },
                JobKind::Cutover => match state {
                    LifeCycleState::ReadyForCutover => true,
                    LifeCycleState::ReadyForTest => guesses.cutover_from_ready_for_test,
                    LifeCycleState::CuttingOver => guesses.cutover_from_cutting_over,
                    LifeCycleState::Testing
                    | LifeCycleState::NotReady
                    | LifeCycleState::Stopped
                    | LifeCycleState::Cutover
                    | LifeCycleState::Disconnected
                    | LifeCycleState::Discovered
                    | LifeCycleState::PendingInstallation => false,
                },
                JobKind::Terminate => !matches!(
                    state,
                    LifeCycleState::Testing | LifeCycleState::CuttingOver | LifeCycleState::Cutover
                ),
            };
        if accepted && kind == JobKind::Terminate && server.launched.is_none() {
            return (!guesses.terminate_without_instance)
                .then(|| format!("Source Server {} has no launched instance.", server.id));
        }
        if accepted {
            return None;
        }
        let operation = match kind {
            JobKind::Test => "StartTest",
            JobKind::Cutover => "StartCutover",
            JobKind::Terminate => "TerminateTargetInstances",
        };
        let archived = if server.archived { "archived " } else { "" };
        Some(format!(
            "Cannot call {operation} for a {archived}Source Server in life cycle state {} ({}).",
            server.life_cycle.name(),
            server.id,
        ))
    }

    /// Starts a job; the servers are known, free and in the right state.
    pub(crate) fn create_job(
        &mut self,
        kind: JobKind,
        servers: &[String],
        tags: BTreeMap<String, String>,
    ) -> String {
        self.created += 1;
        let id = self.random.identifier("mgnjob-", "", self.created);
        let now = self.now;
        let mut participants = BTreeMap::new();
        for server in servers {
            participants.insert(server.clone(), self.begin_participant(kind, server, &id));
        }
        let job = Job {
            id: id.clone(),
            kind,
            created: now,
            ended: None,
            status: JobStatus::Pending,
            participants,
            tags,
            log: Vec::new(),
            ending: false,
        };
        self.jobs.insert(id.clone(), job);
        self.open_jobs.insert(id.clone());
        let durations = &self.config.durations;
        let delay = durations.drawn(durations.job_start, &self.random, "job start", &id, 0);
        self.timeline
            .add(later(now, delay), Due::JobStart { job: id.clone() });
        id
    }

    fn begin_participant(&mut self, kind: JobKind, id: &str, job: &str) -> Participant {
        let now = self.now;
        let clears = self.config.guesses.start_clears_reverted;
        let mut faults: Vec<LaunchFaultKind> = Vec::new();
        let mut nth = 0;
        let mut from = LifeCycleState::NotReady;
        if let Some(server) = self.servers.get_mut(id) {
            from = server.life_cycle;
            server.job = Some(job.to_owned());
            let state = match kind {
                JobKind::Test => Some(LifeCycleState::Testing),
                JobKind::Cutover => Some(LifeCycleState::CuttingOver),
                JobKind::Terminate => None,
            };
            if let Some(state) = state {
                server.life_cycle = state;
                server.launches += 1;
                nth = server.launches;
                faults = std::mem::take(&mut server.scripted);
                faults.extend(self.config.faults.of_launch(
                    &self.random,
                    id,
                    &server.hostname,
                    nth,
                ));
                let attempt = match kind {
                    JobKind::Cutover => &mut server.last_cutover,
                    JobKind::Test | JobKind::Terminate => &mut server.last_test,
                };
                if clears {
                    *attempt = Attempt::default();
                }
                attempt.initiated = Some((now, job.to_owned()));
            }
        }
        Participant {
            status: LaunchStatus::Pending,
            instance: None,
            ended: false,
            stage: Stage::Waiting,
            faults,
            nth,
            from,
            from_previous_snapshot: false,
            told_instance: None,
            told_failure: None,
            actions: Vec::new(),
        }
    }
}
