//! Tests of the core, one file per subject, and the small world they share.

mod calls;
mod determinism;
mod events;
mod guesses;
mod jobs;
mod lifecycle;
mod quotas;
mod random_calls;
mod replication;
mod replies;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::model::model;
use super::validate::check_reply;
use super::{Config, Drift, Durations, InitialState, Machine, Output, Simulator};

/// A simulator, and the time.
pub(super) struct World {
    pub(super) simulator: Simulator,
    pub(super) now: Timestamp,
    pub(super) outputs: Vec<Output>,
}

/// Servers `server0001`, … that are READY_FOR_TEST, durations without jitter, no drift.
pub(super) fn config(servers: usize) -> Config {
    Config {
        inventory: Machine::fleet(servers),
        initial: InitialState::ReadyForTest,
        durations: Durations {
            jitter: 0.0,
            ..Durations::default()
        },
        drift: Drift {
            writing: false,
            ..Drift::default()
        },
        ..Config::default()
    }
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let now: Timestamp = "2026-12-01T20:00:00Z".parse().expect("a timestamp");
        let mut simulator = Simulator::new(config);
        let outputs = simulator.advance_to(now);
        Self {
            simulator,
            now,
            outputs,
        }
    }

    pub(super) fn ready(servers: usize) -> Self {
        Self::new(config(servers))
    }

    /// The ID of the n-th server, counted from 1.
    pub(super) fn server(&self, number: usize) -> String {
        let name = format!("server{number:04}");
        self.simulator
            .server_id(&name)
            .expect("a server")
            .to_owned()
    }

    pub(super) fn servers(&self, count: usize) -> Vec<String> {
        (1..=count).map(|number| self.server(number)).collect()
    }

    /// Calls, and checks that the reply is as the model says.
    pub(super) fn call(&mut self, operation: &str, input: Value) -> Result<Value, String> {
        let known = model().operations.get(operation);
        match self.simulator.call(operation, &input, self.now) {
            Ok(reply) => {
                let known = known.expect("a known operation");
                assert_eq!(reply.status, known.status, "{operation}");
                if let Some(shape) = &known.output {
                    check_reply(shape, &reply.body)
                        .unwrap_or_else(|why| panic!("{operation}: {why}: {}", reply.body));
                }
                Ok(reply.body)
            }
            Err(error) => {
                if model().shapes.contains_key(error.code) {
                    check_reply(error.code, &error.body)
                        .unwrap_or_else(|why| panic!("{operation}: {why}: {}", error.body));
                }
                Err(format!(
                    "{} {}: {}",
                    error.status,
                    error.code,
                    error.message()
                ))
            }
        }
    }

    pub(super) fn ok(&mut self, operation: &str, input: Value) -> Value {
        self.call(operation, input)
            .unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// Calls, and expects a refusal that holds this text.
    pub(super) fn refused(&mut self, operation: &str, input: Value, expected: &str) {
        match self.call(operation, input) {
            Ok(reply) => panic!("{operation} was accepted: {reply}"),
            Err(error) => assert!(error.contains(expected), "{operation}: {error}"),
        }
    }

    /// Starts a job for servers; its ID.
    pub(super) fn start(&mut self, operation: &str, servers: &[impl AsRef<str>]) -> String {
        let servers: Vec<&str> = servers.iter().map(AsRef::as_ref).collect();
        let reply = self.ok(
            operation,
            json!({"sourceServerIDs": servers, "tags": {"effect": "1"}}),
        );
        reply["job"]["jobID"].as_str().expect("a job ID").to_owned()
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        let outputs = self.simulator.advance_to(self.now);
        self.outputs.extend(outputs);
    }

    pub(super) fn job(&mut self, id: &str) -> Value {
        let reply = self.ok("DescribeJobs", json!({"filters": {"jobIDs": [id]}}));
        reply["items"][0].clone()
    }

    /// The events of a job's log, without those of other servers.
    pub(super) fn log(&mut self, id: &str, server: &str) -> Vec<String> {
        let reply = self.ok("DescribeJobLogItems", json!({"jobID": id}));
        reply["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter(|item| {
                let about = &item["eventData"]["sourceServerID"];
                about.is_null() || about == server
            })
            .map(|item| item["event"].as_str().expect("an event").to_owned())
            .collect()
    }

    pub(super) fn show(&mut self, server: &str) -> Value {
        let reply = self.ok(
            "DescribeSourceServers",
            json!({"filters": {"sourceServerIDs": [server]}}),
        );
        reply["items"][0].clone()
    }

    pub(super) fn state(&mut self, server: &str) -> String {
        self.show(server)["lifeCycle"]["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    pub(super) fn change(&mut self, server: &str, state: &str) -> Result<Value, String> {
        self.call(
            "ChangeServerLifeCycleState",
            json!({"sourceServerID": server, "lifeCycle": {"state": state}}),
        )
    }

    /// Brings servers to READY_FOR_CUTOVER by a test launch.
    pub(super) fn test(&mut self, servers: &[impl AsRef<str>]) {
        self.start("StartTest", servers);
        self.pass(1_000);
        for server in servers {
            self.change(server.as_ref(), "READY_FOR_CUTOVER")
                .expect("a change");
        }
    }

    /// The states that events told, with their detail-types' last words.
    pub(super) fn events(&self) -> Vec<String> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Event(event) => Some(
                    event["detail"]["state"]
                        .as_str()
                        .expect("a state")
                        .to_owned(),
                ),
                Output::RunInstance { .. } | Output::TerminateInstance { .. } => None,
            })
            .collect()
    }
}
