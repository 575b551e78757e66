//! The guesses about which calls are accepted, and where they lead.

use serde_json::{Value, json};

use super::super::super::{Guesses, InitialState, LifeCycleState as S, Machine};
use super::super::lifecycle::{outcome, server_in};
use super::super::{Config, World, config};
use super::{Row, answer, world};

pub(super) const ROWS: &[Row] = &[
    Row {
        guess: "test_from_ready_for_cutover",
        no: "409",
        yes: "TESTING",
        probe: |guesses| launch(guesses, "StartTest", S::ReadyForCutover),
    },
    Row {
        guess: "test_from_cutting_over",
        no: "409",
        yes: "TESTING",
        probe: |guesses| launch(guesses, "StartTest", S::CuttingOver),
    },
    Row {
        guess: "test_from_not_ready",
        no: "409",
        yes: "TESTING",
        probe: |guesses| {
            let mut world = World::new(Config {
                guesses,
                initial: InitialState::NotReady,
                ..config(1)
            });
            let server = world.server(1);
            let input = json!({"sourceServerIDs": [server]});
            outcome(&mut world, "StartTest", input, &server)
        },
    },
    Row {
        guess: "cutover_from_ready_for_test",
        no: "409",
        yes: "CUTTING_OVER",
        probe: |guesses| launch(guesses, "StartCutover", S::ReadyForTest),
    },
    Row {
        guess: "cutover_from_cutting_over",
        no: "409",
        yes: "accepted",
        probe: |guesses| {
            let (mut world, server) = in_state(guesses, S::CuttingOver);
            let input = json!({"sourceServerIDs": [server]});
            answer(&mut world, "StartCutover", input)
        },
    },
    Row {
        guess: "wrong_state_is_validation",
        no: "409",
        yes: "400",
        probe: |guesses| launch(guesses, "StartCutover", S::ReadyForTest),
    },
    Row {
        guess: "terminate_without_instance",
        no: "409",
        yes: "READY_FOR_TEST",
        probe: |guesses| launch(guesses, "TerminateTargetInstances", S::ReadyForTest),
    },
    Row {
        guess: "batch_all_or_nothing",
        no: "accepted: TESTING, READY_FOR_CUTOVER, TESTING",
        yes: "409: READY_FOR_TEST, READY_FOR_CUTOVER, TESTING",
        probe: |guesses| {
            let mut world = world(3, guesses);
            let servers = world.servers(3);
            world.test(&servers[1..2]);
            world.start("StartTest", &servers[2..]);
            let input = json!({"sourceServerIDs": servers});
            let answer = answer(&mut world, "StartTest", input);
            let states: Vec<String> = servers.iter().map(|server| world.state(server)).collect();
            format!("{answer}: {}", states.join(", "))
        },
    },
    Row {
        guess: "same_state_accepted",
        no: "409",
        yes: "accepted",
        probe: |guesses| {
            let (mut world, server) = in_state(guesses, S::ReadyForTest);
            let input = change_to(&server, "READY_FOR_TEST");
            answer(&mut world, "ChangeServerLifeCycleState", input)
        },
    },
    Row {
        guess: "untested_ready_for_cutover",
        no: "409",
        yes: "READY_FOR_CUTOVER",
        probe: |guesses| change(guesses, S::ReadyForTest, "READY_FOR_CUTOVER"),
    },
    Row {
        guess: "cutover_state_from_disconnected",
        no: "409",
        yes: "CUTOVER",
        probe: |guesses| change(guesses, S::Disconnected, "CUTOVER"),
    },
    Row {
        guess: "cutover_state_from_cutting_over",
        no: "409",
        yes: "CUTOVER",
        probe: |guesses| change(guesses, S::CuttingOver, "CUTOVER"),
    },
    Row {
        guess: "change_needs_lag",
        no: "READY_FOR_CUTOVER",
        yes: "409",
        probe: |mut guesses| {
            // The one way to a server in TESTING that has no lag.
            guesses.stop_moves_life_cycle = false;
            let (mut world, server) = in_state(guesses, S::Testing);
            world.ok("StopReplication", json!({"sourceServerID": server}));
            let lag = &world.show(&server)["dataReplicationInfo"]["lagDuration"];
            assert!(lag.is_null(), "{lag}");
            let input = change_to(&server, "READY_FOR_CUTOVER");
            outcome(&mut world, "ChangeServerLifeCycleState", input, &server)
        },
    },
    Row {
        guess: "disconnect_moves_cutover",
        no: "CUTOVER",
        yes: "DISCONNECTED",
        probe: |guesses| one(guesses, "DisconnectFromService", S::Cutover),
    },
    Row {
        guess: "disconnect_after_finalize",
        no: "409",
        yes: "DISCONNECTED",
        probe: |guesses| one(guesses, "DisconnectFromService", S::Cutover),
    },
    Row {
        guess: "stop_moves_life_cycle",
        no: "READY_FOR_TEST",
        yes: "STOPPED",
        probe: |guesses| one(guesses, "StopReplication", S::ReadyForTest),
    },
    Row {
        guess: "unknown_server_is_not_found",
        no: "400",
        yes: "404",
        probe: |guesses| {
            let input = json!({"sourceServerIDs": ["s-00000000000000000"]});
            answer(&mut world(1, guesses), "StartTest", input)
        },
    },
    Row {
        guess: "launch_quota_is_conflict",
        no: "402",
        yes: "409",
        probe: |guesses| {
            let mut config = config(1);
            config.guesses = guesses;
            config.quotas.concurrent_jobs = 0;
            let mut world = World::new(config);
            let input = json!({"sourceServerIDs": [world.server(1)]});
            answer(&mut world, "StartTest", input)
        },
    },
    Row {
        guess: "discovered_until_synced",
        no: "DISCOVERED, NOT_READY, READY_FOR_TEST",
        yes: "DISCOVERED, DISCOVERED, READY_FOR_TEST",
        probe: |guesses| {
            arrives(guesses, InitialState::Discovered, |world, server| {
                world.ok("StartReplication", json!({"sourceServerID": server}));
            })
        },
    },
    Row {
        guess: "imported_is_pending",
        no: "NOT_READY, NOT_READY, READY_FOR_TEST",
        yes: "PENDING_INSTALLATION, NOT_READY, READY_FOR_TEST",
        probe: |guesses| {
            arrives(
                guesses,
                InitialState::PendingInstallation,
                |world, server| {
                    let id = json!({"sourceServerID": server});
                    world.refused("StartReplication", id, "409");
                    world.pass(10_000);
                    assert!(world.simulator.agent_installed(server));
                },
            )
        },
    },
];

