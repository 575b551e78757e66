//! Executions of the driver, over Step Functions.
//!
//! **Invariant 5**: an execution's name is made of its wave and generation, so that starting the
//! same driver twice starts it once; both calls can be repeated, and the client retries.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use serde_json::json;
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::WaveId;
use tidegate_ports::error::CallError;
use tidegate_ports::executions::Executions;

use crate::failures::{call_error, said};

/// Executions of one state machine.
#[derive(Debug, Clone)]
pub struct SfnExecutions {
    client: Client,
    state_machine: String,
}

impl SfnExecutions {
    /// Executions of the state machine with this ARN, which may be empty for those who only wake.
    #[must_use]
    pub fn new(config: &SdkConfig, state_machine: &str) -> Self {
        Self {
            client: Client::new(config),
            state_machine: state_machine.to_owned(),
        }
    }
}

/// The name of a driver's execution: at most 80 characters (API reference, StartExecution), of
/// which the wave takes 40.
fn name(wave: &WaveId, generation: u64) -> String {
    format!("{wave}-g{generation}")
}

impl Executions for SfnExecutions {
    async fn start(&self, wave: &WaveId, generation: u64) -> Result<(), CallError> {
        let result = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine)
            .name(name(wave, generation))
            .input(json!({ "wave": wave, "generation": generation }).to_string())
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // Somebody started it, perhaps this call itself, its answer lost.
                Some(StartExecutionError::ExecutionAlreadyExists(_)) => Ok(()),
                Some(_) | None => Err(call_error(error)),
            },
        }
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        let result = self
            .client
            .send_task_success()
            .task_token(token)
            .output("{}")
            .send()
            .await;
        let Err(error) = result else { return Ok(()) };
        // Refused means that nobody sleeps with this token. Anything else, throttling included,
        // says nothing about the sleeper.
        match error.as_service_error() {
            Some(
                SendTaskSuccessError::InvalidToken(_)
                | SendTaskSuccessError::TaskDoesNotExist(_)
                | SendTaskSuccessError::TaskTimedOut(_),
            ) => Err(CallError::refused(RefusalKind::NotFound, said(&error))),
            Some(_) | None => Err(CallError::Unknown(said(&error))),
        }
    }
}
