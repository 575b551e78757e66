//! Events: the documented three and none else, and what faults do to them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{InitialState, Output};
use super::{World, config};

fn envelopes(world: &World) -> Vec<Value> {
    world
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event.clone()),
            Output::RunInstance { .. } | Output::TerminateInstance { .. } => None,
        })
        .collect()
}

#[test]
fn a_launch_result_has_the_documented_shape() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let job = world.start("StartTest", &[&server]);
    world.pass(1_000);
    let mut event = envelopes(&world).remove(0);
    let id = event["id"].take();
    assert_eq!(id.as_str().map(str::len), Some(36));
    assert_eq!(
        event,
        json!({
            "version": "0",
            "id": null,
            "detail-type": "MGN Source Server Launch Result",
            "source": "aws.mgn",
            "account": "000000000000",
            "time": "2026-12-01T20:10:47Z",
            "region": "us-east-1",
            "resources": [format!("arn:aws:mgn:us-east-1:000000000000:source-server/{server}")],
            "detail": {"state": "TEST_LAUNCH_SUCCEEDED", "job-id": job},
        })
    );
}

#[test]
fn a_whole_migration_emits_the_documented_kinds_only() {
    let mut config = config(3);
    config.initial = InitialState::NotReady;
    let mut world = World::new(config);
    world.pass(1_300);
    let servers = world.servers(3);
    world.simulator.stall(&servers[0]);
    world.simulator.unstall(&servers[0]);
    world.pass(100);
    world.test(&servers);
    world.start("TerminateTargetInstances", &servers);
    world.pass(100);
    world.start("StartCutover", &servers);
    world.pass(1_000);
    for server in &servers {
        world.ok("FinalizeCutover", json!({"sourceServerID": server}));
        world.ok("DisconnectFromService", json!({"sourceServerID": server}));
        world.ok("MarkAsArchived", json!({"sourceServerID": server}));
    }
    world.pass(10_000);
    let kinds: BTreeSet<String> = envelopes(&world)
        .iter()
        .map(|event| {
            format!(
                "{}: {}",
                event["detail-type"].as_str().unwrap_or_default(),
                event["detail"]["state"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [
            "MGN Source Server Data Replication Stalled Change: NOT_STALLED",
            "MGN Source Server Data Replication Stalled Change: STALLED",
            "MGN Source Server Launch Result: CUTOVER_LAUNCH_SUCCEEDED",
            "MGN Source Server Launch Result: TEST_LAUNCH_SUCCEEDED",
            "MGN Source Server Lifecycle State Change: READY_FOR_TEST",
        ]
    );
    assert_eq!(envelopes(&world).len(), 3 + 2 + 3 + 3);
}

#[test]
fn events_are_lost_doubled_and_late_on_demand() {
    let launched = |fault: &str| {
        let mut config = config(20);
        config.faults.add(fault).expect(fault);
        let mut world = World::new(config);
        let servers = world.servers(20);
        world.start("StartTest", &servers);
        world.pass(5_000);
        envelopes(&world)
    };
    assert!(launched("drop-event=1").is_empty());
    let doubled = launched("double-event=1");
    assert_eq!(doubled.len(), 40);
    let ids: BTreeSet<String> = doubled
        .iter()
        .map(|event| event["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 20, "a double has the same ID");
    let order = |events: &[Value]| -> Vec<String> {
        events
            .iter()
            .map(|event| event["resources"].to_string())
            .collect()
    };
    let late = launched("delay-event=1:60s");
    let plain = launched("drop-event=0");
    assert_eq!(late.len(), 20);
    assert_ne!(
        order(&late),
        order(&plain),
        "late events overtake each other"
    );
}

#[test]
fn launch_results_come_as_guessed() {
    for (guess, events, resources) in [
        ("one_launch_event_per_job", 1, 3),
        ("launch_event_at_job_end", 3, 1),
    ] {
        let mut config = config(3);
        config.guesses.set(guess, true);
        let mut world = World::new(config);
        let servers = world.servers(3);
        world.start("StartTest", &servers);
        world.pass(648);
        assert!(
            world.events().is_empty(),
            "{guess}: not before the job ends"
        );
        world.pass(5);
        let emitted = envelopes(&world);
        assert_eq!(emitted.len(), events);
        assert_eq!(
            emitted[0]["resources"].as_array().map(Vec::len),
            Some(resources)
        );
    }
}

#[test]
fn servers_of_a_job_finish_at_their_own_times() {
    let mut config = config(10);
    config.durations.jitter = 0.2;
    let mut world = World::new(config);
    let servers = world.servers(10);
    world.start("StartTest", &servers);
    world.pass(2_000);
    let times: BTreeSet<String> = envelopes(&world)
        .iter()
        .map(|event| event["time"].to_string())
        .collect();
    assert!(times.len() > 5, "{times:?}");
}
