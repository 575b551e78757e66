//! Tokens that only the holder of a key can make, in text that fits a URL: `PAYLOAD.CODE`, both in
//! base64url without padding. The payload is compact JSON; the code is HMAC-SHA-256 over the
//! purpose and the payload as it stands in the token, so that a code made for one purpose is worth
//! nothing for another.
//!
//! Nothing in a token is believed before its code is verified: [`Sealed`] gives the bytes to
//! verify, and only then what was sealed.

use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can be sealed. The same value always makes the same token.
pub trait Sealable: Serialize + DeserializeOwned {
    /// What the code is made over begins with this.
    const PURPOSE: &'static str;
    /// The longest token that is looked at, in bytes.
    const LONGEST: usize;

    /// The bytes that the code is made over.
    #[must_use]
    fn to_sign(&self) -> Vec<u8> {
        signed::<Self>(&payload(self))
    }

    /// The token, given the code over [`Sealable::to_sign`].
    #[must_use]
    fn seal(&self, code: &[u8]) -> String {
        format!("{}.{}", payload(self), URL_SAFE_NO_PAD.encode(code))
    }
}

/// A token that was taken apart and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed<T> {
    payload: String,
    code: Vec<u8>,
    what: PhantomData<T>,
}

/// A token that was never given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is incomplete or was altered")]
pub struct Altered;

impl<T: Sealable> Sealed<T> {
    /// Take a token apart.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn parse(token: &str) -> Result<Self, Altered> {
        if token.len() > T::LONGEST {
            return Err(Altered);
        }
        let (payload, code) = token.split_once('.').ok_or(Altered)?;
        let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| Altered)?;
        Ok(Self {
            payload: payload.to_owned(),
            code,
            what: PhantomData,
        })
    }

    /// The bytes that [`Sealed::code`] must be verified over.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        signed::<T>(&self.payload)
    }

    /// The code that came with the token.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// What was sealed. To be called once the code was verified, and not before.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn open(&self) -> Result<T, Altered> {
        let json = URL_SAFE_NO_PAD.decode(&self.payload).map_err(|_| Altered)?;
        serde_json::from_slice(&json).map_err(|_| Altered)
    }
}

fn payload(what: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(what).unwrap_or_default())
}

fn signed<T: Sealable>(payload: &str) -> Vec<u8> {
    format!("{}{payload}", T::PURPOSE).into_bytes()
}
