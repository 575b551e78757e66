//! Values for the contract's cases. Times are whole microseconds, which is what is stored.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::audit::{AuditHead, AuditRecord, Entry};
use tidegate_domain::effect::{Effect, EffectStatus, Outcome, Task};
use tidegate_domain::id::{
    ApplicationName, CommandId, EffectId, InstanceId, JobId, MessageId, ServerId, TemplateId,
    WaveId,
};
use tidegate_domain::launch_settings::{LaunchSettings, Values};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::observation::{
    Answer, CommandStatus, InstanceSeen, JobSeen, LaunchStatus, LifeCycle, Replication,
    ReplicationState, ServerSeen, SettingsSeen, SnapshotsSeen, StatusChecks, WaveSeen,
};
use tidegate_domain::plan::{
    Application, Approver, GatePlan, Gates, OnFailure, Plan, Policy, Select, Selector, Start,
};
use tidegate_domain::server::{Server, Stage, Trial};
use tidegate_domain::slots::{Reservation, Slots};
use tidegate_domain::wave::{Claims, OpenEffect, Phase, SCHEMA, Wave};
use tidegate_ports::turns::{Loaded, Turn};

use super::ok;

/// A point in time: that many seconds after the contract's first.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    ok(
        Timestamp::from_microsecond((1_795_000_000 + seconds) * 1_000_000 + 250),
        "make a time",
    )
}

/// A wave's name.
#[must_use]
pub fn wave_id(case: &str) -> WaveId {
    ok(WaveId::parse(case), "name a wave")
}

/// A server's ID: the case's, with that number.
#[must_use]
pub fn server_id(case: &str, number: usize) -> ServerId {
    let case = case.bytes().fold(5381u64, |hash, byte| {
        hash.wrapping_mul(33) ^ u64::from(byte)
    }) & 0xff_ffff_ffff;
    ok(
        ServerId::parse(format!("s-{case:010x}{number:07}")),
        "name a server",
    )
}

/// An effect's ID.
#[must_use]
pub fn effect_id(wave: &WaveId, turn: u64, number: usize) -> EffectId {
    ok(
        EffectId::parse(format!("{wave}-{turn}-{number}")),
        "name an effect",
    )
}

/// A message's ID.
#[must_use]
pub fn message_id(name: &str) -> MessageId {
    ok(MessageId::parse(name), "name a message")
}

/// A command's ID.
#[must_use]
pub fn command_id(name: &str) -> CommandId {
    ok(CommandId::parse(name), "name a command")
}

/// A job's ID.
#[must_use]
pub fn job_id(number: usize) -> JobId {
    ok(JobId::parse(format!("mgnjob-{number:017}")), "name a job")
}

/// An instance.
#[must_use]
pub fn instance_id(number: usize) -> InstanceId {
    ok(
        InstanceId::parse(format!("i-{number:017x}")),
        "name an instance",
    )
}

fn application() -> ApplicationName {
    ok(ApplicationName::parse("orders-db"), "name an application")
}

/// A plan.
#[must_use]
pub fn plan(wave: &WaveId) -> Plan {
    let gate = GatePlan::asking(
        vec![
            Approver::Mail("ops@example.com".to_owned()),
            Approver::Iam("arn:aws:iam::111122223333:role/Ops*".to_owned()),
        ],
        2,
        SignedDuration::from_hours(168),
    );
    Plan {
        wave: wave.clone(),
        start: Start::Schedule(at(60)),
        window: None,
        gates: Gates {
            cutover: gate.clone(),
            finalize: gate,
            soak: SignedDuration::from_hours(24),
        },
        policy: Policy {
            max_lag: SignedDuration::from_mins(1),
            attempts: 3,
            failure_budget: 5,
            on_failure: OnFailure::Hold,
            keep_test_instances: SignedDuration::from_mins(30),
            observe_every: SignedDuration::from_secs(60),
            launch_timeout: SignedDuration::from_hours(1),
            boot_timeout: SignedDuration::from_mins(15),
        },
        applications: vec![Application {
            name: application(),
            after: Vec::new(),
            servers: vec![Selector {
                select: Select::Tags(BTreeMap::from([("role".to_owned(), String::new())])),
                critical: true,
            }],
            quiesce: None,
            validate: Vec::new(),
        }],
    }
}

