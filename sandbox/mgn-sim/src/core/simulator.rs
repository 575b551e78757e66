//! The simulator: calls in, outputs out, time from outside.
//!
//! **Invariant:** pure and deterministic: no clock, no I/O, no chance but the seed's. The
//! same configuration and the same calls give the same replies and outputs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::config::Config;
use super::errors::{self, ApiError};
use super::faults::{CallFaultKind, Counts};
use super::instance::Instance;
use super::job::{Job, JobKind};
use super::model::model;
use super::output::Output;
use super::random::Random;
use super::server::SourceServer;
use super::timeline::{Due, Timeline};
use super::validate::validate;

/// A simulated account and Region of MGN.
#[derive(Clone, Debug)]
pub struct Simulator {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) now: Timestamp,
    pub(crate) started: bool,
    pub(crate) initialized: bool,
    pub(crate) servers: BTreeMap<String, SourceServer>,
    pub(crate) hostnames: BTreeMap<String, String>,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) open_jobs: BTreeSet<String>,
    pub(crate) awaiting: BTreeSet<(String, String)>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) instance_changes: Vec<String>,
    pub(crate) server_changes: Vec<String>,
    pub(crate) waves: BTreeMap<String, super::waves::Wave>,
    pub(crate) applications: BTreeMap<String, super::applications::Application>,
    pub(crate) replication_templates: BTreeMap<String, Value>,
    pub(crate) launch_templates: BTreeMap<String, super::templates::LaunchTemplate>,
    pub(crate) connectors: BTreeMap<String, Value>,
    pub(crate) timeline: Timeline,
    pub(crate) outbox: Vec<Output>,
    pub(crate) events_emitted: u64,
    pub(crate) created: u64,
    calls: Counts,
    slow: Option<jiff::SignedDuration>,
}

/// The answer to a call that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status, as the model has it.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(crate) fn empty() -> Self {
        Self::ok(Value::Object(Map::new()))
    }
}

impl Simulator {
    /// An account as `config` describes it. Its servers appear at [`Config::start`], or at
    /// the first time that a call or [`advance_to`](Self::advance_to) tells.
    pub fn new(config: Config) -> Self {
        let mut simulator = Self {
            random: Random::new(config.seed),
            now: config.start.unwrap_or(Timestamp::UNIX_EPOCH),
            started: false,
            initialized: config.initialized,
            servers: BTreeMap::new(),
            hostnames: BTreeMap::new(),
            jobs: BTreeMap::new(),
            open_jobs: BTreeSet::new(),
            awaiting: BTreeSet::new(),
            instances: BTreeMap::new(),
            instance_changes: Vec::new(),
            server_changes: Vec::new(),
            waves: BTreeMap::new(),
            applications: BTreeMap::new(),
            replication_templates: BTreeMap::new(),
            launch_templates: BTreeMap::new(),
            connectors: BTreeMap::new(),
            timeline: Timeline::default(),
            outbox: Vec::new(),
            events_emitted: 0,
            created: 0,
            calls: Counts::new(),
            slow: None,
            config,
        };
        if let Some(start) = simulator.config.start {
            simulator.begin(start);
        }
        simulator
    }

    /// One call of an operation by the model's name, at a time. First settles everything due.
    ///
    /// # Errors
    /// [`ApiError`], as MGN answers it; a fault may answer so although the call took effect.
    pub fn call(
        &mut self,
        operation: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, ApiError> {
        self.settle(now);
        let count = self.calls.entry(operation.to_owned()).or_default();
        *count += 1;
        let count = *count;
        let fault = self.config.faults.of_call(&self.random, operation, count);
        match fault {
            Some(CallFaultKind::Throttle) => {
                let seconds = 1 + self.random.draw("retry after", operation, count) % 3;
                return Err(errors::throttled(seconds as u32));
            }
            Some(CallFaultKind::ErrorBefore) => return Err(errors::internal()),
            Some(CallFaultKind::Deny) => {
                return Err(errors::access_denied(&format!(
                    "User is not authorized to perform: mgn:{operation}"
                )));
            }
            Some(CallFaultKind::Slow(delay)) => self.slow = Some(delay),
            Some(CallFaultKind::ErrorAfter | CallFaultKind::LostAnswer) | None => {}
        }
        let reply = self.perform(operation, input);
        match fault {
            Some(CallFaultKind::ErrorAfter) => Err(errors::internal()),
            Some(CallFaultKind::LostAnswer) => Err(errors::lost()),
            _ => reply,
        }
    }

    /// Settles everything due by `now`, and returns what came out since the last time, in
    /// order.
    pub fn advance_to(&mut self, now: Timestamp) -> Vec<Output> {
        self.settle(now);
        std::mem::take(&mut self.outbox)
    }

    /// When the next change by itself is due; nothing is while nothing is under way.
    pub fn next_change(&self) -> Option<Timestamp> {
        if self.outbox.is_empty() {
            self.timeline.next()
        } else {
            Some(self.now)
        }
    }

    /// When the next planned change is due, whatever waits to be taken.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timeline.next()
    }

