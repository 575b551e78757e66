//! A simulator behind HTTP, and clients of it that try once.

use std::time::Duration;

use aws_sdk_mgn::config::{
    BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_mgn::types::JobStatus;
use clap::Parser as _;
use mgn_sim::front::{Front, Options};

/// The simulator and its clients.
pub(crate) struct Sandbox {
    pub(crate) front: Front,
    pub(crate) mgn: aws_sdk_mgn::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
}

impl Sandbox {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
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

    pub(crate) async fn servers(&self) -> Vec<String> {
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

    pub(crate) async fn job(&self, id: &str) -> aws_sdk_mgn::types::Job {
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
    pub(crate) async fn finished(&self, id: &str) -> aws_sdk_mgn::types::Job {
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

    pub(crate) async fn control(
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
