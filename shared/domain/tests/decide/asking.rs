//! A wave that stands at its cutover gate, and people who decide there.

use tidegate_domain::gate::{Door, Evidence, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::id::ApplicationName;
use tidegate_domain::message::Body;
use tidegate_domain::plan::{Approver, Plan};

use crate::fixture::{Hand, plan};

pub(crate) const CUTOVER: Gate = Gate::Cutover;

pub(crate) fn mail(name: &str) -> Approver {
    Approver::Mail(format!("{name}@example.com"))
}

pub(crate) fn iam(name: &str) -> Approver {
    Approver::Iam(format!("arn:aws:sts::111122223333:assumed-role/Ops/{name}"))
}

pub(crate) fn application(name: &str) -> Part {
    Part {
        applications: vec![ApplicationName::parse(name).expect("a name")],
        servers: Vec::new(),
    }
}

impl Hand {
    pub(crate) fn open(&self, gate: Gate) -> &OpenGate {
        match self.wave().gates.get(&gate) {
            Some(GateState::Open(open)) => open,
            other => panic!("the {gate} gate is not open: {other:?}"),
        }
    }

    pub(crate) fn is_open(&self, gate: Gate) -> bool {
        matches!(self.wave().gates.get(&gate), Some(GateState::Open(_)))
    }

    pub(crate) fn evidence(&self, gate: Gate) -> &Evidence {
        &self.open(gate).evidence
    }

    /// A decision about what the open gate shows.
    pub(crate) fn say(&mut self, by: Approver, gate: Gate, door: Door, only: Part) {
        let evidence = self.evidence(gate).hash();
        let body = Body::Decide {
            gate,
            verdict: Verdict::Approve,
            evidence,
            door,
            only,
            reason: None,
        };
        self.send_as(by, body);
    }

    pub(crate) fn approve_as(&mut self, by: Approver) {
        let door = by.door();
        self.say(by, CUTOVER, door, Part::default());
    }

    /// What the next turn answers to the last message.
    pub(crate) fn answer(&mut self) -> String {
        let before = self.told.len();
        self.turn();
        let mut answers = self.told[before..].iter();
        answers
            .rfind(|line| line.starts_with("Message"))
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn asked(&mut self) -> &mut Self {
        self.until_that("an open gate", |hand| {
            hand.wave.is_some() && hand.is_open(CUTOVER)
        })
    }

    pub(crate) fn stages(&self) -> Vec<&'static str> {
        self.servers.iter().map(|s| s.stage.name()).collect()
    }
}

pub(crate) fn asking(change: impl FnOnce(&mut Plan)) -> Hand {
    let mut plan = plan(2, 1);
    change(&mut plan);
    let mut hand = Hand::new(plan);
    hand.asked();
    hand
}
