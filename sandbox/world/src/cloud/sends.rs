//! What goes out: calls with their fates, signatures, wakes and starts of executions.

use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::WaveId;
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::executions::Executions;
use tidegate_ports::signer::Signer;

use super::executions;
use super::invocation::{Fate, Invocation, Service};
use crate::random::Random;

impl Invocation {
    /// A call that something outside takes or refuses, with its fate.
    pub(super) async fn send_out<T>(
        &self,
        call: &str,
        done: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let fate = self.point(call, Service::Other).await;
        match fate {
            Fate::Goes | Fate::Lost => {}
            Fate::Throttled => {
                return Err(CallError::refused(RefusalKind::Throttled, "throttled"));
            }
            Fate::Fails => return Err(CallError::Unknown("no answer".to_owned())),
        }
        let accepted = done();
        if fate == Fate::Lost {
            return Err(CallError::Unknown("the answer was lost".to_owned()));
        }
        accepted
    }
}

impl Signer for Invocation {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError> {
        match self.point("GenerateMac", Service::Other).await {
            Fate::Goes => Ok(Random::new(digest(message), 4)
                .bits()
                .to_be_bytes()
                .to_vec()),
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                Err(ReadError::Failed("no answer".to_owned()))
            }
        }
    }

    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError> {
        Ok(self.sign(message).await? == code)
    }
}

/// Enough of a hash for links that nobody forges.
fn digest(message: &[u8]) -> u64 {
    message
        .iter()
        .fold(5381, |hash, byte| hash.wrapping_mul(33) ^ u64::from(*byte))
}

impl Executions for Invocation {
    async fn start(&self, wave: &WaveId, generation: u64) -> Result<(), CallError> {
        self.send_out("StartExecution", || {
            // A name that was used before is an execution that was started before.
            executions::start(&self.cloud, wave, generation);
            Ok(())
        })
        .await
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        self.send_out("SendTaskSuccess", || {
            let nobody = || CallError::refused(RefusalKind::NotFound, "nobody");
            let woken = executions::wake(&self.cloud, token);
            woken.then_some(()).ok_or_else(nobody)
        })
        .await
    }
}
