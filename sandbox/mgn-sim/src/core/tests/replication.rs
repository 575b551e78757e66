//! Replication: to READY_FOR_TEST, stalls, pauses, stops, lag.

use jiff::SignedDuration;
use serde_json::json;

use super::super::{Drift, InitialState, Machine, ScheduledFault, ScheduledFaultKind};
use super::{World, config};

fn syncing(servers: usize) -> World {
    let mut config = config(servers);
    config.initial = InitialState::NotReady;
    World::new(config)
}

fn replication(world: &mut World, server: &str) -> String {
    world.show(server)["dataReplicationInfo"]["dataReplicationState"]
        .as_str()
        .expect("a state")
        .to_owned()
}

#[test]
fn an_agent_takes_twenty_minutes_to_ready_for_test() {
    let mut world = syncing(1);
    let server = world.server(1);
    let mut seen = Vec::new();
    for _ in 0..1_300 {
        world.pass(1);
        let state = replication(&mut world, &server);
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        if !world.events().is_empty() {
            break;
        }
    }
    assert_eq!(
        seen,
        [
            "INITIATING",
            "INITIAL_SYNC",
            "BACKLOG",
            "CREATING_SNAPSHOT",
            "CONTINUOUS"
        ]
    );
    assert_eq!(world.events(), ["READY_FOR_TEST"]);
    assert_eq!(world.state(&server), "READY_FOR_TEST");
    let minutes = world
        .now
        .duration_since("2026-12-01T20:00:00Z".parse().expect("a time"));
    assert!((1_150..1_250).contains(&minutes.as_secs()), "{minutes:?}");
}

#[test]
fn the_first_copy_shows_its_progress() {
    let mut world = syncing(1);
    let server = world.server(1);
    world.pass(11 * 55 + 113);
    let shown = world.show(&server);
    let info = &shown["dataReplicationInfo"];
    assert_eq!(info["dataReplicationState"], "INITIAL_SYNC");
    assert!(info["lagDuration"].is_null());
    assert!(info["etaDateTime"].is_string());
    let disk = &info["replicatedDisks"][0];
    let part = disk["replicatedStorageBytes"].as_f64().expect("bytes")
        / disk["totalStorageBytes"].as_f64().expect("bytes");
    assert!((0.45..0.55).contains(&part), "{part}");
    assert_eq!(
        info["dataReplicationInitiation"]["steps"][10]["name"],
        "START_DATA_TRANSFER"
    );
    assert_eq!(
        info["dataReplicationInitiation"]["steps"][10]["status"],
        "SUCCEEDED"
    );
    world.refused(
        "StartTest",
        json!({"sourceServerIDs": [server]}),
        "NOT_READY",
    );
}

#[test]
fn sync_after_sets_the_whole_time() {
    let mut config = config(1);
    config.initial = InitialState::NotReady;
    config.durations.sync_after = Some(SignedDuration::from_secs(8));
    config.durations.speed = 100.0;
    let mut world = World::new(config);
    world.pass(7);
    assert!(world.events().is_empty());
    world.pass(2);
    assert_eq!(world.events(), ["READY_FOR_TEST"]);
}

#[test]
fn a_stall_is_announced_and_retried() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let id = json!({"sourceServerID": server});
    world.refused(
        "RetryDataReplication",
        id.clone(),
        "400 ValidationException",
    );
    world.simulator.stall("server0001");
    world.pass(10);
    assert_eq!(world.events(), ["STALLED"]);
    let shown = world.show(&server);
    assert_eq!(
        shown["dataReplicationInfo"]["dataReplicationState"],
        "STALLED"
    );
    assert_eq!(
        shown["dataReplicationInfo"]["dataReplicationError"]["error"],
        "NOT_CONVERGING"
    );
    assert_eq!(shown["dataReplicationInfo"]["lagDuration"], "PT10S");
    assert_eq!(shown["lifeCycle"]["state"], "READY_FOR_TEST");
    world.ok("RetryDataReplication", id);
    world.pass(31);
    assert_eq!(world.events(), ["STALLED", "NOT_STALLED"]);
    assert_eq!(replication(&mut world, &server), "RESCAN");
    world.pass(61);
    assert_eq!(replication(&mut world, &server), "CONTINUOUS");
    assert_eq!(
        world.events().len(),
        2,
        "READY_FOR_TEST is announced the first time only"
    );
}

#[test]
fn a_busy_source_falls_behind_and_catches_up() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world.simulator.fall_behind("server0001");
    assert_eq!(replication(&mut world, &server), "BACKLOG");
    let lag = &world.show(&server)["dataReplicationInfo"]["lagDuration"];
    assert_eq!(lag, "PT1M");
    world.pass(61);
    assert_eq!(replication(&mut world, &server), "CONTINUOUS");
    assert!(world.events().is_empty(), "nothing tells of it");
}

#[test]
fn a_stalled_first_copy_goes_on_where_it_was() {
    let mut world = syncing(1);
    let server = world.server(1);
    world.pass(11 * 55 + 100);
    world.simulator.stall(&server);
    world.pass(5_000);
    assert_eq!(replication(&mut world, &server), "STALLED");
    world.simulator.unstall(&server);
    world.pass(100);
    assert_eq!(replication(&mut world, &server), "INITIAL_SYNC");
    world.pass(600);
    assert_eq!(replication(&mut world, &server), "CONTINUOUS");
    assert_eq!(world.events(), ["STALLED", "NOT_STALLED", "READY_FOR_TEST"]);
}

