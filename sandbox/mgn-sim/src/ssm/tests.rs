//! Tests of SSM, beside MGN as it is used.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{OutcomeRule, SsmConfig};
use crate::core::{Config, Drift, Durations, InitialState, Machine, Output};
use crate::region::Region;

struct World {
    region: Region,
    now: Timestamp,
    events: Vec<Value>,
}

impl World {
    fn new(ssm: SsmConfig) -> Self {
        let mgn = Config {
            inventory: vec![Machine::named("db01"), Machine::named("web01")],
            initial: InitialState::ReadyForTest,
            durations: Durations {
                jitter: 0.0,
                ..Durations::default()
            },
            drift: Drift {
                zero_odds: 0.0,
                ..Drift::default()
            },
            ..Config::default()
        };
        let mut world = Self {
            region: Region::new(mgn, ssm),
            now: "2026-12-01T20:00:00Z".parse().expect("a time"),
            events: Vec::new(),
        };
        world.pass(0);
        world
    }

    fn with_rule(rule: &str) -> Self {
        Self::new(SsmConfig {
            outcomes: vec![OutcomeRule::parse(rule).expect(rule)],
            ..SsmConfig::default()
        })
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        for output in self.region.advance_to(self.now) {
            if let Output::Event(event) = output {
                self.events.push(event);
            }
        }
    }

    fn call(&mut self, operation: &str, input: Value) -> Result<Value, String> {
        self.region
            .call_ssm(operation, &input, self.now)
            .map(|reply| reply.body)
            .map_err(|error| format!("{} {}", error.code, error.body["Message"]))
    }

    fn ok(&mut self, operation: &str, input: Value) -> Value {
        self.call(operation, input).expect(operation)
    }

    fn refused(&mut self, operation: &str, input: Value, expected: &str) {
        let error = self.call(operation, input).expect_err(operation);
        assert!(error.contains(expected), "{operation}: {error}");
    }

    fn hybrid(&mut self, name: &str) -> String {
        let server = self
            .region
            .mgn
            .server_id(name)
            .expect("a server")
            .to_owned();
        self.region
            .ssm
            .hybrid_node(&server)
            .expect("a node")
            .id
            .clone()
    }

    fn send(&mut self, nodes: &[&str], document: &str) -> String {
        let input = json!({"InstanceIds": nodes, "DocumentName": document, "Comment": "effect 1"});
        let reply = self.ok("SendCommand", input);
        reply["Command"]["CommandId"]
            .as_str()
            .expect("an ID")
            .to_owned()
    }

    fn statuses(&mut self, command: &str) -> Vec<(String, String)> {
        let reply = self.ok("ListCommandInvocations", json!({"CommandId": command}));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        reply["CommandInvocations"]
            .as_array()
            .expect("invocations")
            .iter()
            .map(|invocation| {
                (
                    text(&invocation["Status"]),
                    text(&invocation["StatusDetails"]),
                )
            })
            .collect()
    }

    fn launch(&mut self, name: &str) -> String {
        let server = self
            .region
            .mgn
            .server_id(name)
            .expect("a server")
            .to_owned();
        let input = json!({"sourceServerIDs": [server]});
        self.region
            .call_mgn("StartTest", &input, self.now)
            .expect("a job");
        self.pass(700);
        self.region.mgn.servers()[&server]
            .launched
            .as_ref()
            .expect("an instance")
            .instance
            .clone()
    }
}

