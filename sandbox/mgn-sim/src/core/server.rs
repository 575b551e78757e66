//! A source server: what it is, and how DescribeSourceServers shows it.
//!
//! **Invariant:** a server's life cycle changes only in `lifecycle`, `launch`, `progress`
//! and `replication`; here it is only shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::config::{InitialState, Machine};
use super::errors::{self, ApiError};
use super::faults::LaunchFaultKind;
use super::instance::StatusChecks;
use super::paging;
use super::replication::{Replication, ReplicationState};
use super::simulator::{Reply, Simulator};
use super::wire::{self, Object};

/// Where a server stands between agent and archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifeCycleState {
    /// StopReplication was called (the name is a guess).
    Stopped,
    /// The initial sync is not over.
    NotReady,
    /// A launchable snapshot exists.
    ReadyForTest,
    /// StartTest was called; says nothing about the launch.
    Testing,
    /// Marked so by ChangeServerLifeCycleState.
    ReadyForCutover,
    /// StartCutover was called; says nothing about the launch.
    CuttingOver,
    /// FinalizeCutover was called.
    Cutover,
    /// DisconnectFromService was called.
    Disconnected,
    /// Found by a vCenter client, not replicating.
    Discovered,
    /// Imported; the agent is not installed.
    PendingInstallation,
}

impl LifeCycleState {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::NotReady => "NOT_READY",
            Self::ReadyForTest => "READY_FOR_TEST",
            Self::Testing => "TESTING",
            Self::ReadyForCutover => "READY_FOR_CUTOVER",
            Self::CuttingOver => "CUTTING_OVER",
            Self::Cutover => "CUTOVER",
            Self::Disconnected => "DISCONNECTED",
            Self::Discovered => "DISCOVERED",
            Self::PendingInstallation => "PENDING_INSTALLATION",
        }
    }
}

/// One source server.
#[derive(Clone, Debug)]
pub struct SourceServer {
    /// `s-` and 17 digits.
    pub id: String,
    /// The name that the machine gives itself.
    pub hostname: String,
    /// Its MGN tags.
    pub tags: BTreeMap<String, String>,
    /// `linux` or `windows`.
    pub os: String,
    /// Where it stands.
    pub life_cycle: LifeCycleState,
    /// Whether MarkAsArchived was called.
    pub archived: bool,
    /// The application it belongs to.
    pub application: Option<String>,
    /// The instance that the last launch left.
    pub launched: Option<LaunchedInstance>,
    /// The last StartTest.
    pub last_test: Attempt,
    /// The last StartCutover.
    pub last_cutover: Attempt,
    /// The job that is processing it.
    pub job: Option<String>,
    /// How often it was launched, test or cutover.
    pub launches: u64,
    /// Since when nothing writes on the source.
    pub quiesced_since: Option<Timestamp>,
    /// Since when the source is down.
    pub down_since: Option<Timestamp>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) launch_factor: f64,
    pub(crate) added: Timestamp,
    pub(crate) first_byte: Option<Timestamp>,
    pub(crate) replication_ended: Option<Timestamp>,
    pub(crate) replication: Replication,
    pub(crate) ready_announced: bool,
    pub(crate) awaits_agent: bool,
    pub(crate) scripted: Vec<LaunchFaultKind>,
    pub(crate) launch_configuration: Value,
    pub(crate) replication_configuration: Value,
    pub(crate) volume_defaults: Value,
    pub(crate) actions: BTreeMap<String, Value>,
    pub(crate) details: BTreeMap<String, Value>,
}

/// A disk of a source.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) device: String,
    pub(crate) bytes: u64,
}

/// A StartTest or StartCutover, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// When it was called, and its job.
    pub initiated: Option<(Timestamp, String)>,
    /// When it was reverted.
    pub reverted: Option<Timestamp>,
    /// When it was finalized.
    pub finalized: Option<Timestamp>,
}

/// What a launch left.
#[derive(Clone, Debug)]
pub struct LaunchedInstance {
    /// The EC2 instance's ID.
    pub instance: String,
    /// The job that launched it.
    pub job: String,
    /// Whether the launch used an older snapshot than its own.
    pub from_previous_snapshot: bool,
}

