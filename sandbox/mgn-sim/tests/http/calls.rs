//! Calls as the AWS SDK for Rust makes them: replies, typed errors, pages, tags, commands.

use std::time::Duration;

use super::sandbox::Sandbox;
use aws_sdk_mgn::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_mgn::operation::finalize_cutover::FinalizeCutoverError;
use aws_sdk_mgn::operation::start_test::StartTestError;
use aws_sdk_mgn::types::{
    ChangeServerLifeCycleStateSourceServerLifecycle as LifeCycle,
    ChangeServerLifeCycleStateSourceServerLifecycleState as TargetState,
    DescribeSourceServersRequestFilters, JobLogEvent, LaunchStatus, LifeCycleState,
};

const FAST: [&str; 5] = ["--ready", "--speed", "2000", "--servers", "3"];

#[tokio::test]
async fn a_server_is_tested_and_cut_over() {
    let sandbox = Sandbox::start(&FAST).await;
    let servers = sandbox.servers().await;
    assert_eq!(servers.len(), 3);
    let reply = sandbox
        .mgn
        .start_test()
        .set_source_server_ids(Some(servers.clone()))
        .tags("effect", "e-1")
        .send()
        .await
        .expect("a job");
    let job = reply.job().expect("a job");
    let id = job.job_id();
    let finished = sandbox.finished(id).await;
    assert_eq!(
        finished
            .tags()
            .and_then(|tags| tags.get("effect"))
            .map(String::as_str),
        Some("e-1")
    );
    for server in finished.participating_servers() {
        assert_eq!(server.launch_status(), Some(&LaunchStatus::Launched));
        assert!(server.launched_ec2_instance_id().is_some());
    }
    let log = sandbox
        .mgn
        .describe_job_log_items()
        .job_id(id)
        .send()
        .await
        .expect("a log");
    let events: Vec<&JobLogEvent> = log.items().iter().filter_map(|item| item.event()).collect();
    assert_eq!(events.first(), Some(&&JobLogEvent::JobStart));
    assert_eq!(events.last(), Some(&&JobLogEvent::JobEnd));
    // Not in the model, but live.
    assert!(events.iter().any(|event| event.as_str() == "LAUNCH_END"));

    let server = &servers[0];
    let life_cycle = LifeCycle::builder()
        .state(TargetState::ReadyForCutover)
        .build()
        .expect("a life cycle");
    sandbox
        .mgn
        .change_server_life_cycle_state()
        .source_server_id(server)
        .life_cycle(life_cycle)
        .send()
        .await
        .expect("a change");
    let reply = sandbox
        .mgn
        .start_cutover()
        .source_server_ids(server)
        .send()
        .await
        .expect("a job");
    sandbox.finished(reply.job().expect("a job").job_id()).await;
    let server = sandbox
        .mgn
        .finalize_cutover()
        .source_server_id(server)
        .send()
        .await
        .expect("a server");
    let state = server
        .life_cycle()
        .and_then(|life_cycle| life_cycle.state());
    assert_eq!(state, Some(&LifeCycleState::Cutover));
    sandbox.front.stop().await;
}

#[tokio::test]
async fn errors_are_typed() {
    let sandbox =
        Sandbox::start(&["--ready", "--servers", "2", "--quota", "concurrent-jobs=1"]).await;
    let servers = sandbox.servers().await;
    let start = |server: &str| sandbox.mgn.start_test().source_server_ids(server).send();
    start(&servers[0]).await.expect("a job");

    let error = start(&servers[0])
        .await
        .expect_err("a conflict")
        .into_service_error();
    let StartTestError::ConflictException(conflict) = &error else {
        panic!("not a conflict: {error:?}");
    };
    assert_eq!(conflict.errors().len(), 1);
    assert_eq!(
        conflict.errors()[0].resource_id(),
        Some(servers[0].as_str())
    );

    // Not declared for this operation: the SDK knows its name only.
    let error = start(&servers[1])
        .await
        .expect_err("a quota")
        .into_service_error();
    assert_eq!(error.code(), Some("ServiceQuotaExceededException"));

    let error = start("s-1")
        .await
        .expect_err("a wrong ID")
        .into_service_error();
    let StartTestError::ValidationException(validation) = &error else {
        panic!("not a validation: {error:?}");
    };
    assert_eq!(
        validation.field_list()[0].name(),
        "sourceServerIDs/0".into()
    );
    assert_eq!(
        validation.reason().map(|reason| reason.as_str()),
        Some("fieldValidationFailed")
    );

    let unknown = sandbox
        .mgn
        .finalize_cutover()
        .source_server_id("s-00000000000000000")
        .send();
    let error = unknown
        .await
        .expect_err("no such server")
        .into_service_error();
    assert!(
        matches!(error, FinalizeCutoverError::ResourceNotFoundException(_)),
        "{error:?}"
    );

    let sandbox = Sandbox::start(&["--uninitialized"]).await;
    let error = sandbox.mgn.describe_source_servers().send().await;
    let error = error.expect_err("uninitialized").into_service_error();
    assert!(error.is_uninitialized_account_exception(), "{error:?}");
    sandbox
        .mgn
        .initialize_service()
        .send()
        .await
        .expect("initialized");
    assert_eq!(sandbox.servers().await.len(), 3);
}

