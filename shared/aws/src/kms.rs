//! Signatures on links: HMAC-SHA-256 with a key that never leaves KMS.

use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::operation::verify_mac::VerifyMacError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::MacAlgorithmSpec;
use tidegate_ports::error::ReadError;
use tidegate_ports::signer::Signer;

use crate::failures::read_error;

/// The length of an HMAC-SHA-256 code in bytes.
const CODE: usize = 32;

/// One key.
#[derive(Debug, Clone)]
pub struct KmsSigner {
    client: Client,
    key: String,
}

impl KmsSigner {
    /// The key with this ARN or ID: key spec HMAC_256, usage GENERATE_VERIFY_MAC.
    #[must_use]
    pub fn new(config: &SdkConfig, key: &str) -> Self {
        Self {
            client: Client::new(config),
            key: key.to_owned(),
        }
    }
}

impl KmsSigner {
    /// Another key, by the same client: making one takes a part of a function's start.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            client: self.client.clone(),
            key: key.to_owned(),
        }
    }
}

impl Signer for KmsSigner {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError> {
        let output = self
            .client
            .generate_mac()
            .key_id(&self.key)
            .mac_algorithm(MacAlgorithmSpec::HmacSha256)
            .message(Blob::new(message))
            .send()
            .await
            .map_err(read_error)?;
        output
            .mac
            .map(Blob::into_inner)
            .ok_or_else(|| ReadError::Failed("KMS answered without a code".to_owned()))
    }

    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError> {
        // KMS refuses codes of other lengths as malformed calls.
        if code.len() != CODE {
            return Ok(false);
        }
        let result = self
            .client
            .verify_mac()
            .key_id(&self.key)
            .mac_algorithm(MacAlgorithmSpec::HmacSha256)
            .message(Blob::new(message))
            .mac(Blob::new(code))
            .send()
            .await;
        match result {
            Ok(output) => Ok(output.mac_valid),
            Err(error) => match error.as_service_error() {
                Some(VerifyMacError::KmsInvalidMacException(_)) => Ok(false),
                Some(_) | None => Err(read_error(error)),
            },
        }
    }
}
