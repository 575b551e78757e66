//! Invariant 11: everything is bounded.

use tidegate_domain::effect::Task;
use tidegate_domain::plan::MOST_SERVERS;
use tidegate_domain::server::{Passed, Server, Stage, TestInstance};
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

/// The most items of a DynamoDB transaction.
const MOST_ITEMS: usize = 100;
/// Servers in one item.
const CHUNK: usize = 50;
/// The most launches of one server that a run with people who try again and again may come to.
const MOST_LAUNCHES: u32 = 200;

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
    let changed = turn
        .servers
        .chunks(CHUNK)
        .zip(
            turn.loaded
                .servers
                .chunks(CHUNK)
                .map(Some)
                .chain(std::iter::repeat(None)),
        )
        .filter(|(now, before)| Some(*now) != *before)
        .count();
    // The wave, the driver, the slots and the audit record come on top.
    let items = changed + turn.effects.len() + turn.drained.len() + 4;
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
