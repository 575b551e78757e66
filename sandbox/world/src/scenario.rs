//! What a world is made of, drawn from its seed: servers, plans, people, faults.

mod gates;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mgn_sim::region::Region;
use mgn_sim::ssm::{Outcome, OutcomeRule, SsmConfig};
use mgn_sim::{
    CallFault, CallFaultKind, Config, FailingStage, InitialState, LaunchFault, LaunchFaultKind,
    Machine, Quotas, ScheduledFault, ScheduledFaultKind,
};
use tidegate_domain::gate::Gate;
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::{
    Application, Document, Gates, OnExpiry, OnFailure, Plan, Policy, Quiesce, Select, Selector,
    Start, Window,
};

use crate::cloud::{ACCOUNT, Function, REGION};
use crate::faults::{CHANGES, Faults};
use crate::mischief::OTHERS;
use crate::people::late;
use crate::random::Random;

use self::gates::gate;

pub(crate) use self::gates::{ANNA, BERT, LEAD};

/// The guesses of the first worlds.
const FIRST_GUESSES: usize = 36;

/// How many times as long a straggler's launch takes: less than its time-out.
const STRAGGLES: f64 = 4.0;

/// When every world begins.
pub const START: Timestamp = Timestamp::constant(1_796_000_000, 0);

/// Everything that a world is made from.
#[derive(Debug)]
pub struct Scenario {
    /// MGN and SSM.
    pub region: Region,
    /// The plans, each with when it is applied.
    pub plans: Vec<(SignedDuration, Plan)>,
    /// What goes wrong.
    pub faults: Faults,
    /// Until when it does.
    pub heals: SignedDuration,
    /// Servers that belong to others.
    pub others: Vec<String>,
    /// Whether healing mends everything: nobody broke anything for good.
    pub mends: bool,
}

/// How large and how hard worlds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 1 to 12 servers a wave, mostly.
    Small,
    /// 200 servers in one wave, mostly.
    Large,
    /// Two waves of 200 servers that begin within minutes of each other: they share MGN's slots.
    Crowded,
    /// A wave of 200 servers in an account in which strangers take the slots again and again.
    Strangers,
}

impl Size {
    /// The command that runs the world of a seed again, with its log.
    #[must_use]
    pub fn replay(self, seed: u64) -> String {
        let option = match self {
            Self::Small => return format!("make simulate SEED={seed}"),
            Self::Large => "--large",
            Self::Crowded => "--crowded",
            Self::Strangers => "--strangers",
        };
        format!("make simulate SEED={seed} ARGS={option}")
    }
}

/// The scenario of a seed.
///
/// # Panics
/// If a name that is made here is not a name: a mistake in this file.
#[must_use]
pub fn scenario(seed: u64, size: Size) -> Scenario {
    let mut random = Random::new(seed, 2);
    let faults = faults(&mut random, seed, size);
    let waves = match (size, random.between(1, 20)) {
        (Size::Large, 16..) => 2,
        (Size::Crowded, _) => 2,
        (Size::Large | Size::Strangers, _) | (Size::Small, 1..=15) => 1,
        (Size::Small, 16..=19) => 2,
        (Size::Small, _) => 3,
    };
    let mut machines = Vec::new();
    let mut plans = Vec::new();
    let mut mends = faults.meddling <= 0.0;
    for number in 1..=waves {
        let servers = match size {
            Size::Small => random.between(1, 12).min(random.between(1, 12)),
            Size::Large | Size::Crowded | Size::Strangers => 200,
        };
        let (mut plan, mut own) = plan(&mut random, number, servers);
        let mut latest = 1_800;
        if let Size::Crowded | Size::Strangers = size {
            plan.start = Start::Replication;
            for machine in &mut own {
                machine.state = Some(InitialState::ReadyForTest);
            }
            latest = 120;
        } else if let Some((_, earlier)) = plans.first()
            && random.chance(0.15)
        {
            overlap(&mut plan, earlier);
            mends = false;
        }
        let finalize = &plan.gates.finalize;
        if !finalize.automatic && late(seed).is_some_and(|mut luck| luck.chance(0.5)) {
            plan.gates.finalize.on_expiry = OnExpiry::RollBack;
        }
        let later = SignedDuration::from_secs(random_seconds(&mut random, 0, latest));
        plans.push((later, plan));
        machines.extend(own);
    }
    let others = match random.between(1, 10) {
        1..=7 => 0,
        8 | 9 => 5,
        _ => 195,
    };
    let others = if size == Size::Strangers { 200 } else { others };
    let others: Vec<String> = if faults.foreign_jobs > 0.0 {
        (1..=others).map(|n| format!("{OTHERS}{n:03}")).collect()
    } else {
        Vec::new()
    };
    machines.extend(others.iter().map(|name| Machine {
        state: Some(InitialState::ReadyForTest),
        ..Machine::named(name.clone())
    }));
    let soonest = if size == Size::Strangers {
        3 * 3_600
    } else {
        1_800
    };
    let heals = random.between(soonest, 8 * 3_600);
    let region = region(&mut random, seed, machines, &faults, heals);
    let heals = SignedDuration::from_secs(i64::try_from(heals).unwrap_or(0));
    Scenario {
        region,
        plans,
        faults,
        heals,
        others,
        mends,
    }
}