/// A wave before its first turn is saved: turn 0, generation 1.
#[must_use]
pub fn wave(id: &WaveId) -> Wave {
    Wave {
        schema: SCHEMA,
        id: id.clone(),
        plan: plan(id),
        applied_by: Approver::Iam("arn:aws:iam::111122223333:user/planner".to_owned()),
        authors_before: Vec::new(),
        started_by: None,
        phase: Phase::Waiting,
        phase_since: at(0),
        hold: None,
        generation: 1,
        turn: 0,
        started: None,
        claims: Claims::None,
        open: BTreeMap::new(),
        gates: BTreeMap::new(),
        rounds: BTreeMap::new(),
        unshown: BTreeMap::new(),
        questions: Vec::new(),
        untold: Vec::new(),
        careful: false,
        accepted_failures: 0,
        starved_since: None,
        silence: None,
        audit: AuditHead::default(),
        history: 0,
    }
}

/// That many servers of a case.
#[must_use]
pub fn servers(case: &str, count: usize) -> Vec<Server> {
    (0..count)
        .map(|number| Server {
            id: server_id(case, number),
            hostname: format!("db{number:04}.corp.example.com"),
            application: application(),
            critical: number % 2 == 0,
            stage: Stage::Replicating,
            since: at(0),
            tests: 0,
            cutovers: 0,
            test: None,
            instance: None,
            launched: None,
            target: None,
            kept: None,
            quiesced_at: None,
            cutover: None,
            downtime: None,
            cutting_over: false,
            failed: false,
            refusals: 0,
            stall: None,
            trial: Trial::default(),
            waivers: Vec::new(),
            previous_snapshots: 0,
        })
        .collect()
}

/// What was seen of a server.
#[must_use]
pub fn seen(server: &ServerId, number: usize, when: Timestamp) -> ServerSeen {
    ServerSeen {
        id: server.clone(),
        at: when,
        hostname: format!("db{number:04}"),
        fqdn: String::new(),
        tags: BTreeMap::from([
            ("Name".to_owned(), format!("database {number}, ümlaut")),
            ("empty".to_owned(), String::new()),
        ]),
        archived: false,
        life_cycle: LifeCycle::ReadyForTest,
        replication: Replication {
            state: ReplicationState::Continuous,
            lag: Some(SignedDuration::ZERO),
            backlog_bytes: u64::MAX - 1,
            total_bytes: 1 << 40,
            replicated_bytes: 1 << 40,
            eta: None,
            last_snapshot: Some(when),
            error: None,
        },
        last_test: Some(job_id(number)),
        last_cutover: None,
        job: Some(JobSeen {
            id: job_id(number),
            completed: true,
            launch: LaunchStatus::Launched,
            instance: Some(instance_id(number)),
            previous_snapshot: false,
            skipped: false,
        }),
        instance: Some(InstanceSeen {
            id: instance_id(number),
            running: true,
            gone: false,
            stopped: false,
            checks: StatusChecks::Passed,
            managed: true,
        }),
        node: None,
        commands: BTreeMap::from([(
            command_id("11111111-2222-3333-4444-555555555555"),
            CommandStatus::Failed("exit status 1".to_owned()),
        )]),
        snapshots: SnapshotsSeen::Complete,
        settings: SettingsSeen {
            configuration_at: Some(when),
            template_at: Some(when),
            known: Some(launch_settings(number, "m5.xlarge")),
            tested: Some(launch_settings(number, "m5.large")),
            failing: None,
        },
    }
}

/// How a server is launched, as an instance of that type.
#[must_use]
pub fn launch_settings(number: usize, instance_type: &str) -> LaunchSettings {
    let template = TemplateId::parse(format!("lt-{number:017x}")).expect("it is a template");
    let (mut configuration, mut content) = (Values::default(), Values::default());
    configuration.set("launch disposition", "STARTED");
    configuration.set("boot mode", "LEGACY_BIOS");
    content.set("instance type", instance_type);
    content.set("subnet", "subnet-0123456789abcdef0");
    content.set(
        "security groups",
        "sg-0123456789abcdef0, sg-0123456789abcdef1",
    );
    content.set("instance profile", "orders-database");
    content.set("volume /dev/xvda", "gp3 16 GiB");
    content.set("volume /dev/xvdb", "gp3 500 GiB encrypted");
    LaunchSettings::new(template, 3, configuration, content)
}

