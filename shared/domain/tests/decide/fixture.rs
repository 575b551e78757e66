//! A wave in a hand: the facts of its next decision, and an AWS that does what it is asked at
//! once (or what a test has it do instead).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::decide::{Decision, Facts, Interest, decide, interest};
use tidegate_domain::effect::{Effect, EffectStatus, LifeCycleTarget, Outcome, Task};
use tidegate_domain::id::{
    ApplicationName, CommandId, EffectId, InstanceId, JobId, MessageId, NodeId, ServerId,
    SnapshotId, TemplateId, WaveId,
};
use tidegate_domain::launch_settings::{LaunchSettings, Values};
use tidegate_domain::message::{Body, Message, Reading};
use tidegate_domain::observation::{
    AccountJob, AccountJobs, Answer, CommandStatus, Failing, InstanceSeen, JobSeen, LaunchStatus,
    LifeCycle, Replication, ReplicationState, ServerSeen, SettingsSeen, SnapshotsSeen,
    StatusChecks, WaveSeen,
};
use tidegate_domain::plan::{
    Application, Approver, Document, GatePlan, Gates, OnFailure, Plan, Policy, Quiesce, Select,
    Selector, Start,
};
use tidegate_domain::server::Server;
use tidegate_domain::slots::Slots;
use tidegate_domain::wave::Wave;

/// The beginning of time in these tests.
pub(crate) fn start_of_time() -> Timestamp {
    "2026-12-05T20:00:00Z".parse().expect("a timestamp")
}

pub(crate) fn server_id(n: usize) -> ServerId {
    ServerId::parse(format!("s-{n:017}")).expect("a server ID")
}

pub(crate) fn approver() -> Approver {
    Approver::Mail("ops@example.com".to_owned())
}

/// Who applies plans: nobody who approves.
pub(crate) fn operator() -> Approver {
    Approver::Iam("arn:aws:iam::111122223333:user/operator".to_owned())
}

/// A decision about everything, by a link.
pub(crate) fn say(
    gate: tidegate_domain::gate::Gate,
    verdict: tidegate_domain::gate::Verdict,
    evidence: String,
) -> Body {
    Body::Decide {
        gate,
        verdict,
        evidence,
        door: tidegate_domain::gate::Door::Mail,
        only: tidegate_domain::gate::Part::default(),
        reason: None,
    }
}

/// A document that takes no parameters.
pub(crate) fn document(name: &str) -> Document {
    Document {
        document: name.to_owned(),
        parameters: BTreeMap::new(),
        timeout: SignedDuration::from_mins(10),
    }
}

/// `db` with `first` servers, and `web` with `second` servers after it.
pub(crate) fn plan(first: usize, second: usize) -> Plan {
    let application = |name: &str, after: &[&str], servers: std::ops::Range<usize>| Application {
        name: ApplicationName::parse(name).expect("a name"),
        after: after
            .iter()
            .map(|a| ApplicationName::parse(*a).expect("a name"))
            .collect(),
        servers: servers
            .map(|n| Selector {
                select: Select::Id(server_id(n)),
                critical: false,
            })
            .collect(),
        quiesce: (name == "db").then(|| Quiesce {
            stop: document("Stop"),
            start: Some(document("Start")),
        }),
        validate: vec![document("Check")],
    };
    let gate = |automatic| {
        if automatic {
            GatePlan::automatic()
        } else {
            GatePlan::asking(vec![approver()], 1, SignedDuration::from_hours(24))
        }
    };
    Plan {
        wave: WaveId::parse("orders").expect("a name"),
        start: Start::Replication,
        window: None,
        gates: Gates {
            cutover: gate(false),
            finalize: gate(true),
            soak: SignedDuration::from_hours(1),
        },
        policy: Policy {
            max_lag: SignedDuration::from_mins(1),
            attempts: 2,
            failure_budget: 50,
            on_failure: OnFailure::Hold,
            keep_test_instances: SignedDuration::from_hours(4),
            observe_every: SignedDuration::from_secs(15),
            launch_timeout: SignedDuration::from_hours(2),
            boot_timeout: SignedDuration::from_mins(30),
        },
        applications: vec![
            application("db", &[], 0..first),
            application("web", &["db"], first..first + second),
        ],
    }
}

