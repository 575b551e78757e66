//! A link that was used: what was done with it, and what somebody is told who comes again.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::gate::Verdict;
use tidegate_domain::link::Link;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::error::Context;
use tidegate_ports::inbox::Inbox;

use super::{gate_plan, open_gate, standing};
use crate::refused::{Failure, Refused, Status};

/// How long after it was taken a decision has been read, if it ever is.
const READ_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// What was done with a link before.
pub(super) struct Used {
    /// The decision.
    pub(super) first: Option<Message>,
    /// That it was taken back.
    pub(super) withdrawn: Option<Message>,
}

impl Used {
    pub(super) async fn of(link: &Link, inbox: &impl Inbox) -> Result<Self, Failure> {
        let first = inbox.message(&link.wave, &link.message()).await;
        let first = first.context("could not read a decision")?;
        let withdrawn = match first {
            None => None,
            Some(_) => inbox
                .message(&link.wave, &link.withdrawal())
                .await
                .context("could not read a withdrawal")?,
        };
        Ok(Self { first, withdrawn })
    }
}

/// What somebody is told who comes again with a link that was used.
pub(super) fn used(
    first: &Message,
    withdrawn: Option<&Message>,
    wave: &Wave,
    link: &Link,
    now: Timestamp,
) -> Refused {
    let did = match &first.body {
        Body::Decide {
            verdict: Verdict::Reject,
            ..
        } => "rejected",
        _ => "approved",
    };
    let back = withdrawn.map_or_else(String::new, |withdrawn| {
        format!(" and took that back at {}", words::time(withdrawn.at, None))
    });
    let anew = anew(first, withdrawn.is_some(), wave, link, now);
    let message = format!(
        "This link was used: {} {did} the {} gate with it at {}{back}, and a link counts once.{anew} {}",
        first.by,
        link.gate,
        words::time(first.at, None),
        standing(wave, link.gate, now)
    );
    Refused::new(Status::Gone, message)
}

/// How somebody whose decision does not count any more decides anew: it was taken back, by this link or by
/// another door. One that was just given may not have been read yet.
fn anew(first: &Message, withdrawn: bool, wave: &Wave, link: &Link, now: Timestamp) -> String {
    let Ok(open) = open_gate(wave, link.gate, &link.evidence, now) else {
        return String::new();
    };
    let plan = gate_plan(wave, link.gate);
    let elsewhere = open.withdrawals > link.withdrawals && now > first.at + READ_WITHIN;
    if plan.approval_of(&link.approver, open).is_some() || !(withdrawn || elsewhere) {
        return String::new();
    }
    let (id, gate) = (&wave.id, link.gate);
    format!(
        " It does not count any more: to decide again, have the question sent once more (tidegate ask \
         {id} {gate})."
    )
}
