//! The MGN simulator's HTTP front in this process, and the adapters over it.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::Parser;
use jiff::Timestamp;
use mgn_sim::front::{Front, Options};
use tidegate_aws::mgn::SdkMgn;
use tidegate_aws::ssm::SdkSsm;
use tidegate_domain::id::{EffectId, JobId, ServerId};
use tidegate_domain::observation::ServerSeen;
use tidegate_ports::mgn::{Job, Jobs, SourceServers};

/// Questions before what is waited for counts as never coming.
const PATIENCE: u32 = 1_000;

/// A simulator and what talks to it.
pub(crate) struct Simulator {
    pub(crate) mgn: SdkMgn,
    pub(crate) ssm: SdkSsm,
    _front: Front,
}

impl Simulator {
    /// Start one, with these arguments of `mgn-sim`.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let own = [
            "mgn-sim",
            "--listen",
            "127.0.0.1:0",
            "--region",
            "us-east-1",
        ];
        let options = Options::try_parse_from(own.iter().chain(arguments)).expect("arguments");
        let front = Front::start(&options).await.expect("a simulator");
        let config = config(&format!("http://{}", front.address()));
        Self {
            mgn: SdkMgn::new(&config),
            ssm: SdkSsm::new(&config),
            _front: front,
        }
    }

    /// Every server, in the order of their names.
    pub(crate) async fn servers(&self) -> Vec<ServerSeen> {
        let mut servers = self
            .mgn
            .all_servers(Timestamp::now())
            .await
            .expect("servers");
        servers.sort_by(|a, b| a.hostname.cmp(&b.hostname));
        servers
    }

    /// The IDs of every server, in the order of their names.
    pub(crate) async fn ids(&self) -> Vec<ServerId> {
        self.servers()
            .await
            .into_iter()
            .map(|server| server.id)
            .collect()
    }

    /// The job, once it has ended.
    pub(crate) async fn ended(&self, job: &JobId) -> Job {
        for _ in 0..PATIENCE {
            let jobs = self
                .mgn
                .jobs(std::slice::from_ref(job))
                .await
                .expect("jobs");
            if let Some(job) = jobs.into_iter().find(|job| job.completed) {
                return job;
            }
            a_moment().await;
        }
        panic!("{job} does not end");
    }
}

/// Let the simulator go on.
pub(crate) async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// An effect's ID.
pub(crate) fn effect(name: &str) -> EffectId {
    EffectId::parse(name).expect("an effect")
}

/// Clients of this endpoint, which wait a second and a half for an answer, once, or (what reads)
/// twice.
fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_millis(1_500))
                .build(),
        )
        .retry_config(
            aws_config::retry::RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .sleep_impl(aws_sdk_mgn::config::SharedAsyncSleep::new(Sleeper))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "tests",
        )))
        .build()
}

/// Tokio's sleep, for the clients' time-outs.
#[derive(Debug)]
struct Sleeper;

impl aws_sdk_mgn::config::AsyncSleep for Sleeper {
    fn sleep(&self, duration: Duration) -> aws_sdk_mgn::config::Sleep {
        aws_sdk_mgn::config::Sleep::new(tokio::time::sleep(duration))
    }
}
