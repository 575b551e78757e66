//! Mails: what SNS hands on to whom, and the links that people have in their mailboxes.
//!
//! **Invariant**: a link is in the mailbox of whom it was made for, if they had subscribed when it was
//! sent, and nowhere else.

use std::collections::BTreeSet;

use tidegate_domain::gate::Gate;
use tidegate_domain::id::WaveId;
use tidegate_domain::link::{Link, Sealed};
use tidegate_domain::plan::Approver;
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mail::{Mail, Mails, Subscribers, Subscription};

use super::invocation::{Fate, Invocation, Service};

/// Who has subscribed when the world begins; other approvers do later, if at all.
const SUBSCRIBED: [&str; 2] = ["ops@example.com", "lead@example.com"];

/// Everybody's mailboxes.
#[derive(Debug)]
pub struct Mailboxes {
    subscribed: BTreeSet<String>,
    links: Vec<(String, Link)>,
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self {
            subscribed: SUBSCRIBED.map(str::to_owned).into(),
            links: Vec::new(),
        }
    }
}

impl Mailboxes {
    /// Somebody subscribes to what is sent to them alone; false if they had.
    pub fn subscribe(&mut self, address: &str) -> bool {
        self.subscribed.insert(address.to_owned())
    }

    /// The token of the newest link that a person has to decide that.
    #[must_use]
    pub fn link(&self, of: &Approver, wave: &WaveId, gate: Gate, evidence: &str) -> Option<&str> {
        let wanted = |link: &Link| {
            link.approver == *of
                && link.wave == *wave
                && link.gate == gate
                && link.evidence == evidence
        };
        let found = self.links.iter().rev().find(|(_, link)| wanted(link));
        found.map(|(token, _)| token.as_str())
    }

    /// Every link that a person ever got, with its token.
    pub fn links(&self, of: &Approver) -> impl Iterator<Item = &(String, Link)> {
        self.links
            .iter()
            .filter(move |(_, link)| link.approver == *of)
    }

    /// SNS hands a mail on.
    fn take(&mut self, mail: &Mail) {
        let Some(Approver::Mail(address)) = &mail.to else {
            return;
        };
        let token = mail.text.split_once("/decide?token=");
        let token = token.and_then(|(_, rest)| rest.split_whitespace().next());
        let link = token.and_then(|token| Sealed::parse(token).ok()?.open().ok());
        if let (Some(token), Some(link)) = (token, link)
            && self.subscribed.contains(address)
        {
            self.links.push((token.to_owned(), link));
        }
    }
}

impl Mails for Invocation {
    async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        self.send_out("Publish", || {
            self.cloud.mailboxes.borrow_mut().take(mail);
            self.cloud.note(|| format!("mail: {}", mail.subject));
            Ok(())
        })
        .await
    }
}

/// A subscription that takes what is sent to that address alone.
fn mailbox(address: &String) -> Subscription {
    Subscription {
        endpoint: address.clone(),
        filter: Some(format!(r#"{{"to":["{address}"]}}"#)),
        filters_body: false,
    }
}

impl Subscribers for Invocation {
    async fn subscriptions(&self) -> Result<Vec<Subscription>, ReadError> {
        match self.point("ListSubscriptionsByTopic", Service::Other).await {
            Fate::Goes => {
                let mailboxes = self.cloud.mailboxes.borrow();
                Ok(mailboxes.subscribed.iter().map(mailbox).collect())
            }
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                Err(ReadError::Failed("no answer".to_owned()))
            }
        }
    }
}
