//! What MGN sends beside its model.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::id::{JobId, ServerId};
use tidegate_domain::observation::{LaunchStatus, LifeCycle, ReplicationState, ServerSeen};
use tidegate_ports::mgn::{Job, Jobs, SourceServers};

use crate::answers::mgn;

async fn server(json: &str) -> Vec<ServerSeen> {
    let body = format!(r#"{{"items":[{json}]}}"#);
    let mgn = mgn(&[(200, None, &body)]);
    mgn.all_servers(Timestamp::UNIX_EPOCH)
        .await
        .expect("servers")
}

async fn job(json: &str) -> Vec<Job> {
    let body = format!(r#"{{"items":[{json}]}}"#);
    let mgn = mgn(&[(200, None, &body)]);
    mgn.jobs_since(Timestamp::UNIX_EPOCH).await.expect("jobs")
}

/// As in a transcript of 2022: `+00:00` and microseconds, `{}` for what is not set, the ARN among
/// the tags.
#[tokio::test]
async fn a_server_of_the_field_is_read() {
    let seen = server(
        r#"{
            "sourceServerID": "s-3949d5a8b4f8e0d12",
            "arn": "arn:aws:mgn:us-east-1:111122223333:source-server/s-3949d5a8b4f8e0d12",
            "isArchived": false,
            "tags": {"resourceArn": "arn:aws:mgn:us-east-1:111122223333:source-server/s-3949d5a8b4f8e0d12"},
            "launchedInstance": {},
            "dataReplicationInfo": {
                "lagDuration": "P0D",
                "lastSnapshotDateTime": "2022-08-31T14:33:26.983505+00:00",
                "replicatedDisks": [
                    {"deviceName": "/dev/sda", "totalStorageBytes": 8589934592,
                     "replicatedStorageBytes": 8589934592, "rescannedStorageBytes": 0,
                     "backloggedStorageBytes": 0},
                    {"deviceName": "/dev/sdb", "totalStorageBytes": 1073741824,
                     "replicatedStorageBytes": 73741824, "backloggedStorageBytes": 4096}
                ],
                "dataReplicationState": "CONTINUOUS",
                "dataReplicationInitiation": {"steps": []},
                "dataReplicationError": {}
            },
            "lifeCycle": {
                "addedToServiceDateTime": "2022-08-31T13:12:07.136518+00:00",
                "elapsedReplicationDuration": "PT1H21M",
                "lastTest": {
                    "initiated": {"apiCallDateTime": "2022-08-31T14:40:12.000001+00:00",
                                  "jobID": "mgnjob-3949d5a8b4f8e0d12"},
                    "reverted": {}, "finalized": {}
                },
                "lastCutover": {"initiated": {}, "reverted": {}, "finalized": {}},
                "state": "TESTING"
            },
            "sourceProperties": {"identificationHints": {"hostname": "db01", "fqdn": "db01.corp"}},
            "somethingNew": [1, 2, 3]
        }"#,
    )
    .await
    .remove(0);
    assert_eq!(
        (seen.hostname.as_str(), seen.fqdn.as_str()),
        ("db01", "db01.corp")
    );
    assert_eq!(seen.life_cycle, LifeCycle::Testing);
    assert_eq!(
        seen.last_test,
        JobId::parse("mgnjob-3949d5a8b4f8e0d12").ok()
    );
    assert_eq!(seen.last_cutover, None);
    let replication = seen.replication;
    assert_eq!(replication.state, ReplicationState::Continuous);
    assert_eq!(replication.lag, Some(SignedDuration::ZERO));
    assert_eq!(replication.backlog_bytes, 4_096);
    assert_eq!(replication.total_bytes, 9_663_676_416);
    assert_eq!(replication.replicated_bytes, 8_663_676_416);
    assert_eq!(
        replication.last_snapshot,
        "2022-08-31T14:33:26.983505Z".parse().ok()
    );
    assert_eq!((replication.eta, replication.error), (None, None));
}

/// After FinalizeCutover there is no lag; a server that was never read may have hardly anything.
#[tokio::test]
async fn what_is_not_there_is_not_made_up() {
    for json in [
        r#"{"sourceServerID": "s-3949d5a8b4f8e0d12"}"#,
        r#"{"sourceServerID": "s-3949d5a8b4f8e0d12", "lifeCycle": {}, "dataReplicationInfo": {},
            "sourceProperties": {}}"#,
        r#"{"sourceServerID": "s-3949d5a8b4f8e0d12", "lifeCycle": null, "tags": null}"#,
    ] {
        let seen = server(json).await.remove(0);
        assert_eq!(seen.life_cycle, LifeCycle::Unknown, "{json}");
        assert_eq!(seen.replication.state, ReplicationState::Unknown, "{json}");
        assert_eq!(seen.replication.lag, None, "{json}");
        assert!(!seen.caught_up() && seen.tags.is_empty(), "{json}");
    }
}

