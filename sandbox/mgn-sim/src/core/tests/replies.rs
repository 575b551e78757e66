//! Every other operation that is simulated, and that its replies are as the model says
//! (which `World::call` checks).

use serde_json::{Value, json};

use super::{World, config};

#[test]
fn waves_and_applications_and_their_associations() {
    let mut world = World::ready(2);
    let servers = world.servers(2);
    let wave = world.ok(
        "CreateWave",
        json!({"name": "w1", "description": "d", "tags": {"a": "b"}}),
    );
    let wave_id = wave["waveID"].clone();
    assert_eq!(
        wave["waveAggregatedStatus"]["progressStatus"],
        "NOT_STARTED"
    );
    world.refused("CreateWave", json!({"name": "w1"}), "409");
    let application = world.ok("CreateApplication", json!({"name": "a1"}));
    let id = application["applicationID"].clone();
    world.refused("CreateApplication", json!({"name": "a1"}), "409");
    world.ok(
        "AssociateSourceServers",
        json!({"applicationID": id, "sourceServerIDs": servers}),
    );
    world.ok(
        "AssociateApplications",
        json!({"waveID": wave_id, "applicationIDs": [id]}),
    );
    let reply = world.ok(
        "ListApplications",
        json!({"filters": {"waveIDs": [wave_id]}}),
    );
    assert_eq!(
        reply["items"][0]["applicationAggregatedStatus"]["totalSourceServers"],
        2
    );
    assert_eq!(reply["items"][0]["waveID"], wave_id);
    let reply = world.ok(
        "DescribeSourceServers",
        json!({"filters": {"applicationIDs": [id]}}),
    );
    assert_eq!(reply["items"].as_array().map(Vec::len), Some(2));
    let reply = world.ok("ListWaves", json!({"filters": {"waveIDs": [wave_id]}}));
    assert_eq!(
        reply["items"][0]["waveAggregatedStatus"]["totalApplications"],
        1
    );
    assert_eq!(
        reply["items"][0]["waveAggregatedStatus"]["progressStatus"],
        "IN_PROGRESS"
    );
    world.refused("ArchiveWave", json!({"waveID": wave_id}), "409");
    world.refused("ArchiveApplication", json!({"applicationID": id}), "409");
    world.refused("DeleteWave", json!({"waveID": wave_id}), "409");
    world.refused("DeleteApplication", json!({"applicationID": id}), "409");
    world.ok("UpdateWave", json!({"waveID": wave_id, "name": "w2"}));
    world.ok(
        "UpdateApplication",
        json!({"applicationID": id, "name": "a2", "description": "x"}),
    );
    let other = world.ok("CreateWave", json!({"name": "other"}))["waveID"].clone();
    world.refused(
        "AssociateApplications",
        json!({"waveID": other, "applicationIDs": [id]}),
        "409",
    );
    world.ok(
        "DisassociateApplications",
        json!({"waveID": wave_id, "applicationIDs": [id]}),
    );
    world.refused(
        "DisassociateApplications",
        json!({"waveID": wave_id, "applicationIDs": [id]}),
        "409",
    );
    world.ok(
        "DisassociateSourceServers",
        json!({"applicationID": id, "sourceServerIDs": servers}),
    );
    world.ok("ArchiveApplication", json!({"applicationID": id}));
    world.ok("UnarchiveApplication", json!({"applicationID": id}));
    world.ok("ArchiveWave", json!({"waveID": wave_id}));
    let reply = world.ok("ListWaves", json!({"filters": {"isArchived": true}}));
    assert_eq!(reply["items"].as_array().map(Vec::len), Some(1));
    world.ok("UnarchiveWave", json!({"waveID": wave_id}));
    world.ok("DeleteApplication", json!({"applicationID": id}));
    world.ok("DeleteWave", json!({"waveID": wave_id}));
    for operation in ["UpdateWave", "DeleteWave", "ArchiveWave", "UnarchiveWave"] {
        world.refused(operation, json!({"waveID": wave_id}), "404");
    }
    for operation in [
        "UpdateApplication",
        "DeleteApplication",
        "ArchiveApplication",
        "UnarchiveApplication",
    ] {
        world.refused(operation, json!({"applicationID": id}), "404");
    }
}

