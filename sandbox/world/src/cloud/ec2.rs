//! EC2's port: the instances that the MGN simulator launched.

use tidegate_domain::id::InstanceId;
use tidegate_domain::observation::{InstanceSeen, StatusChecks};
use tidegate_ports::error::ReadError;
use tidegate_ports::instances::Instances;

use super::invocation::{Fate, Invocation, Service};

impl Instances for Invocation {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError> {
        match self.point("DescribeInstanceStatus", Service::Other).await {
            Fate::Goes => {}
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                return Err(ReadError::Failed("no answer".to_owned()));
            }
        }
        let region = self.cloud.region.borrow();
        let seen = |id: &InstanceId| {
            let known = region.mgn.instances().get(id.as_str());
            InstanceSeen {
                id: id.clone(),
                running: known.is_some_and(|instance| instance.running),
                gone: known.is_none_or(|instance| instance.terminated.is_some()),
                checks: known.map_or(StatusChecks::Pending, |instance| match instance.checks {
                    mgn_sim::StatusChecks::Initializing => StatusChecks::Pending,
                    mgn_sim::StatusChecks::Ok => StatusChecks::Passed,
                    mgn_sim::StatusChecks::Impaired => StatusChecks::Failed,
                }),
                managed: false,
            }
        };
        Ok(ids.iter().map(seen).collect())
    }
}
