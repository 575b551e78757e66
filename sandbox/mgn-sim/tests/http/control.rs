//! The control under `/_sim/`, and requests that are not AWS's.

use std::time::Duration;

use aws_sdk_mgn::error::ProvideErrorMetadata as _;

use super::sandbox::Sandbox;

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