fn replication_template() -> Value {
    json!({
        "stagingAreaSubnetId": "subnet-0123456789abcdef0",
        "associateDefaultSecurityGroup": true,
        "replicationServersSecurityGroupsIDs": ["sg-0123456789abcdef0"],
        "replicationServerInstanceType": "t3.small",
        "useDedicatedReplicationServer": false,
        "defaultLargeStagingDiskType": "GP3",
        "ebsEncryption": "DEFAULT",
        "bandwidthThrottling": 0,
        "dataPlaneRouting": "PRIVATE_IP",
        "createPublicIP": false,
        "stagingAreaTags": {"a": "b"},
        "tags": {"c": "d"},
    })
}

#[test]
fn replication_templates_and_configurations() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let mut wrong = replication_template();
    wrong["stagingAreaSubnetId"] = json!("");
    world.refused(
        "CreateReplicationConfigurationTemplate",
        wrong,
        "400 ValidationException",
    );
    let made = world.ok(
        "CreateReplicationConfigurationTemplate",
        replication_template(),
    );
    let id = made["replicationConfigurationTemplateID"].clone();
    let reply = world.ok("DescribeReplicationConfigurationTemplates", json!({}));
    assert_eq!(reply["items"].as_array().map(Vec::len), Some(1));
    world.ok(
        "UpdateReplicationConfigurationTemplate",
        json!({"replicationConfigurationTemplateID": id, "bandwidthThrottling": 100}),
    );
    let shown = world.ok(
        "GetReplicationConfiguration",
        json!({"sourceServerID": server}),
    );
    assert_eq!(shown["bandwidthThrottling"], 100);
    assert_eq!(shown["stagingAreaSubnetId"], "subnet-0123456789abcdef0");
    assert_eq!(shown["replicatedDisks"][0]["isBootDisk"], true);
    let shown = world.ok(
        "UpdateReplicationConfiguration",
        json!({"sourceServerID": server, "dataPlaneRouting": "PUBLIC_IP"}),
    );
    assert_eq!(shown["dataPlaneRouting"], "PUBLIC_IP");
    world.refused(
        "UpdateReplicationConfiguration",
        json!({"sourceServerID": server, "replicatedDisks": [{"deviceName": "/dev/none"}]}),
        "400",
    );
    world.refused(
        "DescribeReplicationConfigurationTemplates",
        json!({"replicationConfigurationTemplateIDs": ["rct-00000000000000000"]}),
        "404",
    );
    world.ok(
        "DeleteReplicationConfigurationTemplate",
        json!({"replicationConfigurationTemplateID": id}),
    );
    world.refused(
        "DeleteReplicationConfigurationTemplate",
        json!({"replicationConfigurationTemplateID": id}),
        "404",
    );
}

#[test]
fn launch_configurations_templates_and_defaults() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let id = json!({"sourceServerID": server});
    let shown = world.ok("GetLaunchConfiguration", id.clone());
    let template = shown["ec2LaunchTemplateID"].clone();
    assert_eq!(template.as_str().map(str::len), Some(20));
    let shown = world.ok(
        "UpdateLaunchConfiguration",
        json!({
            "sourceServerID": server,
            "launchDisposition": "STOPPED",
            "targetInstanceTypeRightSizingMethod": "NONE",
            "ec2LaunchTemplateID": "lt-00000000000000000",
        }),
    );
    assert_eq!(shown["ec2LaunchTemplateID"], template, "output only");
    world.refused(
        "UpdateLaunchConfiguration",
        json!({"sourceServerID": server, "bootMode": "BIOS"}),
        "enum value set",
    );
    world.start("StartTest", &[&server]);
    world.pass(1_000);
    assert_eq!(
        world.show(&server)["launchedInstance"]["firstBoot"],
        "STOPPED"
    );
    world.ok("GetLaunchConfigurationDefaults", id);
    world.ok(
        "UpdateLaunchConfigurationDefaults",
        json!({"sourceServerID": server, "smallVolumeMaxSize": 100}),
    );
    let made = world.ok(
        "CreateLaunchConfigurationTemplate",
        json!({"copyPrivateIp": true}),
    );
    let id = made["launchConfigurationTemplateID"].clone();
    world.ok(
        "UpdateLaunchConfigurationTemplate",
        json!({"launchConfigurationTemplateID": id, "bootMode": "UEFI"}),
    );
    let reply = world.ok(
        "DescribeLaunchConfigurationTemplates",
        json!({"launchConfigurationTemplateIDs": [id]}),
    );
    assert_eq!(reply["items"][0]["bootMode"], "UEFI");
    world.ok(
        "DeleteLaunchConfigurationTemplate",
        json!({"launchConfigurationTemplateID": id}),
    );
    world.refused(
        "UpdateLaunchConfigurationTemplate",
        json!({"launchConfigurationTemplateID": id}),
        "404",
    );
}

