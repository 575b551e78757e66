//! The archive of the audit chain: one object for each record, in a bucket with Object Lock.
//!
//! **Invariant**: an object is written only where none is (`If-None-Match: *`), and the first
//! version that was written under a key is the one that is read, whatever was put on top of it or
//! marked as deleted: Object Lock keeps it.
//!
//! Three requests are all that is needed of S3, signed here (SigV4) over the HTTP client that the
//! SDK brings: the SDK's own crate for S3 is among its largest.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::default_connector;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tidegate_domain::audit::Sealed;
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::WaveId;
use tidegate_ports::audit::{Archive, Archived, Kept, MOST_LISTED};
use tidegate_ports::error::{CallError, ReadError};

/// How long a request may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Attempts of a request, and the first pause; each next one is twice as long. Writing again is
/// safe: what was written already is found.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// The most bytes of an answer that are read: a record of a full turn, several times over.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The most pages of a list that are read at once.
const MOST_PAGES: usize = 20;

/// One bucket.
#[derive(Debug)]
pub struct S3Archive {
    config: SdkConfig,
    bucket: String,
    connector: OnceLock<SharedHttpConnector>,
}

/// What was answered.
struct Reply {
    status: u16,
    body: Vec<u8>,
}

/// A request.
struct Ask<'a> {
    method: &'static str,
    key: &'a str,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: &'a [u8],
}

