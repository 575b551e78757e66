//! Signature Version 4 for the service `execute-api`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::Url;
use tokio::sync::Mutex;

use crate::failure::Failure;

/// The service name that API Gateway's IAM authorization wants.
const SERVICE: &str = "execute-api";

/// Credentials are asked for again this long before they expire.
const BEFORE_EXPIRY: Duration = Duration::from_secs(60);

/// Signs requests with the caller's credentials.
#[derive(Debug, Clone)]
pub struct Signer {
    region: String,
    provider: SharedCredentialsProvider,
    /// Credentials that are still good: a provider may be a program, or a remote service.
    kept: Arc<Mutex<Option<Credentials>>>,
}

impl Signer {
    /// Sign for `region` with what `provider` gives.
    #[must_use]
    pub fn new(region: String, provider: SharedCredentialsProvider) -> Self {
        Self {
            region,
            provider,
            kept: Arc::default(),
        }
    }

    /// The headers that a request needs.
    pub(super) async fn sign(
        &self,
        method: &str,
        url: &Url,
        body: &[u8],
    ) -> Result<Vec<(String, String)>, Failure> {
        let failed = |error: &dyn std::error::Error| {
            Failure::Failed(format!("the request cannot be signed: {error}"))
        };
        let identity = self.credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers: &[(&str, &str)] = if method == "POST" {
            &[("content-type", "application/json")]
        } else {
            &[]
        };
        let request = SignableRequest::new(
            method,
            url.as_str(),
            headers.iter().copied(),
            SignableBody::Bytes(body),
        )
        .map_err(|error| failed(&error))?;
        let (instructions, _) = sign(request, &parameters)
            .map_err(|error| failed(&error))?
            .into_parts();
        Ok(instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    async fn credentials(&self) -> Result<Credentials, Failure> {
        let mut kept = self.kept.lock().await;
        let fresh = |credentials: &Credentials| {
            credentials
                .expiry()
                .is_none_or(|expiry| SystemTime::now() + BEFORE_EXPIRY < expiry)
        };
        if let Some(credentials) = kept.as_ref().filter(|credentials| fresh(credentials)) {
            return Ok(credentials.clone());
        }
        let credentials = self.provider.provide_credentials().await.map_err(|error| {
            Failure::Input(format!(
                "your AWS credentials are not to be had any more: {error}"
            ))
        })?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }
}
