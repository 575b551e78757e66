//! The audit chain says which servers people decided about.

use tidegate_domain::audit::{About, Entry};
use tidegate_domain::gate::{Door, Gate, GateState, Part, Verdict};
use tidegate_domain::id::{ApplicationName, ServerId};
use tidegate_domain::message::Body;

use crate::fixture::{Hand, plan, server_id};

/// What the last turn recorded of this.
fn recorded(hand: &mut Hand, event: &str) -> (String, About) {
    let audit = hand.turn().audit.expect("a record");
    let of_it = |entry: &&Entry| entry.event == event;
    let entry = audit.entries.iter().find(of_it);
    let entry = entry.unwrap_or_else(|| panic!("{audit:?}"));
    (entry.text.clone(), entry.about.clone())
}

fn servers(of: std::ops::Range<usize>) -> Vec<ServerId> {
    of.map(server_id).collect()
}

fn asking(first: usize, second: usize) -> Hand {
    let mut hand = Hand::new(plan(first, second));
    hand.until_that("the question", |hand| {
        hand.wave
            .as_ref()
            .is_some_and(|wave| wave.gates.contains_key(&Gate::Cutover))
    });
    hand
}

fn approve(hand: &mut Hand, application: &str) {
    let Some(GateState::Open(open)) = hand.wave().gates.get(&Gate::Cutover) else {
        panic!("it is asked")
    };
    hand.send(Body::Decide {
        gate: Gate::Cutover,
        verdict: Verdict::Approve,
        evidence: open.evidence.hash(),
        door: Door::Mail,
        only: Part {
            applications: vec![ApplicationName::parse(application).expect("a name")],
            servers: Vec::new(),
        },
        reason: None,
    });
}

#[test]
fn which_were_approved() {
    let mut hand = asking(2, 7);
    approve(&mut hand, "db");
    let mut again = hand.clone();
    let (text, about) = recorded(&mut hand, "MessageCounted");
    assert_eq!(
        text,
        "ops@example.com approved 2 servers (host00, host01) of 9 at the cutover gate by a mail link."
    );
    assert_eq!(about.servers, servers(0..2));
    let (text, about) = recorded(&mut again, "GateApproved");
    assert_eq!(
        text,
        "The cutover gate is approved for 2 servers (host00, host01); 7 servers (host02, host03, \
         host04, host05, host06 and 2 more) stay as they are."
    );
    assert_eq!((about.servers, about.all), (servers(0..2), None));
}

#[test]
fn which_were_approved_as_a_whole() {
    let mut hand = asking(2, 1);
    hand.approve();
    let mut again = hand.clone();
    let (_, about) = recorded(&mut hand, "MessageCounted");
    assert_eq!(about.servers, [], "the evidence says it");
    let (_, about) = recorded(&mut again, "GateApproved");
    assert_eq!(about.servers, servers(0..3));
}

#[test]
fn on_which_a_check_was_waived_and_which_were_left_out() {
    let mut hand = asking(2, 7);
    hand.send(Body::Waive {
        servers: servers(2..9),
        check: "Check".to_owned(),
        reason: "known".to_owned(),
    });
    let (text, about) = recorded(&mut hand, "MessageCounted");
    assert_eq!(
        text,
        "ops@example.com waived Check on 7 servers (host02, host03, host04, host05, host06 and 2 \
         more): known"
    );
    assert_eq!(about.servers, servers(2..9));
    hand.send(Body::Skip {
        servers: servers(0..1),
    });
    let (text, about) = recorded(&mut hand, "MessageCounted");
    assert_eq!(text, "Left out: 1 server (host00).");
    assert_eq!(about.servers, servers(0..1));
    hand.send(Body::Skip {
        servers: servers(20..21),
    });
    let (_, about) = recorded(&mut hand, "MessageRefused");
    assert_eq!(about.servers, servers(20..21));
}

#[test]
fn that_of_the_evidence_of_an_automatic_gate_the_hash_alone_is_kept() {
    let mut hand = asking(1, 1);
    hand.approve();
    hand.until("Soaking");
    hand.now += jiff::SignedDuration::from_hours(1);
    let (text, about) = recorded(&mut hand, "GateApproved");
    assert_eq!(
        text,
        "The finalize gate is approved by the plan, which asks nobody: of its evidence the hash alone \
         is kept."
    );
    assert!(about.evidence.is_some_and(|hash| hash.len() == 64));
    assert_eq!(about.servers, servers(0..2));
}
