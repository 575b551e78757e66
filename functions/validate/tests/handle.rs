//! `validate` on fakes: one command for each effect, whatever dies in between.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tidegate_domain::effect::{EffectStatus, Outcome, RefusalKind, Task};
use tidegate_domain::id::{CommandId, NodeId};
use tidegate_domain::plan::Document;
use tidegate_ports::act::Response;
use tidegate_ports::error::{HandlerError, ReadError};
use tidegate_ports::references::References;
use tidegate_world::contract::fixtures::{command_id, server_id};
use tidegate_world::fakes::{FakeSsm, Fate, FixedClock, Planned, run};

struct Test {
    planned: Planned,
    ssm: FakeSsm,
    clock: FixedClock,
}

impl Test {
    fn new() -> Self {
        let node = |text: &str| NodeId::parse(text).expect("a node");
        let nodes = BTreeMap::from([
            (server_id("validate", 1), node("i-0000000000000000a")),
            (server_id("validate", 2), node("i-0000000000000000b")),
        ]);
        let document = Document {
            document: "Tidegate-CheckPort".to_owned(),
            parameters: BTreeMap::from([("port".to_owned(), vec!["5432".to_owned()])]),
            timeout: SignedDuration::from_mins(5),
        };
        Self {
            planned: run(Planned::new(Task::RunDocument { document, nodes })),
            ssm: FakeSsm::default(),
            clock: FixedClock::default(),
        }
    }

    fn handle(&self) -> Result<Response, HandlerError> {
        let store = &self.planned.store;
        let ports = validate::Ports {
            effects: store,
            commands: &self.ssm,
            references: store,
            clock: &self.clock,
        };
        run(validate::handle(
            self.planned.request.clone(),
            &ports,
            self.clock.deadline(),
        ))
    }

    fn command(&self) -> Option<CommandId> {
        match self.planned.status() {
            EffectStatus::Answered {
                outcome: Outcome::Command(command),
                ..
            } => Some(command),
            _ => None,
        }
    }
}

#[test]
fn a_command_is_sent_to_all_nodes_and_remembered() {
    let test = Test::new();
    test.handle().expect("it is done");
    assert_eq!(test.command(), Some(command_id("command-1")));
    assert_eq!(test.ssm.sent.borrow()[0].2.len(), 2);
    let wave = run(test.planned.store.wave_of(&command_id("command-1"))).expect("a read");
    assert_eq!(wave.as_ref(), Some(&test.planned.request.wave));
}

#[test]
fn a_command_whose_answer_was_lost_is_found_at_once() {
    let test = Test::new();
    test.ssm.script.next(&[Fate::Lost]);
    test.handle().expect("it was found");
    assert_eq!(test.command(), Some(command_id("command-1")));
    assert_eq!(test.ssm.sent.borrow().len(), 1);
}

#[test]
fn a_command_that_a_dead_function_sent_is_adopted_and_remembered() {
    let test = Test::new();
    test.ssm.script.next(&[Fate::Lost]);
    *test.ssm.down.borrow_mut() = Some(ReadError::Failed("down".to_owned()));
    assert_eq!(test.handle().expect_err("nobody knows").name(), "Retryable");
    *test.ssm.down.borrow_mut() = None;
    test.clock.pass(80);
    test.handle().expect("it is found");
    assert_eq!(test.command(), Some(command_id("command-1")));
    assert_eq!(test.ssm.sent.borrow().len(), 1);
    let wave = run(test.planned.store.wave_of(&command_id("command-1"))).expect("a read");
    assert!(wave.is_some());
}

#[test]
fn a_command_that_was_never_sent_is_sent_by_the_next() {
    let test = Test::new();
    test.ssm.script.next(&[Fate::Fails]);
    test.handle().expect_err("nobody knows");
    test.clock.pass(80);
    test.handle().expect("it is done");
    assert_eq!(test.command(), Some(command_id("command-1")));
}

#[test]
fn a_refusal_is_an_answer() {
    let test = Test::new();
    test.ssm.script.next(&[Fate::Refused(RefusalKind::Invalid)]);
    test.handle().expect("it is answered");
    assert!(matches!(
        test.planned.status(),
        EffectStatus::Answered { outcome: Outcome::Refused(refusal), .. }
            if refusal.kind == RefusalKind::Invalid
    ));
}
