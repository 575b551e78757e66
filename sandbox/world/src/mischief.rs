//! What others do in the account, and what happens to time: foreign jobs, a second driver, forged
//! events, clocks that jump.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::SignedDuration;
use mgn_sim::{LAUNCH_RESULT, LIFECYCLE_CHANGE, Quotas, STALLED_CHANGE};
use serde_json::json;
use tidegate_domain::id::ServerId;

use crate::cloud::{ACCOUNT, Cloud, REGION};
use crate::invariants::covered;

/// How the servers of others are named.
pub(crate) const OTHERS: &str = "other";

/// Let it happen, as long as the world is not healed.
pub fn spread(cloud: &Rc<Cloud>, others: Vec<String>) {
    foreign_jobs(cloud, others);
    meddling(cloud);
    settings(cloud);
    second_drivers(cloud);
    time_jumps(cloud);
    forged_events(cloud);
}

fn every(cloud: &Rc<Cloud>, seconds: (u64, u64), act: impl Fn(&Rc<Cloud>) + 'static) {
    let cloud = Rc::clone(cloud);
    let runtime = cloud.runtime.clone();
    runtime.clone().spawn(async move {
        loop {
            let wait = cloud.random.borrow_mut().between(seconds.0, seconds.1);
            runtime
                .sleep(SignedDuration::from_secs(i64::try_from(wait).unwrap_or(60)))
                .await;
            act(&cloud);
        }
    });
}

/// Somebody else's launches take slots.
fn foreign_jobs(cloud: &Rc<Cloud>, others: Vec<String>) {
    if others.is_empty() {
        return;
    }
    every(cloud, (60, 900), move |cloud| {
        let odds = cloud.faults.borrow().foreign_jobs;
        let mut random = cloud.random.borrow_mut();
        if !random.chance(odds) {
            return;
        }
        let most = u64::try_from(others.len()).unwrap_or(1);
        let count = usize::try_from(random.between(1, most)).unwrap_or(1);
        let servers: Vec<&str> = others.iter().take(count).map(String::as_str).collect();
        drop(random);
        start_others(cloud, &servers);
    });
}

/// Somebody else's job begins after we looked whether there is room, and before we call: it takes
/// every slot that is left.
pub(crate) fn overtake(cloud: &Cloud) {
    let odds = cloud.faults.borrow().overtaken;
    if !cloud.random.borrow_mut().chance(odds) {
        return;
    }
    let region = cloud.region.borrow();
    let busy: BTreeSet<&String> = region
        .mgn
        .open_jobs()
        .flat_map(|job| job.participants.keys())
        .collect();
    let left = Quotas::default().servers_in_all_jobs - region.mgn.servers_in_jobs();
    let servers = region.mgn.servers().values();
    let idle = servers.filter(|s| s.hostname.starts_with(OTHERS) && !busy.contains(&s.id));
    let names: Vec<String> = idle.take(left).map(|s| s.hostname.clone()).collect();
    drop(region);
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        start_others(cloud, &names);
    }
}

fn start_others(cloud: &Cloud, servers: &[&str]) {
    let now = cloud.now();
    let mut region = cloud.region.borrow_mut();
    _ = region.call_mgn("DescribeJobs", &json!({}), now);
    let started = region
        .mgn
        .start_foreign_job("StartTest", servers, &Default::default());
    drop(region);
    let what = match &started {
        Ok(_) => "job of a stranger",
        Err(_) => "job of a stranger is refused",
    };
    covered(cloud, what);
    cloud.note(|| format!("somebody starts {} servers: {started:?}", servers.len()));
    cloud.ring();
}

/// Somebody who may put events on the bus tells what never happened.
fn forged_events(cloud: &Rc<Cloud>) {
    if cloud.faults.borrow().forged_events <= 0.0 {
        return;
    }
    every(cloud, (30, 600), |cloud| {
        let odds = cloud.faults.borrow().forged_events;
        let mut random = cloud.random.borrow_mut();
        if !random.chance(odds) {
            return;
        }
        let region = cloud.region.borrow();
        let servers: Vec<&String> = region.mgn.servers().keys().collect();
        let jobs: Vec<&String> = region.mgn.jobs().keys().collect();
        let Some(server) = random.pick(&servers) else {
            return;
        };
        let (kind, state) = random.pick(&FORGED).copied().unwrap_or(FORGED[0]);
        let job = random.pick(&jobs).map_or("mgnjob-0", |job| job.as_str());
        let event = json!({
            "version": "0",
            "id": format!("00000000-0000-4000-8000-{:012}", random.between(0, 999_999_999)),
            "detail-type": kind,
            "source": "aws.mgn",
            "account": ACCOUNT,
            "time": cloud.now().to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:mgn:{REGION}:{ACCOUNT}:source-server/{server}")],
            "detail": {"state": state, "job-id": job},
        });
        drop((random, region));
        cloud.note(|| format!("forged event {kind}: {}", event["detail"]));
        covered(cloud, "event is forged");
        cloud.emit(event);
    });
}

