//! `notify`: tells people what they act on, through the topic.
//!
//! At least once: a message whose fate is unknown is sent again.

mod mail;

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, RefusalKind, Task};
use tidegate_ports::act::claim;
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::mail::Mails;

pub use tidegate_ports::act::{Request, Response};

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
    let Task::Notify { news } = &claimed.effect.task else {
        return Err(claimed.wrong_function("notify"));
    };
    let mail = mail::mail(&request.wave, news);
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