#[test]
fn pause_resume_stop_and_start() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let id = json!({"sourceServerID": server});
    world.refused("ResumeReplication", id.clone(), "409");
    world.refused("StartReplication", id.clone(), "409");
    world.ok("PauseReplication", id.clone());
    assert_eq!(replication(&mut world, &server), "PAUSED");
    world.refused("PauseReplication", id.clone(), "409");
    world.ok("ResumeReplication", id.clone());
    assert_eq!(replication(&mut world, &server), "RESCAN");
    world.pass(100);
    world.ok("StopReplication", id.clone());
    assert_eq!(world.state(&server), "STOPPED");
    assert_eq!(replication(&mut world, &server), "STOPPED");
    world.refused("StopReplication", id.clone(), "409");
    world.refused("StartTest", json!({"sourceServerIDs": [server]}), "409");
    world.ok("StartReplication", id);
    assert_eq!(world.state(&server), "NOT_READY");
    world.pass(1_300);
    assert_eq!(world.state(&server), "READY_FOR_TEST");
    assert!(
        world.events().is_empty(),
        "announced the first time only: {:?}",
        world.events()
    );
}

#[test]
fn discovered_and_imported_servers_wait() {
    let mut config = config(0);
    for (name, state) in [
        ("found", InitialState::Discovered),
        ("imported", InitialState::PendingInstallation),
    ] {
        config.inventory.push(Machine {
            state: Some(state),
            ..Machine::named(name)
        });
    }
    let mut world = World::new(config);
    let found = world
        .simulator
        .server_id("found")
        .expect("a server")
        .to_owned();
    let imported = world
        .simulator
        .server_id("imported")
        .expect("a server")
        .to_owned();
    world.pass(10_000);
    assert_eq!(world.state(&found), "DISCOVERED");
    assert_eq!(world.state(&imported), "PENDING_INSTALLATION");
    world.refused(
        "StartReplication",
        json!({"sourceServerID": imported}),
        "409",
    );
    world.ok("StartReplication", json!({"sourceServerID": found}));
    world.simulator.agent_installed("imported");
    world.pass(1_300);
    assert_eq!(world.state(&found), "READY_FOR_TEST");
    assert_eq!(world.state(&imported), "READY_FOR_TEST");
    assert_eq!(world.events(), ["READY_FOR_TEST", "READY_FOR_TEST"]);
}

#[test]
fn a_quiesced_source_reaches_zero_lag() {
    let mut config = config(1);
    config.drift = Drift {
        zero_odds: 0.0,
        ..Drift::default()
    };
    let mut world = World::new(config);
    let server = world.server(1);
    let lag = |world: &mut World| world.show(&server)["dataReplicationInfo"].clone();
    assert_ne!(lag(&mut world)["lagDuration"], "P0D");
    assert_ne!(
        lag(&mut world)["replicatedDisks"][0]["backloggedStorageBytes"],
        0
    );
    world.simulator.source_quiesced(&server);
    assert_eq!(
        world.simulator.next_change(),
        Some(world.now + SignedDuration::from_secs(10)),
        "the clock can jump to where the lag is gone"
    );
    world.pass(10);
    assert_eq!(lag(&mut world)["lagDuration"], "P0D");
    assert_eq!(
        lag(&mut world)["replicatedDisks"][0]["backloggedStorageBytes"],
        0
    );
    world.simulator.source_resumed(&server);
    assert_ne!(lag(&mut world)["lagDuration"], "P0D");
}

#[test]
fn a_source_that_is_down_lags_and_stalls_if_guessed_so() {
    for stalls in [true, false] {
        let mut config = config(1);
        config.guesses.down_source_stalls = stalls;
        let mut world = World::new(config);
        let server = world.server(1);
        world.simulator.source_down(&server);
        world.pass(901);
        let shown = world.show(&server);
        let state = &shown["dataReplicationInfo"]["dataReplicationState"];
        if stalls {
            assert_eq!(state, "STALLED");
            assert_eq!(
                shown["dataReplicationInfo"]["dataReplicationError"]["error"],
                "AGENT_NOT_SEEN"
            );
            world.simulator.source_up(&server);
            world.pass(100);
            assert_eq!(world.events(), ["STALLED", "NOT_STALLED"]);
        } else {
            assert_eq!(state, "CONTINUOUS");
            assert!(world.events().is_empty());
        }
    }
}

#[test]
fn a_healed_world_forgets_the_faults_that_were_planned() {
    let kinds = [
        ScheduledFaultKind::Stall,
        ScheduledFaultKind::Backlog,
        ScheduledFaultKind::SourceDown,
    ];
    for kind in kinds {
        for healed in [true, false] {
            // As in an account that is initialized late: the delays count from there.
            let mut config = config(1);
            config.initialized = false;
            config.faults.scheduled.push(ScheduledFault {
                kind,
                server: "server0001".to_owned(),
                after: SignedDuration::from_secs(600),
            });
            let mut world = World::new(config);
            world.pass(300);
            world.ok("InitializeService", json!({}));
            if healed {
                world.simulator.heal();
            }
            world.pass(610);
            let server = world.server(1);
            let down = world.simulator.servers()[&server].down_since.is_some();
            let fails = down || replication(&mut world, &server) != "CONTINUOUS";
            assert_eq!(fails, !healed, "{kind:?}");
        }
    }
}