impl S3Archive {
    /// The bucket of that name.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: &str) -> Self {
        Self {
            config: config.clone(),
            bucket: bucket.to_owned(),
            connector: OnceLock::new(),
        }
    }

    /// The address of an object, or of the bucket if `key` is empty.
    fn url(&self, region: &str, key: &str, query: &str) -> String {
        let base = match self.config.endpoint_url() {
            Some(endpoint) => format!("{}/{}", endpoint.trim_end_matches('/'), self.bucket),
            None => {
                let suffix = if region.starts_with("cn-") {
                    "amazonaws.com.cn"
                } else {
                    "amazonaws.com"
                };
                format!("https://{}.s3.{region}.{suffix}", self.bucket)
            }
        };
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{query}")
        };
        format!("{base}/{key}{query}")
    }

    /// Ask until there is an answer that is not "later".
    async fn ask(&self, ask: &Ask<'_>) -> Result<Reply, String> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let result = match tokio::time::timeout(ATTEMPT, self.once(ask)).await {
                Ok(Ok(reply)) if reply.status >= 500 || reply.status == 429 => {
                    Err(format!("S3 failed: {}", said(&reply)))
                }
                // Somebody writes the same key just now.
                Ok(Ok(reply)) if reply.status == 409 => Err(format!("S3: {}", said(&reply))),
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => Err(format!("S3 cannot be reached: {}", chain(&*error))),
                Err(_) => Err("S3 did not answer in time".to_owned()),
            };
            if attempt == ATTEMPTS {
                return result;
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Reply, Box<dyn Error + Send + Sync>> {
        let region = self.config.region().ok_or("there is no Region")?;
        let credentials = self
            .config
            .credentials_provider()
            .ok_or("there are no credentials")?
            .provide_credentials()
            .await?;
        let url = self.url(region.as_ref(), ask.key, &ask.query);

        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let headers = ask
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(ask.body);
        let signable = SignableRequest::new(ask.method, url.as_str(), headers, body)?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();

        let mut request = HttpRequest::new(SdkBody::from(ask.body));
        request.set_method(ask.method)?;
        request.set_uri(url)?;
        for (name, value) in &ask.headers {
            request.headers_mut().insert(*name, value.clone());
        }
        for (name, value) in instructions.headers() {
            request
                .headers_mut()
                .insert(name.to_owned(), value.to_owned());
        }
        let connector = self.connector.get_or_init(|| {
            let settings = HttpConnectorSettings::builder().build();
            default_connector(&settings, None).expect("the client is built with TLS")
        });
        let response = connector.call(request).await?;
        let status = response.status().as_u16();
        let mut stream = ByteStream::new(response.into_body());
        let mut body = Vec::new();
        while let Some(bytes) = stream.try_next().await? {
            if body.len() + bytes.len() > MOST_BYTES {
                return Err("the answer is too long".into());
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Reply { status, body })
    }

    async fn get(&self, key: &str, query: String) -> Result<Vec<u8>, ReadError> {
        let ask = Ask {
            method: "GET",
            key,
            query,
            headers: Vec::new(),
            body: &[],
        };
        let reply = self.ask(&ask).await.map_err(ReadError::Failed)?;
        match reply.status {
            200 => Ok(reply.body),
            401 | 403 => Err(ReadError::Denied(said(&reply))),
            404 => Err(ReadError::NotFound(said(&reply))),
            _ => Err(ReadError::Failed(said(&reply))),
        }
    }

    /// The first version of every key of the wave after that one, as far as one call goes.
    async fn first_versions(
        &self,
        prefix: &str,
        after: &str,
    ) -> Result<BTreeMap<String, String>, ReadError> {
        let mut found = BTreeMap::new();
        let mut marker = format!("key-marker={}", encoded(after));
        for _ in 0..MOST_PAGES {
            let query = format!("versions=&prefix={}&{marker}", encoded(prefix));
            let body = self.get("", query).await?;
            let xml = String::from_utf8_lossy(&body);
            // Of one key the latest version is listed first (S3 API reference,
            // "ListObjectVersions"), so the one that stays is the first that was written.
            for version in elements(&xml, "Version") {
                if let (Some(key), Some(id)) =
                    (element(version, "Key"), element(version, "VersionId"))
                {
                    found.insert(plain(key), plain(id));
                }
            }
            let next_key = element(&xml, "NextKeyMarker").map(plain);
            let (true, Some(next_key)) = (
                element(&xml, "IsTruncated") == Some("true"),
                next_key.filter(|key| !key.is_empty()),
            ) else {
                return Ok(found);
            };
            if found.len() > MOST_LISTED {
                break;
            }
            marker = format!("key-marker={}", encoded(&next_key));
            if let Some(id) = element(&xml, "NextVersionIdMarker") {
                marker.push_str(&format!("&version-id-marker={}", encoded(&plain(id))));
            }
        }
        // The last key may have versions on the page that was not read.
        if found.len() > 1 {
            found.pop_last();
        }
        Ok(found)
    }
}

impl Archive for S3Archive {
    async fn keep(&self, sealed: &Sealed) -> Result<Option<Sealed>, CallError> {
        let wave = &sealed.seal.wave;
        let number = sealed.seal.number;
        let body = serde_json::to_vec(sealed)
            .map_err(|error| CallError::Unknown(format!("a seal cannot be written: {error}")))?;
        let ask = Ask {
            method: "PUT",
            key: &key(wave, number),
            query: String::new(),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("if-none-match", "*".to_owned()),
                // Object Lock takes no object without a checksum.
                (
                    "x-amz-checksum-sha256",
                    STANDARD.encode(Sha256::digest(&body)),
                ),
            ],
            body: &body,
        };
        let reply = self.ask(&ask).await.map_err(CallError::Unknown)?;
        match reply.status {
            200 => Ok(None),
            412 => {
                let unknown = |error: ReadError| CallError::Unknown(error.to_string());
                let kept = self.kept_after(wave, number - 1).await.map_err(unknown)?;
                let first = kept.first().filter(|kept| kept.number == number);
                match first {
                    Some(kept) => self.read(wave, kept).await.map_err(unknown),
                    None => Err(CallError::Unknown(format!(
                        "record {number} is kept and cannot be found"
                    ))),
                }
            }
            401 | 403 => Err(CallError::refused(RefusalKind::Denied, said(&reply))),
            404 => Err(CallError::refused(RefusalKind::NotFound, said(&reply))),
            _ => Err(CallError::Unknown(said(&reply))),
        }
    }
}

