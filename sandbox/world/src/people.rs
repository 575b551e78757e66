//! People: they approve, reject, hold, resume, skip and abort, twice, too late, and for evidence
//! that is no more. When a world has healed they do what a hold's own commands say.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate_domain::gate::{ARRIVES_WITHIN, Door, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::hold::{Hold, HoldReason};
use tidegate_domain::id::{MessageId, ServerId, WaveId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, Plan, Start, Window};
use tidegate_domain::server::{End, Server, Stage};
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::driver::Drivers;
use tidegate_ports::inbox::Inbox;

use crate::cloud::Cloud;
use crate::cloud::table::POISON;
use crate::invariants::violated;
use crate::random::Random;

/// After how many holds of a healed wave its people give up and abort it.
const PATIENCE: u32 = 40;

/// The people of a world.
#[derive(Debug)]
pub struct People {
    random: Random,
    sent: u64,
    /// Whether they answer holds with the first command that the hold names.
    plain: bool,
    /// Whether that has to be enough, because nothing in their world is broken for good.
    mends: bool,
    holds: std::collections::BTreeMap<WaveId, (u32, u64)>,
    last: Vec<(WaveId, Message)>,
}

impl People {
    /// The people of that seed. `mends`: healing mends everything, so that the first command that
    /// a hold names must finish it.
    #[must_use]
    pub fn new(seed: u64, mends: bool) -> Self {
        let mut random = Random::new(seed, 3);
        let plain = random.chance(0.6);
        Self {
            random,
            sent: 0,
            plain,
            mends,
            holds: Default::default(),
            last: Vec::new(),
        }
    }

    /// How long until they look again.
    pub fn pause(&mut self, healed: bool) -> SignedDuration {
        let most = if healed { 120 } else { 900 };
        SignedDuration::from_secs(i64::try_from(self.random.between(10, most)).unwrap_or(60))
    }

    /// `tidegate apply FILE`.
    pub async fn apply(&mut self, cloud: &Rc<Cloud>, plan: &Plan) {
        let wave = plan.wave.clone();
        let body = Body::Apply(Box::new(plan.clone()));
        let message = self.message(cloud.now(), operator(), body);
        _ = cloud.table.append(&wave, &message).await;
        _ = cloud.table.create(&wave, cloud.now()).await;
        cloud.note(|| format!("{wave}: a plan is applied"));
        self.wake(cloud, &wave).await;
    }

    /// Look at every wave, and do what comes to mind.
    pub async fn look(&mut self, cloud: &Rc<Cloud>, healed: bool) {
        let waves: Vec<(Wave, Vec<Server>)> = cloud.table.inspect(|tables| {
            tables
                .waves
                .values()
                .map(|s| (s.wave.clone(), s.servers.clone()))
                .collect()
        });
        for (wave, servers) in waves {
            if wave.phase.terminal() {
                continue;
            }
            if healed {
                self.answer(cloud, &wave, &servers).await;
            } else {
                self.meddle(cloud, &wave, &servers).await;
            }
        }
    }

