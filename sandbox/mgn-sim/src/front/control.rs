//! `/_sim/`: to look at the simulator, and to disturb it while it runs.
//!
//! **Invariant:** nothing here can be reached by an AWS client by mistake.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, options};
use crate::core::{FAULT_HELP, Machine};
use crate::region::Region;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultChange {
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    clear: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignJob {
    operation: String,
    servers: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

pub(super) fn answer(
    shared: &Shared,
    method: &Method,
    what: &str,
    body: &Bytes,
) -> (StatusCode, Value) {
    let mut region = shared.region();
    let now = Timestamp::now();
    match (method.as_str(), what) {
        ("GET", "health") => (StatusCode::OK, json!({"status": "ok"})),
        ("GET", "calls") => {
            let mut calls = region.mgn.calls().clone();
            for (operation, count) in region.ssm.calls() {
                *calls.entry(operation.clone()).or_default() += count;
            }
            (StatusCode::OK, json!(calls))
        }
        ("GET", "events") => (StatusCode::OK, json!(*shared.events())),
        ("GET", "state") => {
            let state = json!({"mgn": region.mgn.state(), "ssm": region.ssm.state()});
            (StatusCode::OK, state)
        }
        ("POST", _) => match change(&mut region, what, body, now) {
            Ok(reply) => (StatusCode::OK, reply),
            Err(why) => (StatusCode::BAD_REQUEST, refused(&why)),
        },
        _ => {
            let why = format!("there is no {method} /_sim/{what}; see mgn-sim --help");
            (StatusCode::NOT_FOUND, refused(&why))
        }
    }
}

pub(super) fn refused(why: &str) -> Value {
    json!({ "error": why })
}

fn change(region: &mut Region, what: &str, body: &Bytes, now: Timestamp) -> Result<Value, String> {
    match what {
        "heal" => region.heal(),
        "faults" => change_faults(region, read(body)?, now)?,
        "guesses" => {
            let answers: BTreeMap<String, bool> = read(body)?;
            for (name, answer) in answers {
                let guess = format!("{name}={answer}");
                region.mgn.config_mut().guesses.answer(&guess)?;
            }
        }
        "durations" => change_durations(region, read(body)?)?,
        "agent" => {
            let machine: Machine = read(body)?;
            let id = region.mgn.install_agent(&machine);
            return Ok(json!({ "sourceServerID": id }));
        }
        "foreign-job" => {
            let job: ForeignJob = read(body)?;
            let servers: Vec<&str> = job.servers.iter().map(String::as_str).collect();
            let id = region
                .mgn
                .start_foreign_job(&job.operation, &servers, &job.tags)
                .map_err(|error| error.to_string())?;
            return Ok(json!({ "jobID": id }));
        }
        "impair" => {
            let named: BTreeMap<String, String> = read(body)?;
            let instance = named
                .get("instance")
                .ok_or("the member instance is missing")?;
            if !region.mgn.impair(instance) {
                return Err(format!("there is no instance {instance}"));
            }
        }
        _ => return change_server(region, what, body),
    }
    Ok(json!({}))
}

fn change_faults(region: &mut Region, change: FaultChange, now: Timestamp) -> Result<(), String> {
    let mut mgn = region.mgn.config().faults.clone();
    let mut ssm = region.ssm.config_mut().clone();
    if change.clear {
        mgn.heal();
        ssm.faults.heal();
        ssm.outcomes.clear();
    }
    let known = mgn.scheduled.len();
    for spec in &change.add {
        options::add_fault(&mut mgn, &mut ssm, spec)?;
    }
    let scheduled = mgn.scheduled.split_off(known);
    region.mgn.config_mut().faults = mgn;
    *region.ssm.config_mut() = ssm;
    for fault in scheduled {
        if region.mgn.server_id(&fault.server).is_none() {
            return Err(format!("there is no server {}\n{FAULT_HELP}", fault.server));
        }
        region.mgn.schedule_fault(&fault, now);
    }
    Ok(())
}

fn change_durations(region: &mut Region, changes: BTreeMap<String, Value>) -> Result<(), String> {
    let mut durations = region.mgn.config().durations.clone();
    let mut ssm = region.ssm.config_mut().clone();
    for (name, value) in changes {
        match (name.as_str(), &value) {
            ("speed", Value::Number(number)) => {
                let speed = number
                    .as_f64()
                    .filter(|speed| *speed > 0.0)
                    .ok_or("speed is above 0")?;
                durations.speed = speed;
                ssm.speed = speed;
            }
            (_, Value::String(text)) => {
                options::set_duration(&mut durations, &mut ssm, &format!("{name}={text}"))?;
            }
            _ => return Err(format!("{name}: {value} is not understood")),
        }
    }
    region.mgn.config_mut().durations = durations;
    *region.ssm.config_mut() = ssm;
    Ok(())
}

fn change_server(region: &mut Region, what: &str, body: &Bytes) -> Result<Value, String> {
    let change = match what {
        "stall" => crate::Simulator::stall,
        "unstall" => crate::Simulator::unstall,
        "fall-behind" => crate::Simulator::fall_behind,
        "source-down" => crate::Simulator::source_down,
        "source-up" => crate::Simulator::source_up,
        "quiesce" => crate::Simulator::source_quiesced,
        "resume" => crate::Simulator::source_resumed,
        "fail-next-launch" => crate::Simulator::fail_next_launch,
        "agent-installed" => crate::Simulator::agent_installed,
        _ => return Err(format!("there is no POST /_sim/{what}; see mgn-sim --help")),
    };
    let named: BTreeMap<String, String> = read(body)?;
    let server = named.get("server").ok_or("the member server is missing")?;
    if change(&mut region.mgn, server) {
        Ok(json!({}))
    } else {
        Err(format!("there is no server {server}"))
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
