//! What was known and what was read, put together: one observation a server.
//!
//! **Invariant 1**: what was not read stays as it was, with the time at which it was read; nothing
//! is ever made up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::decide::Interest;
use tidegate_domain::id::{CommandId, InstanceId, JobId, NodeId, ServerId, SnapshotId};
use tidegate_domain::observation::{
    CommandStatus, InstanceSeen, JobSeen, ServerSeen, SnapshotsSeen,
};
use tidegate_domain::server::{Server, Stage};
use tidegate_ports::observations::Known;

use crate::read::{Round, log_was_read, needs_log, part_of};
use crate::settings;

/// The latest observation of every server.
pub(crate) fn merge(
    known: &Known,
    interest: &Interest,
    mut round: Round,
    at: Timestamp,
) -> BTreeMap<ServerId, ServerSeen> {
    let mut seen = servers(known, interest, round.servers.take());
    let jobs_of = by_server(&interest.jobs);
    let commands_of = by_server(&interest.commands);
    let servers: BTreeMap<&ServerId, &Server> = known.servers.iter().map(|s| (&s.id, s)).collect();
    for server in seen.values_mut() {
        let jobs = jobs_of
            .get(&server.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let wanted = interest.instances.get(&server.id);
        server.job = job(server, jobs, &round);
        server.instance = wanted.and_then(|id| instance(server, id, &round));
        if let Some(nodes) = round
            .source_nodes
            .as_ref()
            .filter(|_| interest.source_nodes)
        {
            server.node = source_node(server, nodes);
        }
        let commands = commands_of
            .get(&server.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let wanted = interest.snapshots.get(&server.id).map(Vec::as_slice);
        server.snapshots = snapshots(server.snapshots, wanted.unwrap_or_default(), &round);
        let own = servers.get(&server.id).copied();
        server.commands = commands
            .iter()
            .map(|id| ((*id).clone(), command(server, own, id, interest, &round)))
            .collect();
        if let Some(read) = round.settings.remove(&server.id) {
            let test = servers.get(&server.id).and_then(|s| s.test.as_ref());
            let tested = test.and_then(|test| test.settings.as_deref());
            server.settings = settings::merge(&server.settings, read, tested, at);
        }
    }
    seen
}

/// What MGN says of the servers. One that was asked for and that MGN does not know is no more.
fn servers(
    known: &Known,
    interest: &Interest,
    read: Option<Vec<ServerSeen>>,
) -> BTreeMap<ServerId, ServerSeen> {
    let mut seen = known.seen.clone();
    let Some(read) = read else {
        return seen;
    };
    if interest.select {
        seen.clear();
    } else {
        for id in &interest.servers {
            seen.remove(id);
        }
    }
    for mut server in read {
        if let Some(before) = known.seen.get(&server.id) {
            server.job = before.job.clone();
            server.instance = before.instance.clone();
            server.node = before.node.clone();
            server.commands = before.commands.clone();
            server.snapshots = before.snapshots;
            server.settings = before.settings.clone();
        }
        seen.insert(server.id.clone(), server);
    }
    seen
}

fn by_server<K: Ord>(interest: &BTreeMap<K, Vec<ServerId>>) -> BTreeMap<&ServerId, Vec<&K>> {
    let mut turned: BTreeMap<&ServerId, Vec<&K>> = BTreeMap::new();
    for (key, servers) in interest {
        for server in servers {
            turned.entry(server).or_default().push(key);
        }
    }
    turned
}

/// The server's part in the job that its stage waits for. One whose log could not be read is not
/// believed to have ended.
fn job(server: &ServerSeen, wanted: &[&JobId], round: &Round) -> Option<JobSeen> {
    let id = wanted.first()?;
    let before = || server.job.clone().filter(|job| job.id == **id);
    let Some(read) = round.jobs.get(id) else {
        return before();
    };
    let part = read.servers.iter().find(|part| part.id == server.id);
    let launch = part_of(read, &server.id);
    let known = server.job.as_ref().filter(|_| log_was_read(server, id));
    let (previous_snapshot, skipped) = match (round.logs.get(id), known) {
        (Some(log), _) => (
            log.previous_snapshot.contains(&server.id),
            log.skipped.contains(&server.id),
        ),
        (None, Some(known)) => (known.previous_snapshot, known.skipped),
        (None, None) if needs_log(read.completed, launch) => return before(),
        (None, None) => (false, false),
    };
    Some(JobSeen {
        id: (*id).clone(),
        completed: read.completed,
        launch,
        instance: part.and_then(|part| part.instance.clone()),
        previous_snapshot,
        skipped,
    })
}

fn instance(server: &ServerSeen, id: &InstanceId, round: &Round) -> Option<InstanceSeen> {
    let before = server.instance.as_ref().filter(|before| before.id == *id);
    let Some(mut seen) = round.instances.get(id).cloned() else {
        return before.cloned();
    };
    seen.managed = match &round.managed {
        Some(managed) => managed.contains(id),
        None => seen.running && before.is_some_and(|before| before.managed),
    };
    Some(seen)
}

/// How far all of these are together; as before if they were not read.
fn snapshots(before: SnapshotsSeen, wanted: &[SnapshotId], round: &Round) -> SnapshotsSeen {
    if wanted.is_empty() {
        return SnapshotsSeen::default();
    }
    let states: Option<Vec<SnapshotsSeen>> = wanted
        .iter()
        .map(|id| round.snapshots.get(id).copied())
        .collect();
    match states {
        None => before,
        Some(states) if states.contains(&SnapshotsSeen::Failed) => SnapshotsSeen::Failed,
        Some(states) if states.contains(&SnapshotsSeen::Pending) => SnapshotsSeen::Pending,
        Some(_) => SnapshotsSeen::Complete,
    }
}

/// The node whose computer name is the server's, in any letter case: the whole name, or else its
/// first part. Two nodes of one name are none, because the wrong one must not be stopped.
fn source_node(server: &ServerSeen, nodes: &[(NodeId, String)]) -> Option<NodeId> {
    let names = [server.fqdn.as_str(), server.hostname.as_str()];
    let names = || names.iter().filter(|name| !name.is_empty());
    let whole = |computer: &str| names().any(|name| name.eq_ignore_ascii_case(computer));
    let short =
        |computer: &str| names().any(|n| first_part(n).eq_ignore_ascii_case(first_part(computer)));
    let only = |matches: &dyn Fn(&str) -> bool| {
        let mut found = nodes.iter().filter(|(_, computer)| matches(computer));
        match (found.next(), found.next()) {
            (None, _) => None,
            (Some((node, _)), None) => Some(Some(node.clone())),
            (Some(_), Some(_)) => Some(None),
        }
    };
    only(&whole).or_else(|| only(&short)).flatten()
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// How a command fares on the server's own node. Not listed yet means not ended.
fn command(
    server: &ServerSeen,
    known: Option<&Server>,
    id: &CommandId,
    interest: &Interest,
    round: &Round,
) -> CommandStatus {
    let before = || {
        server
            .commands
            .get(id)
            .cloned()
            .unwrap_or(CommandStatus::Pending)
    };
    let Some(statuses) = round.commands.get(id) else {
        return before();
    };
    let mut own = vec![];
    match known.map(|s| (&s.stage, &s.target)) {
        Some((Stage::Validating { launch, .. } | Stage::Checking { launch, .. }, _)) => {
            own.push(launch.instance.as_str());
        }
        Some((Stage::Silencing { .. }, Some(target))) => own.push(target.instance.as_str()),
        Some(_) | None => {}
    }
    own.extend(server.node.as_ref().map(NodeId::as_str));
    let found = statuses
        .iter()
        .find(|(node, _)| own.contains(&node.as_str()));
    // A source may have been registered anew since: a command to one node is that server's.
    let alone = interest
        .commands
        .get(id)
        .is_some_and(|servers| servers.len() == 1);
    let only = || {
        statuses
            .iter()
            .next()
            .filter(|_| alone && statuses.len() == 1)
    };
    found
        .or_else(only)
        .map_or_else(before, |(_, status)| status.clone())
}