    /// Tells the ID that a launched instance has outside, after [`Output::RunInstance`].
    pub fn instance_started(&mut self, server: &str, instance: &str) {
        self.tell(server, |participant| {
            participant.told_instance = Some(instance.to_owned());
        });
    }

    /// Tells that an instance could not be launched outside; the launch fails with this.
    pub fn instance_failed(&mut self, server: &str, why: &str) {
        self.tell(server, |participant| {
            participant.told_failure = Some(why.to_owned());
        });
    }

    fn tell(&mut self, server: &str, tell: impl FnOnce(&mut super::job::Participant)) {
        let Some(job) = self
            .servers
            .get(server)
            .and_then(|server| server.job.clone())
        else {
            return;
        };
        if let Some((_, participant)) = self.participant(&job, server) {
            tell(participant);
        }
        // A launch that waited for this goes on at the next settling.
        self.timeline.add(self.now, Due::Look);
    }

    /// How often each operation was called.
    pub fn calls(&self) -> &BTreeMap<String, u64> {
        &self.calls
    }

    /// How long the answer to the last call is to be held back.
    pub fn take_slowness(&mut self) -> Option<jiff::SignedDuration> {
        self.slow.take()
    }

    /// The configuration; faults and durations may change while it runs.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration, to change it while it runs.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// The time as last told.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The source servers, by ID.
    pub fn servers(&self) -> &BTreeMap<String, SourceServer> {
        &self.servers
    }

    /// The jobs, by ID.
    pub fn jobs(&self) -> &BTreeMap<String, Job> {
        &self.jobs
    }

    /// The instances ever launched, by ID.
    pub fn instances(&self) -> &BTreeMap<String, Instance> {
        &self.instances
    }

    fn begin(&mut self, at: Timestamp) {
        self.started = true;
        self.now = at;
        if self.initialized {
            self.install_inventory(at);
        }
    }

