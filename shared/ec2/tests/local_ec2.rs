//! The adapter over the local EC2: a MiniStack that this binary starts.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, RequestLaunchTemplateData,
};
use tidegate_domain::id::{EffectId, InstanceId, ServerId, SnapshotId, TemplateId};
use tidegate_domain::observation::SnapshotsSeen;
use tidegate_ec2::{INSTANCE_TAG, SdkEc2, SdkTargets};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::instances::{Instances, Snapshots, Targets};
use tidegate_ports::settings::LaunchTemplates;

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
    let instances = SdkEc2::new(&config);
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
    let seen = SdkEc2::new(&config)
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
    let seen = SdkEc2::new(&config).instances(&[id]).await;
    assert!(matches!(seen, Err(ReadError::Failed(_))), "{seen:?}");
}

#[tokio::test]
async fn a_target_is_stopped_and_its_volumes_are_kept_once() {
    let config = ministack::config();
    let client = Client::new(&config);
    let (ec2, targets) = (SdkEc2::new(&config), SdkTargets::new(&config));
    let id = launch(&client, 1).await.remove(0);
    let server = ServerId::parse("s-0123456789abcdef0").expect("an ID");
    let effect = |number: u32| EffectId::parse(format!("orders-{number}-0")).expect("an ID");

    targets.stop(&id).await.expect("it stops");
    targets.stop(&id).await.expect("twice is once");
    let seen = ec2.instances(std::slice::from_ref(&id)).await.expect("it");
    assert!(seen[0].stopped && !seen[0].running && !seen[0].gone);

    let kept = targets.keep(&id, &server, &effect(1)).await.expect("kept");
    assert!(!kept.is_empty(), "the instance has a volume");
    let again = targets.keep(&id, &server, &effect(2)).await.expect("kept");
    assert_eq!(again, kept, "no second snapshot of a volume");
    let told = client
        .describe_snapshots()
        .snapshot_ids(kept[0].as_str())
        .send()
        .await
        .expect("a snapshot");
    let tags = told.snapshots()[0].tags();
    assert!(
        tags.iter()
            .any(|tag| tag.key() == Some(INSTANCE_TAG) && tag.value() == Some(id.as_str())),
        "{tags:?}"
    );

    let unknown = SnapshotId::parse("snap-00000000000000000").expect("an ID");
    let wanted = [kept[0].clone(), unknown.clone()];
    let states = ec2.snapshots(&wanted).await.expect("states");
    assert_eq!(states[&kept[0]], SnapshotsSeen::Complete);
    assert_eq!(states[&unknown], SnapshotsSeen::Failed);
}

#[tokio::test]
async fn a_target_that_does_not_exist_is_refused() {
    let targets = SdkTargets::new(&ministack::config());
    let id = InstanceId::parse("i-00000000000000000").expect("an ID");
    let refused = targets.stop(&id).await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
}

async fn template(client: &Client, name: &str, data: RequestLaunchTemplateData) -> TemplateId {
    let made = client
        .create_launch_template()
        .launch_template_name(name)
        .launch_template_data(data)
        .send()
        .await
        .expect("a launch template");
    let made = made
        .launch_template()
        .and_then(|made| made.launch_template_id());
    TemplateId::parse(made.unwrap_or_default()).expect("an ID")
}

fn of_type(kind: InstanceType) -> RequestLaunchTemplateData {
    RequestLaunchTemplateData::builder()
        .instance_type(kind)
        .build()
}

#[tokio::test]
async fn a_launch_template_says_what_its_default_version_says() {
    let config = ministack::config();
    let (client, templates) = (Client::new(&config), SdkEc2::new(&config));
    let id = template(&client, "orders", of_type(InstanceType::M5Large)).await;
    let second = RequestLaunchTemplateData::builder()
        .image_id("ami-00000000")
        .instance_type(InstanceType::M5Xlarge)
        .iam_instance_profile(
            LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
                .arn("arn:aws:iam::000000000000:instance-profile/orders")
                .build(),
        )
        .network_interfaces(
            LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
                .device_index(0)
                .subnet_id("subnet-1")
                .build(),
        )
        .security_group_ids("sg-2")
        .security_group_ids("sg-1")
        .block_device_mappings(
            LaunchTemplateBlockDeviceMappingRequest::builder()
                .device_name("/dev/xvda")
                .ebs(
                    LaunchTemplateEbsBlockDeviceRequest::builder()
                        .volume_size(16)
                        .volume_type("gp3".into())
                        .snapshot_id("snap-1")
                        .build(),
                )
                .build(),
        )
        .user_data("cGFzc3dvcmQ9MQ==")
        .build();
    client
        .create_launch_template_version()
        .launch_template_id(id.as_str())
        .launch_template_data(second)
        .send()
        .await
        .expect("a version");
    let ids = [id.clone()];
    let numbers = templates.default_versions(&ids).await.expect("numbers");
    assert_eq!(
        numbers,
        BTreeMap::from([(id.clone(), 1)]),
        "the default, not the latest"
    );

    let first = templates.version(&id, 1).await.expect("a version");
    assert_eq!(first.get("instance type"), Some("m5.large"));
    let second = templates.version(&id, 2).await.expect("a version");
    let user_data = second.get("user data").expect("a digest").to_owned();
    assert!(user_data.starts_with("sha256:"));
    for (what, value) in [
        ("instance type", "m5.xlarge"),
        ("instance profile", "orders"),
        ("subnet", "subnet-1"),
        ("security groups", "sg-1, sg-2"),
        ("volume /dev/xvda", "gp3 16 GiB"),
    ] {
        assert_eq!(second.get(what), Some(value), "{what}");
    }
    let missing = templates.version(&id, 3).await;
    assert!(
        matches!(missing, Err(ReadError::NotFound(_))),
        "{missing:?}"
    );
}

#[tokio::test]
async fn launch_templates_that_do_not_exist_are_not_there() {
    let config = ministack::config();
    let (client, templates) = (Client::new(&config), SdkEc2::new(&config));
    let there = template(&client, "there", of_type(InstanceType::T3Micro)).await;
    let gone = TemplateId::parse("lt-00000000000000000").expect("an ID");
    let both = [gone.clone(), there.clone()];
    let numbers = templates.default_versions(&both).await.expect("numbers");
    assert_eq!(numbers, BTreeMap::from([(there, 1)]));
    assert_eq!(templates.default_versions(&[]).await, Ok(BTreeMap::new()));
    let version = templates.version(&gone, 1).await;
    assert!(
        matches!(version, Err(ReadError::NotFound(_))),
        "{version:?}"
    );
}