fn action(server: &str, id: &str, order: u32, must: bool) -> Value {
    json!({
        "sourceServerID": server,
        "actionID": id,
        "actionName": format!("action {id}"),
        "documentIdentifier": "Tidegate-CheckPort",
        "order": order,
        "mustSucceedForCutover": must,
    })
}

#[test]
fn actions_of_servers_and_templates() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world.refused(
        "PutSourceServerAction",
        action(&server, "a", 1000, false),
        "400",
    );
    world.ok("PutSourceServerAction", action(&server, "a", 1001, true));
    world.refused(
        "PutSourceServerAction",
        action(&server, "b", 1001, false),
        "409",
    );
    world.ok("PutSourceServerAction", action(&server, "b", 1002, false));
    let reply = world.ok("ListSourceServerActions", json!({"sourceServerID": server}));
    assert_eq!(reply["items"].as_array().map(Vec::len), Some(2));
    world.ok(
        "RemoveSourceServerAction",
        json!({"sourceServerID": server, "actionID": "b"}),
    );
    world.refused(
        "RemoveSourceServerAction",
        json!({"sourceServerID": server, "actionID": "b"}),
        "404",
    );
    let made = world.ok("CreateLaunchConfigurationTemplate", json!({}));
    let template = made["launchConfigurationTemplateID"].clone();
    world.ok("PutTemplateAction", json!({
        "launchConfigurationTemplateID": template,
        "actionID": "t", "actionName": "t", "documentIdentifier": "x", "order": 1001, "operatingSystem": "linux",
    }));
    let reply = world.ok(
        "ListTemplateActions",
        json!({"launchConfigurationTemplateID": template}),
    );
    assert_eq!(reply["items"].as_array().map(Vec::len), Some(1));
    world.ok(
        "RemoveTemplateAction",
        json!({"launchConfigurationTemplateID": template, "actionID": "t"}),
    );

    // An action that must succeed blocks finalizing until it did.
    world.test(&[&server]);
    let job = world.start("StartCutover", &[&server]);
    world.pass(2 + 35 + 44 + 264 + 337 + 3);
    let shown = world.job(&job);
    assert_eq!(shown["status"], "COMPLETED");
    let run = &shown["participatingServers"][0]["postLaunchActionsStatus"]["postLaunchActionsLaunchStatusList"]
        [0];
    assert_eq!(run["executionStatus"], "IN_PROGRESS");
    world.refused(
        "FinalizeCutover",
        json!({"sourceServerID": server}),
        "must succeed",
    );
    world.pass(30);
    world.ok("FinalizeCutover", json!({"sourceServerID": server}));
}

