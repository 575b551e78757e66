//! SDK clients: how long they wait and what they retry.
//!
//! **Invariant 4**: a client that starts or changes something in MGN or SSM makes one attempt, so
//! that whoever calls it knows how often it was called, and the attempt ends within
//! [`CALL_MARGIN`](tidegate_ports::act::CALL_MARGIN). Everything else can be repeated and retries.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::dynamo::TransactionConflicts;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one attempt may take, its connection included.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Attempts of a read.
const READS: u32 = 4;
/// Attempts of a call to the table, and the pauses between them: conflicts with transactions under
/// way pass within milliseconds.
const TABLE: u32 = 8;
const TABLE_PAUSE: Duration = Duration::from_millis(25);
const TABLE_LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where systems keep the certificates that they trust in one file: Amazon Linux (on which Lambda
/// runs functions), Debian.
const TRUSTED: [&str; 2] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// The configuration from the environment, for clients that read. Region, credentials and
/// endpoints are found as any AWS tool finds them.
pub async fn load() -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(READS));
    if let Some(client) = http_client() {
        loader = loader.http_client(client);
    }
    loader.load().await
}

/// The SDK's own HTTP client reads every certificate twice, from a file and from a folder of
/// hundreds, which is half of a function's start. This one reads the file. None where there is no
/// such file, or where the environment names other certificates: the SDK's own knows what to do.
fn http_client() -> Option<SharedHttpClient> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
    if named.iter().any(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    let certificates = TRUSTED.iter().find_map(|path| std::fs::read(path).ok())?;
    let trusted = TrustStore::empty().with_pem_certificate(certificates);
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let builder = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context.ok()?);
    Some(builder.build_https())
}

/// The same, for clients whose calls must not be repeated: one attempt.
#[must_use]
pub fn changing(config: &SdkConfig) -> SdkConfig {
    config
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .build()
}

/// The client of the table, which also retries conflicts with transactions.
#[must_use]
pub fn dynamo(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(TABLE)
                .with_initial_backoff(TABLE_PAUSE)
                .with_max_backoff(TABLE_LONGEST_PAUSE),
        )
        .retry_classifier(TransactionConflicts)
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}