/// The wave, its AWS and the time.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) now: Timestamp,
    pub(crate) wave: Option<Wave>,
    pub(crate) servers: Vec<Server>,
    pub(crate) seen: BTreeMap<ServerId, ServerSeen>,
    pub(crate) effects: BTreeMap<EffectId, Effect>,
    pub(crate) inbox: Vec<Message>,
    pub(crate) slots: Slots,
    /// Jobs in progress that somebody else started.
    pub(crate) strangers: Vec<AccountJob>,
    pub(crate) mgn: Answer,
    /// What EC2 and SSM answer.
    pub(crate) others: Answer,
    /// What AWS does with an effect, where a test wants something else than success.
    pub(crate) refuse: Vec<(&'static str, Outcome)>,
    /// What becomes of launches; LAUNCHED if empty.
    pub(crate) launches: Vec<LaunchStatus>,
    /// What becomes of commands; success if empty.
    pub(crate) commands: Vec<CommandStatus>,
    /// How servers are launched by now; the others as `settings` says.
    pub(crate) settings: BTreeMap<ServerId, LaunchSettings>,
    /// Why launch settings cannot be read.
    pub(crate) unreadable: Option<&'static str>,
    pub(crate) messages: u32,
    /// The driver's generation, how often it was restarted, and what it noted to read.
    pub(crate) generation: u64,
    pub(crate) restarts: u32,
    pub(crate) reading: Option<Reading>,
    jobs: u32,
    /// Every task that was planned, in order.
    pub(crate) tasks: Vec<Task>,
    /// Every line of the audit chain.
    pub(crate) told: Vec<String>,
}

impl Hand {
    /// Servers that replicate in step, and a plan for them in the inbox.
    pub(crate) fn new(plan: Plan) -> Self {
        let mut hand = Self {
            now: start_of_time(),
            wave: None,
            servers: Vec::new(),
            seen: BTreeMap::new(),
            effects: BTreeMap::new(),
            inbox: Vec::new(),
            slots: Slots::default(),
            strangers: Vec::new(),
            mgn: Answer::Answered,
            others: Answer::Answered,
            refuse: Vec::new(),
            launches: Vec::new(),
            commands: Vec::new(),
            settings: BTreeMap::new(),
            unreadable: None,
            messages: 0,
            generation: 1,
            restarts: 0,
            reading: None,
            jobs: 0,
            tasks: Vec::new(),
            told: Vec::new(),
        };
        for n in 0..plan.applications.iter().map(|a| a.servers.len()).sum() {
            hand.seen.insert(server_id(n), seen(n, hand.now));
        }
        hand.send_as(operator(), Body::Apply(Box::new(plan)));
        hand
    }

    pub(crate) fn send(&mut self, body: Body) {
        self.send_as(approver(), body);
    }