/// What goes wrong. What came later is drawn from a stream of its own, so that the worlds of old seeds
/// stay as they were.
fn faults(random: &mut Random, seed: u64, size: Size) -> Faults {
    let mut faults = Faults::drawn(random);
    let mut own = Random::new(seed, 6);
    if own.chance(0.15) && faults.event_lost + faults.event_doubled + faults.event_late > 0.0 {
        faults.forged_events = own.fraction();
    }
    let mut own = Random::new(seed, 9);
    if own.chance(0.2) && faults.launch_fails + faults.launch_stale > 0.0 {
        faults.stragglers = own.fraction() / 2.0;
    }
    let mut own = Random::new(seed, 10);
    if own.chance(0.5) {
        faults.hard = hard(&mut own);
    }
    if size == Size::Strangers {
        // Little else goes wrong: what keeps the wave from wanting slots lasts until the strangers go.
        faults = Faults {
            foreign_jobs: 1.0,
            overtaken: own.pick(&[0.3, 1.0]).copied().unwrap_or(1.0),
            skew_milliseconds: faults.skew_milliseconds,
            launch_fails: faults.launch_fails,
            event_lost: faults.event_lost,
            lost: faults.lost,
            ..Faults::none()
        };
    }
    faults
}

/// A call at which more goes wrong than elsewhere.
fn hard(random: &mut Random) -> Option<(Function, &'static str)> {
    let calls = |(function, calls): &(Function, &'static [&'static str])| {
        let function = *function;
        calls.iter().map(move |call| (function, *call))
    };
    let all: Vec<_> = CHANGES.iter().flat_map(calls).collect();
    random.pick(&all).copied()
}

/// A server that another wave has too: one of them must wait until the other has ended.
fn overlap(plan: &mut Plan, other: &Plan) {
    let theirs = other
        .applications
        .first()
        .and_then(|app| app.servers.first())
        .cloned();
    if let (Some(application), Some(selector)) = (plan.applications.first_mut(), theirs) {
        application.servers.push(selector);
    }
}

fn random_seconds(random: &mut Random, from: u64, to: u64) -> i64 {
    i64::try_from(random.between(from, to)).unwrap_or(0)
}

