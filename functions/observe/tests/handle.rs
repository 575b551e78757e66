//! `observe` on fakes: what is read is written down, what cannot be read stays as it was.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use observe::{Ports, Request, Response};
use tidegate_domain::id::{InstanceId, JobId, NodeId, ServerId, SnapshotId};
use tidegate_domain::observation::{
    Answer, CommandStatus, InstanceSeen, LaunchStatus, LifeCycle, ServerSeen, SnapshotsSeen,
    StatusChecks, WaveSeen,
};
use tidegate_domain::plan::{Document, Quiesce};
use tidegate_domain::server::{
    End, JobStep, Kept, Launch, Purpose, Run, RunStep, Server, Stage, Target, Then,
};
use tidegate_domain::wave::{Claims, Phase};
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::{HandlerError, ReadError};
use tidegate_ports::mgn::{Job, JobLog, JobServer};
use tidegate_ports::turns::Turns;
use tidegate_world::contract::fixtures::{Draft, at, command_id, job_id, servers, wave_id};
use tidegate_world::fakes::{FakeMgn, FakeSsm, FixedClock, run};
use tidegate_world::memory::MemoryStore;

struct Test {
    store: MemoryStore,
    mgn: FakeMgn,
    ssm: FakeSsm,
    clock: FixedClock,
    servers: Vec<ServerId>,
}

impl Test {
    /// A wave in `phase` whose servers stand in these stages.
    fn new(phase: Phase, stages: Vec<Stage>) -> Self {
        Self::with(phase, stages, |_| {})
    }

    fn with(phase: Phase, stages: Vec<Stage>, change: impl Fn(&mut Server)) -> Self {
        let (store, wave) = (MemoryStore::new(), wave_id("orders"));
        run(store.create(&wave, at(0))).expect("a driver");
        let loaded = run(store.load(&wave)).expect("a read");
        let mut draft = Draft::next(&wave, loaded, at(0));
        draft.wave.phase = phase;
        draft.wave.claims = Claims::Held;
        for application in &mut draft.wave.plan.applications {
            application.quiesce = Some(Quiesce {
                stop: document(),
                start: None,
            });
            application.validate = vec![document()];
        }
        draft.servers = servers("observe", stages.len());
        for (server, stage) in draft.servers.iter_mut().zip(stages) {
            server.stage = stage;
            change(server);
        }
        let ids: Vec<ServerId> = draft
            .servers
            .iter()
            .map(|server| server.id.clone())
            .collect();
        run(Turns::save(&store, &draft.turn())).expect("a turn");
        let mgn = FakeMgn::with(&ids, LifeCycle::Testing);
        Self {
            store,
            mgn,
            ssm: FakeSsm::default(),
            clock: FixedClock::default(),
            servers: ids,
        }
    }

    fn one(stage: Stage) -> Self {
        Self::new(Phase::Testing, vec![stage])
    }

    fn observe(&self, generation: u64) -> Result<Response, HandlerError> {
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
            generation,
            execution: String::new(),
        };
        run(observe::handle(
            request,
            &ports,
            SignedDuration::from_secs(180),
        ))
    }

    fn seen(&self) -> (WaveSeen, BTreeMap<ServerId, ServerSeen>) {
        self.clock.pass(1);
        self.observe(1).expect("it observes");
        self.store
            .inspect(|tables| tables.seen[&wave_id("orders")].clone())
    }

    /// What is seen of the first server.
    fn first(&self) -> ServerSeen {
        self.seen().1[&self.servers[0]].clone()
    }

    fn job(&self, completed: bool, launch: LaunchStatus) {
        let servers = vec![JobServer {
            id: self.servers[0].clone(),
            launch,
            instance: (launch == LaunchStatus::Launched).then(instance_id),
        }];
        *self.mgn.jobs.borrow_mut() = vec![Job {
            id: job_id(1),
            completed,
            effect: None,
            servers,
        }];
    }
}

fn document() -> Document {
    Document {
        document: "Tidegate-CheckPort".to_owned(),
        parameters: BTreeMap::new(),
        timeout: SignedDuration::from_mins(5),
    }
}

