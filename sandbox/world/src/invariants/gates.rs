//! Invariant 9: a decision of a person counts once, for the evidence it was shown, by an allowed
//! person, in time. Checked from what lies in the inbox, not from what the decision noted.

use std::collections::BTreeSet;

use tidegate_domain::gate::{Evidence, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::id::ServerId;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::plan::{Approver, GatePlan, OnExpiry};
use tidegate_domain::wave::Wave;
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let before = turn.loaded.wave.as_ref();
    for (gate, state) in &turn.wave.gates {
        let earlier = before.and_then(|wave| wave.gates.get(gate));
        count(cloud, *gate, state, earlier);
        if !newly(state, earlier) {
            continue;
        }
        if let Err(text) = approved(cloud, turn, *gate, state, earlier) {
            violated(
                cloud,
                9,
                format!("the {gate} gate of {}: {text}", turn.wave.id),
            );
        }
    }
}

/// What the run came across.
fn count(cloud: &Cloud, gate: Gate, state: &GateState, earlier: Option<&GateState>) {
    let mut checks = cloud.checks.borrow_mut();
    let mut came = |what: &str| checks.coverage.count(format!("gate {gate} {what}"));
    match (state, earlier) {
        (GateState::Lapsed { .. }, Some(GateState::Open(_) | GateState::Approved { .. })) => {
            came("lapsed");
            if matches!(earlier, Some(GateState::Open(open)) if open.expired_under_hold) {
                came("expired under a hold, and lapsed");
            }
        }
        (GateState::Open(_), Some(GateState::Approved { .. })) => came("approval withdrawn"),
        (GateState::Open(now), Some(GateState::Open(then))) => {
            if now.approvals.len() < then.approvals.len() {
                came("approval withdrawn");
            }
            if now.reminded != then.reminded {
                came("reminded");
            }
            if now.unreached.len() > then.unreached.len() {
                came("approvers not reached");
            }
            if now.escalated != then.escalated {
                came("escalated");
            }
        }
        (GateState::Approved { put_off, .. }, Some(GateState::Open(_))) if !put_off.is_empty() => {
            came("approved in part");
        }
        (
            GateState::Approved { lapse: Some(_), .. },
            Some(GateState::Approved { lapse: None, .. }),
        ) => came("lapsed for what had not begun"),
        _ => {}
    }
}

/// Whether it was approved in this turn, and is not merely acted on.
fn newly(state: &GateState, earlier: Option<&GateState>) -> bool {
    match (state, earlier) {
        (
            GateState::Approved { evidence, at, .. },
            Some(GateState::Approved {
                evidence: before,
                at: then,
                ..
            }),
        ) => evidence != before || at != then,
        (GateState::Approved { .. }, _) => true,
        (GateState::Open(_) | GateState::Lapsed { .. }, _) => false,
    }
}

fn approved(
    cloud: &Cloud,
    turn: &Turn<'_>,
    gate: Gate,
    state: &GateState,
    earlier: Option<&GateState>,
) -> Result<(), String> {
    let wave = turn.wave;
    let GateState::Approved {
        evidence,
        by,
        jobs,
        put_off,
        ..
    } = state
    else {
        return Ok(());
    };
    let plan = wave.gate_plan(gate);
    if plan.automatic {
        return if by.is_empty() {
            Ok(())
        } else {
            Err("it decides by itself".to_owned())
        };
    }
    let open = match earlier {
        Some(GateState::Open(open)) => open,
        // Somebody withdrew in this turn, and the others are enough; or approved again.
        Some(GateState::Approved {
            question: Some(open),
            ..
        }) => open,
        Some(GateState::Approved { question: None, .. } | GateState::Lapsed { .. }) | None => {
            return Err("it was not open".to_owned());
        }
    };
    if open.evidence.hash() != *evidence {
        return Err("another evidence was approved than was shown".to_owned());
    }
    for shown in &open.evidence.servers {
        let id = &shown.server;
        match jobs.get(id) {
            Some(job) if *job != shown.job => {
                return Err(format!("{id} was shown with another job"));
            }
            Some(_) if put_off.contains(id) => return Err(format!("{id} is both")),
            None if !put_off.contains(id) => return Err(format!("{id} is neither")),
            Some(_) | None => {}
        }
    }
    if by.is_empty() {
        let held = turn.loaded.wave.as_ref().is_some_and(|w| w.hold.is_some());
        let silence = plan.on_expiry == OnExpiry::Proceed
            && gate == Gate::Finalize
            && cloud.now() >= open.settled()
            && !(held || open.expired_under_hold);
        return if silence {
            Ok(())
        } else {
            Err("nobody approved it".to_owned())
        };
    }
    let decisions = Decisions {
        messages: messages(cloud, wave, evidence, gate),
        wave,
        plan,
        open,
    };
    decisions.check(turn, by, jobs.keys())?;
    holds(turn, &open.evidence, jobs.keys())
}

/// What people said of one question.
struct Decisions<'a> {
    messages: Vec<Message>,
    wave: &'a Wave,
    plan: &'a GatePlan,
    open: &'a OpenGate,
}

