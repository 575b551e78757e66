//! Calls that change something: each made once.

use std::collections::HashMap;

use aws_sdk_mgn::operation::start_cutover::StartCutoverError;
use aws_sdk_mgn::operation::start_test::StartTestError;
use aws_sdk_mgn::operation::terminate_target_instances::TerminateTargetInstancesError;
use aws_sdk_mgn::types::{
    self as mgn, ChangeServerLifeCycleStateSourceServerLifecycle,
    ChangeServerLifeCycleStateSourceServerLifecycleState, ErrorDetails,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tidegate_domain::effect::{LifeCycleTarget, RefusalKind};
use tidegate_domain::id::{EffectId, JobId, ServerId};
use tidegate_ports::error::CallError;
use tidegate_ports::mgn::{EFFECT_TAG, Finalizes, Launches, LifeCycles};

use super::{MOST_IDS, SdkMgn, once};
use crate::failures::{call_error, shorten};

/// The most bytes of what a conflict says of each server.
const MOST_DETAILS: usize = 500;

impl Launches for SdkMgn {
    async fn start_test(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        let call = self
            .client
            .start_test()
            .set_source_server_ids(Some(ids(servers)?))
            .set_tags(Some(tags(effect)));
        let call = call.customize().config_override(once());
        let output = call.send().await.map_err(launch_error)?;
        started(output.job)
    }

    async fn start_cutover(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        let call = self
            .client
            .start_cutover()
            .set_source_server_ids(Some(ids(servers)?))
            .set_tags(Some(tags(effect)));
        let call = call.customize().config_override(once());
        let output = call.send().await.map_err(launch_error)?;
        started(output.job)
    }

    async fn terminate(&self, servers: &[ServerId], effect: &EffectId) -> Result<JobId, CallError> {
        let call = self
            .client
            .terminate_target_instances()
            .set_source_server_ids(Some(ids(servers)?))
            .set_tags(Some(tags(effect)));
        let call = call.customize().config_override(once());
        let output = call.send().await.map_err(launch_error)?;
        started(output.job)
    }
}

impl LifeCycles for SdkMgn {
    async fn change(&self, server: &ServerId, to: LifeCycleTarget) -> Result<(), CallError> {
        let state = match to {
            LifeCycleTarget::ReadyForTest => {
                ChangeServerLifeCycleStateSourceServerLifecycleState::ReadyForTest
            }
            LifeCycleTarget::ReadyForCutover => {
                ChangeServerLifeCycleStateSourceServerLifecycleState::ReadyForCutover
            }
        };
        let life_cycle = ChangeServerLifeCycleStateSourceServerLifecycle::builder()
            .state(state)
            .build()
            .map_err(|error| CallError::Unknown(error.to_string()))?;
        self.client
            .change_server_life_cycle_state()
            .source_server_id(server.as_str())
            .life_cycle(life_cycle)
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(call_error)?;
        Ok(())
    }

    async fn retry_replication(&self, server: &ServerId) -> Result<(), CallError> {
        self.client
            .retry_data_replication()
            .source_server_id(server.as_str())
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(call_error)?;
        Ok(())
    }
}

impl Finalizes for SdkMgn {
    async fn finalize(&self, server: &ServerId) -> Result<(), CallError> {
        self.client
            .finalize_cutover()
            .source_server_id(server.as_str())
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(call_error)?;
        Ok(())
    }
}

fn ids(servers: &[ServerId]) -> Result<Vec<String>, CallError> {
    if servers.is_empty() || servers.len() > MOST_IDS {
        let message = format!("{} servers in a job of 1 to {MOST_IDS}", servers.len());
        return Err(CallError::refused(RefusalKind::Invalid, message));
    }
    Ok(servers.iter().map(ToString::to_string).collect())
}

fn tags(effect: &EffectId) -> HashMap<String, String> {
    HashMap::from([(EFFECT_TAG.to_owned(), effect.to_string())])
}

/// The job that was started. Without its ID it has to be looked for.
fn started(job: Option<mgn::Job>) -> Result<JobId, CallError> {
    let id = job.map(|job| job.job_id).unwrap_or_default();
    JobId::parse(id).map_err(|error| CallError::Unknown(format!("the answer's job: {error}")))
}

/// An error of the calls that start jobs: a conflict says for which servers.
trait Conflict {
    fn details(&self) -> &[ErrorDetails];
}

macro_rules! conflicts {
    ($($error:ident)*) => {$(
        impl Conflict for $error {
            fn details(&self) -> &[ErrorDetails] {
                match self {
                    Self::ConflictException(conflict) => conflict.errors(),
                    _ => &[],
                }
            }
        }
    )*};
}

conflicts! { StartTestError StartCutoverError TerminateTargetInstancesError }

fn launch_error<E>(error: SdkError<E, HttpResponse>) -> CallError
where
    E: Conflict + ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let mut details = error
        .as_service_error()
        .map(Conflict::details)
        .unwrap_or_default()
        .iter()
        .map(|detail| {
            let of = detail.resource_id().unwrap_or("?");
            format!(
                "{of}: {}",
                detail.message().or(detail.code()).unwrap_or("?")
            )
        })
        .collect::<Vec<_>>()
        .join("; ");
    shorten(&mut details, MOST_DETAILS);
    match call_error(error) {
        CallError::Refused(mut refusal) if !details.is_empty() => {
            refusal.message = format!("{} ({details})", refusal.message);
            CallError::Refused(refusal)
        }
        other => other,
    }
}