    pub(crate) fn send_as(&mut self, by: Approver, body: Body) {
        self.messages += 1;
        self.inbox.push(Message {
            id: MessageId::parse(format!("m-{}", self.messages)).expect("an ID"),
            at: self.now,
            by,
            body,
        });
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            id: WaveId::parse("orders").expect("a name"),
            generation: self.generation,
            wave: self.wave.clone(),
            servers: self.servers.clone(),
            round: Some(WaveSeen {
                at: self.now,
                mgn: self.mgn.clone(),
                others: self.others.clone(),
            }),
            seen: self.seen.clone(),
            effects: self.effects.values().cloned().collect(),
            inbox: self.inbox.clone(),
            unreadable: Vec::new(),
            slots: self.slots.clone(),
            jobs: (!self.strangers.is_empty()).then(|| AccountJobs {
                at: self.now,
                jobs: self.strangers.clone(),
            }),
            restarts: self.restarts,
            reading: self.reading.clone(),
            now: self.now,
        }
    }

    /// One turn: AWS is read, a decision is made, the effects are done.
    pub(crate) fn turn(&mut self) -> Decision {
        self.now += SignedDuration::from_secs(1);
        self.observe();
        self.now += SignedDuration::from_secs(1);
        let decision = decide(self.facts());
        assert_eq!(
            decision,
            decide(self.facts()),
            "the same facts give the same decision"
        );
        self.wave.clone_from(&decision.wave);
        self.servers.clone_from(&decision.servers);
        self.slots.clone_from(&decision.slots);
        self.inbox.retain(|m| !decision.drained.contains(&m.id));
        for effect in &decision.effects {
            self.tasks.push(effect.task.clone());
            self.effects.insert(effect.id.clone(), effect.clone());
        }
        for effect in decision.ended.keys() {
            self.effects.remove(effect);
        }
        if let Some(audit) = &decision.audit {
            self.told.extend(
                audit
                    .entries
                    .iter()
                    .map(|e| format!("{}: {}", e.event, e.text)),
            );
        }
        for (id, function) in &decision.hand_out {
            let outcome = self.act(id);
            let effect = self.effects.get_mut(id).expect("a stored effect");
            assert_eq!(effect.task.function(), *function);
            effect.status = EffectStatus::Answered {
                outcome,
                at: self.now,
            };
        }
        decision
    }

    /// Turns until the phase has this name.
    pub(crate) fn until(&mut self, phase: &str) -> &mut Self {
        self.until_that(phase, |hand| hand.phase() == phase)
    }

    /// Turns until the wave is held.
    pub(crate) fn until_held(&mut self) -> &mut Self {
        self.until_that("a hold", |hand| hand.wave().hold.is_some())
    }

    pub(crate) fn until_that(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> &mut Self {
        for _ in 0..400 {
            let decision = self.turn();
            if done(self) {
                return self;
            }
            if decision.wake_at > self.now && decision.hand_out.is_empty() {
                self.now = decision.wake_at;
            }
        }
        panic!("{what} was never reached; the wave: {:#?}", self.wave);
    }

    pub(crate) fn wave(&self) -> &Wave {
        self.wave.as_ref().expect("a wave")
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.wave.as_ref().map_or("none", |w| w.phase.name())
    }

    /// Approve the open cutover gate as the approver.
    pub(crate) fn approve(&mut self) {
        use tidegate_domain::gate::{Gate, GateState, Verdict};
        let Some(GateState::Open(open)) = self.wave().gates.get(&Gate::Cutover) else {
            panic!("the gate is not open");
        };
        let evidence = open.evidence.hash();
        self.send(say(Gate::Cutover, Verdict::Approve, evidence));
    }

    pub(crate) fn resume(&mut self) {
        let hold = self.wave().hold.as_ref().expect("a hold").id;
        self.send(Body::Resume { hold });
    }

    /// Read what `interest` wants read.
    fn observe(&mut self) {
        let Some(wave) = &self.wave else { return };
        let Interest {
            select,
            servers,
            commands,
            configurations,
            templates,
            ..
        } = interest(wave, &self.servers, &self.seen, self.now);
        for seen in self.seen.values_mut() {
            let asked = select || servers.contains(&seen.id);
            if asked && self.mgn == Answer::Answered {
                seen.at = self.now;
            }
        }
        for id in templates.iter().chain(&configurations) {
            let now = self
                .settings
                .get(id)
                .cloned()
                .unwrap_or_else(|| settings(1, "m5.large"));
            let configuration = configurations.contains(id);
            let test = self
                .servers
                .iter()
                .find(|s| s.id == *id)
                .and_then(|s| s.test.as_ref());
            let Some(seen) = self.seen.get_mut(id) else {
                continue;
            };
            let seen = &mut seen.settings;
            if let Some(message) = self.unreadable {
                let since = seen
                    .failing
                    .as_ref()
                    .map_or(self.now, |failing| failing.since);
                seen.failing = Some(Failing {
                    since,
                    at: self.now,
                    message: message.to_owned(),
                    configuration,
                });
                continue;
            }
            if configuration || seen.known.is_some() {
                let digest = test.and_then(|test| test.settings.as_deref());
                seen.tested = digest.and_then(|digest| seen.digested(digest)).cloned();
                seen.known = Some(now);
                seen.template_at = Some(self.now);
                let failing = seen.failing.take();
                seen.failing = failing.filter(|failing| failing.configuration && !configuration);
            }
            if configuration {
                seen.configuration_at = Some(self.now);
            }
        }
        if self.others != Answer::Answered {
            return;
        }
        for (command, on) in commands {
            for id in on {
                let status = self
                    .commands
                    .first()
                    .cloned()
                    .unwrap_or(CommandStatus::Succeeded);
                if let Some(seen) = self.seen.get_mut(&id) {
                    seen.commands.insert(command.clone(), status);
                }
            }
        }
    }

    /// Do an effect.
    fn act(&mut self, id: &EffectId) -> Outcome {
        let task = self.effects.get(id).expect("a stored effect").task.clone();
        if let Some(at) = self.refuse.iter().position(|(f, _)| *f == task.function()) {
            return self.refuse.remove(at).1;
        }
        match task {
            Task::Claim { .. } => Outcome::Claimed(BTreeMap::new()),
            Task::Preflight { .. } => Outcome::Problems(Vec::new()),
            Task::StartTest { servers } => self.launch(&servers, true),
            Task::StartCutover { servers, .. } => self.launch(&servers, false),
            Task::TerminateTests { servers } => {
                let job = self.job();
                for id in &servers {
                    let seen = self.seen.get_mut(id).expect("a server");
                    seen.job = Some(job_seen(&job, LaunchStatus::Terminated, None));
                }
                Outcome::Job(job)
            }
            Task::StopTargets { targets } => {
                for id in targets.keys() {
                    // What MGN forgot is not seen to stop either.
                    let seen = self.seen.get_mut(id);
                    if let Some(instance) = seen.and_then(|seen| seen.instance.as_mut()) {
                        (instance.running, instance.stopped) = (false, true);
                    }
                }
                Outcome::Servers(BTreeMap::new())
            }
            Task::KeepData { targets } => {
                for id in targets.keys() {
                    if let Some(seen) = self.seen.get_mut(id) {
                        seen.snapshots = SnapshotsSeen::Complete;
                    }
                }
                let kept = targets.into_keys().map(|id| {
                    let snapshot = format!("snap-{}", &id.as_str()[2..]);
                    (id, Ok(vec![SnapshotId::parse(snapshot).expect("an ID")]))
                });
                Outcome::Kept(kept.collect())
            }
            Task::ChangeLifeCycle { servers, to } => {
                for id in &servers {
                    let seen = self.seen.get_mut(id).expect("a server");
                    seen.life_cycle = match to {
                        LifeCycleTarget::ReadyForTest => LifeCycle::ReadyForTest,
                        LifeCycleTarget::ReadyForCutover => LifeCycle::ReadyForCutover,
                    };
                }
                Outcome::Servers(BTreeMap::new())
            }
            Task::RunDocument { .. } => {
                self.jobs += 1;
                if self.commands.len() > 1 {
                    self.commands.remove(0);
                }
                Outcome::Command(CommandId::parse(format!("c-{}", self.jobs)).expect("an ID"))
            }
            Task::Finalize { servers, .. } => {
                for id in servers.keys() {
                    self.seen.get_mut(id).expect("a server").life_cycle = LifeCycle::Cutover;
                }
                Outcome::Servers(BTreeMap::new())
            }
            Task::OpenGate { .. } => Outcome::Asked {
                posted: None,
                unreached: Vec::new(),
                refused: None,
            },
            Task::Release { .. }
            | Task::RetryReplication { .. }
            | Task::CloseQuestion { .. }
            | Task::Notify { .. } => Outcome::Done,
        }
    }

    fn job(&mut self) -> JobId {
        self.jobs += 1;
        JobId::parse(format!("mgnjob-{:017}", self.jobs)).expect("a job ID")
    }

    fn launch(&mut self, servers: &[ServerId], test: bool) -> Outcome {
        let job = self.job();
        for id in servers {
            let status = if self.launches.is_empty() {
                LaunchStatus::Launched
            } else {
                self.launches.remove(0)
            };
            let launched = status == LaunchStatus::Launched;
            let seen = self.seen.get_mut(id).expect("a server");
            let number = format!("i-{}{:010}", if test { "7e57" } else { "c0de" }, self.jobs);
            let instance = InstanceId::parse(number).expect("an instance ID");
            if test {
                seen.last_test = Some(job.clone());
            } else {
                seen.last_cutover = Some(job.clone());
            }
            seen.life_cycle = match (test, launched) {
                (true, true) => LifeCycle::Testing,
                (true, false) => LifeCycle::ReadyForTest,
                (false, true) => LifeCycle::CuttingOver,
                (false, false) => LifeCycle::ReadyForCutover,
            };
            seen.job = Some(job_seen(&job, status, launched.then(|| instance.clone())));
            seen.instance = Some(InstanceSeen {
                id: instance,
                running: true,
                gone: false,
                stopped: false,
                checks: StatusChecks::Passed,
                managed: true,
            });
        }
        Outcome::Job(job)
    }
}

