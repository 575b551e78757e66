//! The checks themselves: each finds what it is there to find.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use mgn_sim::region::Region;
use mgn_sim::ssm::SsmConfig;
use mgn_sim::{Config, InitialState, Machine};
use serde_json::json;
use tidegate_domain::effect::{Outcome, Task};
use tidegate_domain::gate::{
    Asking, Door, Evidence, Gate, GateState, OpenGate, Part, Shown, Verdict,
};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::id::{EffectId, MessageId, ServerId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::plan::{Approver, OnExpiry};
use tidegate_domain::server::{Launch, Passed, Stage, TestInstance, Trial};
use tidegate_domain::wave::{Phase, Posted};
use tidegate_ports::claims::Claims;
use tidegate_ports::effects::Effects;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::mgn::EFFECT_TAG;
use tidegate_ports::turns::Turns;
use tidegate_slack::button::Button;
use tidegate_slack::message::{Question, Standing, ended};
use tidegate_world::cloud::{Cloud, Function};
use tidegate_world::contract::fixtures::{Draft, all_seen, at, job_id, servers, wave_id};
use tidegate_world::fakes::run;
use tidegate_world::faults::Faults;
use tidegate_world::invariants::{
    Change, StartedJob, after, at_the_end, before, decided, read, saved,
};
use tidegate_world::journal::Journal;

/// A world with one wave of one server, which is ready to be cut over and then to be finalized.
struct Test {
    cloud: Rc<Cloud>,
    draft: Draft,
    server: ServerId,
    effect: EffectId,
}

impl Test {
    fn new() -> Self {
        let id = servers("checks", 1)[0].id.clone();
        let machine = Machine {
            id: Some(id.to_string()),
            state: Some(InitialState::ReadyForTest),
            ..Machine::named("db0000")
        };
        let mgn = Config {
            start: Some(at(0)),
            inventory: vec![machine],
            ..Config::default()
        };
        let region = Region::new(mgn, SsmConfig::default());
        let cloud = Cloud::new(at(0), 1, region, Faults::none(), Journal::off());
        let cloud = cloud.expect("the state machine runs");

        let wave = wave_id("orders");
        let loaded = run(cloud.table.load(&wave)).expect("a read");
        let mut draft = Draft::next(&wave, loaded, at(0));
        draft.servers = servers("checks", 1);
        draft.servers[0].stage = Stage::Replicating;
        draft.servers[0].test = Some(passed(1));
        draft.servers[0].cutover = Some(passed(2));
        draft.wave.phase = Phase::CuttingOver;
        for (gate, job) in [(Gate::Cutover, 1), (Gate::Finalize, 2)] {
            let approved = GateState::Approved {
                evidence: String::new(),
                at: at(0),
                by: Vec::new(),
                jobs: [(id.clone(), job_id(job))].into(),
                settings: Default::default(),
                put_off: Default::default(),
                question: None,
                acted_on: None,
                lapse: None,
            };
            draft.wave.gates.insert(gate, approved);
        }
        let effect = draft.plan(std::slice::from_ref(&id));
        run(Turns::save(&cloud.table, &draft.turn())).expect("a turn");
        run(Claims::claim(&cloud.table, &id, &wave)).expect("a claim");
        let test = Self {
            cloud,
            draft,
            server: id,
            effect,
        };
        test.started(1, "StartTest");
        test.started(2, "StartCutover");
        test.cloud
            .checks
            .borrow_mut()
            .soaking
            .insert(wave, at(-100_000));
        let mut seen = all_seen("checks", 1, at(0));
        for server in seen.values_mut() {
            server.replication.state = ReplicationState::Continuous;
            server.replication.lag = Some(SignedDuration::ZERO);
            server.replication.backlog_bytes = 0;
        }
        read(&test.cloud, &seen.into_values().collect::<Vec<_>>());
        test
    }

    fn started(&self, job: usize, operation: &str) {
        let started = StartedJob {
            operation: operation.to_owned(),
            effect: self.effect.clone(),
            wave: wave_id("orders"),
            servers: vec![self.server.clone()],
        };
        self.cloud
            .checks
            .borrow_mut()
            .jobs
            .insert(job_id(job), started);
    }

    /// Save the wave once more, changed.
    fn change(&mut self, change: impl FnOnce(&mut Draft)) {
        let loaded = run(self.cloud.table.load(&wave_id("orders"))).expect("a read");
        let mut draft = Draft::next(&wave_id("orders"), loaded, at(0));
        change(&mut draft);
        run(Turns::save(&self.cloud.table, &draft.turn())).expect("a turn");
        self.draft = draft;
    }

    fn call(&self, function: Function, operation: &str) -> Change {
        let input = match operation {
            "FinalizeCutover" => json!({"sourceServerID": self.server}),
            _ => json!({"sourceServerIDs": [self.server], "tags": {EFFECT_TAG: self.effect}}),
        };
        Change::new(function, operation, &input)
    }

    fn cut_over(&self) -> Vec<u8> {
        before(&self.cloud, &self.call(Function::Launch, "StartCutover"));
        self.violated()
    }

    /// A person's message comes in.
    fn says(&self, at: Timestamp, body: Body) -> MessageId {
        let id = MessageId::parse("said").expect("a name");
        let message = Message {
            id: id.clone(),
            at,
            by: Approver::Mail("ops@example.com".to_owned()),
            body,
        };
        run(Inbox::append(
            &self.cloud.table,
            &wave_id("orders"),
            &message,
        ))
        .expect("appended");
        id
    }

    fn violated(&self) -> Vec<u8> {
        self.cloud
            .checks
            .borrow()
            .violations
            .iter()
            .map(|v| v.invariant)
            .collect()
    }
}

fn passed(job: usize) -> Passed {
    let instance = "i-0000000000000000a"
        .to_owned()
        .try_into()
        .expect("an instance");
    Passed {
        settings: None,
        launch: Launch {
            job: job_id(job),
            instance,
            requested_at: at(0),
        },
        at: at(0),
        checks: 1,
        trial: Trial::default(),
    }
}

#[test]
fn a_cutover_in_order_is_good() {
    assert_eq!(Test::new().cut_over(), [0; 0]);
}

#[test]
fn a_cutover_without_a_test_of_our_own_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.servers[0].test = None);
    assert_eq!(test.cut_over(), [7]);
    let mut test = Test::new();
    test.change(|draft| draft.servers[0].test = Some(passed(9)));
    assert_eq!(test.cut_over(), [7]);
    // A cutover is no test, and one test's approval is not another's.
    let mut test = Test::new();
    test.change(|draft| draft.servers[0].test = Some(passed(2)));
    assert_eq!(test.cut_over(), [7]);
    let mut test = Test::new();
    test.started(3, "StartTest");
    test.change(|draft| draft.servers[0].test = Some(passed(3)));
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn a_cutover_without_its_gate_is_found() {
    let mut test = Test::new();
    test.change(|draft| drop(draft.wave.gates.remove(&Gate::Cutover)));
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn a_cutover_without_a_fresh_read_of_zero_lag_is_found() {
    let test = Test::new();
    test.cloud.runtime.jump(SignedDuration::from_secs(61));
    assert_eq!(test.cut_over(), [7]);
    let test = Test::new();
    test.cloud.checks.borrow_mut().caught_up.clear();
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn a_cutover_outside_its_window_is_found() {
    let mut test = Test::new();
    test.change(|draft| {
        draft.wave.plan.window = Some(tidegate_domain::plan::Window {
            opens: at(-20),
            closes: at(-10),
            time_zone: "UTC".to_owned(),
        });
    });
    assert_eq!(test.cut_over(), [7]);
}

#[test]
fn an_operation_of_another_function_is_found() {
    let test = Test::new();
    before(&test.cloud, &test.call(Function::Prepare, "StartTest"));
    before(
        &test.cloud,
        &test.call(Function::Launch, "DeleteSourceServer"),
    );
    assert_eq!(test.violated(), [6, 6]);
}

#[test]
fn a_server_of_nobody_or_of_another_wave_is_found() {
    let test = Test::new();
    run(test.cloud.table.release(&test.server, &wave_id("orders"))).expect("a release");
    before(&test.cloud, &test.call(Function::Launch, "StartTest"));
    run(Claims::claim(
        &test.cloud.table,
        &test.server,
        &wave_id("billing"),
    ))
    .expect("a claim");
    before(&test.cloud, &test.call(Function::Launch, "StartTest"));
    assert_eq!(test.violated(), [2, 2]);
}

#[test]
fn an_effect_that_is_done_twice_is_found() {
    let test = Test::new();
    for job in ["mgnjob-00000000000000007", "mgnjob-00000000000000008"] {
        let body = json!({"job": {"jobID": job}});
        after(
            &test.cloud,
            &test.call(Function::Launch, "StartTest"),
            &body,
        );
    }
    assert_eq!(test.violated(), [4]);
}

#[test]
fn a_finalize_before_its_time_is_found() {
    let finalize = |test: &Test| {
        before(
            &test.cloud,
            &test.call(Function::Finalize, "FinalizeCutover"),
        );
        let violations = test.cloud.checks.borrow().violations.clone();
        violations
            .first()
            .map(|violation| violation.text.clone())
            .unwrap_or_default()
    };
    let test = Test::new();
    assert!(finalize(&test).contains("the wave is CuttingOver"));
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Finalizing);
    assert!(finalize(&test).contains("its last cutover is None"));
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Finalizing);
    test.cloud
        .checks
        .borrow_mut()
        .soaking
        .insert(wave_id("orders"), at(-10));
    assert!(finalize(&test).contains("it soaks since"));
}

