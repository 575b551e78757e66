//! A world with one wave of one server, and what is done to it.

use jiff::{SignedDuration, Timestamp};
use mgn_sim::region::Region;
use mgn_sim::ssm::SsmConfig;
use mgn_sim::{Config, InitialState, Machine};
use serde_json::json;
use std::rc::Rc;
use tidegate_domain::gate::{Gate, GateState};
use tidegate_domain::id::{EffectId, MessageId, ServerId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::plan::Approver;
use tidegate_domain::server::{Launch, Passed, Stage, Trial};
use tidegate_domain::wave::Phase;
use tidegate_ports::claims::Claims;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::mgn::EFFECT_TAG;
use tidegate_ports::turns::Turns;
use tidegate_world::cloud::{Cloud, Function};
use tidegate_world::contract::fixtures::{Draft, all_seen, at, job_id, servers, wave_id};
use tidegate_world::fakes::run;
use tidegate_world::faults::Faults;
use tidegate_world::invariants::{Change, StartedJob, before, read};
use tidegate_world::journal::Journal;

/// A world with one wave of one server, which is ready to be cut over and then to be finalized.
pub(crate) struct Test {
    pub(crate) cloud: Rc<Cloud>,
    pub(crate) draft: Draft,
    pub(crate) server: ServerId,
    pub(crate) effect: EffectId,
}

impl Test {
    pub(crate) fn new() -> Self {
        let id = servers("checks", 1)[0].id.clone();
        let machine = Machine {
            id: Some(id.to_string()),
            state: Some(InitialState::ReadyForTest),
            ..Machine::named("db0000")
        };
        let mgn = Config {
            start: Some(at(0)),
            inventory: vec![machine],
            ..Config::default()
        };
        let region = Region::new(mgn, SsmConfig::default());
        let cloud = Cloud::new(at(0), 1, region, Faults::none(), Journal::off());
        let cloud = cloud.expect("the state machine runs");

        let wave = wave_id("orders");
        let loaded = run(cloud.table.load(&wave)).expect("a read");
        let mut draft = Draft::next(&wave, loaded, at(0));
        draft.servers = servers("checks", 1);
        draft.servers[0].stage = Stage::Replicating;
        draft.servers[0].test = Some(passed(1));
        draft.servers[0].cutover = Some(passed(2));
        draft.wave.phase = Phase::CuttingOver;
        for (gate, job) in [(Gate::Cutover, 1), (Gate::Finalize, 2)] {
            let approved = GateState::Approved {
                evidence: String::new(),
                at: at(0),
                by: Vec::new(),
                jobs: [(id.clone(), job_id(job))].into(),
                settings: Default::default(),
                put_off: Default::default(),
                question: None,
                acted_on: None,
                lapse: None,
            };
            draft.wave.gates.insert(gate, approved);
        }
        let effect = draft.plan(std::slice::from_ref(&id));
        run(Turns::save(&cloud.table, &draft.turn())).expect("a turn");
        run(Claims::claim(&cloud.table, &id, &wave)).expect("a claim");
        let test = Self {
            cloud,
            draft,
            server: id,
            effect,
        };
        test.started(1, "StartTest");
        test.started(2, "StartCutover");
        test.cloud
            .checks
            .borrow_mut()
            .soaking
            .insert(wave, at(-100_000));
        let mut seen = all_seen("checks", 1, at(0));
        for server in seen.values_mut() {
            server.replication.state = ReplicationState::Continuous;
            server.replication.lag = Some(SignedDuration::ZERO);
            server.replication.backlog_bytes = 0;
        }
        read(&test.cloud, &seen.into_values().collect::<Vec<_>>());
        test
    }

    pub(crate) fn started(&self, job: usize, operation: &str) {
        let started = StartedJob {
            operation: operation.to_owned(),
            effect: self.effect.clone(),
            wave: wave_id("orders"),
            servers: vec![self.server.clone()],
        };
        self.cloud
            .checks
            .borrow_mut()
            .jobs
            .insert(job_id(job), started);
    }

    /// Save the wave once more, changed.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Draft)) {
        let loaded = run(self.cloud.table.load(&wave_id("orders"))).expect("a read");
        let mut draft = Draft::next(&wave_id("orders"), loaded, at(0));
        change(&mut draft);
        run(Turns::save(&self.cloud.table, &draft.turn())).expect("a turn");
        self.draft = draft;
    }

    pub(crate) fn call(&self, function: Function, operation: &str) -> Change {
        let input = match operation {
            "FinalizeCutover" => json!({"sourceServerID": self.server}),
            _ => json!({"sourceServerIDs": [self.server], "tags": {EFFECT_TAG: self.effect}}),
        };
        Change::new(function, operation, &input)
    }

    pub(crate) fn cut_over(&self) -> Vec<u8> {
        before(&self.cloud, &self.call(Function::Launch, "StartCutover"));
        self.violated()
    }

    /// A person's message comes in.
    pub(crate) fn says(&self, at: Timestamp, body: Body) -> MessageId {
        let id = MessageId::parse("said").expect("a name");
        let message = Message {
            id: id.clone(),
            at,
            by: Approver::Mail("ops@example.com".to_owned()),
            body,
        };
        let wanted = (wave_id("orders"), message.by.clone(), message.body.clone());
        self.cloud.wanted.borrow_mut().push(wanted);
        run(Inbox::append(
            &self.cloud.table,
            &wave_id("orders"),
            &message,
        ))
        .expect("appended");
        id
    }

    pub(crate) fn violated(&self) -> Vec<u8> {
        self.cloud
            .checks
            .borrow()
            .violations
            .iter()
            .map(|v| v.invariant)
            .collect()
    }
}

pub(crate) fn passed(job: usize) -> Passed {
    let instance = "i-0000000000000000a"
        .to_owned()
        .try_into()
        .expect("an instance");
    Passed {
        settings: None,
        launch: Launch {
            job: job_id(job),
            instance,
            requested_at: at(0),
        },
        at: at(0),
        checks: 1,
        trial: Trial::default(),
    }
}
