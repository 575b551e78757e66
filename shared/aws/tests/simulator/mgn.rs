//! MGN's adapter over the simulator's HTTP front: what it reads, what it starts, and what each
//! error becomes.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::{LifeCycleTarget, RefusalKind};
use tidegate_domain::id::ServerId;
use tidegate_domain::observation::{LaunchStatus, LifeCycle, ReplicationState};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mgn::{
    Finalizes, Jobs, LaunchConfigurations, Launches, LifeCycles, SourceServers,
};
use tidegate_ports::settings::{Configuration, Configurations};

use crate::support::{Simulator, effect};

/// Launches in milliseconds, of servers that are in step.
const FAST: [&str; 6] = [
    "--ready",
    "--idle-sources",
    "--speed",
    "5000",
    "--servers",
    "3",
];

fn fast<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FAST.into_iter().chain(more.iter().copied()).collect()
}

fn nobody() -> ServerId {
    ServerId::parse("s-00000000000000000").expect("an ID")
}

fn kind<T: std::fmt::Debug>(result: Result<T, CallError>) -> RefusalKind {
    match result {
        Err(CallError::Refused(refusal)) => refusal.kind,
        other => panic!("should be refused: {other:?}"),
    }
}

fn unknown<T: std::fmt::Debug>(result: Result<T, CallError>) {
    match result {
        Err(CallError::Unknown(_)) => {}
        other => panic!("nobody should know: {other:?}"),
    }
}

#[tokio::test]
async fn servers_are_read_as_they_are() {
    let simulator = Simulator::start(&fast(&[])).await;
    let servers = simulator.servers().await;
    let names: Vec<_> = servers
        .iter()
        .map(|server| server.hostname.as_str())
        .collect();
    assert_eq!(names, ["server0001", "server0002", "server0003"]);
    for server in &servers {
        assert_eq!(server.life_cycle, LifeCycle::ReadyForTest);
        assert_eq!(server.replication.state, ReplicationState::Continuous);
        assert!(server.replication.total_bytes > 0);
        assert_eq!(
            server.replication.replicated_bytes,
            server.replication.total_bytes
        );
        assert!(server.replication.last_snapshot.is_some());
        assert!(server.caught_up() && !server.archived);
        assert_eq!((&server.last_test, &server.last_cutover), (&None, &None));
    }
    let at = Timestamp::now();
    let wanted = [nobody(), servers[1].id.clone()];
    let read = simulator.mgn.servers(&wanted, at).await.expect("servers");
    assert_eq!(read.len(), 1);
    assert_eq!((&read[0].id, read[0].at), (&servers[1].id, at));
    assert_eq!(simulator.mgn.servers(&[], at).await, Ok(Vec::new()));
}

#[tokio::test]
async fn more_servers_than_a_call_takes_are_all_read() {
    let arguments = ["--ready", "--servers", "450", "--page-size", "70"];
    let simulator = Simulator::start(&arguments).await;
    let ids = simulator.ids().await;
    assert_eq!(ids.len(), 450);
    let read = simulator
        .mgn
        .servers(&ids, Timestamp::now())
        .await
        .expect("servers");
    assert_eq!(read.len(), 450);
}

