//! `launch` on fakes: one job for each effect, whatever dies in between.

use tidegate_domain::effect::{EffectStatus, Outcome, RefusalKind, Task};
use tidegate_domain::id::{InstanceId, JobId, ServerId};
use tidegate_domain::observation::LifeCycle;
use tidegate_ports::act::Response;
use tidegate_ports::error::{HandlerError, ReadError};
use tidegate_world::contract::fixtures::{at, instance_id, job_id, server_id};
use tidegate_world::fakes::{FakeMgn, Fate, FixedClock, Planned, run};

fn servers() -> Vec<ServerId> {
    vec![server_id("launch", 1), server_id("launch", 2)]
}

struct Test {
    planned: Planned,
    mgn: FakeMgn,
    clock: FixedClock,
}

impl Test {
    fn new(task: Task) -> Self {
        let life_cycle = match task {
            Task::StartTest { .. } => LifeCycle::ReadyForTest,
            _ => LifeCycle::ReadyForCutover,
        };
        Self {
            planned: run(Planned::new(task)),
            mgn: FakeMgn::with(&servers(), life_cycle),
            clock: FixedClock::default(),
        }
    }

    fn launch(&self) -> Result<Response, HandlerError> {
        let (store, mgn) = (&self.planned.store, &self.mgn);
        let ports = launch::Ports {
            effects: store,
            launches: mgn,
            targets: mgn,
            mgn,
            clock: &self.clock,
        };
        run(launch::handle(
            self.planned.request.clone(),
            &ports,
            self.clock.deadline(),
        ))
    }

    /// Whoever claimed the effect is dead for certain.
    fn take_over(&self) {
        self.clock.pass(80);
    }

    fn answered(&self) -> Option<Outcome> {
        match self.planned.status() {
            EffectStatus::Answered { outcome, .. } => Some(outcome),
            EffectStatus::Planned | EffectStatus::Claimed { .. } => None,
        }
    }

    fn job(&self) -> Option<JobId> {
        match self.answered() {
            Some(Outcome::Job(job)) => Some(job),
            _ => None,
        }
    }
}

fn start_test() -> Task {
    Task::StartTest { servers: servers() }
}

#[test]
fn a_job_is_started_and_tagged() {
    for (task, call) in [
        (start_test(), "StartTest"),
        (
            Task::StartCutover {
                servers: servers(),
                not_after: at(30),
            },
            "StartCutover",
        ),
        (
            Task::TerminateTests { servers: servers() },
            "TerminateTargetInstances",
        ),
    ] {
        let test = Test::new(task);
        test.launch().expect("it is done");
        assert_eq!(test.job(), Some(job_id(1)));
        assert_eq!(test.mgn.calls(), [call]);
        let jobs = test.mgn.jobs.borrow();
        assert_eq!(jobs[0].effect.as_ref(), Some(&test.planned.request.effect));
    }
}

#[test]
fn an_answered_effect_is_not_done_again() {
    let test = Test::new(start_test());
    test.launch().expect("it is done");
    test.take_over();
    test.launch().expect("nothing to do");
    assert_eq!(test.mgn.calls().len(), 1);
}

#[test]
fn a_claimed_effect_is_left_alone_until_its_deadline_has_passed() {
    let test = Test::new(start_test());
    test.mgn.script.next(&[Fate::Fails]);
    test.launch().expect_err("nobody knows");
    test.clock.pass(69);
    test.launch().expect("not ours");
    assert_eq!(test.mgn.calls().len(), 1);
    test.take_over();
    test.launch().expect("it is done");
    assert_eq!(test.mgn.calls().len(), 2);
    assert_eq!(test.job(), Some(job_id(1)));
}

#[test]
fn a_job_whose_answer_was_lost_is_found_at_once() {
    let test = Test::new(start_test());
    test.mgn.script.next(&[Fate::Lost]);
    test.launch().expect("it was found");
    assert_eq!(test.job(), Some(job_id(1)));
    assert_eq!(test.mgn.calls().len(), 1);
}

#[test]
fn a_job_that_a_dead_function_started_is_adopted() {
    for task in [start_test(), Task::TerminateTests { servers: servers() }] {
        let test = Test::new(task);
        test.mgn.script.next(&[Fate::Lost]);
        *test.mgn.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
        assert_eq!(test.launch().expect_err("nobody knows").name(), "Retryable");
        assert_eq!(test.answered(), None);
        *test.mgn.down.borrow_mut() = None;
        test.take_over();
        test.launch().expect("it is found");
        assert_eq!(test.job(), Some(job_id(1)));
        assert_eq!(test.mgn.calls().len(), 1);
    }
}

