//! The doors by which people reach a wave: the tools of an AWS principal, and the links in mails. (What
//! they press in Slack is `press`.)

use std::rc::Rc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate_domain::gate::{ARRIVES_WITHIN, Gate, Verdict};
use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::link::Link;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, Plan};
use tidegate_ports::driver::Drivers;
use tidegate_ports::inbox::Inbox;

use super::{People, file, open_gate, operator};
use crate::cloud::{Cloud, Errand, Way};

/// How long `console` can take at most for a decision of the last moment: less than its time-out.
const SLOWEST: u64 = 28;

impl People {
    /// Somebody wants something of a wave.
    pub(super) fn send(&mut self, cloud: &Rc<Cloud>, wave: &WaveId, by: Approver, body: Body) {
        self.send_all(cloud, wave, vec![(by, body)]);
    }

    /// Somebody wants one thing after the other.
    pub(super) fn send_all(
        &mut self,
        cloud: &Rc<Cloud>,
        wave: &WaveId,
        wanted: Vec<(Approver, Body)>,
    ) {
        let mut errands = Vec::new();
        for (by, body) in wanted {
            if self.random.chance(0.03) {
                self.slip_in(cloud, wave, by, body);
            } else {
                errands.extend(self.errand(cloud, wave, by, body));
            }
        }
        self.last.extend(errands.iter().cloned());
        let old = self.last.len().saturating_sub(10);
        self.last.drain(..old);
        cloud.ask(errands);
    }

    /// A message that `console` did not look at closely: the driver believes nothing of it that it
    /// can check.
    pub(super) fn slip_in(&mut self, cloud: &Rc<Cloud>, wave: &WaveId, by: Approver, body: Body) {
        let message = Message {
            id: self.id(),
            at: cloud.now(),
            by,
            body,
        };
        append(cloud, wave, message);
    }

    /// A message comes a second time, or a person says the same again.
    pub(super) fn again(&mut self, cloud: &Rc<Cloud>) {
        let Some(mut errand) = self.random.pick(&self.last.clone()).cloned() else {
            return;
        };
        if let Way::Tool { body, .. } = &mut errand.way
            && self.random.chance(0.5)
        {
            body["message"] = self.id().to_string().into();
        }
        cloud.ask(vec![errand]);
    }

    /// Somebody confirms a subscription to what is mailed to them alone.
    pub(super) fn subscribe(&self, cloud: &Cloud, who: &Approver) {
        if let Approver::Mail(address) = who
            && cloud.mailboxes.borrow_mut().subscribe(address)
        {
            cloud.note(|| format!("{address} subscribes"));
        }
    }

    /// Somebody looks at a wave with a tool.
    pub(super) fn look_at(&mut self, cloud: &Rc<Cloud>, wave: &WaveId) {
        let parts = ["", "/timeline", "/page"];
        let part = self.random.pick(&parts).copied().unwrap_or_default();
        cloud.ask(vec![Errand {
            wave: wave.clone(),
            by: operator(),
            body: None,
            way: Way::Tool {
                method: "GET",
                path: format!("/waves/{wave}{part}"),
                body: Value::Null,
            },
            slow: SignedDuration::ZERO,
        }]);
    }

    /// `tidegate apply FILE`.
    pub(super) fn plan(&mut self, plan: &Plan) -> Errand {
        let body = json!({"message": self.id().to_string(), "plan": file::text(plan)});
        Errand {
            wave: plan.wave.clone(),
            by: operator(),
            body: Some(Body::Apply(Box::new(plan.clone()))),
            way: post("/waves".to_owned(), body),
            slow: SignedDuration::ZERO,
        }
    }

    /// How a person goes about it; None for who cannot.
    fn errand(&mut self, cloud: &Cloud, wave: &WaveId, by: Approver, body: Body) -> Option<Errand> {
        if let Body::Apply(plan) = &body {
            return Some(self.plan(plan));
        }
        let (way, body) = match &by {
            Approver::Mail(_) => self.by_link(cloud, wave, &by, &body)?,
            Approver::Iam(_) => (self.by_tool(wave, &body)?, body),
            Approver::Slack(_) => return None,
        };
        let slow = self.slow(cloud, wave, &body);
        Some(Errand {
            wave: wave.clone(),
            by,
            body: Some(body),
            way,
            slow,
        })
    }

