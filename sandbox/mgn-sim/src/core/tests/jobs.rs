//! Jobs: the log in order, launches, failures, terminations.

use serde_json::json;

use super::super::{FailingStage, LaunchFaultKind, Output};
use super::{World, config};

const FIRST: [&str; 8] = [
    "JOB_START",
    "SNAPSHOT_START",
    "SNAPSHOT_END",
    "CONVERSION_START",
    "CONVERSION_END",
    "LAUNCH_START",
    "LAUNCH_END",
    "JOB_END",
];

#[test]
fn a_first_test_takes_its_steps_in_order() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let job = world.start("StartTest", &[&server]);
    assert_eq!(world.job(&job)["status"], "PENDING");
    assert_eq!(world.state(&server), "TESTING");
    assert_eq!(
        world.show(&server)["lifeCycle"]["lastTest"]["initiated"]["jobID"],
        job
    );

    world.pass(3);
    assert_eq!(world.job(&job)["status"], "STARTED");
    assert_eq!(
        world.job(&job)["participatingServers"][0]["launchStatus"],
        "IN_PROGRESS"
    );
    assert_eq!(world.show(&server)["launchedInstance"], json!({}));

    // 2 + 44 + 264 + 337 seconds: launched; 2 more: the job ends.
    world.pass(644);
    assert_eq!(
        world.job(&job)["participatingServers"][0]["launchStatus"],
        "LAUNCHED"
    );
    assert_eq!(world.job(&job)["status"], "STARTED");
    world.pass(2);
    let ended = world.job(&job);
    assert_eq!(ended["status"], "COMPLETED");
    assert_eq!(ended["tags"], json!({"effect": "1"}));
    assert_eq!(ended["initiatedBy"], "START_TEST");
    assert_eq!(world.log(&job, &server), FIRST);
    assert_eq!(world.events(), ["TEST_LAUNCH_SUCCEEDED"]);

    let shown = world.show(&server);
    let instance = &ended["participatingServers"][0]["launchedEc2InstanceID"];
    assert_eq!(&shown["launchedInstance"]["ec2InstanceID"], instance);
    assert_eq!(shown["launchedInstance"]["firstBoot"], "WAITING");
    world.pass(170);
    assert_eq!(
        world.show(&server)["launchedInstance"]["firstBoot"],
        "SUCCEEDED"
    );
    assert_eq!(
        world.state(&server),
        "TESTING",
        "it never advances by itself"
    );
}

#[test]
fn a_second_launch_removes_the_first_instance() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world.test(&[&server]);
    let first = world.show(&server)["launchedInstance"]["ec2InstanceID"].clone();
    let job = world.start("StartCutover", &[&server]);
    world.pass(1_000);
    let log = world.log(&job, &server);
    assert_eq!(
        log[..4],
        [
            "JOB_START",
            "CLEANUP_START",
            "CLEANUP_END",
            "SNAPSHOT_START"
        ]
    );
    assert!(world.outputs.contains(&Output::TerminateInstance {
        instance: first.as_str().expect("an ID").to_owned()
    }));
    assert_ne!(
        world.show(&server)["launchedInstance"]["ec2InstanceID"],
        first
    );
    assert_eq!(
        world.events().last().map(String::as_str),
        Some("CUTOVER_LAUNCH_SUCCEEDED")
    );
}

#[test]
fn launched_instances_carry_the_tags_of_mgn() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let job = world.start("StartTest", &[&server]);
    world.pass(1_000);
    let tags = world
        .outputs
        .iter()
        .find_map(|output| match output {
            Output::RunInstance { tags, .. } => Some(tags),
            Output::Event(_) | Output::TerminateInstance { .. } => None,
        })
        .expect("an instance");
    assert_eq!(tags["Name"], "server0001");
    assert_eq!(tags["mgn.amazonaws.com-job"], job);
    assert_eq!(tags["AWSApplicationMigrationServiceSourceServerID"], server);
    assert_eq!(tags["mgn.amazonaws.com-source-server"], server);
    assert_eq!(
        tags["AWSApplicationMigrationServiceManaged"],
        "mgn.amazonaws.com"
    );
}

