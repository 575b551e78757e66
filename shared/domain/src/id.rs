//! The identifiers: one type each, so that a job cannot be taken for a server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An identifier that does not have the form that its kind demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct IdError {
    /// What was given.
    pub value: String,
    /// What would have been right.
    pub expected: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $check:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parse the identifier; its form is checked.
            pub fn parse(value: impl Into<String>) -> Result<Self, IdError> {
                let value = value.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) {
                    Ok(Self(value))
                } else {
                    Err(IdError { value, expected: $expected })
                }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(value: String) -> Result<Self, IdError> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    )*};
}

ids! {
    /// A wave, named by its plan. A name is used once: a wave that ended keeps it.
    WaveId: |v| name_like(v, 40), "a name of 1 to 40 lower-case letters, digits and hyphens that begins with a letter";
    /// An application of a wave, named by the plan.
    ApplicationName: |v| name_like(v, 60), "a name of 1 to 60 lower-case letters, digits and hyphens that begins with a letter";
    /// An MGN source server, `s-` and 17 letters or digits.
    ServerId: |v| mgn_like(v, "s-"), "a source server ID: s- and 17 letters or digits";
    /// An MGN job, `mgnjob-` and 17 letters or digits.
    JobId: |v| mgn_like(v, "mgnjob-"), "a job ID: mgnjob- and 17 letters or digits";
    /// An EC2 instance, `i-` and hexadecimal digits.
    InstanceId: |v| v.strip_prefix("i-").is_some_and(|r| printable(r, 32)), "an instance ID: i- and hexadecimal digits";
    /// An EC2 launch template, `lt-` and hexadecimal digits.
    TemplateId: |v| v.strip_prefix("lt-").is_some_and(|r| printable(r, 32)), "a launch template ID: lt- and hexadecimal digits";
    /// An SSM managed node: an instance or `mi-` and hexadecimal digits.
    NodeId: |v| (v.starts_with("i-") || v.starts_with("mi-")) && printable(v, 40), "a managed node ID: i- or mi- and hexadecimal digits";
    /// An EBS snapshot, `snap-` and hexadecimal digits.
    SnapshotId: |v| v.strip_prefix("snap-").is_some_and(|r| printable(r, 32)), "a snapshot ID: snap- and hexadecimal digits";
    /// An SSM Run Command, a UUID.
    CommandId: |v| printable(v, 64), "a command ID";
    /// Something that a wave wants done: `<wave>-<turn>-<number>`, unique for all time.
    EffectId: |v| printable(v, 80), "an effect ID";
    /// A message in a wave's inbox, chosen by the sender so that a double is the same message.
    MessageId: |v| printable(v, 128), "a message ID of 1 to 128 printable characters without spaces";
}

/// Lower-case letters, digits and hyphens, beginning with a letter, ending in no hyphen.
fn name_like(value: &str, most: usize) -> bool {
    value.len() <= most
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && !value.ends_with('-')
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// MGN's IDs: a prefix and 17 letters or digits (botocore's model, `mgn/2020-02-26`).
fn mgn_like(value: &str, prefix: &str) -> bool {
    value
        .strip_prefix(prefix)
        .is_some_and(|r| r.len() == 17 && r.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// 1 to `most` characters that can be seen.
fn printable(value: &str, most: usize) -> bool {
    !value.is_empty() && value.len() <= most && value.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_refuse_what_is_not_their_own() {
        assert!(ServerId::parse("s-0123456789abcdef0").is_ok());
        for wrong in [
            "",
            "s-",
            "s-0123456789abcdef",
            "i-0123456789abcdef0",
            "s-0123456789abcdef!",
        ] {
            assert!(ServerId::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "Orders", "orders-", "9lives", "a b", "ä"] {
            assert!(WaveId::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            JobId::parse("job-1").expect_err("wrong prefix").to_string(),
            r#""job-1" is not a job ID: mgnjob- and 17 letters or digits"#
        );
    }
}
