//! EC2 instances, read.

use tidegate_domain::id::InstanceId;
use tidegate_domain::observation::InstanceSeen;

use crate::error::ReadError;

/// Instances and their status checks.
pub trait Instances {
    /// These instances, paged; one that EC2 does not know is `gone`. `managed` is left false.
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError>;
}
