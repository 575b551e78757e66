//! What people decide, and on what.

use tidegate_domain::gate::{
    Door, Evidence, Gate, GateState, OpenGate, Part, ServerEvidence, Shown, Verdict,
};
use tidegate_domain::id::ApplicationName;
use tidegate_domain::message::Body;
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::server::{Stage, TestInstance};
use tidegate_world::contract::fixtures::{Draft, all_seen, at, wave_id};
use tidegate_world::invariants::saved;

use crate::fixture::{Test, passed};

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
fn a_decision_on_more_than_was_wanted_is_found() {
    let found = |wanted: &[&str]| {
        let mut test = Test::new();
        let mut evidence = Evidence::new(wave_id("orders"), Gate::Cutover, 0);
        for name in ["db", "web"] {
            let server = test.server.clone();
            let passed = passed(1).launch;
            evidence.servers.push(ServerEvidence::new(
                server,
                name.to_owned(),
                ApplicationName::parse(name).expect("a name"),
                passed.job,
                passed.instance,
                at(0),
            ));
        }
        let hash = evidence.hash();
        test.change(|draft| {
            let open = OpenGate::new(evidence, at(0), at(100));
            draft
                .wave
                .gates
                .insert(Gate::Cutover, GateState::Open(open));
        });
        let decision = |only: Part| Body::Decide {
            gate: Gate::Cutover,
            verdict: Verdict::Approve,
            evidence: hash.clone(),
            door: Door::Mail,
            only,
            reason: None,
        };
        let message = test.says(at(1), decision(Part::default()));
        let names = wanted
            .iter()
            .map(|name| ApplicationName::parse(*name).expect("a name"));
        let part = Part {
            applications: names.collect(),
            servers: Vec::new(),
        };
        if let Some((_, _, body)) = test.cloud.wanted.borrow_mut().last_mut() {
            *body = decision(part);
        }
        test.change(|draft| draft.drained.push(message));
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(&[]), [0; 0]);
    assert_eq!(found(&["db", "web"]), [0; 0], "everything was ticked");
    assert_eq!(found(&["db"]), [9]);
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
