//! Settings from the environment: every one that is missing or malformed is named at once.
//!
//! Read in `main` and nowhere else. The readers give a stand-in for what is missing, and
//! [`Environment::check`] then refuses the lot, so that a deployment is mended in one go.

use std::fmt::Display;
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

    /// Text that may be missing; then it is empty.
    pub fn optional(&mut self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_default()
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

    fn find(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        if value.is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        value
    }
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
        assert_eq!(environment.optional("NOT_SET"), "");
        assert_eq!(environment.number("SECONDS", 3, 0, 60), 0);
        assert_eq!(environment.number("NOT_SET", 180, 30, 3_600), 180);
        assert_eq!(environment.check(), Ok(()));
    }
}
