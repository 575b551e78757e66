//! A link that was used: what was done with it, and what somebody is told who comes again.

use jiff::Timestamp;
use tidegate_domain::gate::Verdict;
use tidegate_domain::link::Link;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::error::Context;
use tidegate_ports::inbox::Inbox;

use super::{gate_plan, open_gate, standing};
use crate::refused::{Failure, Refused, Status};

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
    let anew = if asks_anew(wave, link, now) {
        " That does not count: decide by the link in the newest mail."
    } else {
        ""
    };
    let message = format!(
        "This link was used: {} {did} the {} gate with it at {}{back}, and a link counts once.{anew} {}",
        first.by,
        link.gate,
        words::time(first.at, None),
        standing(wave, link.gate, now)
    );
    Refused::new(Status::Gone, message)
}

/// Whether what was decided with a link does not count, and a later link asks the same anew: it was
/// taken back, or set aside unread.
fn asks_anew(wave: &Wave, link: &Link, now: Timestamp) -> bool {
    open_gate(wave, link.gate, &link.evidence, now).is_ok_and(|open| {
        let approval = gate_plan(wave, link.gate).approval_of(&link.approver, open);
        open.withdrawals > link.withdrawals && approval.is_none()
    })
}
