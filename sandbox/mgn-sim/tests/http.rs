//! The simulator behind HTTP, as the AWS SDK for Rust meets it: replies, typed errors,
//! paging, tags, and what faults do to a connection.

use std::time::Duration;

use aws_sdk_mgn::config::{
    BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_mgn::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_mgn::operation::finalize_cutover::FinalizeCutoverError;
use aws_sdk_mgn::operation::start_test::StartTestError;
use aws_sdk_mgn::types::{
    ChangeServerLifeCycleStateSourceServerLifecycle as LifeCycle,
    ChangeServerLifeCycleStateSourceServerLifecycleState as TargetState,
    DescribeSourceServersRequestFilters, JobLogEvent, JobStatus, LaunchStatus, LifeCycleState,
};
use clap::Parser as _;
use mgn_sim::front::{Front, Options};

struct Sandbox {
    front: Front,
    mgn: aws_sdk_mgn::Client,
    ssm: aws_sdk_ssm::Client,
}

impl Sandbox {
    async fn start(arguments: &[&str]) -> Self {
        let arguments = ["mgn-sim", "--listen", "127.0.0.1:0"]
            .iter()
            .chain(arguments);
        let options = Options::try_parse_from(arguments).expect("options");
        let front = Front::start(&options).await.expect("a front");
        let url = format!("http://{}", front.address());
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(Duration::from_secs(20))
            .build();
        let mgn = aws_sdk_mgn::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&url)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        let ssm = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        Self {
            front,
            mgn: aws_sdk_mgn::Client::from_conf(mgn),
            ssm: aws_sdk_ssm::Client::from_conf(ssm),
        }
    }

    async fn servers(&self) -> Vec<String> {
        let mut pages = self
            .mgn
            .describe_source_servers()
            .into_paginator()
            .items()
            .send();
        let mut servers = Vec::new();
        while let Some(server) = pages.next().await {
            let server = server.expect("a page");
            servers.push(server.source_server_id().expect("an ID").to_owned());
        }
        servers
    }

    async fn job(&self, id: &str) -> aws_sdk_mgn::types::Job {
        let filters = aws_sdk_mgn::types::DescribeJobsRequestFilters::builder()
            .job_ids(id)
            .build();
        let reply = self
            .mgn
            .describe_jobs()
            .filters(filters)
            .send()
            .await
            .expect("jobs");
        reply.items().first().expect("the job").clone()
    }

    /// Asks until the job is over; the client's own time-out ends a wait that is too long.
    async fn finished(&self, id: &str) -> aws_sdk_mgn::types::Job {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..1_000 {
            tick.tick().await;
            let job = self.job(id).await;
            if job.status() == Some(&JobStatus::Completed) {
                return job;
            }
        }
        panic!("the job {id} does not end");
    }

    async fn control(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &serde_json::Value,
    ) -> serde_json::Value {
        let url = format!("http://{}/_sim/{path}", self.front.address());
        let request = reqwest::Client::new().request(method, url).json(body);
        request
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON")
    }
}

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

#[tokio::test]
async fn it_can_be_disturbed_while_it_runs() {
    use reqwest::Method;
    use serde_json::json;
    let sandbox = Sandbox::start(&["--ready"]).await;
    let get = |path| sandbox.control(Method::GET, path, &serde_json::Value::Null);
    assert_eq!(get("health").await, json!({"status": "ok"}));
    let post = |path, body| {
        let sandbox = &sandbox;
        async move { sandbox.control(Method::POST, path, &body).await }
    };
    assert_eq!(
        post("stall", json!({"server": "server0001"})).await,
        json!({})
    );
    assert!(post("stall", json!({"server": "none"})).await["error"].is_string());
    assert!(post("nonsense", json!({})).await["error"].is_string());
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let events = loop {
        tick.tick().await;
        let events = get("events").await;
        if events.as_array().is_some_and(|events| !events.is_empty()) {
            break events;
        }
    };
    assert_eq!(events[0]["detail"]["state"], "STALLED");
    assert_eq!(
        post("faults", json!({"add": ["throttle=1"]})).await,
        json!({})
    );
    assert!(post("faults", json!({"add": ["nonsense"]})).await["error"].is_string());
    let error = sandbox
        .mgn
        .describe_jobs()
        .send()
        .await
        .expect_err("throttled")
        .into_service_error();
    assert_eq!(error.code(), Some("ThrottlingException"));
    assert_eq!(post("heal", json!({})).await, json!({}));
    sandbox.mgn.describe_jobs().send().await.expect("healed");
    assert_eq!(get("calls").await["DescribeJobs"], 2);
    assert_eq!(
        post("guesses", json!({"failed_test_reverts": false})).await,
        json!({})
    );
    assert_eq!(
        post("durations", json!({"launch": "3s", "speed": 50})).await,
        json!({})
    );
    let job = post(
        "foreign-job",
        json!({"operation": "StartTest", "servers": ["server0002"]}),
    )
    .await;
    assert!(job["jobID"].is_string());
    let agent = post("agent", json!({"hostname": "late"})).await;
    assert!(agent["sourceServerID"].is_string());
    assert_eq!(
        get("state").await["mgn"]["servers"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
}

#[tokio::test]
async fn nonsense_is_refused_in_the_form_of_aws() {
    let sandbox = Sandbox::start(&["--ready"]).await;
    let url = format!("http://{}", sandbox.front.address());
    let client = reqwest::Client::new();
    for (path, body, expected) in [
        ("/PutTemplate", "{}", "unknownOperation"),
        ("/StartTest", "{", "cannotParse"),
        ("/StartTest", "[]", "cannotParse"),
        ("/StartTest", r#"{"sourceServerIDs":"x"}"#, "cannotParse"),
    ] {
        let answer = client
            .post(format!("{url}{path}"))
            .body(body)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["x-amzn-errortype"], "ValidationException");
        let body: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!(body["reason"], expected, "{path}");
    }
}