    /// In a healed world: what the wave itself asks for.
    async fn answer(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server]) {
        if let Some(hold) = &wave.hold {
            self.release(cloud, wave, servers, hold).await;
            return;
        }
        for (gate, state) in &wave.gates {
            match state {
                GateState::Open(open) => self.approve_all(cloud, wave, *gate, open).await,
                GateState::Approved {
                    put_off, question, ..
                } if !put_off.is_empty() && question.is_none() => {
                    let waits = matches!(
                        (gate, &wave.phase),
                        (
                            Gate::Cutover,
                            Phase::AwaitingCutover | Phase::AwaitingFinalize
                        ) | (Gate::Finalize, Phase::AwaitingFinalize)
                    );
                    if waits {
                        let ask = Body::Ask { gate: *gate };
                        self.send(cloud, &wave.id, operator(), ask).await;
                    }
                }
                GateState::Approved { .. } | GateState::Lapsed { .. } => {}
            }
        }
        if wave.phase == Phase::Waiting && wave.plan.start == Start::Manual {
            self.send(cloud, &wave.id, operator(), Body::Start).await;
        }
    }

    async fn approve_all(&mut self, cloud: &Rc<Cloud>, wave: &Wave, gate: Gate, open: &OpenGate) {
        for approver in &wave.gate_plan(gate).approvers {
            let by = person(approver);
            let door = by.door();
            let body = approval(gate, open.evidence.hash(), door, Part::default());
            self.send(cloud, &wave.id, by, body).await;
        }
    }

    /// Do what the hold's commands say.
    async fn release(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server], hold: &Hold) {
        if let HoldReason::Selection { problems } = &hold.reason
            && waits_for_another(cloud, problems)
            && !self.random.chance(0.01)
        {
            // Mended when the other wave has ended; now and then they do not wait for it.
            return;
        }
        let (count, last) = self.holds.entry(wave.id.clone()).or_default();
        if *last != hold.id.0 {
            *last = hold.id.0;
            *count += 1;
        }
        let count = *count;
        if count == PATIENCE + 1 && self.plain && self.mends {
            let text = hold.reason.sentence();
            violated(
                cloud,
                12,
                format!("{} was held {PATIENCE} times: {text}", wave.id),
            );
        }
        let wanted = self.wanted(wave, hold, count);
        cloud.note(|| format!("{}: people answer the hold with {wanted}", wave.id));
        let resume = Body::Resume { hold: hold.id };
        if wanted.starts_with("tidegate resume") {
            self.send(cloud, &wave.id, operator(), resume).await;
        } else if wanted.starts_with("tidegate skip") {
            let servers = if wave.phase.ending() {
                let left = servers.iter().filter(|server| !server.at_rest());
                let left: Vec<&Server> = left.collect();
                let one = self.random.pick(&left).map(|server| server.id.clone());
                one.into_iter().collect()
            } else {
                failed(servers)
            };
            self.send(cloud, &wave.id, operator(), Body::Skip { servers })
                .await;
            if self.random.chance(0.5) {
                self.send(cloud, &wave.id, operator(), resume).await;
            }
        } else if wanted.starts_with("tidegate apply") {
            let plan = with_window(&wave.plan, cloud.now());
            self.send(cloud, &wave.id, operator(), Body::Apply(Box::new(plan)))
                .await;
            self.send(cloud, &wave.id, operator(), resume).await;
        } else if wanted.starts_with("aws mgn initialize-service") {
            let now = cloud.now();
            _ = cloud
                .region
                .borrow_mut()
                .call_mgn("InitializeService", &json!({}), now);
            self.send(cloud, &wave.id, operator(), resume).await;
        } else if wanted.starts_with("tidegate rollback") {
            self.send(cloud, &wave.id, operator(), roll_back()).await;
        } else if wanted.starts_with("tidegate abort") {
            self.send(cloud, &wave.id, operator(), Body::Abort).await;
        } else {
            violated(
                cloud,
                12,
                format!("{}: nobody knows how to {wanted:?}", wave.id),
            );
        }
    }

    /// Which of the hold's commands they take. Where something is broken for good, they take the
    /// next command after some tries.
    fn wanted(&mut self, wave: &Wave, hold: &Hold, count: u32) -> String {
        let commands = hold.reason.commands(wave);
        let named: Vec<String> = commands.into_iter().map(|(command, _)| command).collect();
        let first = named.first().cloned().unwrap_or_default();
        if count > PATIENCE && !wave.phase.ending() {
            return format!("tidegate abort {}", wave.id);
        }
        if self.plain {
            let tried = if self.mends {
                0
            } else {
                usize::try_from(count / 10).unwrap_or(0)
            };
            return named
                .get(tried)
                .or(named.last())
                .cloned()
                .unwrap_or_default();
        }
        let picked = self.random.pick(&named).cloned().unwrap_or_default();
        let ends = |command: &str| picked.starts_with(command);
        let gives_up = ends("tidegate abort") || ends("tidegate rollback");
        if gives_up && self.random.chance(0.8) {
            first
        } else {
            picked
        }
    }

    /// In a world that is not healed: anything at all.
    async fn meddle(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server]) {
        let id = &wave.id;
        for (gate, state) in &wave.gates {
            if let GateState::Open(open) = state {
                self.decide(cloud, wave, *gate, open).await;
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
                )
                .await;
            }
            3 => {
                let servers = self.random.pick(servers).map(|server| server.id.clone());
                let servers = servers.into_iter().collect();
                self.send(cloud, id, operator(), Body::Skip { servers })
                    .await;
            }
            4 if self.random.chance(0.3) => {
                self.send(cloud, id, operator(), Body::Abort).await;
            }
            24 if self.random.chance(0.3) => {
                self.send(cloud, id, operator(), roll_back()).await;
            }
            5 => self.send(cloud, id, operator(), Body::Start).await,
            6 => {
                let plan = with_window(&wave.plan, cloud.now());
                self.send(cloud, id, operator(), Body::Apply(Box::new(plan)))
                    .await;
            }
            7 => {
                let hold = tidegate_domain::hold::HoldId(wave.turn.saturating_sub(3));
                self.send(cloud, id, operator(), Body::Resume { hold })
                    .await;
            }
            8 => {
                let id = MessageId::parse(format!("unreadable-{}", cloud.now().as_second()));
                if let Ok(message) = id {
                    cloud.table.append_unreadable(&wave.id, &message);
                }
            }
            9..=15 => self.again(cloud).await,
            17 | 18 => self.waive(cloud, wave, servers).await,
            19..=22 => {
                let gate = if self.random.chance(0.7) {
                    Gate::Cutover
                } else {
                    Gate::Finalize
                };
                self.send(cloud, id, operator(), Body::Ask { gate }).await;
            }
            23 => self.withdraw(cloud, wave).await,
            16 if self.random.chance(0.2) => {
                let name = format!("{POISON}-{}", cloud.now().as_second());
                let body = Body::Hold {
                    note: "poison".to_owned(),
                };
                let mut message = self.message(cloud.now(), operator(), body);
                message.id = MessageId::parse(name).expect("it is printable");
                cloud.note(|| format!("{id}: {}", message.id));
                _ = cloud.table.append(id, &message).await;
                self.wake(cloud, id).await;
            }
            _ => {}
        }
        if let Some(hold) = &wave.hold
            && self.random.chance(0.5)
        {
            self.release(cloud, wave, servers, hold).await;
            // Only what happens in a healed world is counted.
            self.holds.remove(id);
        } else if wave.phase == Phase::Waiting
            && wave.plan.start == Start::Manual
            && self.random.chance(0.5)
        {
            self.send(cloud, id, operator(), Body::Start).await;
        }
    }

    async fn decide(&mut self, cloud: &Rc<Cloud>, wave: &Wave, gate: Gate, open: &OpenGate) {
        let plan = wave.gate_plan(gate);
        let escalated = plan.escalate.iter().flat_map(|escalate| &escalate.to);
        let who: Vec<&Approver> = plan.approvers.iter().chain(escalated).collect();
        let Some(approver) = self.random.pick(&who) else {
            return;
        };
        let mut by = person(approver);
        let mut evidence = open.evidence.hash();
        let mut door = by.door();
        let mut only = Part::default();
        let mut reject = false;
        match self.random.between(1, 24) {
            1 => reject = true,
            2 => evidence = "0".repeat(64),
            3 => by = Approver::Mail("stranger@example.com".to_owned()),
            4..=7 => return,
            8..=11 => only = self.part(open),
            // A principal that decides on the page instead of the command line.
            12 => door = Door::Page.min(door),
            13 | 14 => {
                let body = Body::Withdraw {
                    gate,
                    evidence,
                    door,
                };
                return self.send(cloud, &wave.id, by, body).await;
            }
            15 => {
                // Two who disagree at the same moment, in either order.
                let other = self.random.pick(&who).map(|who| person(who));
                let approve = approval(gate, evidence.clone(), door, Part::default());
                let disagree = rejection(gate, evidence, Door::Iam);
                let mut both = vec![(by.clone(), approve), (other.unwrap_or(by), disagree)];
                if self.random.chance(0.5) {
                    both.reverse();
                }
                for (by, body) in both {
                    self.send(cloud, &wave.id, by, body).await;
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
        self.send(cloud, &wave.id, by, body).await;
    }

    /// Somebody takes back what may have been approved already.
    async fn withdraw(&mut self, cloud: &Rc<Cloud>, wave: &Wave) {
        for (gate, state) in &wave.gates {
            let GateState::Approved {
                evidence,
                question: Some(open),
                ..
            } = state
            else {
                continue;
            };
            let Some(approval) = self.random.pick(&open.approvals).cloned() else {
                continue;
            };
            let body = Body::Withdraw {
                gate: *gate,
                evidence: evidence.clone(),
                door: approval.door,
            };
            self.send(cloud, &wave.id, approval.by, body).await;
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
    async fn waive(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server]) {
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
        self.send(cloud, &wave.id, operator(), body).await;
    }

    /// A message comes a second time, or a person says the same again.
    async fn again(&mut self, cloud: &Rc<Cloud>) {
        let Some((wave, message)) = self.random.pick(&self.last.clone()).cloned() else {
            return;
        };
        if self.random.chance(0.5) {
            _ = cloud.table.append(&wave, &message).await;
            self.wake(cloud, &wave).await;
        } else {
            self.send(cloud, &wave, message.by, message.body).await;
        }
    }

    async fn send(&mut self, cloud: &Rc<Cloud>, wave: &WaveId, by: Approver, body: Body) {
        let mut message = self.message(cloud.now(), by, body);
        if let Body::Decide { gate, .. } = message.body
            && self.random.chance(0.2)
        {
            message.at = self.earlier(cloud, wave, gate);
        }
        cloud.note(|| format!("{wave}: {} says {:?}", message.by, message.body));
        _ = cloud.table.append(wave, &message).await;
        self.last.push((wave.clone(), message));
        if self.last.len() > 10 {
            self.last.remove(0);
        }
        self.wake(cloud, wave).await;
    }

    /// When the console took a decision that lay on its way for a while: after the gate opened and
    /// everything that it took before.
    fn earlier(&mut self, cloud: &Cloud, wave: &WaveId, gate: Gate) -> Timestamp {
        let most = u64::try_from(ARRIVES_WITHIN.as_secs()).unwrap_or_default();
        let seconds = i64::try_from(self.random.between(0, most)).unwrap_or_default();
        let opened = cloud.table.inspect(|tables| {
            let state = tables.waves.get(wave)?.wave.gates.get(&gate)?.clone();
            match state {
                GateState::Open(open) => Some(open.opened),
                GateState::Approved { .. } | GateState::Lapsed { .. } => None,
            }
        });
        let taken = self
            .last
            .iter()
            .map(|(_, message)| message.at)
            .chain(opened)
            .max();
        let earlier = cloud.now() - SignedDuration::from_secs(seconds);
        taken.map_or(cloud.now(), |taken| earlier.max(taken))
    }

    /// The console counts a wake; it may die before.
    async fn wake(&mut self, cloud: &Rc<Cloud>, wave: &WaveId) {
        if cloud.faults.borrow().crash > 0.0 && self.random.chance(0.1) {
            return;
        }
        if let Ok(Some(parked)) = cloud.table.count_wake(wave).await {
            cloud.wake(&parked.token);
        }
    }

    fn message(&mut self, at: Timestamp, by: Approver, body: Body) -> Message {
        self.sent += 1;
        let id = MessageId::parse(format!("message-{:05}", self.sent));
        Message {
            id: id.expect("it is printable"),
            at,
            by,
            body,
        }
    }
}

/// Whether a wave that this one waits for goes on: it owns servers that this one wants.
fn waits_for_another(cloud: &Cloud, problems: &[String]) -> bool {
    cloud.table.inspect(|tables| {
        let mut others = tables.waves.values().filter(|stored| {
            let named = format!("belongs to wave {}", stored.wave.id);
            problems.iter().any(|problem| problem.contains(&named))
        });
        others.any(|stored| !stored.wave.phase.terminal())
    })
}

/// Who applies plans and gives commands.
pub(crate) fn operator() -> Approver {
    Approver::Iam("arn:aws:sts::111122223333:assumed-role/Operator/me".to_owned())
}

fn roll_back() -> Body {
    Body::RollBack {
        note: "it is slow".to_owned(),
    }
}

fn approval(gate: Gate, evidence: String, door: Door, only: Part) -> Body {
    Body::Decide {
        gate,
        verdict: Verdict::Approve,
        evidence,
        door,
        only,
        reason: None,
    }
}

fn rejection(gate: Gate, evidence: String, door: Door) -> Body {
    Body::Decide {
        gate,
        verdict: Verdict::Reject,
        evidence,
        door,
        only: Part::default(),
        reason: Some("not tonight".to_owned()),
    }
}

/// A person whom the plan's approver stands for.
fn person(approver: &Approver) -> Approver {
    match approver {
        Approver::Iam(pattern) => Approver::Iam(pattern.replace('*', "/anna")),
        Approver::Mail(_) | Approver::Slack(_) => approver.clone(),
    }
}

fn failed(servers: &[Server]) -> Vec<ServerId> {
    let failed = |server: &&Server| {
        matches!(
            server.stage,
            Stage::Ended {
                end: End::Failed { .. }
            }
        )
    };
    servers
        .iter()
        .filter(failed)
        .map(|server| server.id.clone())
        .collect()
}

/// The plan with a window that is open, if it has one.
fn with_window(plan: &Plan, now: Timestamp) -> Plan {
    let mut plan = plan.clone();
    if let Some(window) = &mut plan.window {
        *window = Window {
            opens: now,
            closes: now + SignedDuration::from_hours(24),
            time_zone: window.time_zone.clone(),
        };
    }
    plan
}
