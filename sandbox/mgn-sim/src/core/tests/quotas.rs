//! The quotas: 402.

use serde_json::json;

use super::{World, config};

#[test]
fn twenty_jobs_at_once() {
    let mut world = World::ready(21);
    for number in 1..=20 {
        let server = world.server(number);
        world.start("StartTest", &[server]);
    }
    let last = json!({"sourceServerIDs": [world.server(21)]});
    world.refused(
        "StartTest",
        last.clone(),
        "402 ServiceQuotaExceededException",
    );
    assert_eq!(
        world.state(&world.server(21)),
        "READY_FOR_TEST",
        "nothing changed"
    );
    world.pass(1_000);
    world.ok("StartTest", last);
}

#[test]
fn two_hundred_servers_in_all_jobs() {
    let mut world = World::ready(201);
    let servers = world.servers(200);
    world.start("StartTest", &servers[..150]);
    world.start("StartTest", &servers[150..]);
    let last = json!({"sourceServerIDs": [world.server(201)]});
    world.refused(
        "StartTest",
        last.clone(),
        "Max Source Servers in all Jobs (200)",
    );
    // Launched at 647 s, but the slots free when the job ends.
    world.pass(648);
    world.refused("StartTest", last.clone(), "402");
    world.pass(3);
    world.ok("StartTest", last);
}

#[test]
fn slots_free_early_if_guessed_so() {
    let mut config = config(201);
    config.guesses.slots_free_at_server_end = true;
    config.guesses.server_free_at_server_end = true;
    let mut world = World::new(config);
    let servers = world.servers(200);
    world.start("StartTest", &servers);
    world.pass(648);
    world.ok("StartTest", json!({"sourceServerIDs": [world.server(201)]}));
    world.ok(
        "StartTest",
        json!({"sourceServerIDs": []})
            .as_object()
            .map_or(json!({}), |_| json!({"sourceServerIDs": [servers[0]]})),
    );
}

#[test]
fn terminations_take_slots_too() {
    let mut config = config(2);
    config.quotas.concurrent_jobs = 1;
    let mut world = World::new(config);
    let (first, second) = (world.server(1), world.server(2));
    world.test(&[&first]);
    world.start("TerminateTargetInstances", &[first]);
    world.refused("StartTest", json!({"sourceServerIDs": [second]}), "402");
}

#[test]
fn waves_applications_and_actions_have_quotas() {
    let mut config = config(3);
    config.quotas.active_waves = 1;
    config.quotas.active_applications = 1;
    config.quotas.servers_per_application = 2;
    config.quotas.active_servers = 3;
    let mut world = World::new(config);
    let servers = world.servers(3);
    let wave = world.ok("CreateWave", json!({"name": "one"}));
    world.refused("CreateWave", json!({"name": "two"}), "402");
    world.ok("ArchiveWave", json!({"waveID": wave["waveID"]}));
    world.ok("CreateWave", json!({"name": "two"}));
    world.refused("UnarchiveWave", json!({"waveID": wave["waveID"]}), "402");
    let application = world.ok("CreateApplication", json!({"name": "one"}));
    world.refused("CreateApplication", json!({"name": "two"}), "402");
    let id = &application["applicationID"];
    world.refused(
        "AssociateSourceServers",
        json!({"applicationID": id, "sourceServerIDs": servers}),
        "402",
    );
    world.ok(
        "AssociateSourceServers",
        json!({"applicationID": id, "sourceServerIDs": servers[..2]}),
    );
    world.ok("StopReplication", json!({"sourceServerID": servers[0]}));
    world
        .simulator
        .install_agent(&super::Machine::named("late"));
    world.refused(
        "StartReplication",
        json!({"sourceServerID": servers[0]}),
        "402",
    );
}
