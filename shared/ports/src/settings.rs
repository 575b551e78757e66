//! Launch settings, read: MGN's launch configurations and EC2's launch templates.

use std::collections::BTreeMap;

use tidegate_domain::id::{ServerId, TemplateId};
use tidegate_domain::launch_settings::Values;

use crate::error::ReadError;

/// A launch configuration as MGN gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The EC2 launch template whose default version MGN uses.
    pub template: TemplateId,
    /// What the configuration itself says.
    pub values: Values,
}

/// MGN's launch configurations.
pub trait Configurations {
    /// The configuration of a server: GetLaunchConfiguration, one call.
    async fn configuration(&self, server: &ServerId) -> Result<Configuration, ReadError>;
}

/// EC2's launch templates.
pub trait LaunchTemplates {
    /// The number of the default version of each of these that exists, 200 a call.
    async fn default_versions(
        &self,
        templates: &[TemplateId],
    ) -> Result<BTreeMap<TemplateId, u64>, ReadError>;

    /// What a version says; it never changes. Without the image and the snapshots of its disks,
    /// which MGN puts there itself.
    async fn version(&self, template: &TemplateId, version: u64) -> Result<Values, ReadError>;
}
