//! Which console, which Region, whose credentials; everything that is missing is told at once.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use reqwest::Url;

use crate::client::{Client, Signer};
use crate::failure::Failure;

/// How long credentials may take to be found.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(30);

/// What was said about the connection.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The console's address.
    pub console: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// The profile of the AWS configuration.
    pub profile: Option<String>,
}

impl Settings {
    /// A client of the console.
    ///
    /// # Errors
    /// Everything that is missing or wrong, in one message.
    pub async fn client(&self) -> Result<Client, Failure> {
        let console = self.address();
        let in_address = console.as_ref().ok().and_then(region_of);
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = self.region.clone().or(in_address) {
            loader = loader.region(Region::new(region));
        }
        let config = loader.load().await;

        let mut missing = Vec::new();
        let region = config.region().map(|region| region.as_ref().to_owned());
        if region.is_none() {
            missing.push("the AWS Region: set AWS_REGION or pass --region".to_owned());
        }
        let provider = config.credentials_provider();
        let found = match &provider {
            Some(provider) => {
                match tokio::time::timeout(CREDENTIALS_TIMEOUT, provider.provide_credentials())
                    .await
                {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(innermost(&error)),
                    Err(_) => Err("no answer in time".to_owned()),
                }
            }
            None => Err("none are configured".to_owned()),
        };
        if let Err(why) = found {
            missing.push(format!(
                "AWS credentials ({why}): sign in with `aws sso login`, or set AWS_PROFILE or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ));
        }
        match (console, region, provider) {
            (Ok(console), Some(region), Some(provider)) if missing.is_empty() => {
                Client::new(console, Signer::new(region, provider))
            }
            (console, ..) => {
                if let Err(why) = console {
                    missing.insert(0, why);
                }
                Err(Failure::Input(match missing.as_slice() {
                    [one] => format!("this is missing: {one}"),
                    several => format!("these are missing:\n  - {}", several.join("\n  - ")),
                }))
            }
        }
    }

    fn address(&self) -> Result<Url, String> {
        let given = self.console.as_deref().map(str::trim).unwrap_or_default();
        if given.is_empty() {
            return Err(
                "the console's address: set TIDEGATE_CONSOLE_URL or pass --console URL (an output \
                 of the deployed stack)"
                    .to_owned(),
            );
        }
        let wrong = |why: &str| {
            format!(
                "a right address of the console: {given:?} (TIDEGATE_CONSOLE_URL or --console) {why}"
            )
        };
        let url = Url::parse(given).map_err(|error| wrong(&format!("is no URL: {error}")))?;
        match url.scheme() {
            "https" => {}
            "http" if local(&url) => {}
            "http" => return Err(wrong("has to begin with https://")),
            _ => {
                return Err(wrong(
                    "has to begin with https:// (http:// on this machine)",
                ));
            }
        }
        if url.query().is_some() || url.fragment().is_some() || url.username() != "" {
            return Err(wrong("has to end with its path"));
        }
        Ok(url)
    }
}

/// Whether the address is on this machine.
pub(crate) fn local(url: &Url) -> bool {
    match url.host_str() {
        Some(host) => {
            host == "localhost"
                || host.ends_with(".localhost")
                || host
                    .trim_matches(['[', ']'])
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// The Region in an address of API Gateway: `ID.execute-api.REGION.amazonaws.com`.
fn region_of(url: &Url) -> Option<String> {
    let mut labels = url.host_str()?.split('.').skip(1);
    (labels.next()? == "execute-api")
        .then(|| labels.next().map(str::to_owned))?
        .filter(|region| region.contains('-'))
}

/// The last reason of a chain: the one that people can do something about.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    // The default chain lists each place that it looked in; that it found nothing is enough.
    reason
        .to_string()
        .split(['.', '\n'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Url, String> {
        Settings {
            console: Some(text.to_owned()),
            ..Settings::default()
        }
        .address()
    }

    #[test]
    fn an_address_is_https_or_local() {
        for right in [
            "https://abc123.execute-api.eu-central-1.amazonaws.com/prod",
            "https://tidegate.example.com",
            "http://127.0.0.1:4566/_aws/execute-api/abc/$default",
            "http://localhost:8080/",
            "http://[::1]:8080/",
        ] {
            assert!(address(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "console",
            "http://tidegate.example.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://tidegate.example.com/?a=b",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_region_may_stand_in_the_address() {
        let region = |text: &str| region_of(&Url::parse(text).expect("a URL"));
        assert_eq!(
            region("https://abc.execute-api.eu-central-1.amazonaws.com/prod").as_deref(),
            Some("eu-central-1")
        );
        assert_eq!(region("https://tidegate.example.com"), None);
        assert_eq!(region("http://abc.execute-api.localhost:4566"), None);
    }
}