fn instance_id() -> InstanceId {
    InstanceId::parse("i-0000000000000000a").expect("an instance")
}

fn node(text: &str) -> NodeId {
    NodeId::parse(text).expect("a node")
}

fn launch(job: JobId) -> Launch {
    Launch {
        job,
        instance: instance_id(),
        requested_at: at(0),
    }
}

fn launching() -> Stage {
    Stage::Launching {
        purpose: Purpose::Test,
        step: JobStep::Running {
            job: job_id(1),
            since: at(0),
        },
    }
}

fn validating() -> Stage {
    let step = RunStep::Running {
        command: command_id("command-1"),
        since: at(0),
    };
    Stage::Validating {
        purpose: Purpose::Test,
        launch: launch(job_id(1)),
        check: 0,
        run: Run { tries: 1, step },
    }
}

fn quiescing() -> Stage {
    let step = RunStep::Running {
        command: command_id("command-1"),
        since: at(0),
    };
    Stage::Quiescing {
        run: Run { tries: 1, step },
    }
}

#[test]
fn a_wave_without_a_decision_is_only_noted_to_be_at_work() {
    let test = Test::one(launching());
    let (store, other) = (&test.store, wave_id("billing"));
    run(store.create(&other, at(0))).expect("a driver");
    run(store.count_wake(&other)).expect("a wake");
    let ports = Ports {
        drivers: store,
        observations: store,
        mgn: &test.mgn,
        commands: &test.ssm,
        ec2: &test.mgn,
        clock: &test.clock,
    };
    let request = Request {
        wave: other.clone(),
        generation: 1,
        execution: String::new(),
    };
    let response = run(observe::handle(
        request,
        &ports,
        SignedDuration::from_secs(180),
    ));
    assert_eq!(response.expect("it observes"), Response { wakes: 1 });
    store.inspect(|tables| {
        assert_eq!(tables.drivers[&other].driver.wake_at, Some(at(180)));
        assert!(!tables.seen.contains_key(&other));
    });
}

#[test]
fn a_superseded_driver_reads_and_writes_nothing() {
    let test = Test::one(launching());
    let loaded = run(test.store.load(&wave_id("orders"))).expect("a read");
    let mut draft = Draft::next(&wave_id("orders"), loaded, at(0));
    draft.wave.generation = 2;
    run(Turns::save(&test.store, &draft.turn())).expect("a turn");
    test.observe(1).expect("it ends");
    test.store.inspect(|tables| assert!(tables.seen.is_empty()));
}

#[test]
fn a_job_and_what_its_log_says_are_seen() {
    let test = Test::one(launching());
    test.job(false, LaunchStatus::InProgress);
    let job = test.first().job.expect("its job");
    assert_eq!(
        (job.launch, job.completed),
        (LaunchStatus::InProgress, false)
    );

    test.job(false, LaunchStatus::Launched);
    let log = JobLog {
        previous_snapshot: test.servers.clone(),
        skipped: Vec::new(),
    };
    test.mgn.logs.borrow_mut().insert(job_id(1), log);
    let job = test.first().job.expect("its job");
    assert_eq!(job.instance, Some(instance_id()));
    assert!(job.previous_snapshot && !job.skipped);
}

#[test]
fn what_a_log_said_stays_when_it_is_not_read_again() {
    let test = Test::one(launching());
    test.job(false, LaunchStatus::Launched);
    let log = JobLog {
        previous_snapshot: test.servers.clone(),
        skipped: Vec::new(),
    };
    test.mgn.logs.borrow_mut().insert(job_id(1), log);
    test.first();
    test.mgn.logs.borrow_mut().clear();
    test.job(true, LaunchStatus::Launched);
    let (round, seen) = test.seen();
    assert_eq!(round.mgn, Answer::Answered);
    let job = seen[&test.servers[0]].job.clone().expect("its job");
    assert!(job.completed && job.previous_snapshot);
}

