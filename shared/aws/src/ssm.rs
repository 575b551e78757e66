//! SSM over the SDK: commands, nodes and documents.
//!
//! **Invariant 4**: a command carries its effect in its comment, so that one that was sent is
//! found before it would be sent again.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use tidegate_domain::id::EffectId;

mod invocations;
mod nodes;
mod send;

/// SSM in the account and Region of its configuration.
#[derive(Debug, Clone)]
pub struct SdkSsm {
    client: Client,
}

impl SdkSsm {
    /// SSM. Reads retry as the configuration says; sending commands never does.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}

/// The comment of an effect's command: at most 100 characters (API reference, SendCommand), of
/// which an effect takes 80.
fn comment(effect: &EffectId) -> String {
    format!("tidegate {effect}")
}
