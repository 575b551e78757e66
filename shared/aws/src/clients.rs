//! SDK clients: how long they wait and what they retry.
//!
//! **Invariant 4**: a call that starts or changes something in MGN or SSM is one attempt, so that
//! whoever makes it knows how often it was made, and it ends within
//! [`CALL_MARGIN`](tidegate_ports::act::CALL_MARGIN). Everything else can be repeated and retries.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::sdk_config::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

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

/// The configuration of a function, for clients that read: what Lambda puts into its environment
/// (Lambda developer guide, "Defined runtime environment variables"), and nothing else. Profiles,
/// instance metadata and single sign-on are for people's machines; they would make every function
/// larger and slower to start.
#[must_use]
pub fn load() -> SdkConfig {
    let on = |name| std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(std::env::var("AWS_REGION").ok().map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .service_config(Endpoints)
        .use_fips(on("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(on("AWS_USE_DUALSTACK_ENDPOINT"))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(READS));
    config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok());
    config.set_http_client(http_client());
    config.build()
}

/// Endpoints that the environment names: `AWS_ENDPOINT_URL_MGN` for one service, `AWS_ENDPOINT_URL`
/// for all (AWS SDKs reference guide, "Service-specific endpoints").
#[derive(Debug)]
struct Endpoints;

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        std::env::var(format!("{}_{service}", key.env()))
            .or_else(|_| std::env::var(key.env()))
            .ok()
    }
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