#[test]
fn a_launch_is_not_believed_before_its_log_was_read() {
    let test = Test::one(launching());
    test.job(false, LaunchStatus::InProgress);
    test.first();
    test.job(true, LaunchStatus::Launched);
    let (round, seen) = test.seen();
    let job = seen[&test.servers[0]]
        .job
        .clone()
        .expect("its job as it was");
    assert_eq!(
        (job.launch, job.completed),
        (LaunchStatus::InProgress, false)
    );
    assert!(matches!(round.mgn, Answer::Failed(_)));
}

#[test]
fn a_server_that_its_completed_job_does_not_name_was_not_launched() {
    let test = Test::one(launching());
    test.mgn.logs.borrow_mut().insert(
        job_id(1),
        JobLog {
            previous_snapshot: Vec::new(),
            skipped: Vec::new(),
        },
    );
    *test.mgn.jobs.borrow_mut() = vec![Job {
        id: job_id(1),
        completed: true,
        effect: None,
        servers: Vec::new(),
    }];
    let job = test.first().job.expect("its job");
    assert_eq!((job.launch, job.completed), (LaunchStatus::Unknown, true));
}

#[test]
fn what_a_service_does_not_answer_stays_as_it_was() {
    let test = Test::one(launching());
    let (before, _) = (test.first(), test.clock.pass(60));
    for (error, answer) in [
        (
            ReadError::Failed("down".to_owned()),
            Answer::Failed("down".to_owned()),
        ),
        (ReadError::Uninitialized, Answer::Uninitialized),
        (
            ReadError::Denied("no".to_owned()),
            Answer::Denied("no".to_owned()),
        ),
    ] {
        *test.mgn.down.borrow_mut() = Some(error);
        let (round, seen) = test.seen();
        assert_eq!(round.mgn, answer);
        let mut now = seen[&test.servers[0]].clone();
        // That launch settings cannot be read is said where they are.
        assert!(now.settings.failing.is_some());
        now.settings = before.settings.clone();
        assert_eq!(now, before);
    }
}

#[test]
fn a_server_that_mgn_does_not_know_any_more_is_not_made_up() {
    let test = Test::one(launching());
    test.first();
    test.mgn.servers.borrow_mut().clear();
    test.clock.pass(600);
    assert!(test.seen().1.is_empty());
}

#[test]
fn an_instance_is_seen_with_its_checks_and_whether_ssm_reaches_it() {
    let stage = Stage::Checking {
        purpose: Purpose::Test,
        launch: launch(job_id(1)),
        since: at(0),
    };
    let test = Test::one(stage);
    let booting = InstanceSeen {
        id: instance_id(),
        running: true,
        gone: false,
        stopped: false,
        checks: StatusChecks::Passed,
        managed: false,
    };
    test.mgn
        .instances
        .borrow_mut()
        .insert(instance_id(), booting.clone());
    assert_eq!(test.first().instance, Some(booting.clone()));
    test.ssm.managed.borrow_mut().insert(instance_id());
    let managed = InstanceSeen {
        managed: true,
        ..booting
    };
    assert_eq!(test.first().instance, Some(managed.clone()));

    *test.ssm.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    let (round, seen) = test.seen();
    assert!(matches!(round.others, Answer::Failed(_)));
    assert_eq!(seen[&test.servers[0]].instance, Some(managed));
}

#[test]
fn a_command_is_seen_on_the_servers_own_node() {
    let test = Test::one(validating());
    assert_eq!(
        test.first().commands,
        BTreeMap::from([(command_id("command-1"), CommandStatus::Pending)])
    );
    let status = |succeeds: &str, fails: &str| {
        BTreeMap::from([
            (node(succeeds), CommandStatus::Succeeded),
            (node(fails), CommandStatus::Failed("no".to_owned())),
        ])
    };
    test.ssm.statuses.borrow_mut().insert(
        command_id("command-1"),
        status("i-0000000000000000a", "i-0000000000000000b"),
    );
    assert_eq!(
        test.first().commands[&command_id("command-1")],
        CommandStatus::Succeeded
    );
}

