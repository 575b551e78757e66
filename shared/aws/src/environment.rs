//! Settings from the environment: every one that is missing or malformed is named at once.
//!
//! Read in `main` and nowhere else. The readers give a stand-in for what is missing, and
//! [`Environment::check`] then refuses the lot, so that a deployment is mended in one go.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The settings of one function, as they are read.
#[derive(Debug)]
pub struct Environment<Lookup = fn(&str) -> Option<String>> {
    lookup: Lookup,
    problems: Vec<String>,
}

/// Settings are missing or malformed; names each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment is incomplete: {}", .0.join("; "))]
pub struct EnvironmentError(pub Vec<String>);

impl Environment {
    /// The environment of this process. What is not Unicode counts as missing.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }
}

impl<Lookup: Fn(&str) -> Option<String>> Environment<Lookup> {
    /// An environment in which settings are found by `lookup`.
    #[must_use]
    pub fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    /// Text that must be there.
    pub fn text(&mut self, name: &str) -> String {
        self.find(name).unwrap_or_default()
    }

    /// A name of an Amazon DynamoDB table (API reference, "CreateTable").
    pub fn table(&mut self, name: &str) -> String {
        self.named(name, "the name of a table", |text| {
            (3..=255).contains(&text.len()) && text.bytes().all(|b| word(b) || b == b'.')
        })
    }

    /// A name of an S3 bucket (user guide, "General purpose bucket naming rules").
    pub fn bucket(&mut self, name: &str) -> String {
        self.named(name, "the name of a bucket", |text| {
            let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            (3..=63).contains(&text.len())
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.ends_with(|c: char| c.is_ascii_alphanumeric())
                && text.bytes().all(|b| inside(b) || matches!(b, b'-' | b'.'))
        })
    }

    /// A name of an event bus (EventBridge API reference, "CreateEventBus").
    pub fn bus(&mut self, name: &str) -> String {
        self.named(name, "the name of an event bus", |text| {
            text.len() <= 256 && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'/'))
        })
    }

    /// A name of an SSM parameter, beginning with a slash, as the template takes it; empty if there is
    /// none.
    pub fn parameter(&mut self, name: &str) -> String {
        if !self.is_set(name) {
            return String::new();
        }
        self.named(name, "the name of a parameter", |text| {
            let inner = |b: u8| word(b) || matches!(b, b'.' | b'/' | b'+' | b'=' | b'@');
            text.len() <= 2_048 && text.starts_with('/') && text.bytes().all(inner)
        })
    }

    /// The address of something that stands in for a service: of this machine, or with TLS. Empty if
    /// there is none.
    pub fn stand_in(&mut self, name: &str) -> String {
        if !self.is_set(name) {
            return String::new();
        }
        self.named(name, "an address of this machine or with https://", |url| {
            let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
                (Some(rest), _) => (true, rest),
                (None, Some(rest)) => (false, rest),
                (None, None) => return false,
            };
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !authority.is_empty()
                && url.bytes().all(|b| b.is_ascii_graphic())
                && (tls || is_loopback(authority))
        })
    }

    /// An address beginning with `http://` or `https://`; without slashes at its end.
    pub fn url(&mut self, name: &str) -> String {
        let Some(url) = self.find(name) else {
            return String::new();
        };
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let good = host.is_some_and(|host| {
            !host.is_empty() && !host.starts_with('/') && host.chars().all(|c| c.is_ascii_graphic())
        });
        if !good {
            self.problems
                .push(format!("{name} is {url:?}, not an address with http(s)://"));
        }
        url.trim_end_matches('/').to_owned()
    }

    /// An ARN of that service.
    pub fn arn(&mut self, name: &str, service: &str) -> String {
        let Some(arn) = self.find(name) else {
            return String::new();
        };
        let mut parts = arn.splitn(6, ':');
        if parts.next() != Some("arn") || parts.nth(1) != Some(service) || parts.nth(2).is_none() {
            self.problems
                .push(format!("{name} is {arn:?}, not an ARN of {service}"));
        }
        arn
    }

    /// An AWS account: 12 digits.
    pub fn account(&mut self, name: &str) -> String {
        let Some(account) = self.find(name) else {
            return String::new();
        };
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            self.problems.push(format!(
                "{name} is {account:?}, not an account of 12 digits"
            ));
        }
        account
    }

    /// A whole number from `least` to `most`; `default` if it is not set.
    pub fn number<N>(&mut self, name: &str, default: N, least: N, most: N) -> N
    where
        N: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = (self.lookup)(name).filter(|text| !text.is_empty()) else {
            return default;
        };
        match text.parse() {
            Ok(number) if number >= least && number <= most => number,
            Ok(_) | Err(_) => {
                self.problems.push(format!(
                    "{name} is {text:?}, not a whole number from {least} to {most}"
                ));
                default
            }
        }
    }

    /// Refuse what was read if anything was missing or malformed.
    pub fn check(self) -> Result<(), EnvironmentError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(EnvironmentError(self.problems))
        }
    }

    /// Text that must be there, and be such a thing.
    fn named(&mut self, name: &str, thing: &str, fits: impl Fn(&str) -> bool) -> String {
        let Some(text) = self.find(name) else {
            return String::new();
        };
        if !fits(&text) {
            self.problems
                .push(format!("{name} is {text:?}, not {thing}"));
        }
        text
    }

    fn is_set(&self, name: &str) -> bool {
        (self.lookup)(name).is_some_and(|value| !value.is_empty())
    }

    fn find(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        if value.is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        value
    }
}

