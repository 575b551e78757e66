//! The life cycle: every state against every operation that changes it.

use serde_json::{Value, json};

use super::super::{InitialState, LifeCycleState};
use super::{World, config};

/// A world whose one server is in a state, free of jobs.
pub(super) fn server_in(state: LifeCycleState, config: super::Config) -> (World, String) {
    let mut world = World::new(config);
    let server = world.server(1);
    let one = [server.clone()];
    let id = json!({"sourceServerID": server});
    match state {
        LifeCycleState::ReadyForTest => {}
        LifeCycleState::Testing => {
            world.start("StartTest", &one);
            world.pass(1_000);
        }
        LifeCycleState::ReadyForCutover => world.test(&one),
        LifeCycleState::CuttingOver => {
            world.test(&one);
            world.start("StartCutover", &one);
            world.pass(1_000);
        }
        LifeCycleState::Cutover => {
            world.test(&one);
            world.start("StartCutover", &one);
            world.pass(1_000);
            world.ok("FinalizeCutover", id);
        }
        LifeCycleState::Disconnected => {
            world.ok("DisconnectFromService", id);
        }
        LifeCycleState::Stopped => {
            world.ok("StopReplication", id);
        }
        LifeCycleState::NotReady
        | LifeCycleState::Discovered
        | LifeCycleState::PendingInstallation => unreachable!("not brought about here"),
    }
    assert_eq!(world.state(&server), state.name());
    (world, server)
}

pub(super) fn outcome(world: &mut World, operation: &str, input: Value, server: &str) -> String {
    match world.call(operation, input) {
        Ok(_) => world.state(server),
        Err(error) => error.chars().take(3).collect(),
    }
}

/// The whole table: state × operation → the state after it, or the status of the refusal.
#[test]
fn the_table_of_states_and_operations() {
    use LifeCycleState as S;
    let states = [
        S::ReadyForTest,
        S::Testing,
        S::ReadyForCutover,
        S::CuttingOver,
        S::Cutover,
        S::Disconnected,
        S::Stopped,
    ];
    let operations = [
        (
            "StartTest",
            "",
            ["TESTING", "TESTING", "409", "409", "409", "409", "409"],
        ),
        (
            "StartCutover",
            "",
            ["409", "409", "CUTTING_OVER", "409", "409", "409", "409"],
        ),
        (
            "TerminateTargetInstances",
            "",
            [
                "409",
                "409",
                "READY_FOR_CUTOVER",
                "409",
                "409",
                "409",
                "409",
            ],
        ),
        (
            "ChangeServerLifeCycleState",
            "READY_FOR_TEST",
            [
                "409",
                "READY_FOR_TEST",
                "READY_FOR_TEST",
                "409",
                "409",
                "409",
                "409",
            ],
        ),
        (
            "ChangeServerLifeCycleState",
            "READY_FOR_CUTOVER",
            [
                "409",
                "READY_FOR_CUTOVER",
                "409",
                "READY_FOR_CUTOVER",
                "409",
                "409",
                "409",
            ],
        ),
        (
            "ChangeServerLifeCycleState",
            "CUTOVER",
            ["409", "409", "409", "409", "409", "CUTOVER", "409"],
        ),
        (
            "FinalizeCutover",
            "",
            ["409", "409", "409", "CUTOVER", "409", "409", "409"],
        ),
        (
            "DisconnectFromService",
            "",
            [
                "DISCONNECTED",
                "DISCONNECTED",
                "DISCONNECTED",
                "DISCONNECTED",
                "DISCONNECTED",
                "DISCONNECTED",
                "DISCONNECTED",
            ],
        ),
        (
            "MarkAsArchived",
            "",
            ["409", "409", "409", "409", "CUTOVER", "DISCONNECTED", "409"],
        ),
    ];
    for (operation, target, expected) in operations {
        for (state, expected) in states.iter().zip(expected) {
            let (mut world, server) = server_in(*state, config(1));
            let input = match operation {
                "StartTest" | "StartCutover" | "TerminateTargetInstances" => {
                    json!({"sourceServerIDs": [server]})
                }
                "ChangeServerLifeCycleState" => {
                    json!({"sourceServerID": server, "lifeCycle": {"state": target}})
                }
                _ => json!({"sourceServerID": server}),
            };
            let outcome = outcome(&mut world, operation, input, &server);
            assert_eq!(
                outcome,
                expected,
                "{operation} {target} in {}",
                state.name()
            );
        }
    }
}

#[test]
fn a_cutover_server_says_what_mgn_says() {
    let (mut world, server) = server_in(LifeCycleState::Cutover, config(1));
    let error = world
        .change(&server, "READY_FOR_CUTOVER")
        .expect_err("a refusal");
    assert_eq!(
        error,
        "409 ConflictException: Cannot ChangeServerLifeCycleState for a CUTOVER server. If you need to restart the migration, reinstall the Replication Agent."
    );
}

#[test]
fn finalizing_drops_the_lag_and_resets_the_steps() {
    for zeroes in [false, true] {
        let mut config = config(1);
        config.guesses.finalize_zeroes_total = zeroes;
        let (mut world, server) = server_in(LifeCycleState::CuttingOver, config);
        let before = world.show(&server)["dataReplicationInfo"].clone();
        assert_eq!(before["lagDuration"], "P0D");
        assert_eq!(
            before["dataReplicationInitiation"]["steps"][0]["status"],
            "SUCCEEDED"
        );
        world.ok("FinalizeCutover", json!({"sourceServerID": server}));
        let shown = world.show(&server);
        let after = &shown["dataReplicationInfo"];
        assert_eq!(after["dataReplicationState"], "DISCONNECTED");
        assert!(after["lagDuration"].is_null());
        assert_eq!(
            after["dataReplicationInitiation"]["steps"][0]["status"],
            "NOT_STARTED"
        );
        let total = &after["replicatedDisks"][0]["totalStorageBytes"];
        assert_eq!(*total == json!(0), zeroes);
        assert_ne!(shown["lifeCycle"]["lastCutover"]["finalized"], json!({}));
        assert_eq!(shown["isArchived"], false);
        assert_ne!(shown["launchedInstance"], json!({}));
    }
}