#[test]
fn a_foreign_launch_does_not_hide_the_job() {
    let test = Test::new(start_test());
    test.mgn.script.next(&[Fate::Lost]);
    *test.mgn.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    test.launch().expect_err("nobody knows");
    *test.mgn.down.borrow_mut() = None;
    for server in servers() {
        test.mgn
            .change(&server, |server| server.last_test = Some(job_id(99)));
    }
    test.take_over();
    test.launch().expect("it is found");
    assert_eq!(test.job(), Some(job_id(1)));
}

#[test]
fn nothing_is_called_while_nobody_can_look() {
    let test = Test::new(start_test());
    test.mgn.script.next(&[Fate::Fails]);
    test.launch().expect_err("nobody knows");
    test.take_over();
    *test.mgn.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    assert_eq!(
        test.launch().expect_err("it cannot look").name(),
        "Retryable"
    );
    assert_eq!(test.mgn.calls().len(), 1);
}

#[test]
fn a_refusal_is_an_answer() {
    let test = Test::new(start_test());
    test.mgn.script.next(&[Fate::Refused(RefusalKind::Quota)]);
    test.launch().expect("it is answered");
    assert!(matches!(
        test.answered(),
        Some(Outcome::Refused(refusal)) if refusal.kind == RefusalKind::Quota
    ));
}

#[test]
fn a_cutover_of_a_server_that_lags_again_is_refused_by_our_own_guard() {
    let test = Test::new(Task::StartCutover {
        servers: servers(),
        not_after: at(30),
    });
    test.mgn
        .change(&servers()[1], |server| server.replication.backlog_bytes = 1);
    test.launch().expect("it is answered");
    let Some(Outcome::Refused(refusal)) = test.answered() else {
        panic!("{:?}", test.answered());
    };
    assert_eq!(refusal.kind, RefusalKind::Guard);
    assert!(
        refusal.message.contains(servers()[1].as_str()),
        "{}",
        refusal.message
    );
    assert!(
        !refusal.message.contains(servers()[0].as_str()),
        "{}",
        refusal.message
    );
    assert!(test.mgn.calls().is_empty());
}

#[test]
fn a_cutover_that_is_begun_too_late_is_refused_by_our_own_guard() {
    let test = Test::new(Task::StartCutover {
        servers: servers(),
        not_after: at(30),
    });
    test.mgn.script.next(&[Fate::Fails]);
    test.launch().expect_err("nobody knows");
    // The driver dies; whoever takes the effect over is too late.
    test.take_over();
    test.launch().expect("it is answered");
    assert!(matches!(
        test.answered(),
        Some(Outcome::Refused(refusal)) if refusal.kind == RefusalKind::Guard
    ));
    assert_eq!(test.mgn.calls().len(), 1);
}

#[test]
fn no_call_is_begun_that_could_outlive_the_deadline() {
    let test = Test::new(start_test());
    let (store, mgn) = (&test.planned.store, &test.mgn);
    let until = test.clock.deadline();
    test.clock.pass(50);
    let ports = launch::Ports {
        effects: store,
        launches: mgn,
        targets: mgn,
        mgn,
        clock: &test.clock,
    };
    run(launch::handle(test.planned.request.clone(), &ports, until)).expect("it gives up");
    assert!(test.mgn.calls().is_empty());
    assert!(matches!(
        test.planned.status(),
        EffectStatus::Claimed { .. }
    ));
}

#[test]
fn another_functions_effect_is_a_permanent_error() {
    let test = Test::new(Task::Release { servers: servers() });
    assert_eq!(
        test.launch().expect_err("it is prepare's").name(),
        "Permanent"
    );
    assert!(test.mgn.calls().is_empty());
}

fn targets() -> std::collections::BTreeMap<ServerId, InstanceId> {
    let ids = servers().into_iter().enumerate();
    ids.map(|(number, id)| (id, instance_id(number))).collect()
}

#[test]
fn targets_are_stopped_each_for_itself() {
    let test = Test::new(Task::StopTargets { targets: targets() });
    test.mgn.script.next(&[Fate::Refused(RefusalKind::Invalid)]);
    test.launch().expect("it is answered");
    assert_eq!(test.mgn.calls().len(), 2);
    let Some(Outcome::Servers(refusals)) = test.answered() else {
        panic!("{:?}", test.answered());
    };
    let refused: Vec<_> = refusals.keys().cloned().collect();
    assert_eq!(refused, servers()[..1], "the other was stopped");
}

#[test]
fn data_is_kept_once_however_often_it_is_begun() {
    let test = Test::new(Task::KeepData { targets: targets() });
    test.mgn.script.next(&[Fate::Done, Fate::Lost]);
    test.launch().expect_err("nobody knows");
    test.take_over();
    test.launch().expect("it is answered");
    let Some(Outcome::Kept(kept)) = test.answered() else {
        panic!("{:?}", test.answered());
    };
    assert_eq!(kept.len(), 2);
    assert!(kept.values().all(Result::is_ok));
    assert_eq!(test.mgn.snapshots.borrow().len(), 2, "one for each");
}
