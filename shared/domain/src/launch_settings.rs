//! How MGN would launch a server: its launch configuration and what its EC2 launch template says.
//!
//! **Invariant**: what counts is what they say. A version of a template never changes, but MGN may
//! add versions itself while it launches, so that two numbers may well say the same.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::TemplateId;
use crate::words::one_line;

/// The most settings of one kind that are kept by name; the others by their digest.
const MOST: usize = 32;
/// The longest value that is kept as it is, in characters.
const LONGEST: usize = 120;
/// How many differences a clause tells.
const MOST_TOLD: usize = 4;
/// The hexadecimal digits of a digest: enough to tell one server's settings apart.
const DIGEST: usize = 16;
/// The settings that are kept by their digest.
const OTHERS: &str = "other settings";
/// The method of choosing the instance type.
pub const RIGHT_SIZING: &str = "right-sizing";
/// The type of the instance.
pub const INSTANCE_TYPE: &str = "instance type";

/// Settings by name, in the words of those who set them. What is not set is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values(BTreeMap<String, String>);

/// How MGN would launch a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSettings {
    /// Its EC2 launch template.
    pub template: TemplateId,
    /// The number of the template's default version.
    pub version: u64,
    /// What MGN's launch configuration says.
    pub configuration: Values,
    /// What that version of the template says.
    pub content: Values,
    /// The digest of everything that is set.
    digest: String,
}

/// Which settings, without what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsMark {
    /// The launch template.
    pub template: TemplateId,
    /// The number of its default version.
    pub version: u64,
    /// The digest of everything that was set: the same for the same settings.
    pub digest: String,
}

/// One setting that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// Which setting.
    pub what: String,
    /// What it was, if it was set.
    pub was: Option<String>,
    /// What it is, if it is set.
    pub is: Option<String>,
}

impl Values {
    /// Remember a setting. One that is long, or that holds what cannot be seen, is remembered by
    /// its digest: otherwise two that differ would pass for the same.
    pub fn set(&mut self, what: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        let shown = one_line(value, LONGEST);
        if shown.chars().count() != value.chars().count() {
            self.set_secret(what, value);
        } else if !value.is_empty() {
            self.put(what, shown);
        }
    }

    /// Remember a setting that may hold secrets, by its digest alone.
    pub fn set_secret(&mut self, what: &str, value: &str) {
        if !value.is_empty() {
            self.put(what, format!("sha256:{}", digest(value.as_bytes())));
        }
    }

    fn put(&mut self, what: &str, value: String) {
        let what = one_line(what, LONGEST);
        if self.0.len() < MOST || self.0.contains_key(&what) {
            self.0.insert(what, value);
            return;
        }
        let others = self.0.entry(OTHERS.to_owned()).or_default();
        *others = format!(
            "sha256:{}",
            digest(format!("{others};{what}={value}").as_bytes())
        );
    }

    /// A setting, if it is set.
    #[must_use]
    pub fn get(&self, what: &str) -> Option<&str> {
        self.0.get(what).map(String::as_str)
    }
}

impl LaunchSettings {
    /// What was read of MGN and of EC2, put together.
    #[must_use]
    pub fn new(template: TemplateId, version: u64, configuration: Values, content: Values) -> Self {
        let mut settings = Self {
            template,
            version,
            configuration,
            content,
            digest: String::new(),
        };
        settings.digest = digest(&serde_json::to_vec(&settings.values()).unwrap_or_default());
        settings
    }

    /// Everything that decides how the server is launched. Where MGN chooses the instance type, it
    /// overrides the template's (and may write its choice there).
    #[must_use]
    pub fn values(&self) -> BTreeMap<&str, &str> {
        let Self {
            configuration: Values(configuration),
            content: Values(content),
            ..
        } = self;
        let chosen = configuration.contains_key(RIGHT_SIZING);
        let content = content
            .iter()
            .filter(|(what, _)| !(chosen && *what == INSTANCE_TYPE));
        let all = configuration.iter().chain(content);
        all.map(|(what, value)| (what.as_str(), value.as_str()))
            .collect()
    }

    /// The digest of everything that is set: the same for the same settings.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Which settings these are.
    #[must_use]
    pub fn mark(&self) -> SettingsMark {
        SettingsMark {
            template: self.template.clone(),
            version: self.version,
            digest: self.digest.clone(),
        }
    }

