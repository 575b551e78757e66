//! `notify`: tells people what they act on, through the topic.
//!
//! At least once: a message whose fate is unknown is sent again.

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, RefusalKind, Task};
use tidegate_ports::act::claim;
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::mail::{Mail, Mails, subject};

pub use tidegate_ports::act::{Request, Response};

/// The longest text that is sent, in bytes, well within SNS's 256 KiB.
const LONGEST_TEXT: usize = 100 * 1024;

/// Send the message to everybody who subscribed. `until` is when Lambda ends this invocation.
///
/// # Errors
/// `Retryable` when the message's fate is unknown or a service does not answer.
pub async fn handle(
    request: Request,
    effects: &impl Effects,
    mails: &impl Mails,
    clock: &impl Clock,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(effects, clock, &request, until).await? else {
        return Ok(Response {});
    };
    let Task::Notify {
        subject: about,
        text,
        action_required,
    } = &claimed.effect.task
    else {
        return Err(claimed.wrong_function("notify"));
    };
    let mail = Mail {
        subject: subject(about),
        text: shortened(text),
        wave: request.wave.to_string(),
        to: None,
        action_required: *action_required,
    };
    if !claimed.in_time() {
        return Err(HandlerError::Retryable {
            context: "could not tell people".to_owned(),
            source: "too little time was left".into(),
        });
    }
    match mails.send(&mail).await {
        Ok(()) => claimed.answer(&Outcome::Done).await,
        Err(CallError::Refused(refusal)) if refusal.kind != RefusalKind::Throttled => {
            claimed.answer(&Outcome::Refused(refusal)).await
        }
        Err(error) => Err(error).context("could not tell people"),
    }
}

/// The text, cut where it is too long; SNS refuses an empty one.
fn shortened(text: &str) -> String {
    if text.trim().is_empty() {
        return "(no text)".to_owned();
    }
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_TEXT);
    format!("{}\n(cut here: the rest was too long)", &text[..end])
}
