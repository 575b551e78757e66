//! People: they approve, reject, hold, resume, skip and abort, twice, too late, and for evidence
//! that is no more. When a world has healed they do what a hold's own commands say.

mod answer;
mod doors;
mod file;
mod meddle;
mod press;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp, Unit};
use tidegate_domain::gate::{ARRIVES_WITHIN, Door, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::message::Body;
use tidegate_domain::plan::{Approver, Plan, Window};
use tidegate_domain::server::{End, Server, Stage};
use tidegate_domain::wave::Wave;

use crate::cloud::{Cloud, Errand};
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
    last: Vec<Errand>,
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

    /// How long until just before the next gate expires.
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
        let left = next.duration_since(now);
        let before = i64::try_from(late.between(1, 6)).unwrap_or(1);
        let moment = left - SignedDuration::from_secs(before);
        moment.is_positive().then_some(moment)
    }

    /// Whether they leave the decision for later, as there is time, or for good.
    fn puts_off(&mut self, cloud: &Cloud, open: &OpenGate) -> bool {
        let left = open.expires.duration_since(cloud.now());
        let odds = if left > ARRIVES_WITHIN { 0.9 } else { 0.3 };
        self.late.as_mut().is_some_and(|late| late.chance(odds))
    }

    /// Somebody's plan: they see to it that it is taken, and mend its window should that be over.
    pub fn apply(people: Rc<RefCell<Self>>, cloud: Rc<Cloud>, mut plan: Plan) {
        cloud.runtime.clone().spawn(async move {
            loop {
                let errand = people.borrow_mut().plan(&plan);
                if errand.done(&cloud, true).await == Some(202) {
                    return;
                }
                plan = with_window(&plan, cloud.now());
            }
        });
    }

    /// Look at every wave, and do what comes to mind.
    pub fn look(&mut self, cloud: &Rc<Cloud>, healed: bool) {
        self.press_anything(cloud, healed);
        let waves: Vec<(Wave, Vec<Server>)> = cloud.table.inspect(|tables| {
            tables
                .waves
                .values()
                .map(|s| (s.wave.clone(), s.servers.clone()))
                .collect()
        });
        for (wave, servers) in waves {
            if self.random.chance(0.05) {
                self.look_at(cloud, &wave.id);
            }
            if wave.phase.terminal() {
                continue;
            }
            if healed {
                self.answer(cloud, &wave, &servers);
            } else {
                self.meddle(cloud, &wave, &servers);
            }
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

/// Somebody whom no plan names.
fn stranger() -> Approver {
    Approver::Iam("arn:aws:iam::111122223333:user/stranger".to_owned())
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
        Approver::Iam(pattern) => Approver::Iam(pattern.replace('*', "anna")),
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
        // A plan's times are whole seconds.
        let now = now.round(Unit::Second).unwrap_or(now);
        *window = Window {
            opens: now,
            closes: now + SignedDuration::from_hours(24),
            time_zone: window.time_zone.clone(),
        };
    }
    plan
}
