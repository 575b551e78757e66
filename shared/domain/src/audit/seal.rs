//! Seals: the signature on a record's hash, kept where whoever writes the table cannot reach.
//!
//! **Invariant**: a seal is worth something once its code was verified, and for that wave, number
//! and hash alone. The key is not the one that signs links: neither can be used for the other.

use serde::{Deserialize, Serialize};

use crate::id::WaveId;

/// What the code is made over begins with this, so that it is good for seals alone.
const PURPOSE: &str = "tidegate audit v1";

/// A record's number and hash, which its code vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The wave.
    pub wave: WaveId,
    /// The record's number.
    pub number: u64,
    /// The record's hash, in hexadecimal.
    pub hash: String,
}

/// A record as it is exported: its text, its seal and the code over the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// What the code vouches for.
    #[serde(flatten)]
    pub seal: Seal,
    /// HMAC-SHA-256 over [`Seal::signed`], in hexadecimal.
    pub code: String,
    /// The record as it is stored and hashed: JSON as text, so that not one byte of it changes.
    pub record: String,
}

impl Seal {
    /// The bytes that the code is made over.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        let Self { wave, number, hash } = self;
        format!("{PURPOSE}\n{wave}\n{number}\n{hash}").into_bytes()
    }
}

impl Sealed {
    /// The code's bytes; none if it is no code at all.
    #[must_use]
    pub fn code(&self) -> Vec<u8> {
        hex::decode(&self.code).unwrap_or_default()
    }
}