#[tokio::test]
async fn a_server_goes_from_its_test_to_its_end() {
    let simulator = Simulator::start(&fast(&[])).await;
    let mgn = &simulator.mgn;
    let server = simulator.ids().await.remove(0);
    let servers = std::slice::from_ref(&server);
    let before = Timestamp::now();

    let test = mgn
        .start_test(servers, &effect("orders-1-0"))
        .await
        .expect("a job");
    let job = simulator.ended(&test).await;
    assert_eq!(job.effect, Some(effect("orders-1-0")));
    assert_eq!(job.servers.len(), 1);
    assert_eq!(
        (&job.servers[0].id, job.servers[0].launch),
        (&server, LaunchStatus::Launched)
    );
    assert!(job.servers[0].instance.is_some());
    let since = before
        .saturating_sub(SignedDuration::from_secs(1))
        .expect("a time");
    let jobs = mgn.jobs_since(since).await.expect("jobs");
    assert!(jobs.contains(&job));
    let log = mgn.job_log(&test).await.expect("a log");
    assert!(log.previous_snapshot.is_empty() && log.skipped.is_empty());

    let tested = mgn
        .servers(servers, before)
        .await
        .expect("servers")
        .remove(0);
    assert_eq!(
        (tested.life_cycle, &tested.last_test),
        (LifeCycle::Testing, &Some(test))
    );
    mgn.change(&server, LifeCycleTarget::ReadyForCutover)
        .await
        .expect("changed");
    let terminate = mgn
        .terminate(servers, &effect("orders-2-0"))
        .await
        .expect("a job");
    let job = simulator.ended(&terminate).await;
    assert_eq!(job.servers[0].launch, LaunchStatus::Terminated);

    let cutover = mgn
        .start_cutover(servers, &effect("orders-3-0"))
        .await
        .expect("a job");
    simulator.ended(&cutover).await;
    mgn.finalize(&server).await.expect("finalized");
    let ended = mgn
        .servers(servers, before)
        .await
        .expect("servers")
        .remove(0);
    assert_eq!(
        (ended.life_cycle, &ended.last_cutover),
        (LifeCycle::Cutover, &Some(cutover))
    );
    assert_eq!(ended.replication.state, ReplicationState::Disconnected);
    assert_eq!(ended.replication.lag, None);
    assert_eq!(kind(mgn.finalize(&server).await), RefusalKind::Conflict);
}

#[tokio::test]
async fn a_job_tells_of_stale_and_skipped_servers() {
    let faults = [
        "--fault",
        "stale=server0001:1",
        "--fault",
        "skip=server0002:1",
    ];
    let simulator = Simulator::start(&fast(&faults)).await;
    let ids = simulator.ids().await;
    let job = simulator
        .mgn
        .start_test(&ids, &effect("orders-1-0"))
        .await
        .expect("a job");
    simulator.ended(&job).await;
    let log = simulator.mgn.job_log(&job).await.expect("a log");
    assert_eq!(log.previous_snapshot, [ids[0].clone()]);
    assert_eq!(log.skipped, [ids[1].clone()]);
}

#[tokio::test]
async fn refusals_say_what_kind_they_are() {
    let simulator = Simulator::start(&["--ready", "--quota", "servers-in-all-jobs=1"]).await;
    let mgn = &simulator.mgn;
    let ids = simulator.ids().await;
    let one = effect("orders-1-0");
    mgn.start_test(&ids[..1], &one).await.expect("a job");

    match mgn.start_test(&ids[..1], &effect("orders-2-0")).await {
        Err(CallError::Refused(refusal)) => {
            assert_eq!(refusal.kind, RefusalKind::Conflict);
            assert!(
                refusal.message.contains(ids[0].as_str()),
                "{}",
                refusal.message
            );
        }
        other => panic!("should be in conflict: {other:?}"),
    }
    assert_eq!(
        kind(mgn.start_test(&ids[1..], &one).await),
        RefusalKind::Quota
    );
    assert_eq!(kind(mgn.start_test(&[], &one).await), RefusalKind::Invalid);
    assert_eq!(
        kind(mgn.start_cutover(&ids[1..2], &one).await),
        RefusalKind::Conflict
    );
    assert_eq!(kind(mgn.finalize(&nobody()).await), RefusalKind::NotFound);
    let change = mgn.change(&nobody(), LifeCycleTarget::ReadyForTest).await;
    assert_eq!(kind(change), RefusalKind::NotFound);
    assert_eq!(
        kind(mgn.retry_replication(&nobody()).await),
        RefusalKind::NotFound
    );
}

#[tokio::test]
async fn an_account_that_is_not_initialized_is_told() {
    let simulator = Simulator::start(&["--uninitialized"]).await;
    let servers = simulator.mgn.all_servers(Timestamp::now()).await;
    assert_eq!(servers, Err(ReadError::Uninitialized));
    let jobs = simulator.mgn.jobs_since(Timestamp::now()).await;
    assert_eq!(jobs, Err(ReadError::Uninitialized));
    let started = simulator
        .mgn
        .start_test(&[nobody()], &effect("orders-1-0"))
        .await;
    assert_eq!(kind(started), RefusalKind::Uninitialized);
}

