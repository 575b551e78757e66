//! MGN over the SDK: every role of `tidegate_ports::mgn`.
//!
//! **Invariant 4**: what starts or changes something is called once
//! ([`once`]), and what starts a job carries the effect as its tag.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_mgn::Client;
use aws_sdk_mgn::config::{Builder, Config};

mod calls;
mod configurations;
mod jobs;
mod servers;
mod wire;

/// The most IDs in one call: filters of DescribeSourceServers take 200, so do StartTest,
/// StartCutover and TerminateTargetInstances (botocore's model, `mgn/2020-02-26`); of the filter
/// of DescribeJobs, which takes 1,000, no more is used.
const MOST_IDS: usize = 200;

/// MGN in the account and Region of its configuration.
#[derive(Debug, Clone)]
pub struct SdkMgn {
    client: Client,
}

/// For a call that must not be repeated: one attempt.
fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

impl SdkMgn {
    /// MGN. Reads retry as the configuration says; what changes something never does.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}
