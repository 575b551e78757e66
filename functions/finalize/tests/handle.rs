//! `finalize` on fakes: the irreversible step is taken once, and only for what was validated.

use std::collections::BTreeMap;

use tidegate_domain::effect::{EffectStatus, Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::id::ServerId;
use tidegate_domain::observation::LifeCycle;
use tidegate_ports::act::Response;
use tidegate_ports::error::{HandlerError, ReadError};
use tidegate_world::contract::fixtures::{at, job_id, server_id};
use tidegate_world::fakes::{FakeMgn, Fate, FixedClock, Planned, run};

fn servers() -> Vec<ServerId> {
    (1..=3)
        .map(|number| server_id("finalize", number))
        .collect()
}

struct Test {
    planned: Planned,
    mgn: FakeMgn,
    clock: FixedClock,
}

impl Test {
    /// Three servers whose cutovers by job 1 were validated.
    fn new() -> Self {
        let validated = servers()
            .into_iter()
            .map(|server| (server, job_id(1)))
            .collect();
        let mgn = FakeMgn::with(&servers(), LifeCycle::CuttingOver);
        for server in servers() {
            mgn.change(&server, |server| server.last_cutover = Some(job_id(1)));
        }
        Self {
            planned: run(Planned::new(Task::Finalize {
                servers: validated,
                not_after: at(30),
            })),
            mgn,
            clock: FixedClock::default(),
        }
    }

    fn handle(&self) -> Result<Response, HandlerError> {
        let (store, mgn) = (&self.planned.store, &self.mgn);
        let ports = finalize::Ports {
            effects: store,
            finalizes: mgn,
            mgn,
            clock: &self.clock,
        };
        run(finalize::handle(
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
fn validated_servers_are_finalized() {
    let test = Test::new();
    test.handle().expect("it is done");
    assert_eq!(test.refusals(), Some(BTreeMap::new()));
    assert_eq!(test.mgn.calls().len(), 3);
}

#[test]
fn a_server_that_was_cut_over_again_is_not_finalized() {
    let test = Test::new();
    let ids = servers();
    test.mgn
        .change(&ids[0], |server| server.last_cutover = Some(job_id(2)));
    test.mgn.change(&ids[1], |server| {
        server.life_cycle = LifeCycle::ReadyForCutover
    });
    test.handle().expect("it is answered");
    let refusals = test.refusals().expect("it is answered");
    assert_eq!(refusals.keys().collect::<Vec<_>>(), [&ids[0], &ids[1]]);
    assert!(
        refusals
            .values()
            .all(|refusal| refusal.kind == RefusalKind::Guard)
    );
    assert_eq!(test.mgn.calls(), [format!("FinalizeCutover {}", ids[2])]);
}

#[test]
fn a_server_that_is_finalized_already_is_done_if_it_is_the_same_cutover() {
    let test = Test::new();
    let ids = servers();
    test.mgn
        .change(&ids[0], |server| server.life_cycle = LifeCycle::Cutover);
    test.mgn.change(&ids[1], |server| {
        server.life_cycle = LifeCycle::Cutover;
        server.last_cutover = Some(job_id(2));
    });
    test.mgn.servers.borrow_mut().remove(&ids[2]);
    test.handle().expect("it is answered");
    let kinds: Vec<_> = test
        .refusals()
        .expect("it is answered")
        .into_iter()
        .collect();
    assert_eq!(kinds.len(), 2);
    assert_eq!(
        (&kinds[0].0, kinds[0].1.kind),
        (&ids[1], RefusalKind::Guard)
    );
    assert_eq!(
        (&kinds[1].0, kinds[1].1.kind),
        (&ids[2], RefusalKind::NotFound)
    );
    assert!(test.mgn.calls().is_empty());
}

#[test]
fn nothing_is_finalized_unread() {
    let test = Test::new();
    *test.mgn.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    assert_eq!(
        test.handle().expect_err("it cannot look").name(),
        "Retryable"
    );
    assert!(test.mgn.calls().is_empty());
}

#[test]
fn a_lost_answer_is_found_by_reading() {
    let test = Test::new();
    test.mgn.script.next(&[Fate::Lost]);
    test.handle().expect("it is done");
    assert_eq!(test.refusals(), Some(BTreeMap::new()));
    assert_eq!(test.mgn.calls().len(), 3);
}

#[test]
fn what_a_dead_function_left_is_looked_at_and_the_rest_is_decided_again() {
    let test = Test::new();
    test.mgn.script.next(&[Fate::Done, Fate::Fails]);
    test.handle().expect_err("nobody knows");
    test.clock.pass(80);
    test.handle().expect("it is answered");
    let ids = servers();
    let refusals = test.refusals().expect("it is answered");
    assert_eq!(refusals.keys().collect::<Vec<_>>(), [&ids[1], &ids[2]]);
    assert!(refusals.values().all(|r| r.kind == RefusalKind::Guard));
    let call = |id: &ServerId| format!("FinalizeCutover {id}");
    assert_eq!(test.mgn.calls(), [call(&ids[0]), call(&ids[1])]);
}
