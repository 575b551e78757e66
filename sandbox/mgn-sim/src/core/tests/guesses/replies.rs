//! The guesses about how replies and errors look.

use serde_json::{Value, json};

use super::super::super::LifeCycleState as S;
use super::super::lifecycle::server_in;
use super::super::{Config, config};
use super::{Row, world};

pub(super) const ROWS: &[Row] = &[
    Row {
        guess: "timestamps_as_modelled",
        no: "2026-12-01T20:00:00.000000+00:00",
        yes: "2026-12-01T20:00:00.000000Z",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            let added = &world.show(&server)["lifeCycle"]["addedToServiceDateTime"];
            added.as_str().unwrap_or_default().to_owned()
        },
    },
    Row {
        guess: "empty_objects_shown",
        no: "null",
        yes: "{}",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.show(&server)["launchedInstance"].to_string()
        },
    },
    Row {
        guess: "resource_arn_in_tags",
        no: "[]",
        yes: r#"["resourceArn"]"#,
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            names(&world.show(&server)["tags"])
        },
    },
    Row {
        guess: "last_test_finalized_shown",
        no: "[]",
        yes: r#"["apiCallDateTime"]"#,
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.test(&[&server]);
            names(&world.show(&server)["lifeCycle"]["lastTest"]["finalized"])
        },
    },
    Row {
        guess: "start_clears_reverted",
        no: r#"["apiCallDateTime"]"#,
        yes: "[]",
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.start("StartTest", &[&server]);
            world.pass(1_000);
            world.change(&server, "READY_FOR_TEST").expect("a change");
            world.start("StartTest", &[&server]);
            names(&world.show(&server)["lifeCycle"]["lastTest"]["reverted"])
        },
    },
    Row {
        guess: "finalize_zeroes_total",
        no: "17179869184",
        yes: "0",
        probe: |guesses| {
            let config = Config {
                guesses,
                ..config(1)
            };
            let (mut world, server) = server_in(S::Cutover, config);
            let disk = &world.show(&server)["dataReplicationInfo"]["replicatedDisks"][0];
            disk["totalStorageBytes"].to_string()
        },
    },
    Row {
        guess: "archived_hidden_by_default",
        no: "1, and 1 if archived ones are asked for",
        yes: "0, and 1 if archived ones are asked for",
        probe: |guesses| {
            let config = Config {
                guesses,
                ..config(1)
            };
            let (mut world, server) = server_in(S::Disconnected, config);
            world.ok("MarkAsArchived", json!({"sourceServerID": server}));
            let mut listed = |filters: Value| {
                let reply = world.ok("DescribeSourceServers", json!({ "filters": filters }));
                reply["items"].as_array().map_or(0, Vec::len)
            };
            let (all, archived) = (listed(json!({})), listed(json!({"isArchived": true})));
            format!("{all}, and {archived} if archived ones are asked for")
        },
    },
    Row {
        guess: "conflicts_listed",
        no: "0 listed, one server named",
        yes: "2 listed, no server named",
        probe: |guesses| {
            let mut world = world(2, guesses);
            let servers = world.servers(2);
            let input = json!({"sourceServerIDs": servers});
            let error = world
                .simulator
                .call("StartCutover", &input, world.now)
                .expect_err("a conflict");
            assert_eq!(error.status, 409);
            let listed = error.body["errors"].as_array().map_or(0, Vec::len);
            let named = if error.body["resourceId"].is_string() {
                "one"
            } else {
                "no"
            };
            format!("{listed} listed, {named} server named")
        },
    },
    Row {
        guess: "checks_shown",
        no: r#"["ec2InstanceID", "firstBoot", "jobID"]"#,
        yes: r#"["ec2InstanceID", "firstBoot", "jobID", "lastKnownChecks"]"#,
        probe: |guesses| {
            let mut world = world(1, guesses);
            let server = world.server(1);
            world.start("StartTest", &[&server]);
            world.pass(1_000);
            names(&world.show(&server)["launchedInstance"])
        },
    },
];

/// The names of an object's members, in order.
fn names(object: &Value) -> String {
    let mut names: Vec<&String> = object
        .as_object()
        .into_iter()
        .flat_map(|o| o.keys())
        .collect();
    names.sort();
    format!("{names:?}")
}