/// That many observations of a case's servers.
#[must_use]
pub fn all_seen(case: &str, count: usize, when: Timestamp) -> BTreeMap<ServerId, ServerSeen> {
    (0..count)
        .map(|number| {
            let id = server_id(case, number);
            let seen = seen(&id, number, when);
            (id, seen)
        })
        .collect()
}

/// A round of observations.
#[must_use]
pub fn round(when: Timestamp) -> WaveSeen {
    WaveSeen {
        at: when,
        mgn: Answer::Answered,
        others: Answer::Failed("TooManyUpdates".to_owned()),
    }
}

/// A message.
#[must_use]
pub fn message(id: &str, when: Timestamp) -> Message {
    Message {
        id: message_id(id),
        at: when,
        by: Approver::Mail("ops@example.com".to_owned()),
        body: Body::Hold {
            note: "a note: ä, \"quotes\" and\nlines".to_owned(),
        },
    }
}

/// A planned effect that starts a test.
#[must_use]
pub fn effect(wave: &WaveId, turn: u64, number: usize, servers: &[ServerId]) -> Effect {
    Effect {
        id: effect_id(wave, turn, number),
        wave: wave.clone(),
        task: Task::StartTest {
            servers: servers.to_vec(),
        },
        status: EffectStatus::Planned,
    }
}

/// A decision in the making, which [`Draft::turn`] turns into what is saved.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it was made from.
    pub loaded: Loaded,
    /// The wave as it is now.
    pub wave: Wave,
    /// Its servers as they are now.
    pub servers: Vec<Server>,
    /// New effects.
    pub effects: Vec<Effect>,
    /// Effects that end by the decision.
    pub ended: BTreeMap<EffectId, Outcome>,
    /// Drained messages.
    pub drained: Vec<MessageId>,
    /// The audit record.
    pub audit: Option<AuditRecord>,
    /// The slots, if they changed.
    pub slots: Option<Slots>,
    /// When.
    pub now: Timestamp,
}

impl Draft {
    /// The next turn of a wave that was loaded, or its first.
    #[must_use]
    pub fn next(id: &WaveId, loaded: Loaded, now: Timestamp) -> Self {
        let mut next = loaded.wave.clone().unwrap_or_else(|| wave(id));
        next.turn += 1;
        Self {
            servers: loaded.servers.clone(),
            loaded,
            wave: next,
            effects: Vec::new(),
            ended: BTreeMap::new(),
            drained: Vec::new(),
            audit: None,
            slots: None,
            now,
        }
    }

    /// Plan an effect; gives its ID.
    pub fn plan(&mut self, servers: &[ServerId]) -> EffectId {
        let effect = effect(&self.wave.id, self.wave.turn, self.effects.len(), servers);
        let id = effect.id.clone();
        self.wave.open.insert(
            id.clone(),
            OpenEffect {
                since: self.now,
                tries: 1,
                not_before: self.now,
            },
        );
        self.effects.push(effect);
        id
    }

    /// Write something into the audit chain.
    pub fn record(&mut self, text: &str) {
        let entries = vec![Entry {
            event: "WaveApplied".to_owned(),
            text: text.to_owned(),
            by: None,
            reference: None,
            about: tidegate_domain::audit::About::default(),
        }];
        let id = self.wave.id.clone();
        self.audit =
            Some(
                self.wave
                    .audit
                    .append(&id, self.wave.generation, self.now, entries, Vec::new()),
            );
    }

    /// Reserve slots for the effect.
    pub fn reserve(&mut self, effect: &EffectId, servers: u32) {
        let slots = self.slots.get_or_insert_with(|| self.loaded.slots.clone());
        slots.reservations.insert(
            effect.clone(),
            Reservation {
                wave: self.wave.id.clone(),
                servers,
                job: None,
                expires: at(86_400),
            },
        );
    }

    /// What is saved.
    #[must_use]
    pub fn turn(&self) -> Turn<'_> {
        Turn {
            loaded: &self.loaded,
            wave: &self.wave,
            servers: &self.servers,
            effects: &self.effects,
            ended: &self.ended,
            drained: &self.drained,
            audit: self.audit.as_ref(),
            slots: self.slots.as_ref(),
            now: self.now,
        }
    }
}
