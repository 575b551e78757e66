//! What grows without end.

use tidegate_domain::effect::{Outcome, Task};
use tidegate_domain::server::{Stage, TestInstance};
use tidegate_world::contract::fixtures::{at, job_id, servers};
use tidegate_world::invariants::saved;

use crate::fixture::{Test, passed};

#[test]
fn what_no_transaction_takes_is_found() {
    let found = |ended: usize, new: usize| {
        let mut test = Test::new();
        let (id, first) = (test.server.clone(), test.effect.clone());
        test.change(|draft| {
            for _ in 0..ended {
                draft.plan(std::slice::from_ref(&id));
            }
        });
        test.change(|draft| {
            let planned = draft.loaded.effects.iter();
            let planned = planned.filter(|effect| effect.id != first);
            draft.ended = planned.map(|e| (e.id.clone(), Outcome::Done)).collect();
            for _ in 0..new {
                draft.plan(std::slice::from_ref(&id));
            }
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(40, 40), [0; 0]);
    assert_eq!(found(60, 40), [11]);
}

#[test]
fn a_test_instance_that_is_forgotten_is_found() {
    let found = |instance: TestInstance| {
        let mut test = Test::new();
        test.change(|draft| {
            let server = &mut draft.servers[0];
            server.stage = Stage::Tested { instance };
            server.instance = Some(passed(1).launch.instance);
            server.launched = Some(job_id(1));
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(TestInstance::Kept { until: at(9) }), [0; 0]);
    assert_eq!(found(TestInstance::Gone), [11]);
}

#[test]
fn what_is_too_large_is_found() {
    let mut test = Test::new();
    test.change(|draft| {
        let effect = draft.plan(&[]);
        for planned in draft
            .effects
            .iter_mut()
            .filter(|planned| planned.id == effect)
        {
            planned.task = Task::RetryReplication {
                servers: servers("many", 26).into_iter().map(|s| s.id).collect(),
            };
        }
    });
    saved(&test.cloud, &test.draft.turn());
    assert_eq!(test.violated(), [11]);
}