/// What AWS takes in most names.
fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether a host, with a port or without, is this machine.
fn is_loopback(authority: &str) -> bool {
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) | None => authority,
    };
    host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(
        values: &[(&'static str, &'static str)],
    ) -> Environment<impl Fn(&str) -> Option<String>> {
        let values = values.to_vec();
        Environment::new(move |name: &str| {
            values
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn names_everything_that_is_wrong_at_once() {
        let mut environment = environment(&[
            ("EMPTY", ""),
            ("ADDRESS", "console.example.com"),
            ("TOPIC", "arn:aws:sqs:eu-west-1:111122223333:messages"),
            ("ACCOUNT", "1234"),
            ("SECONDS", "minus one"),
        ]);
        environment.text("ABSENT");
        environment.text("EMPTY");
        environment.url("ADDRESS");
        environment.arn("TOPIC", "sns");
        environment.account("ACCOUNT");
        assert_eq!(environment.number("SECONDS", 3, 0, 60), 3);
        assert_eq!(
            environment
                .check()
                .expect_err("everything is wrong")
                .to_string(),
            "the environment is incomplete: ABSENT is not set; EMPTY is not set; \
             ADDRESS is \"console.example.com\", not an address with http(s)://; \
             TOPIC is \"arn:aws:sqs:eu-west-1:111122223333:messages\", not an ARN of sns; \
             ACCOUNT is \"1234\", not an account of 12 digits; \
             SECONDS is \"minus one\", not a whole number from 0 to 60"
        );
    }

    type Read = fn(&mut Environment<&dyn Fn(&str) -> Option<String>>, &str) -> String;

    /// What is said of a value when it is read so.
    fn said(read: Read, value: &str) -> Option<String> {
        let lookup = |_: &str| Some(value.to_owned());
        let mut environment = Environment::new(&lookup as &dyn Fn(&str) -> Option<String>);
        assert_eq!(read(&mut environment, "NAME"), value);
        environment.check().err().map(|error| error.0.join("; "))
    }

    #[test]
    fn what_cannot_be_such_a_thing_is_refused() {
        let cases: [(Read, &str, &[&str], &[&str]); 6] = [
            (
                |environment, name| environment.table(name),
                "the name of a table",
                &["tidegate", "tidegate-Table-1A2B", "a.b_c"],
                &[
                    "ta",
                    "a table",
                    "arn:aws:dynamodb:eu-west-1:1:table/t",
                    "tidegate\n",
                ],
            ),
            (
                |environment, name| environment.bucket(name),
                "the name of a bucket",
                &["tidegate-auditbucket-1a2b", "a.b", "123"],
                &["ab", "Tidegate", "-ab", "ab-", "a_b", "s3://bucket"],
            ),
            (
                |environment, name| environment.bus(name),
                "the name of an event bus",
                &["default", "tidegate-events", "aws.partner/example.com/x"],
                &["a bus", "arn:aws:events:eu-west-1:1:event-bus/b"],
            ),
            (
                |environment, name| environment.parameter(name),
                "the name of a parameter",
                &["/tidegate/slack", "/aws/reference/secretsmanager/a+b=c@d"],
                &["tidegate/slack", "/a b", "https://slack.com"],
            ),
            (
                |environment, name| environment.stand_in(name),
                "an address of this machine or with https://",
                &[
                    "http://127.0.0.1:8080",
                    "http://localhost/x",
                    "http://[::1]:80",
                    "https://slack.example.com",
                ],
                &[
                    "http://slack.example.com",
                    "http://127.0.0.1.example.com",
                    "http://127.0.0.1:80@example.com",
                    "http://localhost:80@example.com:80",
                    "ftp://127.0.0.1",
                    "127.0.0.1:8080",
                    "http://",
                    "https:///x",
                    "http://127.0.0.1/a b",
                ],
            ),
            (
                |environment, name| environment.arn(name, "kms"),
                "an ARN of kms",
                &["arn:aws:kms:eu-west-1:111122223333:key/1234"],
                &["alias/tidegate", "1234", "arn:aws:sns:eu-west-1:1:topic"],
            ),
        ];
        for (read, thing, right, wrong) in cases {
            for value in right {
                assert_eq!(said(read, value), None);
            }
            for value in wrong {
                assert_eq!(
                    said(read, value),
                    Some(format!("NAME is {value:?}, not {thing}"))
                );
            }
        }
    }

    #[test]
    fn reads_what_is_right() {
        let mut environment = environment(&[
            ("TABLE", "tidegate"),
            ("ADDRESS", "http://127.0.0.1:4566/_aws/execute-api/abc/"),
            ("TOPIC", "arn:aws:sns:eu-west-1:111122223333:messages"),
            ("ACCOUNT", "111122223333"),
            ("SECONDS", "0"),
        ]);
        assert_eq!(environment.text("TABLE"), "tidegate");
        assert_eq!(
            environment.url("ADDRESS"),
            "http://127.0.0.1:4566/_aws/execute-api/abc"
        );
        assert!(environment.arn("TOPIC", "sns").ends_with(":messages"));
        assert_eq!(environment.account("ACCOUNT"), "111122223333");
        assert_eq!(environment.parameter("NOT_SET"), "");
        assert_eq!(environment.stand_in("NOT_SET"), "");
        assert_eq!(environment.number("SECONDS", 3, 0, 60), 0);
        assert_eq!(environment.number("NOT_SET", 180, 30, 3_600), 180);
        assert_eq!(environment.check(), Ok(()));
    }
}