    /// What is not as it was, in the order of the names.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let (then, now) = (before.values(), self.values());
        let mut names: Vec<&str> = then.keys().chain(now.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter(|what| then.get(what) != now.get(what))
            .map(|what| Difference {
                what: what.to_owned(),
                was: then.get(what).map(|value| (*value).to_owned()),
                is: now.get(what).map(|value| (*value).to_owned()),
            })
            .collect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or("not set".to_owned());
        write!(
            f,
            "{} was {}, is {}",
            self.what,
            value(&self.was),
            value(&self.is)
        )
    }
}

/// Differences in one clause, the first few.
#[must_use]
pub fn list(differences: &[Difference]) -> String {
    let shown = differences.iter().take(MOST_TOLD);
    let mut each: Vec<String> = shown.map(Difference::to_string).collect();
    if differences.len() > MOST_TOLD {
        each.push(format!("and {} more", differences.len() - MOST_TOLD));
    }
    each.join("; ")
}

fn digest(bytes: &[u8]) -> String {
    let mut text = hex::encode(Sha256::digest(bytes));
    text.truncate(DIGEST);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        version: u64,
        configuration: &[(&str, &str)],
        content: &[(&str, &str)],
    ) -> LaunchSettings {
        let values = |pairs: &[(&str, &str)]| {
            let mut values = Values::default();
            for (what, value) in pairs {
                values.set(what, value);
            }
            values
        };
        let template = TemplateId::parse("lt-0123456789abcdef0").expect("a template");
        LaunchSettings::new(template, version, values(configuration), values(content))
    }

    fn told(is: &LaunchSettings, was: &LaunchSettings) -> String {
        assert_eq!(is.digest() == was.digest(), is.differences(was).is_empty());
        list(&is.differences(was))
    }

    #[test]
    fn differences_are_told_in_the_words_of_those_who_set_them() {
        let tested = settings(
            3,
            &[("boot mode", "UEFI")],
            &[("instance type", "m5.large")],
        );
        let subnet = [("instance type", "m5.xlarge"), ("subnet", "subnet-1")];
        let now = settings(4, &[], &subnet);
        assert_eq!(
            told(&now, &tested),
            "boot mode was UEFI, is not set; instance type was m5.large, is m5.xlarge; \
             subnet was not set, is subnet-1"
        );
    }

    #[test]
    fn another_version_that_says_the_same_is_no_difference() {
        let of = |version| settings(version, &[], &[("subnet", "subnet-1")]);
        assert_eq!(told(&of(9), &of(1)), "");
        assert_ne!(of(9).mark(), of(1).mark());
    }

    #[test]
    fn a_type_that_mgn_overrides_is_no_setting() {
        let of = |kind, how: &[(&str, &str)]| settings(1, how, &[("instance type", kind)]);
        let basic = [(RIGHT_SIZING, "BASIC")];
        assert_eq!(told(&of("m5.large", &basic), &of("t3.micro", &basic)), "");
        assert_eq!(
            told(&of("m5.large", &[]), &of("m5.large", &basic)),
            "instance type was not set, is m5.large; right-sizing was BASIC, is not set"
        );
    }

    #[test]
    fn what_is_long_or_secret_is_kept_as_a_digest_and_never_much() {
        let mut values = Values::default();
        values.set_secret("user data", "password=1");
        values.set("tags", "x".repeat(121));
        values.set("name", "two\nlines");
        values.set("role", "db\u{202e}");
        values.set("empty", "");
        assert_eq!(values.get("user data"), Some("sha256:7e3950089b60752e"));
        assert!(values.get("tags").is_some_and(|v| v.starts_with("sha256:")));
        assert_eq!(values.get("name"), Some("two lines"));
        assert!(values.get("role").is_some_and(|v| v.starts_with("sha256:")));
        assert_eq!(values.get("empty"), None);
        let many = |last: &str| {
            let mut values = values.clone();
            for n in 0..100 {
                values.set(&format!("setting {n}"), if n == 99 { last } else { "x" });
            }
            values
        };
        assert_eq!(many("x").0.len(), MOST + 1);
        assert_eq!(many("x"), many("x"));
        assert_ne!(many("x"), many("y"), "what is not kept is not forgotten");
    }
}