#[test]
fn tags_of_every_resource() {
    let mut world = World::ready(1);
    let server = world.server(1);
    let job = world.start("StartTest", &[&server]);
    let wave = world.ok("CreateWave", json!({"name": "w"}));
    let application = world.ok("CreateApplication", json!({"name": "a"}));
    let replication = world.ok(
        "CreateReplicationConfigurationTemplate",
        replication_template(),
    );
    let launch = world.ok("CreateLaunchConfigurationTemplate", json!({}));
    let connector = world.ok(
        "CreateConnector",
        json!({"name": "c", "ssmInstanceID": "mi-0123456789abcdef0"}),
    );
    let arns = [
        world.show(&server)["arn"].clone(),
        world.job(&job)["arn"].clone(),
        wave["arn"].clone(),
        application["arn"].clone(),
        replication["arn"].clone(),
        launch["arn"].clone(),
        connector["arn"].clone(),
    ];
    for arn in arns {
        world.ok(
            "TagResource",
            json!({"resourceArn": arn, "tags": {"k": "v", "l": "w"}}),
        );
        world.ok(
            "UntagResource",
            json!({"resourceArn": arn, "tagKeys": ["l"]}),
        );
        let reply = world.ok("ListTagsForResource", json!({"resourceArn": arn}));
        assert_eq!(reply["tags"]["k"], "v", "{arn}");
        assert!(reply["tags"]["l"].is_null());
    }
    let unknown = "arn:aws:mgn:us-east-1:000000000000:wave/wave-00000000000000000";
    world.refused(
        "ListTagsForResource",
        json!({"resourceArn": unknown}),
        "404",
    );
}

#[test]
fn connectors_and_empty_lists() {
    let mut world = World::ready(0);
    let made = world.ok(
        "CreateConnector",
        json!({"name": "c", "ssmInstanceID": "i-0123456789abcdef0"}),
    );
    let id = made["connectorID"].clone();
    world.ok("UpdateConnector", json!({"connectorID": id, "name": "d"}));
    let reply = world.ok("ListConnectors", json!({"filters": {"connectorIDs": [id]}}));
    assert_eq!(reply["items"][0]["name"], "d");
    world.ok("DeleteConnector", json!({"connectorID": id}));
    world.refused("DeleteConnector", json!({"connectorID": id}), "404");
    for operation in [
        "ListManagedAccounts",
        "DescribeVcenterClients",
        "ListImports",
        "ListExports",
    ] {
        assert_eq!(world.ok(operation, json!({}))["items"], json!([]));
    }
}

#[test]
fn servers_are_filtered_paged_and_updated() {
    let mut world = World::ready(5);
    let servers = world.servers(5);
    world.start("StartTest", &servers[..2]);
    let testing = json!({"filters": {"lifeCycleStates": ["TESTING"]}, "maxResults": 1});
    let first = world.ok("DescribeSourceServers", testing.clone());
    assert!(first["nextToken"].is_string());
    let mut next = testing;
    next["nextToken"] = first["nextToken"].clone();
    let second = world.ok("DescribeSourceServers", next);
    assert!(second["nextToken"].is_null());
    assert_ne!(
        first["items"][0]["sourceServerID"],
        second["items"][0]["sourceServerID"]
    );
    let twice =
        json!({"filters": {"sourceServerIDs": [servers[0], servers[0], "s-00000000000000000"]}});
    assert_eq!(
        world.ok("DescribeSourceServers", twice)["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let shown = world.ok(
        "UpdateSourceServer",
        json!({"sourceServerID": servers[0], "userProvidedID": "x"}),
    );
    assert_eq!(shown["userProvidedID"], "x");
    world.refused(
        "UpdateSourceServerReplicationType",
        json!({"sourceServerID": servers[0], "replicationType": "SNAPSHOT_SHIPPING"}),
        "409",
    );
    assert_eq!(
        shown["tags"]["resourceArn"], shown["arn"],
        "seen once on a server without tags"
    );
}

#[test]
fn pages_are_full_and_complete() {
    let mut config = config(450);
    config.quotas.active_servers = 450;
    let mut world = World::new(config);
    let mut input = json!({});
    let mut seen = std::collections::BTreeSet::new();
    let mut pages = Vec::new();
    loop {
        let reply = world.ok("DescribeSourceServers", input.clone());
        let items = reply["items"].as_array().expect("items").clone();
        pages.push(items.len());
        seen.extend(items.iter().map(|item| item["sourceServerID"].to_string()));
        if reply["nextToken"].is_null() {
            break;
        }
        input["nextToken"] = reply["nextToken"].clone();
    }
    assert_eq!(pages, [200, 200, 50]);
    assert_eq!(seen.len(), 450);
}