    fn by_tool(&mut self, wave: &WaveId, body: &Body) -> Option<Way> {
        let mut wanted = match body {
            Body::Start => json!({"command": "start"}),
            Body::Hold { note } => json!({"command": "hold", "note": note}),
            Body::Resume { hold } => json!({"command": "resume", "hold": hold}),
            Body::Skip { servers } => json!({"command": "skip", "servers": servers}),
            Body::Abort => json!({"command": "abort"}),
            Body::RollBack { note } => json!({"command": "rollback", "note": note}),
            Body::Waive {
                servers,
                check,
                reason,
            } => json!({"command": "waive", "servers": servers, "check": check, "reason": reason}),
            Body::Ask { gate } => json!({"command": "ask", "gate": gate}),
            Body::Decide {
                verdict,
                evidence,
                only,
                reason,
                ..
            } => json!({"verdict": verdict, "evidence": evidence, "only": only, "reason": reason}),
            Body::Withdraw { evidence, .. } => {
                json!({"verdict": "withdraw", "evidence": evidence})
            }
            Body::Apply(_) => return None,
        };
        wanted["message"] = self.id().to_string().into();
        let place = match body {
            Body::Decide { gate, .. } | Body::Withdraw { gate, .. } => {
                format!("gates/{gate}/decisions")
            }
            _ => "commands".to_owned(),
        };
        Some(post(format!("/waves/{wave}/{place}"), wanted))
    }

    /// By the link that asks it, or now and then by any that lies in the mailbox.
    fn by_link(
        &mut self,
        cloud: &Cloud,
        wave: &WaveId,
        by: &Approver,
        body: &Body,
    ) -> Option<(Way, Body)> {
        let (gate, evidence, verdict) = match body {
            Body::Decide {
                gate,
                evidence,
                verdict,
                ..
            } => (
                *gate,
                evidence,
                match verdict {
                    Verdict::Approve => "approve",
                    Verdict::Reject => "reject",
                },
            ),
            Body::Withdraw { gate, evidence, .. } => (*gate, evidence, "withdraw"),
            _ => return None,
        };
        let mailboxes = cloud.mailboxes.borrow();
        let any: Vec<&(String, Link)> = mailboxes.links(by).collect();
        let old = self.random.chance(0.1);
        let (token, link) = if old {
            self.random.pick(&any).copied()?.clone()
        } else {
            let token = mailboxes.link(by, wave, gate, evidence)?;
            any.iter()
                .find(|(other, _)| other == token)
                .copied()?
                .clone()
        };
        let mut body = body.clone();
        let mut only = Vec::new();
        match &mut body {
            Body::Decide {
                gate,
                evidence,
                door,
                only: part,
                reason,
                ..
            } => {
                (*gate, *evidence, *door) = (link.gate, link.evidence.clone(), link.door);
                // The page asks of applications, and these people type nothing.
                part.servers.clear();
                *reason = None;
                only.clone_from(&part.applications);
            }
            Body::Withdraw {
                gate,
                evidence,
                door,
            } => (*gate, *evidence, *door) = (link.gate, link.evidence.clone(), link.door),
            _ => return None,
        }
        if link.wave != *wave {
            return None;
        }
        Some((
            Way::Link {
                token,
                verdict,
                only,
            },
            body,
        ))
    }

    /// How long `console` takes for it: what is decided at the last moment arrives after it.
    fn slow(&mut self, cloud: &Cloud, wave: &WaveId, body: &Body) -> SignedDuration {
        let Body::Decide { gate, .. } = body else {
            return SignedDuration::ZERO;
        };
        if !self.at_the_last_moment(cloud, wave, *gate) {
            return SignedDuration::ZERO;
        }
        let seconds = self.random.between(2, SLOWEST);
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(2))
    }

    /// Whether the gate is about to expire, for people who wait for that.
    fn at_the_last_moment(&self, cloud: &Cloud, wave: &WaveId, gate: Gate) -> bool {
        let open = self.late.as_ref().and(open_gate(cloud, wave, gate));
        open.is_some_and(|open| {
            let left = open.expires.duration_since(cloud.now());
            left.is_positive() && left < ARRIVES_WITHIN
        })
    }

    /// The ID of a new message.
    fn id(&mut self) -> MessageId {
        self.sent += 1;
        let id = MessageId::parse(format!("00000000-0000-4000-8000-{:012x}", self.sent));
        id.expect("it is printable")
    }
}

/// Put a message into an inbox past `console`.
pub(super) fn append(cloud: &Rc<Cloud>, wave: &WaveId, message: Message) {
    let wanted = (wave.clone(), message.by.clone(), message.body.clone());
    cloud.wanted.borrow_mut().push(wanted);
    let (cloud, wave) = (Rc::clone(cloud), wave.clone());
    let runtime = cloud.runtime.clone();
    runtime.spawn(async move {
        cloud.note(|| format!("{wave}: {} says {:?}", message.by, message.body));
        _ = cloud.table.append(&wave, &message).await;
        if let Ok(Some(parked)) = cloud.table.count_wake(&wave).await {
            cloud.wake(&parked.token);
        }
    });
}

fn post(path: String, body: Value) -> Way {
    Way::Tool {
        method: "POST",
        path,
        body,
    }
}