impl SourceServer {
    pub(crate) fn new(machine: &Machine, id: String, at: Timestamp, replicator: String) -> Self {
        let windows = machine.os == "windows";
        let disks = machine
            .disks_gib
            .iter()
            .enumerate()
            .map(|(index, gib)| Disk {
                device: if windows {
                    format!("{}:0", char::from(b'c' + (index % 22) as u8))
                } else {
                    format!("/dev/sd{}", char::from(b'a' + (index % 26) as u8))
                },
                bytes: gib << 30,
            })
            .collect();
        Self {
            id,
            hostname: machine.hostname.clone(),
            tags: machine.tags.clone(),
            os: machine.os.clone(),
            life_cycle: LifeCycleState::NotReady,
            archived: false,
            application: None,
            launched: None,
            last_test: Attempt::default(),
            last_cutover: Attempt::default(),
            job: None,
            launches: 0,
            quiesced_since: None,
            down_since: None,
            disks,
            launch_factor: machine.launch_factor,
            added: at,
            first_byte: None,
            replication_ended: None,
            replication: Replication::new(at, replicator),
            ready_announced: false,
            awaits_agent: false,
            scripted: Vec::new(),
            launch_configuration: json!({}),
            replication_configuration: json!({}),
            volume_defaults: json!({}),
            actions: BTreeMap::new(),
            details: BTreeMap::new(),
        }
    }

    /// The size of its disks, in GiB.
    pub fn gib(&self) -> u64 {
        self.disks.iter().map(|disk| disk.bytes >> 30).sum()
    }

    /// The state of its replication.
    pub fn replication_state(&self) -> ReplicationState {
        self.replication.state
    }
}

impl Simulator {
    /// Installs the agents of the inventory; called once, at the first time that is told.
    pub(crate) fn install_inventory(&mut self, at: Timestamp) {
        for machine in std::mem::take(&mut self.config.inventory) {
            self.add_machine(&machine, at);
        }
        for fault in self.config.faults.scheduled.clone() {
            self.schedule_fault(&fault, at);
        }
    }

    pub(crate) fn add_machine(&mut self, machine: &Machine, at: Timestamp) -> String {
        let id = machine
            .id
            .clone()
            .unwrap_or_else(|| self.random.identifier("s-", &machine.hostname, 0));
        let replicator = self.random.identifier("i-", "replicator", 0);
        let server = SourceServer::new(machine, id.clone(), at, replicator);
        self.hostnames.insert(server.hostname.clone(), id.clone());
        self.servers.insert(id.clone(), server);
        self.server_changes.push(id.clone());
        match machine.state.unwrap_or(self.config.initial) {
            InitialState::NotReady => self.start_replicating(&id, at),
            InitialState::ReadyForTest => self.replicate_at_once(&id, at),
            InitialState::Discovered => self.not_replicating(&id, LifeCycleState::Discovered),
            InitialState::PendingInstallation => self.await_agent(&id),
        }
        id
    }

    /// The ID of a server named by ID or hostname.
    pub fn server_id(&self, name: &str) -> Option<&str> {
        if let Some(server) = self.servers.get(name) {
            return Some(&server.id);
        }
        self.hostnames.get(name).map(String::as_str)
    }

    pub(crate) fn server(&self, id: &str) -> Result<&SourceServer, ApiError> {
        self.servers
            .get(id)
            .ok_or_else(|| errors::not_found("SourceServer", id))
    }

    pub(crate) fn server_mut(&mut self, id: &str) -> Result<&mut SourceServer, ApiError> {
        self.servers
            .get_mut(id)
            .ok_or_else(|| errors::not_found("SourceServer", id))
    }

    pub(crate) fn server_reply(&self, id: &str) -> Result<Reply, ApiError> {
        Ok(Reply::ok(self.show_server(self.server(id)?)))
    }

