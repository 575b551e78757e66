//! What people are told goes where they are.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::id::EffectId;
use tidegate_domain::message::Body;
use tidegate_domain::news::News;
use tidegate_domain::observation::{LaunchStatus, ReplicationState};
use tidegate_domain::plan::{Approver, Channel, Escalation, Plan};
use tidegate_domain::wave::{OpenEffect, Untold};

use crate::fixture::{Hand, operator, plan, server_id, start_of_time};

/// By which ways people are told each kind of news in a wave that is started, held and aborted.
fn told_by(plan: Plan) -> Vec<(&'static str, Channel)> {
    let mut hand = Hand::new(plan);
    hand.until("Testing").turn();
    hand.send(Body::Hold {
        note: "wait".to_owned(),
    });
    hand.turn();
    let told = hand.tasks.iter().filter_map(|task| match task {
        Task::Notify { news, channel } => Some((news.kind(), *channel)),
        _ => None,
    });
    told.collect()
}

#[test]
fn by_mail_and_what_they_must_act_on_also_in_slack_if_somebody_is_asked_there() {
    let mails = [("wave_started", Channel::Sns), ("wave_held", Channel::Sns)];
    assert_eq!(told_by(plan(1, 1)), mails);

    let everywhere = [&mails[..], &[("wave_held", Channel::Slack)]].concat();
    let mut by_channel = plan(1, 1);
    by_channel.gates.finalize.notify = vec![Channel::Sns, Channel::Slack];
    let mut by_approver = plan(1, 1);
    by_approver.gates.cutover.approvers.push(anna());
    let mut by_escalation = plan(1, 1);
    by_escalation.gates.cutover.escalate = Some(Escalation {
        before: SignedDuration::from_mins(1),
        to: vec![anna()],
    });
    for plan in [by_channel, by_approver, by_escalation] {
        assert_eq!(told_by(plan), everywhere);
    }
}

fn anna() -> Approver {
    Approver::Slack("U024BE7LH".to_owned())
}

const HELD: (&str, Channel) = ("wave_held", Channel::Sns);
const STARTED: (&str, Channel) = ("wave_started", Channel::Sns);

/// How often people were told each kind of news.
fn told(hand: &Hand) -> BTreeMap<(&'static str, Channel), u32> {
    let mut told = BTreeMap::new();
    for task in &hand.tasks {
        if let Task::Notify { news, channel } = task {
            *told.entry((news.kind(), *channel)).or_default() += 1;
        }
    }
    told
}

#[test]
fn however_many_fail_at_once_a_hold_is_told() {
    let mut many = plan(40, 0);
    many.policy.failure_budget = 5;
    many.policy.attempts = 1;
    many.gates.cutover.approvers.push(anna());
    let mut hand = Hand::new(many);
    hand.launches = vec![LaunchStatus::Failed; 40];
    hand.until_held();
    hand.turn();
    let told = told(&hand);
    assert_eq!(told[&HELD], 1, "{told:?}");
    assert_eq!(told[&("wave_held", Channel::Slack)], 1, "{told:?}");
    assert!(told[&("server_failed", Channel::Sns)] <= 4, "{told:?}");
    let named = hand.tasks.iter().map(|task| match task {
        Task::Notify {
            news: News::ServerFailed { servers, .. },
            ..
        } => servers.besides() + 1,
        _ => 0,
    });
    assert_eq!(named.sum::<usize>(), 40, "{told:?}");
}

#[test]
fn however_many_stall_at_once_it_is_told_that_a_gate_asks_again() {
    let mut hand = Hand::new(plan(41, 0));
    hand.until("AwaitingCutover").turn();
    hand.tasks.clear();
    for server in 0..41 {
        let seen = hand.seen.get_mut(&server_id(server)).expect("a server");
        seen.replication.state = ReplicationState::Stalled;
    }
    hand.turn();
    let expected = [
        (("gate_asks_again", Channel::Sns), 1),
        (("replication_stalled", Channel::Sns), 1),
    ];
    assert_eq!(told(&hand), BTreeMap::from(expected));
}

#[test]
fn what_finds_no_place_is_told_once_there_is_one_and_what_must_be_acted_on_first() {
    let mut hand = Hand::new(plan(1, 1));
    hand.turn();
    // All places but one are taken by what is not to be handed out yet.
    let not_before = hand.now + SignedDuration::from_hours(1);
    let taken = |n: usize| {
        let effect = EffectId::parse(format!("orders-0-{n}")).expect("an effect");
        let open = OpenEffect {
            since: start_of_time(),
            tries: 0,
            not_before,
        };
        (effect, open)
    };
    let news = |servers| Untold {
        news: News::WaveStarted { servers },
        channel: Channel::Sns,
    };
    let wave = hand.wave.as_mut().expect("a wave");
    wave.open = (0..39).map(taken).collect();
    wave.untold = (0..21).map(news).collect();
    hand.send_as(
        operator(),
        Body::Hold {
            note: "wait".to_owned(),
        },
    );
    hand.tasks.clear();
    let wake_at = hand.turn().wake_at;
    // The first place goes to what is oldest, and the rest is bounded.
    assert_eq!(told(&hand), BTreeMap::from([(STARTED, 1)]));
    assert!(wake_at < hand.now + SignedDuration::from_mins(1));
    let left = hand.wave().untold.iter().map(|waiting| waiting.news.kind());
    let left: Vec<_> = left.collect();
    assert_eq!((left.len(), left[0]), (20, "wave_held"));

    hand.tasks.clear();
    hand.turn();
    assert_eq!(told(&hand), BTreeMap::from([(HELD, 1)]));
    hand.wave.as_mut().expect("a wave").open.clear();
    hand.turn();
    assert_eq!(told(&hand), BTreeMap::from([(HELD, 1), (STARTED, 19)]));
    assert_eq!(hand.wave().untold, []);
}