#[test]
fn a_failed_stage_fails_the_server_and_not_the_job() {
    for (stage, event) in [
        (FailingStage::Snapshot, "SNAPSHOT_FAIL"),
        (FailingStage::Conversion, "CONVERSION_FAIL"),
        (FailingStage::Launch, "LAUNCH_FAILED"),
    ] {
        let mut world = World::ready(2);
        let (bad, good) = (world.server(1), world.server(2));
        world
            .simulator
            .script_next_launch(&bad, LaunchFaultKind::Fail(stage));
        let job = world.start("StartTest", &[&bad, &good]);
        world.pass(1_000);
        assert_eq!(world.job(&job)["status"], "COMPLETED");
        assert!(
            world.log(&job, &bad).iter().any(|logged| logged == event),
            "{event}"
        );
        assert_eq!(world.state(&bad), "READY_FOR_TEST");
        assert_eq!(world.state(&good), "TESTING");
        let mut events = world.events();
        events.sort();
        assert_eq!(events, ["TEST_LAUNCH_FAILED", "TEST_LAUNCH_SUCCEEDED"]);
        // The next launch of the same server succeeds.
        world.start("StartTest", &[&bad]);
        world.pass(1_000);
        assert_eq!(
            world.events().last().map(String::as_str),
            Some("TEST_LAUNCH_SUCCEEDED")
        );
    }
}

#[test]
fn a_failed_cutover_goes_back_or_stays_as_guessed() {
    for (reverts, expected) in [(true, "READY_FOR_CUTOVER"), (false, "CUTTING_OVER")] {
        let mut config = config(1);
        config.guesses.failed_cutover_reverts = reverts;
        let mut world = World::new(config);
        let server = world.server(1);
        world.test(&[&server]);
        world.simulator.fail_next_launch(&server);
        world.start("StartCutover", &[&server]);
        world.pass(1_000);
        assert_eq!(world.state(&server), expected);
        assert_eq!(world.show(&server)["launchedInstance"], json!({}));
    }
}

#[test]
fn a_source_that_is_down_hides_stale_data() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world.simulator.source_down("server0001");
    let job = world.start("StartTest", &[&server]);
    world.pass(2 + 299);
    assert!(
        !world
            .log(&job, &server)
            .contains(&"SNAPSHOT_FAIL".to_owned())
    );
    world.pass(1_000);
    let log = world.log(&job, &server);
    assert_eq!(
        log[..5],
        [
            "JOB_START",
            "SNAPSHOT_START",
            "SNAPSHOT_FAIL",
            "USING_PREVIOUS_SNAPSHOT",
            "CONVERSION_START"
        ]
    );
    let job = world.job(&job);
    assert_eq!(job["participatingServers"][0]["launchStatus"], "LAUNCHED");
}

#[test]
fn a_skipped_server_is_logged_and_fails() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world
        .simulator
        .script_next_launch(&server, LaunchFaultKind::Skip);
    let job = world.start("StartTest", &[&server]);
    world.pass(10);
    assert_eq!(
        world.log(&job, &server),
        ["JOB_START", "SERVER_SKIPPED", "JOB_END"]
    );
    assert_eq!(
        world.job(&job)["participatingServers"][0]["launchStatus"],
        "FAILED"
    );
    assert_eq!(world.state(&server), "READY_FOR_TEST");
}

#[test]
fn an_unbootable_instance_is_launched_and_impaired() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world
        .simulator
        .script_next_launch(&server, LaunchFaultKind::Impaired);
    let job = world.start("StartTest", &[&server]);
    world.pass(1_200);
    assert_eq!(
        world.job(&job)["participatingServers"][0]["launchStatus"],
        "LAUNCHED"
    );
    let instance = world
        .simulator
        .instances()
        .values()
        .next()
        .expect("an instance");
    assert_eq!(instance.checks.name(), "impaired");
    assert_eq!(
        world.show(&server)["launchedInstance"]["firstBoot"],
        "UNKNOWN"
    );
}