impl Decisions<'_> {
    fn check<'a>(
        &self,
        turn: &Turn<'_>,
        by: &[String],
        servers: impl Iterator<Item = &'a ServerId>,
    ) -> Result<(), String> {
        for (at, one) in by.iter().enumerate() {
            let same = |other: &String| match (self.named(one), self.named(other)) {
                (Some(one), Some(other)) => self.plan.same_person(&one, &other),
                _ => one == other,
            };
            if by.iter().skip(at + 1).any(same) {
                return Err(format!("{one} counts twice"));
            }
            let Some(who) = self.named(one) else {
                return Err(format!("{one} did not approve this evidence in time"));
            };
            if self.withdrawn(&who) {
                return Err(format!("{one} had withdrawn the approval"));
            }
            let own = (self.wave.authors()).any(|author| self.plan.did(&who, author))
                || (self.wave.started_by.iter()).any(|starter| self.plan.did(&who, starter));
            if own && !self.plan.self_approval {
                return Err(format!("{one} approved their own wave"));
            }
        }
        let rejected = turn.loaded.inbox.iter().any(|message| {
            turn.drained.contains(&message.id)
                && matches!(&message.body, Body::Decide { gate, verdict: Verdict::Reject, evidence, .. }
                    if *gate == self.open.evidence.gate && *evidence == self.open.evidence.hash())
                && self.open.in_time(message.at)
                && self.allowed(message)
        });
        if rejected {
            return Err("somebody rejected it at the same moment".to_owned());
        }
        for server in servers {
            let naming = by.iter().filter(|one| {
                let who = self.named(one);
                who.is_some_and(|who| self.covers(&who, server))
            });
            let naming = naming.count();
            if naming < usize::try_from(self.plan.quorum).unwrap_or(usize::MAX) {
                return Err(format!(
                    "{server}: {naming} approved; {} must",
                    self.plan.quorum
                ));
            }
        }
        Ok(())
    }

    /// The person of that name who approved in time and may.
    fn named(&self, name: &str) -> Option<Approver> {
        let mut approvals = self.approvals();
        approvals
            .find(|message| message.by.to_string() == name)
            .map(|message| message.by.clone())
    }

    fn approvals(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| {
            let approves = matches!(
                &message.body,
                Body::Decide {
                    verdict: Verdict::Approve,
                    ..
                }
            );
            approves && self.open.in_time(message.at) && self.allowed(message)
        })
    }

    /// Whether an approver sent it, by a door that is good enough.
    fn allowed(&self, message: &Message) -> bool {
        let (Body::Decide { door, .. } | Body::Withdraw { door, .. }) = &message.body else {
            return false;
        };
        let named = self.plan.approvers.iter();
        let escalated = self.plan.escalate.iter().flat_map(|e| &e.to);
        let escalated = escalated.filter(|_| self.open.escalated.is_some());
        let mut all = named.chain(escalated);
        all.any(|allowed| allowed.stands_for(&message.by)) && *door >= self.plan.minimum
    }

    /// Whether the last that this person said was to take it back.
    fn withdrawn(&self, who: &Approver) -> bool {
        let theirs = |message: &&Message| self.plan.same_person(&message.by, who);
        let last = |withdraws: bool| {
            let these = self
                .messages
                .iter()
                .filter(theirs)
                .filter(|message| matches!(message.body, Body::Withdraw { .. }) == withdraws);
            these.map(|message| message.at).max()
        };
        matches!((last(true), last(false)), (Some(taken), Some(given)) if taken > given)
    }

    /// Whether an approval of this person covers the server.
    fn covers(&self, who: &Approver, server: &ServerId) -> bool {
        self.approvals().any(|message| {
            let Body::Decide { only, .. } = &message.body else {
                return false;
            };
            message.by.same(who) && (only.is_whole() || self.part(only).contains(server))
        })
    }

    fn part(&self, only: &Part) -> BTreeSet<&ServerId> {
        let shown = self.open.evidence.servers.iter();
        shown
            .filter(|s| {
                only.servers.contains(&s.server) || only.applications.contains(&s.application)
            })
            .map(|s| &s.server)
            .collect()
    }
}

/// What was said of this evidence and dealt with.
fn messages(cloud: &Cloud, wave: &Wave, evidence: &str, gate: Gate) -> Vec<Message> {
    let about = |message: &Message| match &message.body {
        Body::Decide {
            gate: of,
            evidence: shown,
            ..
        }
        | Body::Withdraw {
            gate: of,
            evidence: shown,
            ..
        } => *of == gate && shown == evidence,
        _ => false,
    };
    cloud.table.inspect(|tables| {
        let inbox = tables.inbox.iter().filter(|((of, _), _)| *of == wave.id);
        inbox
            .filter_map(|(_, stored)| stored.message.clone())
            .filter(about)
            .collect()
    })
}

/// What was approved is still as it was shown: nothing stalls that did not.
fn holds<'a>(
    turn: &Turn<'_>,
    evidence: &Evidence,
    mut approved: impl Iterator<Item = &'a ServerId>,
) -> Result<(), String> {
    if evidence.gate == Gate::Finalize {
        return Ok(());
    }
    let stalls = approved.find(|id| {
        let shown = evidence.servers.iter().find(|s| s.server == **id);
        let then = shown.and_then(|s| s.replication);
        let now = turn.loaded.seen.get(*id).map(|seen| seen.replication.state);
        now == Some(ReplicationState::Stalled) && then != now
    });
    match stalls {
        Some(id) => Err(format!("{id} stalls, which was not shown")),
        None => Ok(()),
    }
}