    pub(crate) fn describe_source_servers(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let filters = &input["filters"];
        let listed = |name: &str| -> Option<Vec<&str>> {
            let list: Vec<&str> = filters[name]
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            (!list.is_empty()).then_some(list)
        };
        let states = listed("lifeCycleStates");
        let applications = listed("applicationIDs");
        let types = listed("replicationTypes");
        let hide_archived = self.config.guesses.archived_hidden_by_default;
        let archived = filters["isArchived"]
            .as_bool()
            .or(hide_archived.then_some(false));
        let meant = |server: &&SourceServer| {
            archived.is_none_or(|archived| archived == server.archived)
                && states
                    .as_ref()
                    .is_none_or(|states| states.contains(&server.life_cycle.name()))
                && types
                    .as_ref()
                    .is_none_or(|types| types.contains(&self.replication_type(server)))
                && applications.as_ref().is_none_or(|applications| {
                    server
                        .application
                        .as_deref()
                        .is_some_and(|application| applications.contains(&application))
                })
        };
        let mut items: Vec<(String, &SourceServer)> = match listed("sourceServerIDs") {
            Some(ids) => ids
                .into_iter()
                .filter_map(|id| self.servers.get(id))
                .filter(meant)
                .map(|server| (server.id.clone(), server))
                .collect(),
            None => self
                .servers
                .values()
                .filter(meant)
                .map(|server| (server.id.clone(), server))
                .collect(),
        };
        items.sort_by(|left, right| left.0.cmp(&right.0));
        items.dedup_by(|left, right| left.0 == right.0);
        let size = self.config.default_page_size;
        paging::page("DescribeSourceServers", input, items, size, |server| {
            self.show_server(server)
        })
        .map(Reply::ok)
    }

    pub(crate) fn update_source_server(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server_mut(id)?;
        for (given, kept) in [
            ("connectorAction", "connectorAction"),
            ("userProvidedID", "userProvidedID"),
            ("fqdnForActionFramework", "fqdnForActionFramework"),
        ] {
            if !input[given].is_null() {
                server.details.insert(kept.to_owned(), input[given].clone());
            }
        }
        self.server_reply(id)
    }

    pub(crate) fn update_replication_type(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server_mut(id)?;
        if server.life_cycle != LifeCycleState::Discovered
            || server.replication.state != ReplicationState::Stopped
        {
            return Err(errors::conflict(
                "The replication type can be changed before the replication starts only.",
                "SourceServer",
                id,
            ));
        }
        server.details.insert(
            "replicationType".to_owned(),
            input["replicationType"].clone(),
        );
        self.server_reply(id)
    }