fn in_state(guesses: Guesses, state: S) -> (World, String) {
    server_in(
        state,
        Config {
            guesses,
            ..config(1)
        },
    )
}

/// Calls an operation on several servers for one that is in this state.
fn launch(guesses: Guesses, operation: &str, state: S) -> String {
    let (mut world, server) = in_state(guesses, state);
    let input = json!({"sourceServerIDs": [server]});
    outcome(&mut world, operation, input, &server)
}

/// Calls an operation on one server, which is in this state.
fn one(guesses: Guesses, operation: &str, state: S) -> String {
    let (mut world, server) = in_state(guesses, state);
    let input = json!({"sourceServerID": server});
    outcome(&mut world, operation, input, &server)
}

fn change(guesses: Guesses, from: S, to: &str) -> String {
    let (mut world, server) = in_state(guesses, from);
    let input = change_to(&server, to);
    outcome(&mut world, "ChangeServerLifeCycleState", input, &server)
}

fn change_to(server: &str, state: &str) -> Value {
    json!({"sourceServerID": server, "lifeCycle": {"state": state}})
}

/// The life cycle of a server that waits, then replicates, then is in step.
fn arrives(
    guesses: Guesses,
    initial: InitialState,
    replicate: impl FnOnce(&mut World, &str),
) -> String {
    let mut config = config(0);
    config.guesses = guesses;
    config.inventory.push(Machine {
        state: Some(initial),
        ..Machine::named("server0001")
    });
    let mut world = World::new(config);
    let server = world.server(1);
    let waiting = world.state(&server);
    replicate(&mut world, &server);
    let replicating = world.state(&server);
    world.pass(1_300);
    assert_eq!(world.events(), ["READY_FOR_TEST"]);
    format!("{waiting}, {replicating}, {}", world.state(&server))
}