#[test]
fn reverts_and_marks_are_dated_as_seen() {
    let (mut world, server) = server_in(LifeCycleState::ReadyForCutover, config(1));
    let shown = world.show(&server);
    assert_eq!(shown["lifeCycle"]["lastTest"]["finalized"], json!({}));
    world.change(&server, "READY_FOR_TEST").expect("a change");
    let shown = world.show(&server);
    assert_ne!(shown["lifeCycle"]["lastTest"]["reverted"], json!({}));
    world.test(&[&server]);
    assert_eq!(
        world.show(&server)["lifeCycle"]["lastTest"]["reverted"],
        json!({})
    );
    world.start("StartCutover", &[&server]);
    world.pass(1_000);
    world
        .change(&server, "READY_FOR_CUTOVER")
        .expect("a rollback");
    let shown = world.show(&server);
    assert_ne!(shown["lifeCycle"]["lastCutover"]["reverted"], json!({}));
    assert_eq!(
        shown["dataReplicationInfo"]["dataReplicationState"],
        "CONTINUOUS"
    );
    assert_ne!(shown["launchedInstance"], json!({}));
}

#[test]
fn a_server_in_a_job_is_left_alone() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world.start("StartTest", &[&server]);
    let id = json!({"sourceServerID": server});
    let ids = json!({"sourceServerIDs": [server]});
    world.refused("StartTest", ids.clone(), "processed by a Job");
    world.refused("StartCutover", ids, "processed by a Job");
    for operation in [
        "FinalizeCutover",
        "DisconnectFromService",
        "DeleteSourceServer",
        "StopReplication",
    ] {
        world.refused(operation, id.clone(), "processed by a Job");
    }
    let error = world
        .change(&server, "READY_FOR_CUTOVER")
        .expect_err("a refusal");
    assert!(error.contains("processed by a Job"), "{error}");
}

#[test]
fn a_deleted_server_is_gone() {
    let (mut world, server) = server_in(LifeCycleState::Cutover, config(1));
    world.ok("DeleteSourceServer", json!({"sourceServerID": server}));
    world.refused("FinalizeCutover", json!({"sourceServerID": server}), "404");
    let reply = world.ok("DescribeSourceServers", json!({}));
    assert_eq!(reply["items"], json!([]));
    let (mut world, server) = server_in(LifeCycleState::Testing, config(1));
    world.refused(
        "DeleteSourceServer",
        json!({"sourceServerID": server}),
        "409",
    );
}

#[test]
fn disconnecting_keeps_or_moves_cutover_as_guessed() {
    for (moves, expected) in [(true, "DISCONNECTED"), (false, "CUTOVER")] {
        let mut config = config(1);
        config.guesses.disconnect_moves_cutover = moves;
        let (mut world, server) = server_in(LifeCycleState::Cutover, config);
        world.ok("DisconnectFromService", json!({"sourceServerID": server}));
        assert_eq!(world.state(&server), expected);
        world.ok("MarkAsArchived", json!({"sourceServerID": server}));
        assert_eq!(world.show(&server)["isArchived"], true);
    }
}

#[test]
fn a_test_without_a_snapshot_fails_and_goes_back() {
    let mut config = config(1);
    config.initial = InitialState::NotReady;
    config.guesses.test_from_not_ready = true;
    let mut world = World::new(config);
    let server = world.server(1);
    let job = world.start("StartTest", &[&server]);
    world.pass(310);
    let launch = world.job(&job)["participatingServers"][0].clone();
    assert_eq!(launch["launchStatus"], "FAILED");
    assert_eq!(world.state(&server), "NOT_READY");
    world.pass(1_000);
    assert_eq!(world.state(&server), "READY_FOR_TEST");
    assert_eq!(world.events(), ["TEST_LAUNCH_FAILED", "READY_FOR_TEST"]);
}

#[test]
fn a_server_that_synced_during_its_failing_test_becomes_ready() {
    let mut config = config(1);
    config.initial = InitialState::NotReady;
    config.guesses.test_from_not_ready = true;
    let mut world = World::new(config);
    let server = world.server(1);
    world.pass(1_000);
    world.simulator.fail_next_launch(&server);
    world.start("StartTest", &[&server]);
    world.pass(1_300);
    assert_eq!(world.state(&server), "READY_FOR_TEST");
    assert_eq!(world.events(), ["READY_FOR_TEST", "TEST_LAUNCH_FAILED"]);
}

#[test]
fn a_discovered_server_is_deleted_before_it_replicates_only() {
    let mut config = config(1);
    config.initial = InitialState::Discovered;
    config.guesses.discovered_until_synced = true;
    let mut world = World::new(config);
    let id = json!({"sourceServerID": world.server(1)});
    world.ok("StartReplication", id.clone());
    world.refused("DeleteSourceServer", id.clone(), "409");
    let mut snapshots = id.clone();
    snapshots["replicationType"] = json!("SNAPSHOT_SHIPPING");
    world.refused("UpdateSourceServerReplicationType", snapshots, "409");
    world.ok("StopReplication", id.clone());
    world.refused("DeleteSourceServer", id, "409");
}
