//! Preflight: what can be known to fail is looked for before anything is launched.

use tidegate_domain::effect::Task;
use tidegate_domain::id::ServerId;
use tidegate_domain::message::Body;
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::plan::{OnFailure, Start};

use crate::fixture::{Hand, operator, plan, server_id};

/// What each preflight looked at: documents and servers.
fn looked_at(hand: &Hand) -> Vec<(Vec<String>, Vec<ServerId>)> {
    let looks = hand.tasks.iter().filter_map(|task| match task {
        Task::Preflight { documents, servers } => Some((documents.clone(), servers.clone())),
        _ => None,
    });
    looks.collect()
}

#[test]
fn a_server_without_a_node_can_be_left_out() {
    let mut hand = Hand::new(plan(1, 1));
    hand.seen.get_mut(&server_id(0)).expect("a server").node = None;
    hand.until_held();
    let hold = hand.wave().hold.clone().expect("a hold");
    assert_eq!(
        hold.reason.sentence(),
        "Preflight found: SSM has no online managed node named host00 to quiesce."
    );
    let commands = hold.reason.commands(hand.wave());
    let commands: Vec<&str> = commands.iter().map(|(c, _)| c.as_str()).collect();
    assert_eq!(
        commands,
        [
            "tidegate resume orders",
            "tidegate skip orders SERVER…",
            "tidegate abort orders"
        ]
    );
    hand.send(Body::Skip {
        servers: vec![server_id(0)],
    });
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(hand.stages(), ["skipped", "tested"]);
    let (documents, servers) = looked_at(&hand).pop().expect("a look");
    assert_eq!(servers, [server_id(1)]);
    assert_eq!(documents, ["Check"], "nothing is quiesced any more");
}

#[test]
fn a_server_that_left_while_the_wave_waited_is_not_looked_at() {
    let mut plan = plan(3, 0);
    plan.policy.on_failure = OnFailure::Skip;
    let mut hand = Hand::new(plan);
    let behind = |hand: &mut Hand, state| {
        let seen = hand.seen.get_mut(&server_id(2)).expect("a server");
        seen.replication.state = state;
    };
    behind(&mut hand, ReplicationState::InitialSync);
    hand.until_that("claims", |h| !h.servers.is_empty());
    hand.seen.remove(&server_id(1));
    hand.until_that("a server that left", |h| {
        h.stages() == ["replicating", "skipped", "replicating"]
    });
    behind(&mut hand, ReplicationState::Continuous);
    hand.until("Testing");
    let looks = looked_at(&hand);
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0].1, [server_id(0), server_id(2)]);
}

/// Every server that stays is looked at once, whoever leaves between two batches.
#[test]
fn who_leaves_between_two_batches_takes_nobody_along() {
    let mut plan = plan(0, 120);
    plan.start = Start::Manual;
    let mut hand = Hand::new(plan);
    hand.send_as(operator(), Body::Start);
    hand.until_that("a first look", |h| looked_at(h).len() == 1);
    hand.send(Body::Skip {
        servers: (0..10).chain([60]).map(server_id).collect(),
    });
    hand.until("Testing");
    let looks = looked_at(&hand);
    let looks: Vec<ServerId> = looks.into_iter().flat_map(|(_, servers)| servers).collect();
    let expected: Vec<ServerId> = (0..120).filter(|n| *n != 60).map(server_id).collect();
    assert_eq!(looks, expected);
}

#[test]
fn a_large_wave_is_looked_at_at_an_even_pace() {
    let mut hand = Hand::new(plan(600, 0));
    hand.until("Preflight");
    let began = hand.now;
    hand.until("Testing");
    let looks = hand.tasks.iter().filter_map(|task| match task {
        Task::Preflight { servers, .. } => Some(servers.len()),
        _ => None,
    });
    assert_eq!(looks.sum::<usize>(), 600);
    // 200 a minute, and no wait after the last.
    let took = hand.now.duration_since(began).as_secs();
    assert!((165..240).contains(&took), "{took} s");
}
