//! What people press in Slack, and what stands there.

use tidegate_domain::effect::Outcome;
use tidegate_domain::gate::{Asking, Door, Evidence, Gate, Part, Verdict};
use tidegate_domain::id::MessageId;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Posted;
use tidegate_ports::effects::Effects;
use tidegate_ports::inbox::Inbox;
use tidegate_slack::button::Button;
use tidegate_slack::message::{Question, Standing, ended};
use tidegate_world::contract::fixtures::{at, wave_id};
use tidegate_world::fakes::run;
use tidegate_world::invariants::{at_the_end, saved};

use crate::fixture::Test;

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
        minimum: Door::Mail,
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
