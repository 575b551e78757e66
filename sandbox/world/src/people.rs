//! People: they approve, reject, hold, resume, skip and abort, twice, too late, and for evidence
//! that is no more. When a world has healed they do what a hold's own commands say.

mod answer;
mod meddle;
mod press;

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::gate::{ARRIVES_WITHIN, Door, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::id::{MessageId, ServerId, WaveId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, Plan, Window};
use tidegate_domain::server::{End, Server, Stage};
use tidegate_domain::wave::Wave;
use tidegate_ports::driver::Drivers;
use tidegate_ports::inbox::Inbox;

use crate::cloud::Cloud;
use crate::random::Random;

/// The people of a world.
#[derive(Debug)]
pub struct People {
    random: Random,
    sent: u64,
    /// Whether they answer holds with the first command that the hold names.
    plain: bool,
    /// Whether that has to be enough, because nothing in their world is broken for good.
    mends: bool,
    /// Whether they decide at the last moment, if so with which luck.
    late: Option<Random>,
    holds: BTreeMap<WaveId, (u32, u64)>,
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
            late: late(seed),
            holds: Default::default(),
            last: Vec::new(),
        }
    }

    /// How long until they look again.
    pub fn pause(&mut self, cloud: &Cloud, healed: bool) -> SignedDuration {
        let most = if healed { 120 } else { 900 };
        let pause = self.random.between(10, most);
        let pause = SignedDuration::from_secs(i64::try_from(pause).unwrap_or(60));
        self.last_moment(cloud).map_or(pause, |due| pause.min(due))
    }

    /// How long until something arrives that was decided just before a gate expired.
    fn last_moment(&mut self, cloud: &Cloud) -> Option<SignedDuration> {
        let late = self.late.as_mut()?;
        let now = cloud.now();
        let next = cloud.table.inspect(|tables| {
            let gates = tables.waves.values().flat_map(|s| s.wave.gates.values());
            let expiries = gates.filter_map(|state| match state {
                GateState::Open(open) => Some(open.expires),
                GateState::Approved { .. } | GateState::Lapsed { .. } => None,
            });
            expiries.filter(|expires| *expires > now).min()
        })?;
        let most = u64::try_from(ARRIVES_WITHIN.as_secs()).unwrap_or_default();
        let seconds = i64::try_from(late.between(most / 2, most)).unwrap_or_default();
        Some(next.duration_since(now) + SignedDuration::from_secs(seconds))
    }

    /// Whether they leave the decision for later, as there is time, or for good.
    fn puts_off(&mut self, cloud: &Cloud, open: &OpenGate) -> bool {
        let odds = if open.expires > cloud.now() { 0.9 } else { 0.3 };
        self.late.as_mut().is_some_and(|late| late.chance(odds))
    }

    /// Whether this decision was taken before its gate expired, and arrives after it.
    fn arrives_late(&self, cloud: &Cloud, wave: &WaveId, gate: Gate) -> bool {
        let open = self.late.as_ref().and(open_gate(cloud, wave, gate));
        open.is_some_and(|open| open.expires <= cloud.now())
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
        self.press_anything(cloud, healed);
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
            && (self.arrives_late(cloud, wave, gate) || self.random.chance(0.2))
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
        let open = open_gate(cloud, wave, gate);
        let taken = self
            .last
            .iter()
            .map(|(_, message)| message.at)
            .chain(open.as_ref().map(|open| open.opened))
            .max();
        let earlier = match open {
            Some(open) if self.late.is_some() && open.expires <= cloud.now() => {
                open.expires - SignedDuration::from_secs(1)
            }
            Some(_) | None => cloud.now() - SignedDuration::from_secs(seconds),
        };
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

/// The luck of people who decide at the last moment, in the worlds that have such people: drawn apart,
/// so that the other worlds stay as they were.
pub(crate) fn late(seed: u64) -> Option<Random> {
    let mut random = Random::new(seed, 7);
    random.chance(0.2).then_some(random)
}

/// What a gate asks, if it does.
fn open_gate(cloud: &Cloud, wave: &WaveId, gate: Gate) -> Option<OpenGate> {
    cloud.table.inspect(
        |tables| match tables.waves.get(wave)?.wave.gates.get(&gate)? {
            GateState::Open(open) => Some(open.clone()),
            GateState::Approved { .. } | GateState::Lapsed { .. } => None,
        },
    )
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
