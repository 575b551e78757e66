//! Messages to people, through SNS. At least once.

use tidegate_domain::plan::Approver;

use crate::error::{CallError, ReadError};

/// A message to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line, at most 100 characters, no control characters (SNS refuses others).
    pub subject: String,
    /// The text.
    pub text: String,
    /// The wave, as a message attribute to filter by.
    pub wave: String,
    /// To whom alone, as a message attribute; None for everybody who subscribed to news.
    pub to: Option<Approver>,
    /// What it is about, as a message attribute: `wave_held`, `gate_opened`, …
    pub kind: &'static str,
    /// Whether somebody must act, as a message attribute.
    pub action_required: bool,
}

/// The most characters of a subject (SNS, Publish: "less than 100 characters long").
pub const LONGEST_SUBJECT: usize = 99;

/// A subject that SNS takes, from any text: one line of printable ASCII that begins with a letter,
/// digit or punctuation mark; what is not ASCII becomes `?`, what is too long is cut with `...`.
#[must_use]
pub fn subject(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(
            word.chars()
                .map(|c| if c.is_ascii_graphic() { c } else { '?' }),
        );
    }
    if line.is_empty() {
        line.push_str("Tidegate");
    }
    if line.len() > LONGEST_SUBJECT {
        line.truncate(LONGEST_SUBJECT - 3);
        line.push_str("...");
    }
    line
}

/// Sends messages.
pub trait Mails {
    /// Send one.
    async fn send(&self, mail: &Mail) -> Result<(), CallError>;
}

/// Somebody who gets messages, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The mail address, the queue, the address on the web.
    pub endpoint: String,
    /// The filter policy, as JSON; without one everything is taken.
    pub filter: Option<String>,
    /// Whether the policy looks at the text, not at the attributes.
    pub filters_body: bool,
}

/// Knows who gets messages.
pub trait Subscribers {
    /// Every confirmed subscription.
    async fn subscriptions(&self) -> Result<Vec<Subscription>, ReadError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_short_line_that_sns_takes() {
        let cases = [
            ("orders is held", "orders is held"),
            (
                "  orders\r\nBcc: all@example.com\t!\u{7} ",
                "orders Bcc: all@example.com !",
            ),
            ("Welle gehälten", "Welle geh?lten"),
            ("\n\u{0}", "Tidegate"),
        ];
        for (text, expected) in cases {
            assert_eq!(subject(text), expected);
        }
        let long = subject(&"word ".repeat(100));
        assert_eq!(long.len(), LONGEST_SUBJECT);
        assert!(long.ends_with("..."));
    }
}
