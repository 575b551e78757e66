//! The guesses about jobs, their logs, and the events of launches and replications.

use serde_json::json;

use super::super::super::{Guesses, LaunchFaultKind, Output};
use super::super::{World, config};
use super::{Row, answer, world};

/// A first launch takes 2 + 44 + 264 + 337 seconds; its job ends 2 seconds later.
const LAUNCHED: i64 = 648;

pub(super) const ROWS: &[Row] = &[
    Row {
        guess: "one_launch_event_per_job",
        no: "1, 1, 1",
        yes: "3",
        probe: |guesses| {
            let mut world = world(3, guesses);
            let servers = world.servers(3);
            world.start("StartTest", &servers);
            world.pass(1_000);
            let servers_told: Vec<String> = world
                .outputs
                .iter()
                .filter_map(|output| match output {
                    Output::Event(event) => event["resources"].as_array().map(Vec::len),
                    Output::RunInstance { .. } | Output::TerminateInstance { .. } => None,
                })
                .map(|count| count.to_string())
                .collect();
            servers_told.join(", ")
        },
    },
    Row {
        guess: "launch_event_at_job_end",
        no: "1 when launched, 1 in the end",
        yes: "0 when launched, 1 in the end",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.start("StartTest", &[server]);
            world.pass(LAUNCHED);
            let launched = world.events().len();
            world.pass(1_000);
            let ended = world.events().len();
            format!("{launched} when launched, {ended} in the end")
        },
    },
    Row {
        guess: "ready_event_after_restart",
        no: "[]",
        yes: r#"["READY_FOR_TEST"]"#,
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.ok("StopReplication", json!({"sourceServerID": server}));
            world.ok("StartReplication", json!({"sourceServerID": server}));
            world.pass(1_300);
            assert_eq!(world.state(&server), "READY_FOR_TEST");
            format!("{:?}", world.events())
        },
    },
    Row {
        guess: "failed_test_reverts",
        no: "TESTING",
        yes: "READY_FOR_TEST",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            failed(&mut world, "StartTest", &server)
        },
    },
    Row {
        guess: "failed_cutover_reverts",
        no: "CUTTING_OVER",
        yes: "READY_FOR_CUTOVER",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.test(&[&server]);
            failed(&mut world, "StartCutover", &server)
        },
    },
    Row {
        guess: "slots_free_at_server_end",
        no: "402",
        yes: "accepted",
        probe: |guesses| {
            let mut config = config(2);
            config.guesses = guesses;
            config.quotas.servers_in_all_jobs = 1;
            let mut world = World::new(config);
            let servers = world.servers(2);
            world.start("StartTest", &servers[..1]);
            world.pass(LAUNCHED);
            let input = json!({"sourceServerIDs": servers[1..]});
            answer(&mut world, "StartTest", input)
        },
    },
    Row {
        guess: "server_free_at_server_end",
        no: "409",
        yes: "accepted",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let servers = world.servers(1);
            world.start("StartTest", &servers);
            world.pass(LAUNCHED);
            answer(&mut world, "StartTest", json!({"sourceServerIDs": servers}))
        },
    },
    Row {
        guess: "launch_end_logged",
        no: "CONVERSION_END LAUNCH_START JOB_END",
        yes: "LAUNCH_START LAUNCH_END JOB_END",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            let job = world.start("StartTest", &[&server]);
            world.pass(1_000);
            let log = world.log(&job, &server);
            log[log.len() - 3..].join(" ")
        },
    },
    Row {
        guess: "terminate_logs_cleanup",
        no: "JOB_START JOB_END",
        yes: "JOB_START CLEANUP_START CLEANUP_END JOB_END",
        probe: |guesses| {
            let (mut world, server, job) = terminated(guesses);
            world.log(&job, &server).join(" ")
        },
    },
    Row {
        guess: "terminated_instance_shown",
        no: "not shown",
        yes: "shown",
        probe: |guesses| {
            let (mut world, server, _) = terminated(guesses);
            let launched = &world.show(&server)["launchedInstance"];
            let shown = launched["ec2InstanceID"].is_string();
            (if shown { "shown" } else { "not shown" }).to_owned()
        },
    },
    Row {
        guess: "down_source_stalls",
        no: "CONTINUOUS P0D []",
        yes: r#"STALLED PT15M1S ["STALLED"]"#,
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.simulator.source_down(&server);
            world.pass(901);
            let shown = world.show(&server)["dataReplicationInfo"].clone();
            let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
            let (state, lag) = (text("dataReplicationState"), text("lagDuration"));
            format!("{state} {lag} {:?}", world.events())
        },
    },
    Row {
        guess: "skipped_is_failed",
        no: "PENDING",
        yes: "FAILED",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            let skip = LaunchFaultKind::Skip;
            assert!(world.simulator.script_next_launch(&server, skip));
            let job = world.start("StartTest", &[&server]);
            world.pass(1_000);
            let job = world.job(&job);
            assert_eq!(job["status"], "COMPLETED");
            let status = &job["participatingServers"][0]["launchStatus"];
            status.as_str().unwrap_or_default().to_owned()
        },
    },
    Row {
        guess: "actions_hold_job",
        no: "COMPLETED, COMPLETED",
        yes: "STARTED, COMPLETED",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.ok(
                "PutSourceServerAction",
                json!({
                    "sourceServerID": server,
                    "actionID": "a",
                    "actionName": "a",
                    "documentIdentifier": "Tidegate-CheckPort",
                    "order": 1001,
                }),
            );
            let job = world.start("StartTest", &[&server]);
            world.pass(LAUNCHED + 3);
            let launched = status(&mut world, &job);
            world.pass(1_000);
            format!("{launched}, {}", status(&mut world, &job))
        },
    },
];

/// Where a server is after a launch that failed.
fn failed(world: &mut World, operation: &str, server: &str) -> String {
    assert!(world.simulator.fail_next_launch(server));
    let job = world.start(operation, &[server]);
    world.pass(1_000);
    assert_eq!(status(world, &job), "COMPLETED");
    world.state(server)
}

/// A server whose test instance was terminated, and the job that did it.
fn terminated(guesses: Guesses) -> (World, String, String) {
    let mut world = world(1, guesses);
    let server = world.server(1);
    world.test(&[&server]);
    let job = world.start("TerminateTargetInstances", &[&server]);
    world.pass(60);
    assert_eq!(status(&mut world, &job), "COMPLETED");
    (world, server, job)
}

fn status(world: &mut World, job: &str) -> String {
    let job = world.job(job);
    job["status"].as_str().unwrap_or_default().to_owned()
}
