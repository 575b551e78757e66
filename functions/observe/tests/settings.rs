//! Launch settings as `observe` reads them: few calls, nothing made up, and a failure that stays
//! its server's own.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use observe::{Ports, Request};
use tidegate_domain::id::{InstanceId, ServerId, TemplateId};
use tidegate_domain::launch_settings::{LaunchSettings, Values};
use tidegate_domain::observation::{Answer, LifeCycle, SettingsSeen, WaveSeen};
use tidegate_domain::server::{JobStep, Launch, Passed, Purpose, Stage, TestInstance, Trial};
use tidegate_domain::wave::{Claims, Phase};
use tidegate_ports::driver::Drivers;
use tidegate_ports::settings::Configuration;
use tidegate_ports::turns::Turns;
use tidegate_world::contract::fixtures::{Draft, at, job_id, servers, wave_id};
use tidegate_world::fakes::{FakeMgn, FakeSsm, FixedClock, run};
use tidegate_world::memory::MemoryStore;

struct Test {
    store: MemoryStore,
    mgn: FakeMgn,
    ssm: FakeSsm,
    clock: FixedClock,
    servers: Vec<ServerId>,
}

/// Being launched for a test since the beginning.
fn launching() -> Stage {
    Stage::Launching {
        purpose: Purpose::Test,
        step: JobStep::Running {
            job: job_id(1),
            since: at(0),
        },
    }
}

fn tested() -> Stage {
    Stage::Tested {
        instance: TestInstance::Gone,
    }
}

fn template(number: usize) -> TemplateId {
    TemplateId::parse(format!("lt-{number:017x}")).expect("a template")
}

fn subnet(name: &str) -> Values {
    let mut values = Values::default();
    values.set("subnet", name);
    values
}

impl Test {
    /// A wave of so many servers in that stage, each with a template of its own.
    fn new(count: usize, stage: &Stage) -> Self {
        let (store, wave) = (MemoryStore::new(), wave_id("orders"));
        run(store.create(&wave, at(0))).expect("a driver");
        let ids: Vec<ServerId> = servers("settings", count)
            .into_iter()
            .map(|s| s.id)
            .collect();
        let mgn = FakeMgn::with(&ids, LifeCycle::Testing);
        for (number, id) in ids.iter().enumerate() {
            let configuration = Configuration {
                template: template(number),
                values: Values::default(),
            };
            mgn.configurations
                .borrow_mut()
                .insert(id.clone(), configuration);
            mgn.templates
                .borrow_mut()
                .insert(template(number), (1, subnet("subnet-1")));
        }
        let test = Self {
            store,
            mgn,
            ssm: FakeSsm::default(),
            clock: FixedClock::default(),
            servers: ids,
        };
        test.stand(stage, None);
        test
    }

    /// Let every server stand in that stage, with a test that was launched with these settings.
    fn stand(&self, stage: &Stage, settings: Option<&LaunchSettings>) {
        let loaded = run(self.store.load(&wave_id("orders"))).expect("a read");
        let mut draft = Draft::next(&wave_id("orders"), loaded, at(0));
        draft.wave.phase = Phase::Testing;
        draft.wave.claims = Claims::Held;
        draft.servers = servers("settings", self.servers.len());
        for server in &mut draft.servers {
            server.stage = stage.clone();
            server.test = settings.map(|settings| Passed {
                launch: Launch {
                    job: job_id(1),
                    instance: InstanceId::parse("i-0a").expect("an instance"),
                    requested_at: at(0),
                },
                at: at(0),
                checks: 0,
                trial: Trial::default(),
                settings: Some(settings.digest().to_owned()),
            });
        }
        run(Turns::save(&self.store, &draft.turn())).expect("a turn");
    }

    /// Another round, that many seconds later.
    fn look(&self, seconds: i64) -> (WaveSeen, BTreeMap<ServerId, SettingsSeen>) {
        self.clock.pass(seconds);
        self.mgn.reads.borrow_mut().clear();
        let ports = Ports {
            drivers: &self.store,
            observations: &self.store,
            mgn: &self.mgn,
            commands: &self.ssm,
            ec2: &self.mgn,
            clock: &self.clock,
        };
        let request = Request {
            wave: wave_id("orders"),
            generation: 1,
            execution: String::new(),
        };
        let lease = SignedDuration::from_secs(180);
        run(observe::handle(request, &ports, lease)).expect("it observes");
        let (round, seen) = self
            .store
            .inspect(|tables| tables.seen[&wave_id("orders")].clone());
        let settings = seen.into_iter().map(|(id, seen)| (id, seen.settings));
        (round, settings.collect())
    }

