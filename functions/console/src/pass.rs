//! Passes: who may look at a wave's page, and until when, in a token that fits a URL.
//!
//! A pass is `PAYLOAD.CODE`, as a link is, under a purpose of its own: a pass decides nothing, and a
//! link is no pass. The page of a link hands one out to its approver, and the API to a proved AWS
//! principal. (A sign-in would take the place of the latter.)

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::Approver;
use tidegate_domain::token::{Sealable, Sealed};
use tidegate_domain::words;
use tidegate_ports::error::{Context, HandlerError};
use tidegate_ports::signer::Signer;

use crate::refused::{Failure, Refused, Status};

/// What a pass lets its holder see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// The wave.
    #[serde(rename = "w")]
    pub(crate) wave: WaveId,
    /// To whom it was given.
    #[serde(rename = "a")]
    pub(crate) holder: Approver,
    /// Until when it can be used.
    #[serde(rename = "x")]
    pub(crate) expires: Timestamp,
}

impl Sealable for Pass {
    const PURPOSE: &'static str = "tidegate pass v1\n";
    const LONGEST: usize = 2_048;
}

impl Pass {
    /// The pass as a token. The same pass always makes the same.
    async fn token(&self, signer: &impl Signer) -> Result<String, HandlerError> {
        let code = signer.sign(&self.to_sign()).await;
        Ok(self.seal(&code.context("could not sign a pass")?))
    }

    /// The address of the wave's page with this pass, relative to the console's own.
    pub(crate) async fn address(&self, signer: &impl Signer) -> Result<String, HandlerError> {
        Ok(format!("wave?view={}", self.token(signer).await?))
    }

    /// The pass of a token, if we made it and it can still be used.
    pub(crate) async fn open(
        token: &str,
        signer: &impl Signer,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let sealed = Sealed::<Self>::parse(token).map_err(|_| altered())?;
        let genuine = signer.verify(&sealed.signed(), sealed.code()).await;
        if !genuine.context("could not verify a pass")? {
            return Err(altered().into());
        }
        let pass = sealed.open().map_err(|_| altered())?;
        if pass.expires <= now {
            let message = format!(
                "This address was good until {}: open the page again from your mail or with \
                 tidegate page {}.",
                words::time(pass.expires, None),
                pass.wave
            );
            return Err(Failure::from(Refused::new(Status::Gone, message)).signed());
        }
        Ok(pass)
    }
}

fn altered() -> Refused {
    let message = "This address is incomplete, was altered or was not made by Tidegate: open the \
                   page again from your mail or with tidegate page WAVE.";
    Refused::new(Status::Forbidden, message)
}