#[test]
fn termination_is_a_job_and_refuses_what_the_model_says() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let servers = json!({"sourceServerIDs": [server]});
    world.refused(
        "TerminateTargetInstances",
        servers.clone(),
        "no launched instance",
    );
    world.start("StartTest", &[&server]);
    world.pass(1_000);
    world.refused("TerminateTargetInstances", servers, "TESTING");
    world
        .change(&server, "READY_FOR_CUTOVER")
        .expect("a change");
    assert_ne!(
        world.show(&server)["launchedInstance"],
        json!({}),
        "the change keeps the instance"
    );
    let job = world.start("TerminateTargetInstances", &[&server]);
    world.refused(
        "StartCutover",
        json!({"sourceServerIDs": [server]}),
        "processed by a Job",
    );
    world.pass(60);
    assert_eq!(
        world.log(&job, &server),
        ["JOB_START", "CLEANUP_START", "CLEANUP_END", "JOB_END"]
    );
    let ended = world.job(&job);
    assert_eq!(ended["type"], "TERMINATE");
    assert_eq!(
        ended["participatingServers"][0]["launchStatus"],
        "TERMINATED"
    );
    assert_eq!(world.show(&server)["launchedInstance"], json!({}));
    assert_eq!(world.events().len(), 1, "no event for terminations");
}

#[test]
fn the_id_from_outside_is_waited_for() {
    let mut config = config(2);
    config.external_instances = true;
    let mut world = World::new(config);
    let (told, untold) = (world.server(1), world.server(2));
    let job = world.start("StartTest", &[&told, &untold]);
    world.pass(400);
    world
        .simulator
        .instance_started(&told, "i-0aaaaaaaaaaaaaaaa");
    world.pass(600);
    let shown = world.job(&job);
    assert_eq!(shown["status"], "STARTED");
    let statuses: Vec<_> = shown["participatingServers"]
        .as_array()
        .expect("servers")
        .iter()
        .map(|server| {
            (
                server["sourceServerID"].clone(),
                server["launchStatus"].clone(),
            )
        })
        .collect();
    assert!(statuses.contains(&(json!(told), json!("LAUNCHED"))));
    assert!(statuses.contains(&(json!(untold), json!("IN_PROGRESS"))));
    assert_eq!(
        world.show(&told)["launchedInstance"]["ec2InstanceID"],
        "i-0aaaaaaaaaaaaaaaa"
    );
    world
        .simulator
        .instance_failed(&untold, "InsufficientInstanceCapacity");
    world.pass(5);
    assert_eq!(world.job(&job)["status"], "COMPLETED");
    assert!(
        world
            .log(&job, &untold)
            .contains(&"LAUNCH_FAILED".to_owned())
    );
}

#[test]
fn jobs_are_listed_newest_first_and_deleted_when_over() {
    let mut world = World::ready(2);
    let (first, second) = (world.server(1), world.server(2));
    let old = world.start("StartTest", &[first]);
    world.pass(5);
    let new = world.start("StartTest", &[second]);
    let reply = world.ok("DescribeJobs", json!({"maxResults": 1}));
    assert_eq!(reply["items"][0]["jobID"], new);
    let reply = world.ok(
        "DescribeJobs",
        json!({"maxResults": 1, "nextToken": reply["nextToken"]}),
    );
    assert_eq!(reply["items"][0]["jobID"], old);
    assert!(reply["nextToken"].is_null());
    let from = json!({"filters": {"fromDate": "2026-12-01T20:00:03Z"}});
    assert_eq!(
        world.ok("DescribeJobs", from)["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    world.refused("DeleteJob", json!({"jobID": old}), "409");
    world.pass(1_000);
    world.ok("DeleteJob", json!({"jobID": old}));
    world.refused("DeleteJob", json!({"jobID": old}), "404");
}