fn job_seen(job: &JobId, launch: LaunchStatus, instance: Option<InstanceId>) -> JobSeen {
    JobSeen {
        id: job.clone(),
        completed: true,
        launch,
        instance,
        previous_snapshot: false,
        skipped: false,
    }
}

/// A server that replicates in step.
pub(crate) fn seen(n: usize, at: Timestamp) -> ServerSeen {
    ServerSeen {
        id: server_id(n),
        at,
        hostname: format!("host{n:02}"),
        fqdn: String::new(),
        tags: BTreeMap::new(),
        archived: false,
        life_cycle: LifeCycle::ReadyForTest,
        replication: Replication {
            state: ReplicationState::Continuous,
            lag: Some(SignedDuration::ZERO),
            backlog_bytes: 0,
            total_bytes: 1 << 34,
            replicated_bytes: 1 << 34,
            eta: None,
            last_snapshot: Some(at),
            error: None,
        },
        last_test: None,
        last_cutover: None,
        job: None,
        instance: None,
        node: Some(NodeId::parse(format!("mi-{n:017}")).expect("a node ID")),
        commands: BTreeMap::new(),
        snapshots: SnapshotsSeen::default(),
        settings: SettingsSeen::default(),
    }
}

/// A version of a launch template that names this type of instance.
pub(crate) fn settings(version: u64, instance_type: &str) -> LaunchSettings {
    let template = TemplateId::parse("lt-0123456789abcdef0").expect("a template");
    let mut content = Values::default();
    content.set("instance type", instance_type);
    LaunchSettings::new(template, version, Values::default(), content)
}
