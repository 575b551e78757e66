//! Calls: initialization, counting, faults, foreign accounts, unknown operations.

use serde_json::json;

use super::{World, config};

#[test]
fn an_uninitialized_account_says_so() {
    let mut config = config(2);
    config.initialized = false;
    let mut world = World::new(config);
    for operation in ["DescribeSourceServers", "DescribeJobs", "ListWaves"] {
        world.refused(operation, json!({}), "400 UninitializedAccountException");
    }
    world.ok("InitializeService", json!({}));
    let reply = world.ok("DescribeSourceServers", json!({}));
    assert_eq!(reply["items"].as_array().map(Vec::len), Some(2));
    world.ok("InitializeService", json!({}));
    let reply = world.ok("DescribeSourceServers", json!({}));
    assert_eq!(
        reply["items"].as_array().map(Vec::len),
        Some(2),
        "idempotent"
    );
}

#[test]
fn calls_are_counted_by_operation() {
    let mut world = World::ready(1);
    world.ok("DescribeJobs", json!({}));
    world.ok("DescribeJobs", json!({}));
    world.refused("StartTest", json!({}), "400");
    assert_eq!(world.simulator.calls()["DescribeJobs"], 2);
    assert_eq!(world.simulator.calls()["StartTest"], 1);
}

#[test]
fn faults_of_calls_come_before_or_after_the_effect() {
    let after = |fault: &str| {
        let mut config = config(1);
        config.faults.add(fault).expect(fault);
        let mut world = World::new(config);
        let server = world.server(1);
        let input = json!({"sourceServerIDs": [server]});
        let error = world
            .simulator
            .call("StartTest", &input, world.now)
            .expect_err("a refusal");
        (error, world.simulator.jobs().len())
    };
    let (error, jobs) = after("throttle=1:StartTest");
    assert_eq!(
        (error.status, error.code, jobs),
        (429, "ThrottlingException", 0)
    );
    assert!(error.retry_after.is_some());
    let (error, jobs) = after("error-before=1:StartTest");
    assert_eq!((error.status, jobs), (500, 0));
    let (error, jobs) = after("error-after=1:StartTest");
    assert_eq!((error.status, jobs), (500, 1));
    let (error, jobs) = after("lost-answer=1:StartTest");
    assert!(error.is_lost());
    assert_eq!(jobs, 1);
    let (error, jobs) = after("deny=StartTest");
    assert_eq!(
        (error.status, error.code, jobs),
        (403, "AccessDeniedException", 0)
    );
}

#[test]
fn another_account_is_denied_and_an_unknown_operation_refused() {
    let mut world = World::ready(1);
    world.refused("DescribeJobs", json!({"accountID": "111122223333"}), "403");
    world.ok("DescribeJobs", json!({"accountID": "000000000000"}));
    world.refused(
        "PutTemplate",
        json!({}),
        "not an operation of Application Migration Service",
    );
    let input = json!({"s3BucketSource": {"s3Bucket": "bucket", "s3Key": "a.csv"}});
    world.refused("StartImport", input, "501");
}

#[test]
fn unknown_servers_are_refused_as_guessed() {
    for (not_found, expected) in [(false, "400"), (true, "404")] {
        let mut config = config(1);
        config.guesses.unknown_server_is_not_found = not_found;
        let mut world = World::new(config);
        let known = world.server(1);
        let input = json!({"sourceServerIDs": [known, "s-00000000000000000"]});
        world.refused("StartTest", input, expected);
        assert_eq!(world.state(&known), "READY_FOR_TEST", "all or nothing");
    }
}

#[test]
fn somebody_elses_job_takes_slots() {
    let mut config = config(2);
    config.quotas.concurrent_jobs = 1;
    let mut world = World::new(config);
    let tags = [("owner".to_owned(), "other".to_owned())].into();
    let job = world
        .simulator
        .start_foreign_job("StartTest", &["server0001"], &tags)
        .expect("a job");
    assert!(!world.simulator.calls().contains_key("StartTest"));
    assert_eq!(world.job(&job)["tags"], json!({"owner": "other"}));
    let second = world.server(2);
    world.refused("StartTest", json!({"sourceServerIDs": [second]}), "402");
}