/// What forged events tell.
const FORGED: [(&str, &str); 5] = [
    (LAUNCH_RESULT, "TEST_LAUNCH_SUCCEEDED"),
    (LAUNCH_RESULT, "CUTOVER_LAUNCH_SUCCEEDED"),
    (LAUNCH_RESULT, "CUTOVER_LAUNCH_FAILED"),
    (LIFECYCLE_CHANGE, "READY_FOR_TEST"),
    (STALLED_CHANGE, "STALLED"),
];

/// Somebody works on the waves' servers in MGN's own console.
fn meddling(cloud: &Rc<Cloud>) {
    every(cloud, (120, 1_200), |cloud| {
        let odds = cloud.faults.borrow().meddling;
        let mut random = cloud.random.borrow_mut();
        if !random.chance(odds) {
            return;
        }
        let mut region = cloud.region.borrow_mut();
        let ids: Vec<String> = region.mgn.servers().keys().cloned().collect();
        let Some(id) = random.pick(&ids).cloned() else {
            return;
        };
        let state = |state: &str| json!({"sourceServerID": id, "lifeCycle": {"state": state}});
        let one = json!({"sourceServerID": id});
        let (operation, input) = match random.between(1, 20) {
            1..=4 => ("StartTest", json!({"sourceServerIDs": [id]})),
            5..=7 => ("TerminateTargetInstances", json!({"sourceServerIDs": [id]})),
            8..=10 => ("ChangeServerLifeCycleState", state("READY_FOR_TEST")),
            11..=13 => ("ChangeServerLifeCycleState", state("READY_FOR_CUTOVER")),
            14 => ("StartCutover", json!({"sourceServerIDs": [id]})),
            15 => ("FinalizeCutover", one),
            16 => ("DisconnectFromService", one),
            17 => ("DeleteSourceServer", one),
            18 => ("StopReplication", one),
            _ => {
                let launched = region
                    .mgn
                    .servers()
                    .get(&id)
                    .and_then(|s| s.launched.clone());
                if let Some(launched) = launched {
                    region.mgn.impair(&launched.instance);
                }
                return;
            }
        };
        drop(random);
        let reply = region.call_mgn(operation, &input, cloud.now());
        drop(region);
        if reply.is_ok() {
            covered(cloud, format!("somebody else: {operation}"));
        }
        let shown = reply.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        cloud.note(|| format!("somebody else: {operation} {input}: {shown}"));
        cloud.ring();
    });
}

/// Somebody changes how servers are launched: the template, with or without meaning, or MGN's
/// launch configuration.
fn settings(cloud: &Rc<Cloud>) {
    every(cloud, (120, 1_800), |cloud| {
        let odds = cloud.faults.borrow().settings_changed;
        let mut random = cloud.random.borrow_mut();
        if !random.chance(odds) {
            return;
        }
        let mut region = cloud.region.borrow_mut();
        let ids: Vec<String> = region.mgn.servers().keys().cloned().collect();
        let Some(id) = random.pick(&ids).cloned() else {
            return;
        };
        let what = random.between(1, 10);
        let subnet = format!("subnet-{}", random.between(1, 3));
        drop(random);
        covered(cloud, "somebody changes how a server is launched");
        cloud.note(|| format!("somebody changes how {id} is launched: {what}, {subnet}"));
        let now = cloud.now();
        let setting = match what {
            1..=5 => Some(("subnet", subnet.as_str())),
            6 => Some(("instance type", "m5.large")),
            7 => None,
            _ => {
                let mode = if what == 8 { "UEFI" } else { "LEGACY_BIOS" };
                let input = json!({"sourceServerID": id, "bootMode": mode});
                _ = region.call_mgn("UpdateLaunchConfiguration", &input, now);
                return;
            }
        };
        if let Ok(server) = ServerId::parse(id) {
            cloud.templates.borrow_mut().add(&server, setting, now);
        }
    });
}

/// An execution is started by hand while another runs.
fn second_drivers(cloud: &Rc<Cloud>) {
    every(cloud, (120, 1_200), |cloud| {
        let odds = cloud.faults.borrow().second_driver;
        if !cloud.random.borrow_mut().chance(odds) {
            return;
        }
        let drivers: Vec<_> = cloud.table.inspect(|tables| {
            let alive = tables
                .drivers
                .iter()
                .filter(|(_, stored)| stored.driver.wake_at.is_some());
            alive
                .map(|(wave, stored)| (wave.clone(), stored.driver.generation))
                .collect()
        });
        let picked = cloud.random.borrow_mut().pick(&drivers).cloned();
        if let Some((wave, generation)) = picked {
            cloud.start_by_hand(&wave, generation + 1);
        }
    });
}

fn time_jumps(cloud: &Rc<Cloud>) {
    every(cloud, (1_800, 5_400), |cloud| {
        let odds = cloud.faults.borrow().time_jumps;
        if cloud.random.borrow_mut().chance(odds) {
            let minutes = cloud.random.borrow_mut().between(1, 240);
            covered(cloud, "time jumps");
            cloud.note(|| format!("time jumps by {minutes} minutes"));
            cloud.runtime.jump(SignedDuration::from_mins(
                i64::try_from(minutes).unwrap_or(1),
            ));
        }
    });
}