    fn replication_type<'a>(&self, server: &'a SourceServer) -> &'a str {
        server
            .details
            .get("replicationType")
            .and_then(Value::as_str)
            .unwrap_or("AGENT_BASED")
    }

    /// A SourceServer as the API shows it.
    pub(crate) fn show_server(&self, server: &SourceServer) -> Value {
        let guesses = &self.config.guesses;
        let arn = self.arn("source-server", &server.id);
        let mut tags = wire::strings(&server.tags);
        if server.tags.is_empty() && guesses.resource_arn_in_tags {
            tags["resourceArn"] = Value::String(arn.clone());
        }
        let mut shown = Object::new()
            .with("sourceServerID", server.id.as_str())
            .with("arn", arn)
            .with("isArchived", server.archived)
            .with("tags", tags)
            .with("replicationType", self.replication_type(server))
            .with_some("applicationID", server.application.as_deref())
            .with("dataReplicationInfo", self.show_replication(server))
            .with("lifeCycle", self.show_life_cycle(server))
            .with("sourceProperties", self.show_properties(server))
            .with_object("launchedInstance", self.show_launched(server), guesses);
        for name in [
            "connectorAction",
            "userProvidedID",
            "fqdnForActionFramework",
        ] {
            shown = shown.with_some(name, server.details.get(name).cloned());
        }
        shown.build()
    }

    fn show_life_cycle(&self, server: &SourceServer) -> Value {
        let guesses = &self.config.guesses;
        let time = |at| wire::timestamp(at, guesses);
        let elapsed = server.first_byte.map(|first| {
            let until = server.replication_ended.unwrap_or(self.now);
            wire::duration(until.duration_since(first))
        });
        let attempt = |attempt: &Attempt, finalized: Option<Timestamp>| {
            let call = |at: Option<Timestamp>| at.map(|at| json!({"apiCallDateTime": time(at)}));
            let initiated = attempt
                .initiated
                .as_ref()
                .map(|(at, job)| json!({"apiCallDateTime": time(*at), "jobID": job}));
            if initiated.is_none() && attempt.reverted.is_none() && finalized.is_none() {
                return None;
            }
            Some(
                Object::new()
                    .with_object("initiated", initiated, guesses)
                    .with_object("reverted", call(attempt.reverted), guesses)
                    .with_object("finalized", call(finalized), guesses)
                    .build(),
            )
        };
        let tested = server
            .last_test
            .finalized
            .filter(|_| guesses.last_test_finalized_shown);
        let test = attempt(&server.last_test, tested);
        let cutover = attempt(&server.last_cutover, server.last_cutover.finalized);
        let replicates = server.replication.initiated.is_some();
        Object::new()
            .with("addedToServiceDateTime", time(server.added))
            .with_some("firstByteDateTime", server.first_byte.map(time))
            .with_some("elapsedReplicationDuration", elapsed)
            .with_some(
                "lastSeenByServiceDateTime",
                replicates.then(|| time(self.last_seen(server))),
            )
            .with_object("lastTest", test, guesses)
            .with_object("lastCutover", cutover, guesses)
            .with("state", server.life_cycle.name())
            .build()
    }

    fn show_launched(&self, server: &SourceServer) -> Option<Value> {
        let launched = server.launched.as_ref()?;
        let mut shown = Object::new()
            .with("ec2InstanceID", launched.instance.as_str())
            .with("jobID", launched.job.as_str());
        if let Some(instance) = self.instances.get(&launched.instance) {
            shown = shown.with("firstBoot", instance.first_boot());
            if self.config.guesses.checks_shown {
                let (status, error) = match instance.checks {
                    StatusChecks::Initializing => ("PENDING", None),
                    StatusChecks::Ok => ("PASSED", None),
                    StatusChecks::Impaired => {
                        ("FAILED", Some("Instance reachability check failed"))
                    }
                };
                let check = Object::new()
                    .with("type", "EC2")
                    .with("name", "Instance status check")
                    .with("status", status)
                    .with_some("error", error)
                    .with("checkedAt", wire::epoch_seconds(self.now))
                    .build();
                shown = shown.with("lastKnownChecks", vec![check]);
            }
        }
        Some(shown.build())
    }

    fn show_properties(&self, server: &SourceServer) -> Value {
        let windows = server.os == "windows";
        let draw = self.random.draw("address", &server.id, 0);
        let disks: Vec<Value> = server
            .disks
            .iter()
            .map(|disk| json!({"deviceName": disk.device, "bytes": disk.bytes}))
            .collect();
        json!({
            "lastUpdatedDateTime": wire::timestamp(server.added, &self.config.guesses),
            "recommendedInstanceType": "t3.medium",
            "identificationHints": {
                "hostname": server.hostname,
                "fqdn": format!("{}.source.internal", server.hostname),
            },
            "networkInterfaces": [{
                "macAddress": format!(
                    "02:00:{:02x}:{:02x}:{:02x}:{:02x}",
                    (draw >> 24) & 0xff, (draw >> 16) & 0xff, (draw >> 8) & 0xff, draw & 0xff,
                ),
                "ips": [format!("10.{}.{}.{}", (draw >> 16) & 0xff, (draw >> 8) & 0xff, 1 + draw % 254)],
                "isPrimary": true,
            }],
            "disks": disks,
            "cpus": [{"cores": 2, "modelName": "Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz"}],
            "ramBytes": 4_u64 << 30,
            "os": {"fullString": if windows { "Microsoft Windows Server 2019 Datacenter" } else { "Debian GNU/Linux 12 (bookworm)" }},
        })
    }
}

/// A required string of an input that has been validated.
pub(crate) fn text<'a>(input: &'a Value, name: &str) -> &'a str {
    input[name].as_str().unwrap_or_default()
}
