//! Which servers a wave has: selectors are resolved against what MGN lists, once, when the wave
//! starts, and frozen.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::id::{ApplicationName, ServerId};
use crate::observation::{LifeCycle, ServerSeen};
use crate::plan::{MOST_SERVERS, Plan, Select, Selector};
use crate::server::{Server, Stage, Trial};

/// A plan's selectors, indexed by what they pick.
#[derive(Debug)]
pub struct Selectors<'a> {
    /// In the plan's order, each with the name of its application.
    all: Vec<(&'a ApplicationName, &'a Selector)>,
    ids: BTreeMap<&'a ServerId, Vec<usize>>,
    /// By hostname in lower case.
    hostnames: BTreeMap<String, Vec<usize>>,
    tags: Vec<(usize, &'a BTreeMap<String, String>)>,
}

impl<'a> Selectors<'a> {
    /// Those of a plan.
    #[must_use]
    pub fn of(plan: &'a Plan) -> Self {
        let all: Vec<_> = plan
            .applications
            .iter()
            .flat_map(|a| a.servers.iter().map(|selector| (&a.name, selector)))
            .collect();
        let (mut ids, mut hostnames, mut tags) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (index, (_, selector)) in all.iter().enumerate() {
            match &selector.select {
                Select::Id(id) => ids.entry(id).or_insert_with(Vec::new).push(index),
                Select::Hostname(name) => hostnames
                    .entry(name.to_ascii_lowercase())
                    .or_insert_with(Vec::new)
                    .push(index),
                Select::Tags(wanted) => tags.push((index, wanted)),
            }
        }
        Self {
            all,
            ids,
            hostnames,
            tags,
        }
    }

    /// Whether one of them picks this server.
    #[must_use]
    pub fn pick(&self, server: &ServerSeen) -> bool {
        !self.picking(server).is_empty()
    }

    /// Those that pick this server.
    fn picking(&self, server: &ServerSeen) -> BTreeSet<usize> {
        let names = [&server.hostname, &server.fqdn].map(|name| name.to_ascii_lowercase());
        let by_name = names.iter().filter_map(|name| self.hostnames.get(name));
        let exact = self.ids.get(&server.id).into_iter().chain(by_name);
        let carries = |wanted: &BTreeMap<String, String>| {
            wanted
                .iter()
                .all(|(key, value)| server.tags.get(key) == Some(value))
        };
        let tagged = self.tags.iter().filter(|(_, wanted)| carries(wanted));
        exact
            .flatten()
            .copied()
            .chain(tagged.map(|(index, _)| *index))
            .collect()
    }
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
    let selectors = Selectors::of(plan);
    let mut picked: Vec<Vec<&ServerSeen>> = vec![Vec::new(); selectors.all.len()];
    for server in seen.values() {
        for index in selectors.picking(server) {
            picked[index].push(server);
        }
    }
    for ((application, selector), found) in selectors.all.iter().zip(picked) {
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
                    "{} is picked by {other} and by {what} of {application}",
                    named(server)
                ));
                continue;
            }
            by.insert(&server.id, format!("{what} of {application}"));
            if let Some(problem) = unfit(server) {
                problems.push(problem);
            }
            servers.push(Server {
                id: server.id.clone(),
                hostname: display_name(server),
                application: (*application).clone(),
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
