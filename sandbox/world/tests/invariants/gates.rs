//! What people decide, and on what.

use tidegate_domain::gate::{Gate, GateState, Shown};
use tidegate_domain::message::Body;
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::server::{Stage, TestInstance};
use tidegate_world::contract::fixtures::{Draft, all_seen, at};
use tidegate_world::invariants::saved;

use crate::fixture::Test;

#[test]
fn a_gate_that_nobody_approved_is_found() {
    let mut test = Test::new();
    test.change(|draft| drop(draft.wave.gates.remove(&Gate::Cutover)));
    test.change(|draft| {
        let by = vec!["ops@example.com".to_owned()];
        let approved = GateState::Approved {
            evidence: "x".to_owned(),
            at: at(0),
            by,
            jobs: Default::default(),
            settings: Default::default(),
            put_off: Default::default(),
            question: None,
            acted_on: None,
            lapse: None,
        };
        draft.wave.gates.insert(Gate::Cutover, approved);
    });
    saved(&test.cloud, &test.draft.turn());
    assert_eq!(test.violated(), [9]);
}

#[test]
fn a_cutover_that_begins_on_what_changed_since_is_found() {
    for stalls in [true, false] {
        let mut test = Test::new();
        let approve = |draft: &mut Draft| {
            if let Some(GateState::Approved { acted_on, .. }) =
                draft.wave.gates.get_mut(&Gate::Cutover)
            {
                *acted_on = Some(Shown::default());
            }
            let instance = TestInstance::Gone;
            draft.servers[0].stage = Stage::Tested { instance };
        };
        test.change(approve);
        let mut looked = |stage: Option<Stage>, state| {
            test.change(|draft| {
                draft.loaded.seen = all_seen("checks", 1, at(0));
                for seen in draft.loaded.seen.values_mut() {
                    seen.replication.state = state;
                }
                if let Some(stage) = stage {
                    draft.servers[0].stage = stage;
                }
            });
            saved(&test.cloud, &test.draft.turn());
            test.violated()
        };
        let state = if stalls {
            ReplicationState::Stalled
        } else {
            ReplicationState::Rescan
        };
        assert_eq!(looked(None, state), [0u8; 0]);
        let settling = Some(Stage::Settling { since: at(0) });
        let found = looked(settling, ReplicationState::Continuous);
        assert_eq!(found, if stalls { vec![7] } else { vec![] });
    }
}

#[test]
fn what_nobody_wanted_is_found() {
    let found = |wanted: bool| {
        let mut test = Test::new();
        let message = test.says(at(1), Body::Start);
        if !wanted {
            test.cloud.wanted.borrow_mut().clear();
        }
        test.change(|draft| draft.drained.push(message));
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(true), [0; 0]);
    assert_eq!(found(false), [9]);
}
