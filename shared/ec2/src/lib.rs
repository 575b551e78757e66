//! EC2 over the SDK: instances, snapshots and launch templates read, what cutovers launched put away.
//! A crate of its own, because `aws-sdk-ec2` takes longer to
//! build than everything else together.

use aws_config::SdkConfig;
use aws_sdk_ec2::Client;

mod instances;
mod snapshots;
mod targets;
mod templates;

pub use targets::{EFFECT_TAG, INSTANCE_TAG, SERVER_TAG, SdkTargets};

/// EC2 in the account and Region of its configuration.
#[derive(Debug, Clone)]
pub struct SdkEc2 {
    client: Client,
}

impl SdkEc2 {
    /// EC2. Only reads, which retry as the configuration says.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}
