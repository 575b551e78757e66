//! Invariant 11: everything is bounded.

use serde::Serialize;
use tidegate_domain::effect::Task;
use tidegate_domain::plan::MOST_SERVERS;
use tidegate_domain::server::{Passed, Server, Stage, TestInstance};
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

/// The most items of a DynamoDB transaction.
const MOST_ITEMS: usize = 100;
/// The most bytes of a body in one item; a larger one is cut into parts.
const MOST_PART: usize = 350_000;
/// The most launches of one server that a run with people who try again and again may come to.
const MOST_LAUNCHES: u32 = 200;

/// How many items the store would write (`shared/aws/src/dynamo/save.rs`).
fn items(turn: &Turn<'_>) -> usize {
    let chunk = if turn.servers.len() <= 2_000 { 50 } else { 100 };
    let before: Vec<&[Server]> = turn.loaded.servers.chunks(chunk).collect();
    let servers: usize = turn
        .servers
        .chunks(chunk)
        .enumerate()
        .filter(|(index, now)| before.get(*index) != Some(now))
        .map(|(_, now)| parts(&now))
        .sum();
    let new = turn.effects.iter();
    let loaded = turn.loaded.effects.iter();
    let ended = loaded.filter(|effect| turn.ended.contains_key(&effect.id));
    let effects: usize = new.chain(ended).map(|effect| parts(&effect.task)).sum();
    let audit = turn.audit.map_or(0, parts);
    let slots = usize::from(turn.slots.is_some());
    // The driver comes on top.
    servers + effects + turn.drained.len() + audit + slots + parts(turn.wave) + 1
}

/// How many items hold a body.
fn parts(body: &impl Serialize) -> usize {
    let body = serde_json::to_string(body).expect("it is JSON");
    body.len().div_ceil(MOST_PART).max(1)
}

/// Whether a server is said to be without the instance that its test launched, and has it.
fn forgotten(server: &Server) -> bool {
    let gone = matches!(
        server.stage,
        Stage::Tested {
            instance: TestInstance::Gone
        }
    );
    let latest = |test: &Passed| server.launched.as_ref() == Some(&test.launch.job);
    gone && server.instance.is_some() && server.test.as_ref().is_some_and(latest)
}

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let wave = &turn.wave.id;
    let over = |text: String| violated(cloud, 11, format!("{wave}: {text}"));
    if turn.servers.len() > MOST_SERVERS {
        over(format!("{} servers", turn.servers.len()));
    }
    let items = items(turn);
    if items > MOST_ITEMS {
        over(format!("{items} items in one transaction"));
    }
    for effect in turn.effects {
        let (size, most) = match &effect.task {
            Task::Claim { servers }
            | Task::Release { servers }
            | Task::StartTest { servers }
            | Task::StartCutover { servers, .. }
            | Task::TerminateTests { servers } => (servers.len(), 200),
            Task::Preflight { servers, .. } => (servers.len(), 50),
            Task::ChangeLifeCycle { servers, .. } | Task::RetryReplication { servers } => {
                (servers.len(), 25)
            }
            Task::StopTargets { targets } | Task::KeepData { targets } => (targets.len(), 25),
            Task::RunDocument { nodes, .. } => (nodes.len(), 50),
            Task::Finalize { servers, .. } => (servers.len(), 25),
            Task::OpenGate { .. } | Task::CloseQuestion { .. } | Task::Notify { .. } => (1, 1),
        };
        if size == 0 || size > most {
            over(format!("{} has {size} servers", effect.id));
        }
    }
    for server in turn.servers {
        if server.tests > MOST_LAUNCHES || server.cutovers > MOST_LAUNCHES {
            over(format!(
                "{} was launched {} times",
                server.hostname, server.tests
            ));
        }
        if forgotten(server) {
            over(format!(
                "nobody counts how long the test instance of {} runs",
                server.hostname
            ));
        }
    }
}
