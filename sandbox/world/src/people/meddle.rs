//! In a world that has not healed: anything at all, in any order, by anybody.

use std::rc::Rc;

use tidegate_domain::gate::{Approval, Door, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::id::{MessageId, ServerId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, Start};
use tidegate_domain::server::Server;
use tidegate_domain::wave::{Phase, Wave};

use super::doors::append;
use super::{
    People, approval, failed, operator, person, rejection, roll_back, stranger, with_window,
};
use crate::cloud::Cloud;
use crate::cloud::table::POISON;

impl People {
    /// In a world that is not healed: anything at all.
    pub(super) fn meddle(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server]) {
        let id = &wave.id;
        for (gate, state) in &wave.gates {
            if let GateState::Open(open) = state
                && !self.puts_off(cloud, open)
            {
                self.decide(cloud, wave, *gate, open);
            }
        }
        match self.random.between(1, 100) {
            1 | 2 => {
                self.send(
                    cloud,
                    id,
                    operator(),
                    Body::Hold {
                        note: "wait".to_owned(),
                    },
                );
            }
            3 => {
                let servers = self.random.pick(servers).map(|server| server.id.clone());
                let servers = servers.into_iter().collect();
                self.send(cloud, id, operator(), Body::Skip { servers });
            }
            4 if self.random.chance(0.3) => {
                self.send(cloud, id, operator(), Body::Abort);
            }
            24 if self.random.chance(0.3) => {
                self.send(cloud, id, operator(), roll_back());
            }
            5 => self.send(cloud, id, operator(), Body::Start),
            6 => {
                let plan = with_window(&wave.plan, cloud.now());
                self.send(cloud, id, operator(), Body::Apply(Box::new(plan)));
            }
            7 => {
                let hold = tidegate_domain::hold::HoldId(wave.turn.saturating_sub(3));
                self.send(cloud, id, operator(), Body::Resume { hold });
            }
            8 => {
                let id = MessageId::parse(format!("unreadable-{}", cloud.now().as_second()));
                if let Ok(message) = id {
                    cloud.table.append_unreadable(&wave.id, &message);
                }
            }
            9..=15 => self.again(cloud),
            17 | 18 => self.waive(cloud, wave, servers),
            19..=22 => {
                let gate = if self.random.chance(0.7) {
                    Gate::Cutover
                } else {
                    Gate::Finalize
                };
                self.send(cloud, id, operator(), Body::Ask { gate });
            }
            23 => self.withdraw(cloud, wave),
            16 if self.random.chance(0.2) => {
                let name = format!("{POISON}-{}", cloud.now().as_second());
                let body = Body::Hold {
                    note: "poison".to_owned(),
                };
                let message = Message {
                    id: MessageId::parse(name).expect("it is printable"),
                    at: cloud.now(),
                    by: operator(),
                    body,
                };
                append(cloud, id, message);
            }
            _ => {}
        }
        if hard_on_the_way_back(cloud) && is_cut_over(wave) && self.random.chance(0.3) {
            self.send(cloud, id, operator(), roll_back());
        }
        if let Some(hold) = &wave.hold
            && self.random.chance(0.5)
        {
            self.release(cloud, wave, servers, hold);
            // Only what happens in a healed world is counted.
            self.holds.remove(id);
        } else if wave.phase == Phase::Waiting
            && wave.plan.start == Start::Manual
            && self.random.chance(0.5)
        {
            self.send(cloud, id, operator(), Body::Start);
        }
    }

    fn decide(&mut self, cloud: &Rc<Cloud>, wave: &Wave, gate: Gate, open: &OpenGate) {
        let plan = wave.gate_plan(gate);
        let escalated = plan.escalate.iter().flat_map(|escalate| &escalate.to);
        let who: Vec<&Approver> = plan.approvers.iter().chain(escalated).collect();
        let Some(approver) = self.random.pick(&who) else {
            return;
        };
        let mut by = person(approver);
        if let Approver::Slack(user) = &by {
            // There is one door for them.
            let verdict = match self.random.between(1, 12) {
                1 => Verdict::Reject,
                2..=4 => return,
                _ => Verdict::Approve,
            };
            self.answer_in_slack(cloud, wave, (gate, open), user, verdict);
            return;
        }
        let mut evidence = open.evidence.hash();
        let door = by.door();
        let mut only = Part::default();
        let mut reject = false;
        match self.random.between(1, 24) {
            1 => reject = true,
            2 => evidence = "0".repeat(64),
            3 => by = stranger(),
            4..=7 => return,
            8..=11 => only = self.part(open),
            12 => self.subscribe(cloud, &by),
            13 | 14 => {
                let body = Body::Withdraw {
                    gate,
                    evidence,
                    door,
                };
                return self.send(cloud, &wave.id, by, body);
            }
            15 => {
                // Two who disagree at the same moment, in either order.
                let others = who.iter().map(|who| person(who));
                let others: Vec<Approver> = others
                    .filter(|who| !matches!(who, Approver::Slack(_)))
                    .collect();
                let other = self.random.pick(&others).cloned();
                let approve = approval(gate, evidence.clone(), door, Part::default());
                let disagree = rejection(gate, evidence, Door::Iam);
                let mut both = vec![(by.clone(), approve), (other.unwrap_or(by), disagree)];
                if self.random.chance(0.5) {
                    both.reverse();
                }
                for (by, body) in both {
                    self.send(cloud, &wave.id, by, body);
                }
                return;
            }
            _ => {}
        }
        let body = if reject {
            rejection(gate, evidence, door)
        } else {
            approval(gate, evidence, door, only)
        };
        self.send(cloud, &wave.id, by, body);
    }

    /// Somebody takes back what may have been approved already.
    fn withdraw(&mut self, cloud: &Rc<Cloud>, wave: &Wave) {
        for (gate, state) in &wave.gates {
            let GateState::Approved {
                evidence,
                question: Some(open),
                ..
            } = state
            else {
                continue;
            };
            // In Slack there is no button that takes back.
            let taken = open.approvals.iter().filter(|a| a.door != Door::Slack);
            let taken: Vec<&Approval> = taken.collect();
            let Some(approval) = self.random.pick(&taken).copied().cloned() else {
                continue;
            };
            let body = Body::Withdraw {
                gate: *gate,
                evidence: evidence.clone(),
                door: approval.door,
            };
            self.send(cloud, &wave.id, approval.by, body);
        }
    }

    /// Some of what a gate asks about: an application, or a server or two.
    fn part(&mut self, open: &OpenGate) -> Part {
        let mut part = Part::default();
        let asked = &open.evidence.servers;
        if self.random.chance(0.5) {
            part.applications
                .extend(self.random.pick(asked).map(|s| s.application.clone()));
        } else {
            for _ in 0..2 {
                part.servers
                    .extend(self.random.pick(asked).map(|s| s.server.clone()));
            }
        }
        part
    }

    /// Let a server pass a check, the one that it fails as often as not.
    fn waive(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server]) {
        let failed: Vec<ServerId> = failed(servers);
        let any: Vec<ServerId> = servers.iter().map(|s| s.id.clone()).collect();
        let among = if failed.is_empty() { &any } else { &failed };
        let Some(server) = self.random.pick(among).cloned() else {
            return;
        };
        let body = Body::Waive {
            servers: vec![server],
            check: format!("Tidegate-Check{}", self.random.between(0, 2)),
            reason: if self.random.chance(0.9) {
                "known".to_owned()
            } else {
                String::new()
            },
        };
        self.send(cloud, &wave.id, operator(), body);
    }
}

/// Whether the call at which most goes wrong comes up on the way back alone: people see to it that it does.
fn hard_on_the_way_back(cloud: &Cloud) -> bool {
    let hard = cloud.faults.borrow().hard;
    hard.is_some_and(|(_, call)| matches!(call, "StopInstances" | "CreateSnapshot"))
}

/// Whether there is something to be undone.
fn is_cut_over(wave: &Wave) -> bool {
    matches!(
        wave.phase,
        Phase::CuttingOver | Phase::Soaking { .. } | Phase::AwaitingFinalize
    )
}