fn region(
    random: &mut Random,
    seed: u64,
    machines: Vec<Machine>,
    faults: &Faults,
    heals: u64,
) -> Region {
    let names: Vec<String> = machines
        .iter()
        .map(|machine| machine.hostname.clone())
        .collect();
    let speed = random.pick(&[1.0, 4.0, 20.0]).copied().unwrap_or(1.0);
    let mut mgn = Config {
        seed,
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        start: Some(START),
        inventory: machines,
        initialized: !(faults.crash > 0.0 && random.chance(0.05)),
        quotas: Quotas {
            active_servers: 4_000,
            ..Quotas::default()
        },
        ..Config::default()
    };
    mgn.durations.speed = speed;
    mgn.default_page_size = 50;
    // Later guesses are drawn apart, so that a world that failed once stays the same world.
    let (first, later) = mgn_sim::Guesses::ALL.split_at(FIRST_GUESSES);
    let mut apart = Random::new(seed, 8);
    for (random, guesses) in [(&mut *random, first), (&mut apart, later)] {
        for (name, default, _) in guesses {
            if random.chance(0.15) {
                mgn.guesses.set(name, !default);
            }
        }
    }
    let mut launch = |kind, odds| {
        if odds > 0.0 {
            mgn.faults.launches.push(LaunchFault {
                kind,
                server: None,
                nth: None,
                odds,
            });
        }
    };
    launch(
        LaunchFaultKind::Fail(FailingStage::Launch),
        faults.launch_fails / 2.0,
    );
    launch(
        LaunchFaultKind::Fail(FailingStage::Conversion),
        faults.launch_fails / 2.0,
    );
    launch(LaunchFaultKind::Stale, faults.launch_stale);
    launch(LaunchFaultKind::Skip, faults.launch_skipped);
    launch(LaunchFaultKind::Impaired, faults.impaired);
    launch(LaunchFaultKind::Slow(STRAGGLES), faults.stragglers);
    for name in &names {
        if random.chance(faults.stalls) {
            let kind = if random.chance(0.8) {
                ScheduledFaultKind::Stall
            } else {
                ScheduledFaultKind::SourceDown
            };
            let after = SignedDuration::from_secs(random_seconds(random, 60, heals - 60));
            mgn.faults.scheduled.push(ScheduledFault {
                kind,
                server: name.clone(),
                after,
            });
        }
    }
    if faults.fails > 0.0 && random.chance(0.08) {
        let operation = random
            .pick(&[
                "StartTest",
                "StartCutover",
                "FinalizeCutover",
                "ChangeServerLifeCycleState",
            ])
            .map(|operation| (*operation).to_owned());
        mgn.faults.calls.push(CallFault {
            kind: CallFaultKind::Deny,
            odds: 1.0,
            operation,
            remaining: None,
        });
    }
    let mut ssm = SsmConfig {
        seed,
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        speed,
        ..SsmConfig::default()
    };
    if random.chance(0.05) && faults.document_fails > 0.0 {
        // A document of the plan is missing until somebody creates it.
        ssm.documents = BTreeSet::from(["Tidegate-StopServices".to_owned()]);
    }
    let outcomes = [
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::DeliveryTimedOut,
        Outcome::Undeliverable,
    ];
    for outcome in outcomes {
        ssm.outcomes.push(OutcomeRule {
            document: None,
            node: None,
            nth: None,
            odds: faults.document_fails / 4.0,
            outcome,
            after: None,
        });
    }
    Region::new(mgn, ssm)
}

