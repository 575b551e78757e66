//! `prepare` on fakes: claims, releases, and every problem at once.

use std::collections::BTreeMap;

use tidegate_domain::effect::{EffectStatus, Outcome, RefusalKind, Task};
use tidegate_domain::id::ServerId;
use tidegate_domain::observation::LifeCycle;
use tidegate_ports::act::Response;
use tidegate_ports::claims::{Claims, Owners};
use tidegate_ports::error::{HandlerError, ReadError};
use tidegate_world::contract::fixtures::{server_id, wave_id};
use tidegate_world::fakes::{FakeMgn, FakeSsm, FixedClock, Planned, run};

fn servers() -> Vec<ServerId> {
    (1..=3).map(|number| server_id("prepare", number)).collect()
}

struct Test {
    planned: Planned,
    mgn: FakeMgn,
    ssm: FakeSsm,
    clock: FixedClock,
}

impl Test {
    fn new(task: Task) -> Self {
        Self {
            planned: run(Planned::new(task)),
            mgn: FakeMgn::with(&servers(), LifeCycle::ReadyForTest),
            ssm: FakeSsm::default(),
            clock: FixedClock::default(),
        }
    }

    fn handle(&self) -> Result<Response, HandlerError> {
        let store = &self.planned.store;
        let ports = prepare::Ports {
            effects: store,
            claims: store,
            documents: &self.ssm,
            configurations: &self.mgn,
            clock: &self.clock,
        };
        run(prepare::handle(
            self.planned.request.clone(),
            &ports,
            self.clock.deadline(),
        ))
    }

    fn outcome(&self) -> Outcome {
        self.handle().expect("it is answered");
        match self.planned.status() {
            EffectStatus::Answered { outcome, .. } => outcome,
            status => panic!("{status:?}"),
        }
    }
}

fn preflight() -> Task {
    let documents = ["Tidegate-CheckPort", "Tidegate-CheckDisk"]
        .map(str::to_owned)
        .to_vec();
    Task::Preflight {
        documents,
        servers: servers(),
    }
}

#[test]
fn servers_are_claimed_and_the_owners_of_others_are_named() {
    let test = Test::new(Task::Claim { servers: servers() });
    let other = wave_id("billing");
    run(Claims::claim(&test.planned.store, &servers()[1], &other)).expect("a claim");
    assert_eq!(
        test.outcome(),
        Outcome::Claimed(BTreeMap::from([(servers()[1].clone(), other)]))
    );
    let owner = run(test.planned.store.owner(&servers()[2])).expect("a read");
    assert_eq!(owner.as_ref(), Some(&test.planned.request.wave));
}

#[test]
fn only_own_servers_are_released() {
    let test = Test::new(Task::Release { servers: servers() });
    let (ours, other) = (test.planned.request.wave.clone(), wave_id("billing"));
    run(Claims::claim(&test.planned.store, &servers()[0], &ours)).expect("a claim");
    run(Claims::claim(&test.planned.store, &servers()[1], &other)).expect("a claim");
    assert_eq!(test.outcome(), Outcome::Done);
    assert_eq!(
        run(test.planned.store.owner(&servers()[0])).expect("a read"),
        None
    );
    assert_eq!(
        run(test.planned.store.owner(&servers()[1])).expect("a read"),
        Some(other)
    );
}

#[test]
fn preflight_names_every_problem_at_once() {
    let test = Test::new(preflight());
    test.ssm
        .documents
        .borrow_mut()
        .insert("Tidegate-CheckDisk".to_owned());
    let problem = vec!["no subnet".to_owned()];
    test.mgn
        .problems
        .borrow_mut()
        .insert(servers()[2].clone(), problem);
    assert_eq!(
        test.outcome(),
        Outcome::Problems(vec![
            "the SSM document Tidegate-CheckPort does not exist here".to_owned(),
            format!("{}: no subnet", servers()[2]),
        ])
    );
}

#[test]
fn preflight_that_cannot_look_is_refused_so_that_it_is_told_or_tried_again() {
    for (error, kind) in [
        (ReadError::Uninitialized, RefusalKind::Uninitialized),
        (ReadError::Denied("no".to_owned()), RefusalKind::Denied),
        (ReadError::Failed("down".to_owned()), RefusalKind::Throttled),
    ] {
        let test = Test::new(preflight());
        let all = ["Tidegate-CheckPort", "Tidegate-CheckDisk"].map(str::to_owned);
        test.ssm.documents.borrow_mut().extend(all);
        *test.mgn.down.borrow_mut() = Some(error);
        assert!(matches!(test.outcome(), Outcome::Refused(refusal) if refusal.kind == kind));
    }
}