#[test]
fn a_source_is_found_by_its_name_and_only_if_there_is_one() {
    for (nodes, expected) in [
        (vec![("mi-1", "DB0000")], Some("mi-1")),
        (vec![("mi-1", "db0000.other.example.com")], Some("mi-1")),
        (
            vec![("mi-1", "db0000.other.example.com"), ("mi-2", "db0000")],
            Some("mi-2"),
        ),
        (vec![("mi-1", "db0000"), ("mi-2", "DB0000")], None),
        (vec![("mi-1", "db0001")], None),
        (vec![], None),
    ] {
        let test = Test::one(quiescing());
        test.mgn.change(&test.servers[0], |server| {
            server.hostname = "db0000".to_owned();
            server.fqdn = "db0000.corp.example.com".to_owned();
        });
        let named = nodes
            .iter()
            .map(|(id, name)| (node(id), (*name).to_owned()));
        test.ssm.nodes.borrow_mut().extend(named);
        assert_eq!(test.first().node, expected.map(node), "{nodes:?}");
    }
}

#[test]
fn what_is_of_no_interest_any_more_is_dropped() {
    let test = Test::one(validating());
    test.first();
    let loaded = run(test.store.load(&wave_id("orders"))).expect("a read");
    let mut draft = Draft::next(&wave_id("orders"), loaded, at(0));
    for server in &mut draft.servers {
        *server = Server {
            stage: Stage::Replicating,
            ..server.clone()
        };
    }
    run(Turns::save(&test.store, &draft.turn())).expect("a turn");
    let seen = test.first();
    assert!(seen.commands.is_empty() && seen.job.is_none() && seen.instance.is_none());
}

#[test]
fn a_round_that_woke_up_late_does_not_replace_a_later_one() {
    let test = Test::one(launching());
    test.clock.pass(60);
    let (later, _) = test.seen();
    test.clock.pass(-120);
    let (kept, _) = test.seen();
    assert_eq!(kept, later);
}

#[test]
fn snapshots_are_complete_once_all_of_them_are() {
    let ids: Vec<SnapshotId> = (1..3)
        .map(|n| SnapshotId::parse(format!("snap-{n:017}")).expect("an ID"))
        .collect();
    let then = Then::CleanUp(End::RolledBack);
    let test = Test::with(
        Phase::RollingBack,
        vec![Stage::Copying { then }],
        |server| {
            server.kept = Some(Kept {
                snapshots: ids.clone(),
                complete: false,
            });
        },
    );
    let set = |number: usize, state| {
        let of = (instance_id(), state);
        let mut snapshots = test.mgn.snapshots.borrow_mut();
        snapshots.insert(ids[number].clone(), of);
    };
    set(0, SnapshotsSeen::Complete);
    set(1, SnapshotsSeen::Pending);
    assert_eq!(test.first().snapshots, SnapshotsSeen::Pending);
    set(1, SnapshotsSeen::Complete);
    assert_eq!(test.first().snapshots, SnapshotsSeen::Complete);
    set(0, SnapshotsSeen::Failed);
    assert_eq!(test.first().snapshots, SnapshotsSeen::Failed);
    // What cannot be read stays as it was.
    *test.mgn.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    set(0, SnapshotsSeen::Complete);
    assert_eq!(test.first().snapshots, SnapshotsSeen::Failed);
}

#[test]
fn a_command_on_a_target_is_not_taken_for_the_sources() {
    let command = command_id("command-1");
    let stage = Stage::Silencing {
        run: Run {
            tries: 1,
            step: RunStep::Running {
                command: command.clone(),
                since: at(0),
            },
        },
        then: Then::CleanUp(End::RolledBack),
    };
    let test = Test::with(Phase::RollingBack, vec![stage], |server| {
        server.target = Some(Target {
            instance: instance_id(),
            stopped: false,
        });
    });
    let other = CommandStatus::Failed("it is another machine".to_owned());
    test.ssm.statuses.borrow_mut().insert(
        command.clone(),
        BTreeMap::from([
            (node("mi-0000000000000000b"), other),
            (node(instance_id().as_str()), CommandStatus::Succeeded),
        ]),
    );
    assert_eq!(test.first().commands[&command], CommandStatus::Succeeded);
}
