//! `lifecycle` on fakes: server by server, twice is once.

use std::collections::BTreeMap;

use tidegate_domain::effect::{EffectStatus, LifeCycleTarget, Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::id::ServerId;
use tidegate_domain::observation::LifeCycle;
use tidegate_ports::act::Response;
use tidegate_ports::error::{HandlerError, ReadError};
use tidegate_world::contract::fixtures::server_id;
use tidegate_world::fakes::{FakeMgn, Fate, FixedClock, Planned, run};

fn servers() -> Vec<ServerId> {
    (1..=3)
        .map(|number| server_id("lifecycle", number))
        .collect()
}

struct Test {
    planned: Planned,
    mgn: FakeMgn,
    clock: FixedClock,
}

impl Test {
    fn new(task: Task) -> Self {
        Self {
            planned: run(Planned::new(task)),
            mgn: FakeMgn::with(&servers(), LifeCycle::Testing),
            clock: FixedClock::default(),
        }
    }

    fn accept() -> Self {
        Self::new(Task::ChangeLifeCycle {
            servers: servers(),
            to: LifeCycleTarget::ReadyForCutover,
        })
    }

    fn handle(&self) -> Result<Response, HandlerError> {
        let (store, mgn) = (&self.planned.store, &self.mgn);
        let ports = lifecycle::Ports {
            effects: store,
            life_cycles: mgn,
            mgn,
            clock: &self.clock,
        };
        run(lifecycle::handle(
            self.planned.request.clone(),
            &ports,
            self.clock.deadline(),
        ))
    }

    fn refusals(&self) -> Option<BTreeMap<ServerId, Refusal>> {
        match self.planned.status() {
            EffectStatus::Answered {
                outcome: Outcome::Servers(refusals),
                ..
            } => Some(refusals),
            _ => None,
        }
    }
}

#[test]
fn every_server_is_changed() {
    let test = Test::accept();
    test.handle().expect("it is done");
    assert_eq!(test.refusals(), Some(BTreeMap::new()));
    let servers = test.mgn.servers.borrow();
    assert!(
        servers
            .values()
            .all(|server| server.life_cycle == LifeCycle::ReadyForCutover)
    );
}

#[test]
fn a_refused_server_does_not_keep_the_others() {
    let test = Test::accept();
    test.mgn
        .script
        .next(&[Fate::Done, Fate::Refused(RefusalKind::Conflict)]);
    test.handle().expect("it is answered");
    let refusals = test.refusals().expect("it is answered");
    assert_eq!(refusals.keys().collect::<Vec<_>>(), [&servers()[1]]);
    assert_eq!(test.mgn.calls().len(), 3);
}

#[test]
fn a_conflict_about_a_server_that_is_there_already_is_no_refusal() {
    let test = Test::accept();
    test.mgn.change(&servers()[0], |server| {
        server.life_cycle = LifeCycle::ReadyForCutover
    });
    test.mgn
        .script
        .next(&[Fate::Refused(RefusalKind::Conflict)]);
    test.handle().expect("it is answered");
    assert_eq!(test.refusals(), Some(BTreeMap::new()));
}

#[test]
fn a_lost_answer_is_found_by_reading() {
    let test = Test::accept();
    test.mgn.script.next(&[Fate::Lost]);
    test.handle().expect("it is done");
    assert_eq!(test.refusals(), Some(BTreeMap::new()));
    assert_eq!(test.mgn.calls().len(), 3);
}

#[test]
fn what_nobody_knows_is_taken_up_again_and_only_the_rest_is_done() {
    let test = Test::accept();
    test.mgn.script.next(&[Fate::Done, Fate::Fails]);
    assert_eq!(test.handle().expect_err("nobody knows").name(), "Retryable");
    assert_eq!(test.refusals(), None);
    test.clock.pass(80);
    test.handle().expect("it is done");
    assert_eq!(test.refusals(), Some(BTreeMap::new()));
    let wanted = |server: &ServerId| format!("ReadyForCutover {server}");
    let ids = servers();
    assert_eq!(
        test.mgn.calls(),
        [
            wanted(&ids[0]),
            wanted(&ids[1]),
            wanted(&ids[1]),
            wanted(&ids[2])
        ]
    );
}

#[test]
fn a_second_try_that_cannot_look_calls_nothing() {
    let test = Test::accept();
    test.mgn.script.next(&[Fate::Fails]);
    test.handle().expect_err("nobody knows");
    test.clock.pass(80);
    *test.mgn.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    test.handle().expect_err("it cannot look");
    assert_eq!(test.mgn.calls().len(), 1);
}

#[test]
fn stalled_replications_are_retried() {
    let test = Test::new(Task::RetryReplication { servers: servers() });
    test.mgn
        .script
        .next(&[Fate::Refused(RefusalKind::Conflict)]);
    test.handle().expect("it is answered");
    let refusals = test.refusals().expect("it is answered");
    assert_eq!(refusals.keys().collect::<Vec<_>>(), [&servers()[0]]);
    assert_eq!(test.mgn.calls().len(), 3);
}

#[test]
fn another_functions_effect_is_a_permanent_error() {
    let test = Test::new(Task::StartTest { servers: servers() });
    assert_eq!(
        test.handle().expect_err("it is launch's").name(),
        "Permanent"
    );
    assert!(test.mgn.calls().is_empty());
}