/// A plan of that many servers, with the machines that it is about.
fn plan(random: &mut Random, number: u64, servers: u64) -> (Plan, Vec<Machine>) {
    let wave = WaveId::parse(format!("wave-{number}")).expect("it is a name");
    let applications = random.between(1, 3).min(servers);
    let ready = random.chance(0.7);
    let mut machines = Vec::new();
    let mut made: Vec<Application> = Vec::new();
    for index in 0..applications {
        let share = servers / applications + u64::from(index < servers % applications);
        let name = format!("app-{index}").try_into().expect("it is a name");
        let tagged = random.chance(0.3);
        let role = format!("{wave}-{index}");
        let mut selectors = Vec::new();
        for member in 0..share {
            let hostname = format!("w{number}a{index}s{member:03}");
            let state = if ready || random.chance(0.5) {
                InitialState::ReadyForTest
            } else {
                InitialState::NotReady
            };
            let tags = if tagged {
                BTreeMap::from([("role".to_owned(), role.clone())])
            } else {
                BTreeMap::new()
            };
            machines.push(Machine {
                tags,
                state: Some(state),
                ..Machine::named(hostname.clone())
            });
            if !tagged {
                let select = Select::Hostname(hostname);
                selectors.push(Selector {
                    select,
                    critical: random.chance(0.2),
                });
            }
        }
        if tagged {
            let select = Select::Tags(BTreeMap::from([("role".to_owned(), role)]));
            selectors.push(Selector {
                select,
                critical: random.chance(0.2),
            });
        }
        let mut after = Vec::new();
        for earlier in &made {
            if random.chance(0.5) {
                after.push(earlier.name.clone());
            }
        }
        let checks = random.between(0, 2);
        made.push(Application {
            name,
            after,
            servers: selectors,
            quiesce: random.chance(0.6).then(|| quiesce(random)),
            validate: (0..checks)
                .map(|n| document(&format!("Tidegate-Check{n}")))
                .collect(),
        });
    }
    let start = start(random);
    let window = window(random).filter(|window| match start {
        // No plan starts when its window has closed.
        Start::Schedule(at) => at < window.closes,
        Start::Replication | Start::Manual => true,
    });
    let plan = Plan {
        wave,
        start,
        window,
        gates: Gates {
            cutover: gate(random, 0.2, Gate::Cutover),
            finalize: gate(random, 0.5, Gate::Finalize),
            soak: SignedDuration::from_secs(random_seconds(random, 0, 3_600)),
        },
        policy: policy(random),
        applications: made,
    };
    (plan, machines)
}

fn window(random: &mut Random) -> Option<Window> {
    random.chance(0.5).then(|| {
        let opens = START + SignedDuration::from_secs(random_seconds(random, 600, 6 * 3_600));
        let lasts = SignedDuration::from_secs(random_seconds(random, 3_600, 8 * 3_600));
        Window {
            opens,
            closes: opens + lasts,
            time_zone: "Europe/Berlin".to_owned(),
        }
    })
}

/// Some waves wait for days, so that their driver's execution is renewed.
fn start(random: &mut Random) -> Start {
    match random.between(1, 100) {
        1..=50 => Start::Replication,
        51..=53 => Start::Schedule(START + SignedDuration::from_hours(5 * 24)),
        54..=75 => {
            let wait = SignedDuration::from_secs(random_seconds(random, 0, 3_600));
            Start::Schedule(START + wait)
        }
        _ => Start::Manual,
    }
}

/// Stops an application; now and then by a document that nothing undoes.
fn quiesce(random: &mut Random) -> Quiesce {
    if random.chance(0.8) {
        Quiesce {
            stop: document("Tidegate-StopServices"),
            start: Some(document("Tidegate-StartServices")),
        }
    } else {
        Quiesce {
            stop: document("Orders-Stop"),
            start: None,
        }
    }
}

fn document(name: &str) -> Document {
    Document {
        document: name.to_owned(),
        parameters: BTreeMap::new(),
        timeout: SignedDuration::from_mins(5),
    }
}

fn policy(random: &mut Random) -> Policy {
    let attempts = u32::try_from(random.between(1, 3)).unwrap_or(1);
    Policy {
        max_lag: SignedDuration::from_secs(random_seconds(random, 30, 120)),
        attempts,
        failure_budget: u8::try_from(random.between(0, 50)).unwrap_or(0),
        on_failure: if random.chance(0.5) {
            OnFailure::Hold
        } else {
            OnFailure::Skip
        },
        keep_test_instances: SignedDuration::from_secs(random_seconds(random, 0, 2 * 3_600)),
        observe_every: SignedDuration::from_secs(random_seconds(random, 30, 300)),
        launch_timeout: SignedDuration::from_mins(60),
        boot_timeout: SignedDuration::from_mins(30),
    }
}