#[tokio::test]
async fn what_is_denied_or_throttled_was_not_done() {
    let faults = [
        "--fault",
        "deny=StartTest",
        "--fault",
        "throttle=1:StartCutover",
        "--fault",
        "deny=DescribeJobs",
        "--fault",
        "throttle=1:DescribeJobLogItems",
    ];
    let simulator = Simulator::start(&fast(&faults)).await;
    let mgn = &simulator.mgn;
    let ids = simulator.ids().await;
    let one = effect("orders-1-0");
    assert_eq!(kind(mgn.start_test(&ids, &one).await), RefusalKind::Denied);
    assert_eq!(
        kind(mgn.start_cutover(&ids, &one).await),
        RefusalKind::Throttled
    );
    let jobs = mgn.jobs_since(Timestamp::now()).await;
    assert!(matches!(jobs, Err(ReadError::Denied(_))), "{jobs:?}");
    let job = tidegate_domain::id::JobId::parse("mgnjob-00000000000000000").expect("an ID");
    let log = mgn.job_log(&job).await;
    assert!(matches!(log, Err(ReadError::Failed(_))), "{log:?}");
}

/// What started a job is called once, however it went; nobody knows what a lost answer said.
#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown() {
    let check = async |fault: &str, jobs: usize| {
        let simulator = Simulator::start(&fast(&["--fault", fault])).await;
        let ids = simulator.ids().await;
        let before = Timestamp::now().saturating_sub(SignedDuration::from_secs(5));
        unknown(
            simulator
                .mgn
                .start_test(&ids[..1], &effect("orders-1-0"))
                .await,
        );
        let started = simulator
            .mgn
            .jobs_since(before.expect("a time"))
            .await
            .expect("jobs");
        assert_eq!(started.len(), jobs, "{fault}");
        assert!(
            started
                .iter()
                .all(|job| job.effect == Some(effect("orders-1-0")))
        );
    };
    check("lost-answer=1:StartTest", 1).await;
    check("error-after=1:StartTest", 1).await;
    check("slow=1:30s:StartTest", 1).await;
    check("error-before=1:StartTest", 0).await;
}

#[tokio::test]
async fn a_read_is_tried_again() {
    let faults = ["--fault", "error-before=1:DescribeSourceServers:x1"];
    let simulator = Simulator::start(&fast(&faults)).await;
    assert_eq!(simulator.servers().await.len(), 3);
}

#[tokio::test]
async fn launch_configurations_are_looked_through() {
    let simulator = Simulator::start(&fast(&[])).await;
    let server = simulator.ids().await.remove(0);
    assert_eq!(simulator.mgn.problems(&server).await, Ok(Vec::new()));
    let problems = simulator.mgn.problems(&nobody()).await.expect("an answer");
    assert_eq!(
        problems,
        ["s-00000000000000000 has no launch configuration in MGN"]
    );
}

#[tokio::test]
async fn launch_configurations_say_how_a_server_is_launched() {
    let simulator = Simulator::start(&fast(&[])).await;
    let server = simulator.ids().await.remove(0);
    let read = simulator.mgn.configuration(&server).await;
    let Configuration { template, values } = read.expect("a configuration");
    assert!(template.as_str().starts_with("lt-"));
    for (what, value) in [
        ("launch disposition", Some("STARTED")),
        ("right-sizing", Some("BASIC")),
        ("boot mode", Some("LEGACY_BIOS")),
        ("copied tags", Some("yes")),
        ("copied private address", None),
        ("own license", None),
        ("post-launch actions", None),
    ] {
        assert_eq!(values.get(what), value, "{what}");
    }
    let nobody = simulator.mgn.configuration(&nobody()).await;
    assert!(matches!(nobody, Err(ReadError::NotFound(_))), "{nobody:?}");
}
