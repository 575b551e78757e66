//! Putting away what cutovers launched, when they are undone: stopping it, keeping its data.
//!
//! **Invariant 10**: snapshots are made of instances that the decision saw stopped. **Invariant 4**:
//! each of these calls is safe to repeat, so that nothing has to be looked for first.

use std::collections::BTreeMap;

use tidegate_domain::effect::Outcome;
use tidegate_domain::id::{InstanceId, ServerId};
use tidegate_ports::act::Claimed;
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::instances::Targets;

/// Stop each target; None if the time ran out.
pub(crate) async fn stop<E: Effects, C: Clock>(
    claimed: &Claimed<'_, E, C>,
    ec2: &impl Targets,
    targets: &BTreeMap<ServerId, InstanceId>,
) -> Result<Option<Outcome>, HandlerError> {
    let mut refusals = BTreeMap::new();
    for (server, instance) in targets {
        if !claimed.in_time() {
            return Ok(None);
        }
        match ec2.stop(instance).await {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) => {
                refusals.insert(server.clone(), refusal);
            }
            Err(unknown @ CallError::Unknown(_)) => {
                return Err(unknown).context(format!("could not stop {instance} of {server}"));
            }
        }
    }
    Ok(Some(Outcome::Servers(refusals)))
}

/// Make snapshots of each target; None if the time ran out.
pub(crate) async fn keep<E: Effects, C: Clock>(
    claimed: &Claimed<'_, E, C>,
    ec2: &impl Targets,
    targets: &BTreeMap<ServerId, InstanceId>,
) -> Result<Option<Outcome>, HandlerError> {
    let mut kept = BTreeMap::new();
    for (server, instance) in targets {
        if !claimed.in_time() {
            return Ok(None);
        }
        let outcome = match ec2.keep(instance, server, &claimed.effect.id).await {
            Ok(snapshots) => Ok(snapshots),
            Err(CallError::Refused(refusal)) => Err(refusal),
            Err(unknown @ CallError::Unknown(_)) => {
                return Err(unknown)
                    .context(format!("could not keep the data of {instance} of {server}"));
            }
        };
        kept.insert(server.clone(), outcome);
    }
    Ok(Some(Outcome::Kept(kept)))
}