#[test]
fn a_second_writer_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.wave.generation = 5);
    let loaded = run(test.cloud.table.load(&wave_id("orders"))).expect("a read");
    let mut stale = Draft::next(&wave_id("orders"), loaded, at(0));
    stale.wave.generation = 4;
    saved(&test.cloud, &stale.turn());
    stale.wave.turn += 1;
    saved(&test.cloud, &stale.turn());
    assert_eq!(test.violated(), [2, 2, 2]);
}

#[test]
fn a_terminal_wave_that_changes_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Completed);
    before(&test.cloud, &test.call(Function::Launch, "StartTest"));
    test.change(|draft| draft.wave.phase = Phase::Testing);
    saved(&test.cloud, &test.draft.turn());
    assert_eq!(test.violated(), [12, 12]);
}

#[test]
fn a_wave_that_ends_as_nobody_asked_for_is_found() {
    let found = |from: Phase, to: Phase, asked: Option<Body>| {
        let mut test = Test::new();
        test.change(|draft| draft.wave.phase = from);
        let messages: Vec<MessageId> = asked
            .into_iter()
            .map(|body| test.says(at(0), body))
            .collect();
        test.change(|draft| {
            draft.wave.phase = to;
            draft.drained = messages;
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    let back = || Body::RollBack {
        note: String::new(),
    };
    let soaking = || Phase::Soaking { until: at(9) };
    assert_eq!(found(soaking(), Phase::Aborting, Some(Body::Abort)), [0; 0]);
    assert_eq!(found(soaking(), Phase::RollingBack, Some(back())), [0; 0]);
    assert_eq!(found(soaking(), Phase::Aborting, None), [12]);
    assert_eq!(found(soaking(), Phase::RollingBack, None), [12]);
    assert_eq!(
        found(soaking(), Phase::AwaitingFinalize, Some(Body::Abort)),
        [12]
    );
    assert_eq!(found(Phase::Aborting, Phase::Completed, None), [12]);
    assert_eq!(
        found(Phase::Aborting, Phase::RolledBack, Some(back())),
        [12]
    );
}

#[test]
fn a_rollback_that_the_plan_wants_of_a_gate_has_to_wait_for_it() {
    let found = |on_expiry: OnExpiry, now: i64, held: bool| {
        let mut test = Test::new();
        test.change(|draft| {
            draft.wave.phase = Phase::AwaitingFinalize;
            draft.wave.plan.gates.finalize.on_expiry = on_expiry;
            let evidence = Evidence::new(wave_id("orders"), Gate::Finalize, 0);
            let mut open = OpenGate::new(evidence, at(0), at(100));
            open.expired_under_hold = held;
            draft
                .wave
                .gates
                .insert(Gate::Finalize, GateState::Open(open));
        });
        test.change(|draft| {
            draft.wave.phase = Phase::RollingBack;
            draft.wave.gates.remove(&Gate::Finalize);
            draft.now = at(now);
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(OnExpiry::RollBack, 200, false), [0; 0]);
    assert_eq!(
        found(OnExpiry::RollBack, 101, false),
        [12],
        "a decision may be on its way"
    );
    assert_eq!(
        found(OnExpiry::RollBack, 200, true),
        [12],
        "it expired under a hold"
    );
    assert_eq!(found(OnExpiry::Hold, 200, false), [12]);
}

#[test]
fn a_hold_that_nobody_released_is_found() {
    let found = |reason: HoldReason, decided: i64| {
        let mut test = Test::new();
        let evidence = Evidence::new(wave_id("orders"), Gate::Cutover, 0);
        let hash = evidence.hash();
        test.change(|draft| {
            let open = OpenGate::new(evidence, at(0), at(100));
            draft
                .wave
                .gates
                .insert(Gate::Cutover, GateState::Open(open));
            let (id, since) = (HoldId(1), at(100));
            draft.wave.hold = Some(Hold { id, since, reason });
        });
        let decision = Body::Decide {
            gate: Gate::Cutover,
            verdict: Verdict::Approve,
            evidence: hash,
            door: Door::Mail,
            only: Part::default(),
            reason: None,
        };
        let message = test.says(at(decided), decision);
        test.change(|draft| {
            draft.wave.hold = None;
            draft.drained.push(message);
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    let expired = |gate: &str| HoldReason::Expired {
        gate: gate.to_owned(),
    };
    assert_eq!(found(expired("cutover"), 99), [0; 0]);
    assert_eq!(found(expired("cutover"), 100), [2], "it was too late");
    assert_eq!(found(expired("finalize"), 99), [2], "of another gate");
    assert_eq!(found(HoldReason::WindowMissed, 99), [2]);
}

#[test]
fn a_decision_that_comes_out_otherwise_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.wave.phase = Phase::Completed);
    decided(&test.cloud, &test.draft.turn());
    assert!(test.violated().contains(&3));
}

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
fn a_job_for_a_server_that_is_in_one_is_found() {
    let found = |completed: bool, refusals: u32| {
        let mut test = Test::new();
        let id = test.server.clone();
        test.change(|draft| draft.servers[0].refusals = refusals);
        test.change(|draft| {
            draft.loaded.seen = all_seen("checks", 1, at(0));
            let seen = draft.loaded.seen.values_mut();
            let jobs = seen.filter_map(|seen| seen.job.as_mut());
            jobs.for_each(|job| job.completed = completed);
            draft.plan(&[id]);
        });
        saved(&test.cloud, &test.draft.turn());
        test.violated()
    };
    assert_eq!(found(true, 0), [0; 0]);
    assert_eq!(found(false, 0), [8]);
    assert_eq!(found(false, 1), [0; 0], "MGN was asked already");
}

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

#[test]
fn an_audit_chain_that_was_altered_is_found() {
    let mut test = Test::new();
    test.change(|draft| draft.record("something"));
    at_the_end(&test.cloud, false);
    assert_eq!(test.violated(), [0; 0]);
    test.change(|draft| draft.wave.audit.hash = "0".repeat(64));
    saved(&test.cloud, &test.draft.turn());
    at_the_end(&test.cloud, false);
    assert_eq!(test.violated(), [2, 2]);
}

/// The cutover gate asks in Slack.
fn asked(test: &Test) -> (Button, Posted) {
    let evidence = Evidence::new(wave_id("orders"), Gate::Cutover, 0);
    let button = Button {
        wave: wave_id("orders"),
        gate: Gate::Cutover,
        evidence: evidence.hash(),
        expires: at(3_600),
        withdrawals: 0,
    };
    let question = Question {
        evidence: &evidence,
        approvers: &[],
        expires: button.expires,
        asking: Asking::First,
    };
    let message = question.message(Standing {
        lines: &[],
        value: Some(&button.value(&[7])),
    });
    let posted = test.cloud.slack.borrow_mut().write(&message);
    (button, posted)
}

/// What is found when decisions under these names are dealt with, of somebody who pressed that.
fn decided_in_slack(pressed: Option<Verdict>, messages: &[&str]) -> Vec<u8> {
    let mut test = Test::new();
    let (button, _) = asked(&test);
    let anna = Approver::Slack("U024BE7LH".to_owned());
    if pressed.is_some() {
        let mut channel = test.cloud.slack.borrow_mut();
        channel.pressed(0, anna.clone(), pressed, at(0));
    }
    for name in messages {
        let message = Message {
            id: MessageId::parse(*name).expect("a name"),
            at: at(0),
            by: anna.clone(),
            body: Body::Decide {
                gate: Gate::Cutover,
                verdict: Verdict::Approve,
                evidence: button.evidence.clone(),
                door: Door::Slack,
                only: Part::default(),
                reason: None,
            },
        };
        run(Inbox::append(
            &test.cloud.table,
            &wave_id("orders"),
            &message,
        ))
        .expect("appended");
    }
    let first = MessageId::parse(messages[0]).expect("a name");
    test.change(|draft| draft.drained.push(first));
    saved(&test.cloud, &test.draft.turn());
    test.violated()
}

#[test]
fn a_decision_in_slack_that_nobody_pressed_or_that_comes_twice_is_found() {
    assert_eq!(decided_in_slack(Some(Verdict::Approve), &["one"]), [0; 0]);
    assert_eq!(decided_in_slack(None, &["one"]), [9]);
    assert_eq!(decided_in_slack(Some(Verdict::Reject), &["one"]), [9]);
    assert_eq!(
        decided_in_slack(Some(Verdict::Approve), &["one", "two"]),
        [9]
    );
}

#[test]
fn a_question_that_still_stands_in_slack_is_found() {
    let check = |becomes: fn(&Test, &Posted), found: &[u8]| {
        let test = Test::new();
        let (_, posted) = asked(&test);
        let (table, wave, until) = (&test.cloud.table, wave_id("orders"), at(60));
        run(Effects::claim(table, &wave, &test.effect, 1, at(0), until)).expect("claimed");
        let outcome = Outcome::Asked {
            posted: Some(posted.clone()),
            unreached: Vec::new(),
            refused: None,
        };
        run(table.answer(&wave, &test.effect, 1, until, &outcome, at(1))).expect("answered");
        becomes(&test, &posted);
        at_the_end(&test.cloud, false);
        assert_eq!(test.violated(), found);
    };
    check(|_, _| {}, &[9]);
    check(
        |test, posted| {
            let over = ended(&wave_id("orders"), Gate::Cutover, "It is over.", &[]);
            let changed = test.cloud.slack.borrow_mut().change(posted, &over);
            changed.expect("it is there");
        },
        &[],
    );
    check(
        |test, _| test.cloud.slack.borrow_mut().messages[0].spoiled = true,
        &[],
    );
    check(
        |test, _| test.cloud.slack.borrow_mut().messages.clear(),
        &[9],
    );
}
