//! Messages to people, through SNS. At least once.

use std::collections::BTreeMap;

use tidegate_domain::plan::Approver;

use crate::error::{CallError, ReadError};

/// A message to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line of printable ASCII, less than 100 characters (SNS refuses others).
    pub subject: String,
    /// The text.
    pub text: String,
    /// The wave, as a message attribute to filter by.
    pub wave: String,
    /// To whom alone, as a message attribute; None for everybody who subscribed to news.
    pub to: Option<Approver>,
    /// What it is about, as a message attribute: `wave_held`, `gate_opened`, …
    pub kind: &'static str,
    /// Whether somebody must act, as a message attribute: `true` or `false`.
    pub action_required: bool,
}

impl Mail {
    /// The message attributes that filter policies pick by, all of type String.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<&'static str, String> {
        let to = self.to.as_ref().map(|to| ("to", to.to_string()));
        let others = [
            ("wave", self.wave.clone()),
            ("kind", self.kind.to_owned()),
            ("action_required", self.action_required.to_string()),
        ];
        others.into_iter().chain(to).collect()
    }
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