impl Archived for S3Archive {
    async fn kept_after(&self, wave: &WaveId, after: u64) -> Result<Vec<Kept>, ReadError> {
        let prefix = prefix(wave);
        let versions = self.first_versions(&prefix, &key(wave, after)).await?;
        Ok(versions
            .into_iter()
            .filter_map(|(key, version)| {
                let number = key.strip_prefix(&prefix)?.strip_suffix(".json")?;
                let number = number.parse().ok()?;
                Some(Kept { number, version })
            })
            .take(MOST_LISTED)
            .collect())
    }

    async fn read(&self, wave: &WaveId, kept: &Kept) -> Result<Option<Sealed>, ReadError> {
        let query = format!("versionId={}", encoded(&kept.version));
        match self.get(&key(wave, kept.number), query).await {
            Ok(body) => Ok(serde_json::from_slice(&body).ok()),
            Err(ReadError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What the keys of a wave's records begin with.
fn prefix(wave: &WaveId) -> String {
    format!("audit/{wave}/")
}

fn key(wave: &WaveId, number: u64) -> String {
    format!("{}{number:010}.json", prefix(wave))
}

/// A value as a query carries it.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The text of the first element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    elements(xml, name).next()
}

/// The texts of all elements of that name, which do not lie in each other.
fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let end = format!("</{name}>");
    let start = format!("<{name}>");
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, from) = rest.split_once(&start)?;
        let (inside, after) = from.split_once(&end)?;
        rest = after;
        Some(inside)
    })
}

/// Text without XML's escapes.
fn plain(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// What S3 said, shortly.
fn said(reply: &Reply) -> String {
    let xml = String::from_utf8_lossy(&reply.body);
    let code = element(&xml, "Code").unwrap_or("no code");
    let message = element(&xml, "Message").unwrap_or_default();
    let said = format!("HTTP {}, {code}: {message}", reply.status);
    said.chars().take(300).collect()
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    tidegate_ports::error::chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(endpoint: Option<&str>) -> S3Archive {
        let mut config = SdkConfig::builder();
        config.set_endpoint_url(endpoint.map(str::to_owned));
        S3Archive::new(&config.build(), "records")
    }

    #[test]
    fn addresses_are_those_of_the_region_or_of_the_stand_in() {
        let key = key(&WaveId::parse("orders").expect("a wave"), 7);
        let cases = [
            (
                None,
                "eu-central-1",
                "https://records.s3.eu-central-1.amazonaws.com",
            ),
            (
                None,
                "cn-north-1",
                "https://records.s3.cn-north-1.amazonaws.com.cn",
            ),
            (
                Some("http://127.0.0.1:4566/"),
                "eu-central-1",
                "http://127.0.0.1:4566/records",
            ),
        ];
        for (endpoint, region, base) in cases {
            assert_eq!(
                archive(endpoint).url(region, &key, "versionId=1"),
                format!("{base}/audit/orders/0000000007.json?versionId=1")
            );
        }
    }

    #[test]
    fn a_list_is_read_without_its_delete_markers() {
        let xml = "<ListVersionsResult><IsTruncated>false</IsTruncated>\
                   <DeleteMarker><Key>k&amp;1</Key><VersionId>3</VersionId></DeleteMarker>\
                   <Version><Key>k&amp;1</Key><VersionId>2</VersionId></Version>\
                   <Version><Key>k&amp;1</Key><VersionId>1</VersionId></Version></ListVersionsResult>";
        let versions: Vec<_> = elements(xml, "Version")
            .map(|v| (element(v, "Key").map(plain), element(v, "VersionId")))
            .collect();
        assert_eq!(
            versions,
            [
                (Some("k&1".to_owned()), Some("2")),
                (Some("k&1".to_owned()), Some("1"))
            ]
        );
        assert_eq!(element(xml, "IsTruncated"), Some("false"));
        assert_eq!(element(xml, "NextKeyMarker"), None);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            encoded("audit/a-1/x.json&=+ ä"),
            "audit%2Fa-1%2Fx.json%26%3D%2B%20%C3%A4"
        );
    }
}