#[test]
fn a_command_runs_and_is_announced() {
    let mut world = World::new(SsmConfig::default());
    let (first, second) = (world.hybrid("db01"), world.hybrid("web01"));
    let command = world.send(&[&first, &second], "Tidegate-CheckPort");
    assert_eq!(
        world.statuses(&command)[0],
        ("Pending".to_owned(), "Pending".to_owned())
    );
    world.pass(3);
    assert_eq!(world.statuses(&command)[1].0, "InProgress");
    world.pass(10);
    assert_eq!(world.statuses(&command)[0].0, "Success");
    let reply = world.ok("ListCommands", json!({"CommandId": command}));
    let shown = &reply["Commands"][0];
    assert_eq!(shown["Status"], "Success");
    assert_eq!(shown["Comment"], "effect 1");
    assert_eq!(
        (&shown["TargetCount"], &shown["CompletedCount"]),
        (&json!(2), &json!(2))
    );
    let told: Vec<(&str, &str)> = world
        .events
        .iter()
        .map(|event| {
            (
                event["detail-type"].as_str().unwrap_or_default(),
                event["detail"]["status"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    let count = |kind, status| told.iter().filter(|told| **told == (kind, status)).count();
    assert_eq!(count(super::INVOCATION_CHANGE, "Success"), 2);
    assert_eq!(count(super::INVOCATION_CHANGE, "InProgress"), 2);
    assert_eq!(count(super::COMMAND_CHANGE, "Success"), 1);
    assert_eq!(count(super::COMMAND_CHANGE, "InProgress"), 1);
}

#[test]
fn events_have_the_documented_shape() {
    let mut world = World::new(SsmConfig::default());
    let node = world.hybrid("db01");
    let command = world.send(&[&node], "Tidegate-CheckPort");
    world.pass(20);
    let event = world
        .events
        .iter()
        .find(|event| {
            event["detail-type"] == super::INVOCATION_CHANGE
                && event["detail"]["status"] == "Success"
        })
        .expect("an event");
    assert_eq!(event["source"], "aws.ssm");
    assert_eq!(
        event["detail"],
        json!({
            "command-id": command,
            "document-name": "Tidegate-CheckPort",
            "instance-id": node,
            "requested-date-time": "2026-12-01T20:00:00.000Z",
            "status": "Success",
        })
    );
    assert_eq!(
        event["resources"],
        json!([format!(
            "arn:aws:ssm:us-east-1:000000000000:managed-instance/{node}"
        )])
    );
}

#[test]
fn outcomes_are_as_the_rules_say() {
    for (outcome, status, details) in [
        ("failed", "Failed", "Failed"),
        ("timed-out:20s", "TimedOut", "ExecutionTimedOut"),
        ("delivery-timed-out:20s", "TimedOut", "DeliveryTimedOut"),
        ("undeliverable", "Failed", "Undeliverable"),
        ("never", "InProgress", "InProgress"),
    ] {
        let mut world = World::with_rule(&format!("Tidegate-CheckPort:db01:1:{outcome}"));
        let node = world.hybrid("db01");
        let command = world.send(&[&node], "Tidegate-CheckPort");
        world.pass(30);
        assert_eq!(
            world.statuses(&command),
            [(status.to_owned(), details.to_owned())]
        );
        // The second run, another document and another node succeed.
        let other = world.hybrid("web01");
        for command in [
            world.send(&[&node], "Tidegate-CheckPort"),
            world.send(&[&node], "Tidegate-CheckDisk"),
            world.send(&[&other], "Tidegate-CheckPort"),
        ] {
            world.pass(30);
            assert_eq!(world.statuses(&command)[0].0, "Success");
        }
    }
}

#[test]
fn one_failed_invocation_fails_the_command() {
    let mut world = World::with_rule("*:db01:*:failed");
    let (first, second) = (world.hybrid("db01"), world.hybrid("web01"));
    let command = world.send(&[&first, &second], "Tidegate-CheckPort");
    world.pass(30);
    let reply = world.ok("ListCommands", json!({"CommandId": command}));
    assert_eq!(reply["Commands"][0]["Status"], "Failed");
    assert_eq!(reply["Commands"][0]["ErrorCount"], 1);
    let reply = world.ok(
        "GetCommandInvocation",
        json!({"CommandId": command, "InstanceId": first}),
    );
    assert_eq!(
        (&reply["Status"], &reply["ResponseCode"]),
        (&json!("Failed"), &json!(1))
    );
}

#[test]
fn launched_instances_become_nodes_after_their_boot() {
    let mut world = World::new(SsmConfig::default());
    let instance = world.launch("db01");
    let input = json!({"InstanceIds": [instance], "DocumentName": "Tidegate-CheckPort"});
    world.pass(10);
    world.refused("SendCommand", input.clone(), "InvalidInstanceId");
    world.pass(100);
    world.ok("SendCommand", input.clone());
    let filter = json!({"Filters": [{"Key": "InstanceIds", "Values": [instance]}]});
    let reply = world.ok("DescribeInstanceInformation", filter.clone());
    let node = &reply["InstanceInformationList"][0];
    assert_eq!(node["ComputerName"], "db01");
    assert_eq!(node["ResourceType"], "EC2Instance");
    assert_eq!(node["PingStatus"], "Online");
    // The next launch terminates it.
    world.launch("db01");
    world.refused(
        "SendCommand",
        input,
        "not in a valid state for account 000000000000",
    );
    let reply = world.ok("DescribeInstanceInformation", filter);
    assert_eq!(reply["InstanceInformationList"], json!([]));
}

#[test]
fn stopping_services_on_the_source_drains_its_lag() {
    let mut world = World::new(SsmConfig::default());
    let server = world
        .region
        .mgn
        .server_id("db01")
        .expect("a server")
        .to_owned();
    let lag = |world: &mut World| {
        let input = json!({"filters": {"sourceServerIDs": [server]}});
        let reply = world
            .region
            .call_mgn("DescribeSourceServers", &input, world.now);
        reply.expect("a reply").body["items"][0]["dataReplicationInfo"]["lagDuration"].clone()
    };
    assert_ne!(lag(&mut world), "P0D");
    let node = world.hybrid("db01");
    world.send(&[&node], "Tidegate-StopServices");
    world.pass(30);
    assert_eq!(lag(&mut world), "P0D");
    world.send(&[&node], "Tidegate-StartServices");
    world.pass(30);
    assert_ne!(lag(&mut world), "P0D");
    // On the instance it touches nothing.
    world.send(&[&node], "Tidegate-CheckPort");
    world.pass(30);
    assert_ne!(lag(&mut world), "P0D");
}

#[test]
fn a_source_that_is_down_is_not_reached() {
    let mut world = World::new(SsmConfig::default());
    let node = world.hybrid("db01");
    world.region.mgn.source_down("db01");
    world.pass(1);
    let input =
        json!({"InstanceIds": [node], "DocumentName": "Tidegate-CheckPort", "TimeoutSeconds": 60});
    let reply = world.ok("SendCommand", input);
    let command = reply["Command"]["CommandId"]
        .as_str()
        .expect("an ID")
        .to_owned();
    world.pass(40);
    assert_eq!(world.statuses(&command)[0].0, "Pending");
    world.pass(40);
    assert_eq!(world.statuses(&command)[0].1, "DeliveryTimedOut");
    world.region.mgn.source_up("db01");
    world.pass(1);
    let command = world.send(&[&node], "Tidegate-CheckPort");
    world.pass(20);
    assert_eq!(world.statuses(&command)[0].0, "Success");
}

#[test]
fn requests_are_checked() {
    let mut world = World::new(SsmConfig {
        documents: ["Tidegate-CheckPort".to_owned()].into(),
        ..SsmConfig::default()
    });
    let node = world.hybrid("db01");
    let with = |members: Value| {
        let mut input = json!({"InstanceIds": [node], "DocumentName": "Tidegate-CheckPort"});
        for (name, value) in members.as_object().expect("members") {
            input[name] = value.clone();
        }
        input
    };
    let fifty_one = vec![node.as_str(); 51];
    for (members, expected) in [
        (
            json!({"InstanceIds": fifty_one}),
            "less than or equal to 50",
        ),
        (json!({"InstanceIds": ["x"]}), "ValidationException"),
        (json!({"InstanceIds": []}), "ValidationException"),
        (json!({"InstanceIds": [node, node]}), "DuplicateInstanceId"),
        (
            json!({"InstanceIds": ["i-0123456789abcdef0"]}),
            "InvalidInstanceId",
        ),
        (
            json!({"Comment": "c".repeat(101)}),
            "less than or equal to 100",
        ),
        (json!({"TimeoutSeconds": 29}), "from 30 to 2592000"),
        (json!({"DocumentName": "Unknown"}), "InvalidDocument"),
        (json!({"DocumentName": "no spaces"}), "ValidationException"),
        (json!({"Parameters": {"port": "5432"}}), "list of strings"),
        (json!({"MaxErrors": "x"}), "ValidationException"),
    ] {
        world.refused("SendCommand", with(members), expected);
    }
    world.ok(
        "SendCommand",
        with(json!({"Comment": "c".repeat(100), "MaxErrors": "0", "MaxConcurrency": "100%"})),
    );
    world.refused(
        "ListCommands",
        json!({"MaxResults": 51}),
        "ValidationException",
    );
    world.refused(
        "ListCommands",
        json!({"Filters": [{"key": "Comment", "value": "x"}]}),
        "InvalidFilterKey",
    );
    world.refused(
        "DescribeInstanceInformation",
        json!({"MaxResults": 4}),
        "ValidationException",
    );
    world.refused(
        "DescribeDocument",
        json!({"Name": "Unknown"}),
        "InvalidDocument",
    );
    world.refused(
        "GetCommandInvocation",
        json!({"CommandId": "00000000-0000-4000-8000-000000000000", "InstanceId": node}),
        "InvocationDoesNotExist",
    );
}

#[test]
fn parameters_are_checked_against_a_known_content() {
    let mut world = World::new(SsmConfig::default());
    let content = json!({"parameters": {
        "port": {"type": "String", "allowedPattern": "^[0-9]+$"},
        "scheme": {"type": "String", "default": "http", "allowedValues": ["http", "https"]},
    }});
    world
        .region
        .ssm
        .learn_document("Tidegate-CheckHttp", &content);
    let node = world.hybrid("db01");
    let mut send = |parameters: Value| {
        world.call(
            "SendCommand",
            json!({"InstanceIds": [node], "DocumentName": "Tidegate-CheckHttp", "Parameters": parameters}),
        )
    };
    assert!(send(json!({"port": ["80"]})).is_ok());
    assert!(send(json!({"port": ["80"], "scheme": ["https"]})).is_ok());
    for parameters in [
        json!({}),
        json!({"port": ["80; reboot"]}),
        json!({"port": ["80"], "scheme": ["ftp"]}),
        json!({"port": ["80"], "prot": ["80"]}),
    ] {
        let error = send(parameters).expect_err("wrong parameters");
        assert!(error.starts_with("InvalidParameters"), "{error}");
    }
}

#[test]
fn commands_are_cancelled() {
    let mut world = World::with_rule("*:*:*:never");
    let node = world.hybrid("db01");
    let command = world.send(&[&node], "Tidegate-CheckPort");
    world.pass(10);
    world.ok("CancelCommand", json!({"CommandId": command}));
    assert_eq!(world.statuses(&command)[0].0, "Cancelled");
    world.pass(10);
    assert_eq!(world.statuses(&command)[0].0, "Cancelled");
    world.refused(
        "CancelCommand",
        json!({"CommandId": "x"}),
        "InvalidCommandId",
    );
}

#[test]
fn lists_are_paged() {
    let mut world = World::new(SsmConfig::default());
    let node = world.hybrid("db01");
    let sent: Vec<String> = (0..5)
        .map(|_| world.send(&[&node], "Tidegate-CheckPort"))
        .collect();
    let mut input = json!({"MaxResults": 2});
    let mut seen = Vec::new();
    loop {
        let reply = world.ok("ListCommands", input.clone());
        for command in reply["Commands"].as_array().expect("commands") {
            seen.push(command["CommandId"].as_str().unwrap_or_default().to_owned());
        }
        if reply["NextToken"].is_null() {
            break;
        }
        input["NextToken"] = reply["NextToken"].clone();
    }
    seen.reverse();
    assert_eq!(seen, sent, "newest first");
    world.refused(
        "ListCommands",
        json!({"NextToken": "nonsense"}),
        "InvalidNextToken",
    );
}

#[test]
fn calls_and_events_have_faults_too() {
    let mut config = SsmConfig::default();
    config
        .faults
        .add("throttle=1:SendCommand:x1")
        .expect("a fault");
    config.faults.add("drop-event=1").expect("a fault");
    let mut world = World::new(config);
    let node = world.hybrid("db01");
    let input = json!({"InstanceIds": [node], "DocumentName": "Tidegate-CheckPort"});
    world.refused("SendCommand", input, "ThrottlingException");
    world.send(&[&node], "Tidegate-CheckPort");
    world.pass(20);
    assert!(world.events.is_empty());
    assert_eq!(world.region.ssm.calls()["SendCommand"], 2);
}
