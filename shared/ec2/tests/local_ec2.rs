//! The adapter over the local EC2: a MiniStack that this binary starts.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::InstanceType;
use tidegate_domain::id::InstanceId;
use tidegate_ec2::SdkInstances;
use tidegate_ports::error::ReadError;
use tidegate_ports::instances::Instances;

#[path = "../../aws/tests/local_aws/ministack.rs"]
mod ministack;

async fn launch(client: &Client, count: i32) -> Vec<InstanceId> {
    let output = client
        .run_instances()
        .image_id("ami-00000000")
        .instance_type(InstanceType::T3Micro)
        .min_count(count)
        .max_count(count)
        .send()
        .await
        .expect("instances");
    output
        .instances()
        .iter()
        .map(|instance| instance.instance_id().unwrap_or_default())
        .map(|id| InstanceId::parse(id).expect("an ID"))
        .collect()
}

#[tokio::test]
async fn instances_run_until_they_are_gone() {
    let config = ministack::config();
    let client = Client::new(&config);
    let instances = SdkInstances::new(&config);
    let mut ids = launch(&client, 3).await;
    client
        .terminate_instances()
        .instance_ids(ids[2].as_str())
        .send()
        .await
        .expect("terminated");
    ids.push(InstanceId::parse("i-00000000000000000").expect("an ID"));

    let mut seen = instances.instances(&ids).await.expect("instances");
    seen.sort_by_key(|instance| ids.iter().position(|id| *id == instance.id));
    let states: Vec<_> = seen.iter().map(|one| (one.running, one.gone)).collect();
    assert_eq!(
        states,
        [(true, false), (true, false), (false, true), (false, true)]
    );
    assert!(seen.iter().all(|instance| !instance.managed));
    assert_eq!(instances.instances(&[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn more_instances_than_a_call_takes_are_all_read() {
    let config = ministack::config();
    let mut ids = launch(&Client::new(&config), 150).await;
    ids.extend((0..3).map(|n| InstanceId::parse(format!("i-{n:017x}")).expect("an ID")));
    let seen = SdkInstances::new(&config)
        .instances(&ids)
        .await
        .expect("instances");
    assert_eq!(seen.len(), 153);
    assert_eq!(seen.iter().filter(|instance| instance.gone).count(), 3);
}

#[tokio::test]
async fn an_ec2_that_does_not_answer_is_no_end_of_instances() {
    let config = ministack::config()
        .to_builder()
        .endpoint_url("http://127.0.0.1:9")
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    let id = InstanceId::parse("i-00000000000000000").expect("an ID");
    let seen = SdkInstances::new(&config).instances(&[id]).await;
    assert!(matches!(seen, Err(ReadError::Failed(_))), "{seen:?}");
}
