//! Signatures on links: a KMS key that never leaves KMS.

use crate::error::ReadError;

/// Signs and verifies with HMAC-SHA-256.
pub trait Signer {
    /// The message's code.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError>;

    /// Whether the code is the message's. Constant time.
    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError>;
}