    fn first(&self, seconds: i64) -> SettingsSeen {
        self.look(seconds).1[&self.servers[0]].clone()
    }

    /// Configurations, look-ups and contents read in the last round.
    fn reads(&self) -> [usize; 3] {
        let reads = self.mgn.reads.borrow();
        let of = |call| reads.get(call).copied().unwrap_or(0);
        [
            of("GetLaunchConfiguration"),
            of("DescribeLaunchTemplates"),
            of("DescribeLaunchTemplateVersions"),
        ]
    }

    fn change(&self, number: usize, version: u64, values: Values) {
        self.mgn
            .templates
            .borrow_mut()
            .insert(template(number), (version, values));
    }
}

#[test]
fn a_test_is_read_once_while_it_is_launched() {
    let test = Test::new(3, &launching());
    test.look(1);
    // Servers are read first: nothing is known of them yet.
    test.look(1);
    assert_eq!(test.reads(), [3, 1, 3]);
    let seen = test.first(1);
    assert_eq!(test.reads(), [0, 0, 0]);
    let known = seen.known.expect("they are known");
    assert_eq!((known.template.clone(), known.version), (template(0), 1));
    assert_eq!(known.content.get("subnet"), Some("subnet-1"));
    assert_eq!(
        (seen.configuration_at, seen.template_at),
        (Some(at(2)), Some(at(2)))
    );
    assert_eq!(seen.failing, None);
}

#[test]
fn what_rests_is_read_little_by_little_and_templates_all_at_once() {
    let test = Test::new(50, &launching());
    test.look(1);
    test.look(1);
    let known = test.first(1).known.expect("they are known");
    test.stand(&tested(), Some(&known));
    test.look(60);
    assert_eq!(test.reads(), [0, 0, 0], "not yet");
    // Twenty looks of the plan, a minute each, have gone by.
    test.look(1_200);
    assert_eq!(test.reads(), [20, 1, 0]);
    test.look(60);
    assert_eq!(test.reads(), [20, 1, 0]);
    test.look(60);
    assert_eq!(test.reads(), [10, 1, 0]);
    test.look(60);
    assert_eq!(test.reads(), [0, 0, 0]);
}

#[test]
fn another_default_version_is_read_and_what_was_tested_is_kept() {
    let test = Test::new(1, &launching());
    test.look(1);
    test.look(1);
    let known = test.first(1).known.expect("they are known");
    test.stand(&tested(), Some(&known));
    test.change(0, 2, subnet("subnet-2"));
    let seen = test.first(1_200);
    assert_eq!(test.reads(), [1, 1, 1]);
    let now = seen.known.clone().expect("they are known");
    assert_eq!(
        (now.version, now.content.get("subnet")),
        (2, Some("subnet-2"))
    );
    assert_eq!(seen.tested.as_ref(), Some(&known));
    // Again something else, and back to what was tested.
    test.change(0, 3, subnet("subnet-3"));
    let seen = test.first(1_200);
    assert_eq!(seen.tested.as_ref(), Some(&known));
    test.change(0, 4, subnet("subnet-1"));
    let seen = test.first(1_200);
    assert_eq!(
        (seen.tested, seen.known.map(|k| k.version)),
        (None, Some(4))
    );
}

#[test]
fn what_cannot_be_read_is_said_of_its_server_alone() {
    let test = Test::new(2, &launching());
    test.mgn.templates.borrow_mut().remove(&template(0));
    test.mgn
        .configurations
        .borrow_mut()
        .remove(&test.servers[1]);
    test.look(1);
    let (round, seen) = test.look(1);
    assert_eq!(
        (round.mgn, round.others),
        (Answer::Answered, Answer::Answered)
    );
    let failing = |n: usize| seen[&test.servers[n]].failing.clone().expect("it fails");
    assert_eq!(
        failing(0).message,
        "launch template lt-00000000000000000 does not exist"
    );
    assert!(failing(1).message.starts_with("not found: "));
    assert!(!failing(0).configuration && failing(1).configuration);
    // It is asked for again, and what fails stays failing since then.
    test.change(0, 1, subnet("subnet-1"));
    let (_, seen) = test.look(60);
    let first = &seen[&test.servers[0]];
    assert!(first.known.is_some() && first.failing.is_none());
    let second = seen[&test.servers[1]].failing.clone().expect("it fails");
    assert_eq!((second.since, second.at), (at(2), at(62)));
    assert!(seen[&test.servers[1]].unreadable().is_some());
}