#[tokio::test]
async fn throttling_and_lost_answers_look_like_aws_and_like_a_broken_line() {
    let sandbox = Sandbox::start(&[
        "--ready",
        "--fault",
        "throttle=1:ListTagsForResource",
        "--fault",
        "lost-answer=1:StartTest:x1",
    ])
    .await;
    let servers = sandbox.servers().await;
    let arn = format!(
        "arn:aws:mgn:us-east-1:000000000000:source-server/{}",
        servers[0]
    );
    let error = sandbox
        .mgn
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await;
    let error = error.expect_err("throttled").into_service_error();
    assert!(error.is_throttling_exception(), "{error:?}");
    let lost = sandbox
        .mgn
        .start_test()
        .source_server_ids(&servers[0])
        .send()
        .await;
    assert!(
        matches!(lost, Err(SdkError::DispatchFailure(_))),
        "{lost:?}"
    );
    let filters = DescribeSourceServersRequestFilters::builder()
        .source_server_ids(&servers[0])
        .build();
    let reply = sandbox
        .mgn
        .describe_source_servers()
        .filters(filters)
        .send()
        .await
        .expect("servers");
    let initiated = reply.items()[0]
        .life_cycle()
        .and_then(|life_cycle| life_cycle.last_test())
        .and_then(|test| test.initiated())
        .and_then(|initiated| initiated.job_id());
    assert!(initiated.is_some(), "the call took effect");
}

#[tokio::test]
async fn tags_travel_in_the_path_and_the_query() {
    let sandbox = Sandbox::start(&["--ready"]).await;
    let wave = sandbox
        .mgn
        .create_wave()
        .name("w")
        .send()
        .await
        .expect("a wave");
    let arn = wave.arn().expect("an ARN");
    for (key, value) in [("a b", "c/d"), ("e", "f")] {
        let tagged = sandbox
            .mgn
            .tag_resource()
            .resource_arn(arn)
            .tags(key, value)
            .send()
            .await;
        tagged.expect("tagged");
    }
    let untagged = sandbox
        .mgn
        .untag_resource()
        .resource_arn(arn)
        .tag_keys("e")
        .send()
        .await;
    untagged.expect("untagged");
    let reply = sandbox
        .mgn
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await
        .expect("tags");
    let tags = reply.tags().expect("tags");
    assert_eq!(tags.len(), 1);
    assert_eq!(tags["a b"], "c/d");
}

#[tokio::test]
async fn pages_are_followed() {
    let sandbox = Sandbox::start(&["--ready", "--servers", "7", "--page-size", "3"]).await;
    assert_eq!(sandbox.servers().await.len(), 7);
}

#[tokio::test]
async fn commands_run_beside_it() {
    let sandbox = Sandbox::start(&[
        "--ready",
        "--speed",
        "500",
        "--fault",
        "command=Tidegate-CheckPort:server0001:1:failed",
    ])
    .await;
    let reply = sandbox
        .ssm
        .describe_instance_information()
        .send()
        .await
        .expect("nodes");
    let node = reply
        .instance_information_list()
        .iter()
        .find(|node| node.computer_name() == Some("server0001"))
        .and_then(|node| node.instance_id())
        .expect("a node")
        .to_owned();
    assert!(node.starts_with("mi-"));
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let reply = sandbox
            .ssm
            .send_command()
            .document_name("Tidegate-CheckPort")
            .instance_ids(&node)
            .comment("effect 1")
            .send()
            .await
            .expect("a command");
        let id = reply
            .command()
            .and_then(|command| command.command_id())
            .expect("an ID")
            .to_owned();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        let status = loop {
            tick.tick().await;
            let reply = sandbox
                .ssm
                .list_command_invocations()
                .command_id(&id)
                .send()
                .await
                .expect("invocations");
            let status = reply.command_invocations()[0]
                .status()
                .expect("a status")
                .as_str()
                .to_owned();
            if status != "Pending" && status != "InProgress" {
                break status;
            }
        };
        statuses.push(status);
    }
    assert_eq!(statuses, ["Failed", "Success"]);
    let error = sandbox
        .ssm
        .send_command()
        .document_name("Tidegate-CheckPort")
        .instance_ids("i-0123456789abcdef0")
        .send()
        .await
        .expect_err("no such node")
        .into_service_error();
    assert!(error.is_invalid_instance_id(), "{error:?}");
}
