//! Step Functions executions.

use tidegate_domain::id::WaveId;

use crate::error::CallError;

/// Executions of the driver.
pub trait Executions {
    /// Start a driver of this generation; its name makes a second start of the same one nothing.
    async fn start(&self, wave: &WaveId, generation: u64) -> Result<(), CallError>;

    /// Wake an execution that sleeps. `Refused` if nobody sleeps with this token.
    async fn wake(&self, token: &str) -> Result<(), CallError>;
}
