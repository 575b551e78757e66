//! What a wave costs in calls of MGN, by the book: what changes something, for each server, and
//! what reads, for each minute. The simulator counts them.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::cell::RefCell;
use std::rc::Rc;

use jiff::SignedDuration;
use mgn_sim::region::Region;
use mgn_sim::ssm::SsmConfig;
use mgn_sim::{Config, InitialState, Machine, Quotas};
use tidegate_domain::plan::{Plan, parse};
use tidegate_world::cloud::{ACCOUNT, Cloud, REGION};
use tidegate_world::faults::Faults;
use tidegate_world::journal::Journal;
use tidegate_world::people::People;
use tidegate_world::scenario::START;

/// What the functions may call to change something.
const CHANGES: [&str; 6] = [
    "StartTest",
    "StartCutover",
    "TerminateTargetInstances",
    "ChangeServerLifeCycleState",
    "FinalizeCutover",
    "RetryDataReplication",
];

fn plan() -> anyhow::Result<Plan> {
    let text = "
wave: large
start: { on: replication }
gates: { cutover: { automatic: true }, finalize: { after_soak: 1h, automatic: true } }
applications:
  - name: all
    servers: [{ tag: { wave: large } }]
    quiesce: { document: Tidegate-StopServices, parameters: { services: [app] } }
    validate: [{ document: Tidegate-CheckService, parameters: { services: [app] } }]
";
    parse(text, START).map_err(|errors| anyhow::anyhow!("{:?}", errors.0))
}

fn cloud(servers: usize) -> anyhow::Result<Rc<Cloud>> {
    let machine = |n| {
        let mut machine = Machine::named(format!("app{n:04}"));
        machine.state = Some(InitialState::ReadyForTest);
        machine.tags.insert("wave".to_owned(), "large".to_owned());
        machine
    };
    let mgn = Config {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        start: Some(START),
        inventory: (0..servers).map(machine).collect(),
        quotas: Quotas {
            active_servers: 4_000,
            ..Quotas::default()
        },
        ..Config::default()
    };
    let region = Region::new(mgn, SsmConfig::default());
    Cloud::new(START, 1, region, Faults::none(), Journal::off())
}

/// What was read of MGN so far.
fn reads(cloud: &Cloud) -> u64 {
    let region = cloud.region.borrow();
    let calls = region.mgn.calls().iter();
    calls
        .filter(|(operation, _)| !CHANGES.contains(&operation.as_str()))
        .map(|(_, calls)| *calls)
        .sum()
}

fn main() -> anyhow::Result<()> {
    for servers in [20, 200, 2_000] {
        let (cloud, plan) = (cloud(servers)?, plan()?);
        let wave = plan.wave.clone();
        let people = Rc::new(RefCell::new(People::new(1, true)));
        People::apply(people, Rc::clone(&cloud), plan);
        let phase = || {
            cloud.table.inspect(|tables| {
                tables
                    .waves
                    .get(&wave)
                    .map_or("none", |stored| stored.wave.phase.name())
            })
        };
        let limit = START + SignedDuration::from_hours(48);
        let (mut minute, mut before, mut most) = (0, 0, 0);
        while phase() != "Completed" && cloud.runtime.step(limit) {
            let now = cloud.now().duration_since(START).as_mins();
            if now > minute {
                let reads = reads(&cloud);
                most = most.max(reads - before);
                (minute, before) = (now, reads);
            }
        }
        let minutes = cloud.now().duration_since(START).as_secs_f64() / 60.0;
        println!("{servers} servers: {} after {minutes:.0} minutes", phase());
        let region = cloud.region.borrow();
        let mut changes = 0;
        for (operation, calls) in region.mgn.calls() {
            println!("  {operation:28} {calls:6}");
            if CHANGES.contains(&operation.as_str()) {
                changes += calls;
            }
        }
        let servers = u32::try_from(servers)?;
        println!(
            "  changes a server: {:.2} (goal: 2.3 at most); reads a minute: {:.1}, at most {most}\n",
            changes as f64 / f64::from(servers),
            reads(&cloud) as f64 / minutes
        );
    }
    Ok(())
}
