//! The clients of a local AWS: EC2, EventBridge, Lambda, SQS, and SSM for its documents.
//!
//! **Invariant:** these are all that the simulator calls; it never calls AWS itself, for the
//! endpoint is always given.

use std::time::Duration;

use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::Options;
use super::queues::Queues;

/// The clients.
#[derive(Clone, Debug)]
pub(super) struct LocalAws {
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) events: aws_sdk_eventbridge::Client,
    /// It tries once: how often an event is tried is the rule's to say.
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) queues: Queues,
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
            lambda: aws_sdk_lambda::Client::from_conf(
                aws_sdk_lambda::config::Builder::from(&config)
                    .retry_config(RetryConfig::disabled())
                    .build(),
            ),
            queues: Queues::new(&config, endpoint),
            ssm: aws_sdk_ssm::Client::new(&config),
        }
    }
}

/// What an error says, without the request and the answer around it.
pub(super) fn short<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => DisplayErrorContext(error).to_string(),
    }
}