/// Values that no model lists, and servers and jobs that cannot be named, do no harm to the rest.
#[tokio::test]
async fn what_no_model_lists_is_unknown() {
    let seen = server(
        r#"{"sourceServerID": "s-3949d5a8b4f8e0d12",
            "lifeCycle": {"state": "HIBERNATING", "lastTest": {"initiated": {"jobID": "job 1"}}},
            "dataReplicationInfo": {"dataReplicationState": "QUANTUM", "lagDuration": "a while",
                "lastSnapshotDateTime": "the day before",
                "dataReplicationError": {"error": "GREMLINS"},
                "replicatedDisks": [{"backloggedStorageBytes": -5, "totalStorageBytes": -1}]}},
           {"sourceServerID": "../../etc/passwd"}, {}"#,
    )
    .await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].life_cycle, LifeCycle::Unknown);
    assert_eq!(seen[0].last_test, None);
    let replication = &seen[0].replication;
    assert_eq!(replication.state, ReplicationState::Unknown);
    assert_eq!(replication.lag, Some(SignedDuration::MAX), "never in step");
    assert_eq!(
        (replication.backlog_bytes, replication.last_snapshot),
        (0, None)
    );
    assert_eq!(replication.error.as_deref(), Some("GREMLINS"));

    let jobs = job(
        r#"{"jobID": "mgnjob-3949d5a8b4f8e0d12", "status": "PONDERING", "tags": {"tidegate:effect": "a b"},
            "participatingServers": [
                {"sourceServerID": "s-3949d5a8b4f8e0d12", "launchStatus": "ASCENDED",
                 "launchedEc2InstanceID": ""},
                {"sourceServerID": "nobody", "launchStatus": "LAUNCHED"}]},
           {"jobID": "what"}"#,
    )
    .await;
    assert_eq!(jobs.len(), 1);
    assert!(!jobs[0].completed);
    assert_eq!(jobs[0].effect, None);
    assert_eq!(jobs[0].servers.len(), 1);
    assert_eq!(jobs[0].servers[0].launch, LaunchStatus::Unknown);
    assert_eq!(jobs[0].servers[0].instance, None);
}

/// LAUNCH_END is sent but in no model; an item may say nothing about any server.
#[tokio::test]
async fn a_log_with_unknown_events_is_read() {
    let mgn = mgn(&[
        (
            200,
            None,
            r#"{"nextToken": "2", "items": [
            {"event": "LAUNCH_END", "eventData": {"sourceServerID": "s-3949d5a8b4f8e0d12"}},
            {"event": "SERVER_SKIPPED", "eventData": {}},
            {"event": "USING_PREVIOUS_SNAPSHOT"}, {}]}"#,
        ),
        (
            200,
            None,
            r#"{"items": [
            {"event": "USING_PREVIOUS_SNAPSHOT",
             "eventData": {"sourceServerID": "s-3949d5a8b4f8e0d12", "attemptCount": 1}}]}"#,
        ),
    ]);
    let job = JobId::parse("mgnjob-3949d5a8b4f8e0d12").expect("an ID");
    let log = mgn.job_log(&job).await.expect("a log");
    assert_eq!(
        log.previous_snapshot,
        [ServerId::parse("s-3949d5a8b4f8e0d12").expect("an ID")]
    );
    assert!(log.skipped.is_empty());
}
