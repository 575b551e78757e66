//! The clients of a local AWS: EC2, EventBridge, Lambda, and SSM for its documents.
//!
//! **Invariant:** these are all that the simulator calls; it never calls AWS itself, for the
//! endpoint is always given.

use std::time::Duration;

use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};

use super::Options;

/// The clients.
#[derive(Clone, Debug)]
pub(super) struct LocalAws {
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) ssm: aws_sdk_ssm::Client,
}

impl LocalAws {
    pub(super) async fn connect(endpoint: &str, options: &Options) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(options.region.clone()))
            .endpoint_url(endpoint)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(Duration::from_secs(60))
                    .operation_attempt_timeout(Duration::from_secs(20))
                    .build(),
            );
        if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
            // A local AWS takes any credentials.
            loader = loader
                .credentials_provider(Credentials::new("test", "test", None, None, "mgn-sim"));
        }
        let config = loader.load().await;
        Self {
            ec2: aws_sdk_ec2::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
        }
    }
}