    /// Does everything that is due by `now`, in order. Time never goes back.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        if !self.started {
            self.begin(now);
        }
        let now = now.max(self.now);
        if !self.awaiting.is_empty() {
            self.settle_awaiting(self.now);
        }
        while let Some((at, due)) = self.timeline.take(now) {
            self.now = at.max(self.now);
            self.happen(self.now, due);
        }
        self.now = now;
    }

    fn happen(&mut self, at: Timestamp, due: Due) {
        match due {
            Due::Replication { server, epoch } => self.replication_step(&server, epoch, at),
            Due::JobStart { job } => self.job_starts(&job, at),
            Due::Participant { job, server } => self.participant_step(&job, &server, at),
            Due::JobEnd { job } => self.job_ends(&job, at),
            Due::Action { job, server } => self.action_ends(&job, &server, at),
            Due::Booted { instance } => self.instance_booted(&instance),
            Due::Stall { server } => self.stall_begins(&server, "NOT_CONVERGING", at),
            Due::Backlog { server } => self.falls_behind(&server, at),
            Due::SourceDown { server } => self.source_goes_down(&server, at),
            Due::NotSeen { server, down_since } => self.source_not_seen(&server, down_since, at),
            Due::Deliver(output) => self.outbox.push(output),
            Due::Look => {}
        }
    }

    fn perform(&mut self, operation: &str, input: &Value) -> Result<Reply, ApiError> {
        let Some(known) = model().operations.get(operation) else {
            return Err(errors::unknown_operation(operation));
        };
        let input = if input.is_null() { &json!({}) } else { input };
        if let Some(shape) = &known.input {
            validate(shape, input)?;
        }
        if let Some(account) = input["accountID"].as_str()
            && account != self.config.account
        {
            return Err(errors::access_denied(&format!(
                "The account {account} is not managed by this one."
            )));
        }
        if operation == "InitializeService" {
            if !self.initialized {
                self.initialized = true;
                self.install_inventory(self.now);
            }
            return Ok(Reply {
                status: known.status,
                ..Reply::empty()
            });
        }
        // The operations on tags do not declare UninitializedAccountException.
        let of_tags = matches!(
            operation,
            "TagResource" | "UntagResource" | "ListTagsForResource"
        );
        if !self.initialized && !of_tags {
            return Err(errors::uninitialized());
        }
        let reply = self.dispatch(operation, input)?;
        Ok(Reply {
            status: known.status,
            ..reply
        })
    }

    fn dispatch(&mut self, operation: &str, input: &Value) -> Result<Reply, ApiError> {
        match operation {
            // Servers.
            "DescribeSourceServers" => self.describe_source_servers(input),
            "UpdateSourceServer" => self.update_source_server(input),
            "UpdateSourceServerReplicationType" => self.update_replication_type(input),
            "ChangeServerLifeCycleState" => self.change_life_cycle(input),
            "FinalizeCutover" => self.finalize_cutover(input),
            "DisconnectFromService" => self.disconnect(input),
            "MarkAsArchived" => self.mark_as_archived(input),
            "DeleteSourceServer" => self.delete_source_server(input),
            // Jobs.
            "StartTest" => self.start_launch(JobKind::Test, input),
            "StartCutover" => self.start_launch(JobKind::Cutover, input),
            "TerminateTargetInstances" => self.start_launch(JobKind::Terminate, input),
            "DescribeJobs" => self.describe_jobs(input),
            "DescribeJobLogItems" => self.describe_job_log_items(input),
            "DeleteJob" => self.delete_job(input),
            // Replication.
            "StartReplication" => self.start_replication(input),
            "StopReplication" => self.stop_replication(input),
            "PauseReplication" => self.pause_replication(input),
            "ResumeReplication" => self.resume_replication(input),
            "RetryDataReplication" => self.retry_replication(input),
            "GetReplicationConfiguration" => self.get_replication_configuration(input),
            "UpdateReplicationConfiguration" => self.update_replication_configuration(input),
            // Launch settings.
            "GetLaunchConfiguration" => self.get_launch_configuration(input),
            "UpdateLaunchConfiguration" => self.update_launch_configuration(input),
            "GetLaunchConfigurationDefaults" => self.get_launch_defaults(input),
            "UpdateLaunchConfigurationDefaults" => self.update_launch_defaults(input),
            // Templates.
            "CreateReplicationConfigurationTemplate" => self.create_replication_template(input),
            "DescribeReplicationConfigurationTemplates" => {
                self.describe_replication_templates(input)
            }
            "UpdateReplicationConfigurationTemplate" => self.update_replication_template(input),
            "DeleteReplicationConfigurationTemplate" => self.delete_replication_template(input),
            "CreateLaunchConfigurationTemplate" => self.create_launch_template(input),
            "DescribeLaunchConfigurationTemplates" => self.describe_launch_templates(input),
            "UpdateLaunchConfigurationTemplate" => self.update_launch_template(input),
            "DeleteLaunchConfigurationTemplate" => self.delete_launch_template(input),
            // Actions.
            "PutSourceServerAction" => self.put_server_action(input),
            "ListSourceServerActions" => self.list_server_actions(input),
            "RemoveSourceServerAction" => self.remove_server_action(input),
            "PutTemplateAction" => self.put_template_action(input),
            "ListTemplateActions" => self.list_template_actions(input),
            "RemoveTemplateAction" => self.remove_template_action(input),
            // Waves and applications.
            "CreateWave" => self.create_wave(input),
            "UpdateWave" => self.update_wave(input),
            "DeleteWave" => self.delete_wave(input),
            "ArchiveWave" => self.archive_wave(input),
            "UnarchiveWave" => self.unarchive_wave(input),
            "ListWaves" => self.list_waves(input),
            "AssociateApplications" => self.associate_applications(input),
            "DisassociateApplications" => self.disassociate_applications(input),
            "CreateApplication" => self.create_application(input),
            "UpdateApplication" => self.update_application(input),
            "DeleteApplication" => self.delete_application(input),
            "ArchiveApplication" => self.archive_application(input),
            "UnarchiveApplication" => self.unarchive_application(input),
            "ListApplications" => self.list_applications(input),
            "AssociateSourceServers" => self.associate_servers(input),
            "DisassociateSourceServers" => self.disassociate_servers(input),
            // Tags.
            "TagResource" => self.tag_resource(input),
            "UntagResource" => self.untag_resource(input),
            "ListTagsForResource" => self.list_tags(input),
            // Connectors and what is empty in an account that has none.
            "CreateConnector" => self.create_connector(input),
            "UpdateConnector" => self.update_connector(input),
            "DeleteConnector" => self.delete_connector(input),
            "ListConnectors" => self.list_connectors(input),
            "ListManagedAccounts"
            | "DescribeVcenterClients"
            | "ListImports"
            | "ListExports"
            | "ListRemoteSourceActions"
            | "ListRemoteSourceActionJobs" => Ok(Reply::ok(json!({"items": []}))),
            _ => Err(errors::not_simulated(operation)),
        }
    }
}
