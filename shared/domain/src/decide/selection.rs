//! Which servers a wave has: selectors are resolved against what MGN lists, once, when the wave
//! starts, and frozen.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::id::ServerId;
use crate::observation::{LifeCycle, ServerSeen};
use crate::plan::{MOST_SERVERS, Plan, Select, Selector};
use crate::server::{Server, Stage, Trial};
use crate::wave::Wave;

/// Whether a selector of the plan picks this server.
#[must_use]
pub fn picks(wave: &Wave, server: &ServerSeen) -> bool {
    wave.plan
        .applications
        .iter()
        .flat_map(|a| &a.servers)
        .any(|s| matches(s, server))
}

/// The servers of a plan in its order, or everything that does not fit.
pub(super) fn select(
    plan: &Plan,
    seen: &BTreeMap<ServerId, ServerSeen>,
    now: Timestamp,
) -> Result<Vec<Server>, Vec<String>> {
    let mut servers: Vec<Server> = Vec::new();
    let mut by: BTreeMap<&ServerId, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for application in &plan.applications {
        for selector in &application.servers {
            let found: Vec<_> = seen.values().filter(|s| matches(selector, s)).collect();
            let what = describe(selector);
            match (&selector.select, found.len()) {
                (_, 0) => problems.push(format!("MGN has no server with {what}")),
                (Select::Hostname(_), 2..) => problems.push(format!(
                    "{} servers have {what}: {}; name one by its id",
                    found.len(),
                    found
                        .iter()
                        .map(|s| s.id.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
                (Select::Id(_) | Select::Hostname(_) | Select::Tags(_), _) => {}
            }
            for server in found {
                if let Some(other) = by.get(&server.id) {
                    problems.push(format!(
                        "{} is picked by {other} and by {what} of {}",
                        named(server),
                        application.name
                    ));
                    continue;
                }
                by.insert(&server.id, format!("{what} of {}", application.name));
                if let Some(problem) = unfit(server) {
                    problems.push(problem);
                }
                servers.push(Server {
                    id: server.id.clone(),
                    hostname: display_name(server),
                    application: application.name.clone(),
                    critical: selector.critical,
                    stage: Stage::Replicating,
                    since: now,
                    tests: 0,
                    cutovers: 0,
                    test: None,
                    instance: None,
                    launched: None,
                    target: None,
                    kept: None,
                    quiesced_at: None,
                    cutover: None,
                    downtime: None,
                    cutting_over: false,
                    failed: false,
                    refusals: 0,
                    stall: None,
                    trial: Trial::default(),
                    waivers: Vec::new(),
                    previous_snapshots: 0,
                });
            }
        }
    }
    if servers.len() > MOST_SERVERS {
        problems.push(format!(
            "{} servers are picked; a wave holds {MOST_SERVERS} at most",
            servers.len()
        ));
    }
    if problems.is_empty() {
        Ok(servers)
    } else {
        Err(problems)
    }
}

fn matches(selector: &Selector, server: &ServerSeen) -> bool {
    match &selector.select {
        Select::Id(id) => *id == server.id,
        Select::Hostname(name) => {
            name.eq_ignore_ascii_case(&server.hostname) || name.eq_ignore_ascii_case(&server.fqdn)
        }
        Select::Tags(tags) => tags
            .iter()
            .all(|(key, value)| server.tags.get(key) == Some(value)),
    }
}

/// Why a server cannot be part of a new wave.
fn unfit(server: &ServerSeen) -> Option<String> {
    match server.life_cycle {
        LifeCycle::CuttingOver => Some(format!(
            "{} is already CUTTING_OVER; finalize it or set it back in MGN first",
            named(server)
        )),
        LifeCycle::Cutover | LifeCycle::Disconnected => {
            Some(format!("{} is already migrated", named(server)))
        }
        LifeCycle::Stopped
        | LifeCycle::NotReady
        | LifeCycle::ReadyForTest
        | LifeCycle::Testing
        | LifeCycle::ReadyForCutover
        | LifeCycle::Discovered
        | LifeCycle::PendingInstallation
        | LifeCycle::Unknown => None,
    }
}

fn describe(selector: &Selector) -> String {
    match &selector.select {
        Select::Id(id) => format!("id {id}"),
        Select::Hostname(name) => format!("hostname {name}"),
        Select::Tags(tags) => format!(
            "tag {}",
            tags.iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

fn display_name(server: &ServerSeen) -> String {
    [&server.hostname, &server.fqdn]
        .into_iter()
        .find(|name| !name.is_empty())
        .cloned()
        .unwrap_or_else(|| server.id.to_string())
}

fn named(server: &ServerSeen) -> String {
    format!("{} ({})", display_name(server), server.id)
}
