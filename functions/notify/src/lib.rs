//! `notify`: tells people what they act on, through the topic, and in Slack where their wave asks
//! there.
//!
//! At least once: a message whose fate is unknown is sent again. Each way is an effect of its own, so
//! that none of them is told twice because another failed.

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, RefusalKind, Task};
use tidegate_domain::plan::Channel;
use tidegate_notifications::news;
use tidegate_ports::act::claim;
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError};
use tidegate_ports::mail::Mails;
use tidegate_ports::slack::SlackPosts;

pub use tidegate_ports::act::{Request, Response};

/// What the function reaches.
#[derive(Debug)]
pub struct Ports<'a, E, M, K, C> {
    /// The effects.
    pub effects: &'a E,
    /// The topic.
    pub mails: &'a M,
    /// The Slack app.
    pub slack: &'a K,
    /// The time.
    pub clock: &'a C,
}

/// Tell everybody who subscribed, or the channel in Slack. `until` is when Lambda ends this invocation.
///
/// # Errors
/// `Retryable` when the message's fate is unknown or a service does not answer.
pub async fn handle<E: Effects, M: Mails, K: SlackPosts, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, M, K, C>,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let Task::Notify { news, channel } = &claimed.effect.task else {
        return Err(claimed.wrong_function("notify"));
    };
    if !claimed.in_time() {
        return Err(HandlerError::Retryable {
            context: "could not tell people".to_owned(),
            source: "too little time was left".into(),
        });
    }
    let wave = &request.wave;
    let told = match channel {
        Channel::Sns => ports.mails.send(&news::mail(wave, news)).await,
        Channel::Slack => {
            let posted = ports.slack.post(&news::message(wave, news)).await;
            posted.map(|_| ())
        }
    };
    match told {
        Ok(()) => claimed.answer(&Outcome::Done).await,
        Err(CallError::Refused(refusal)) if refusal.kind != RefusalKind::Throttled => {
            tracing::warn!(%wave, ?channel, reason = refusal.message, "people not told");
            claimed.answer(&Outcome::Refused(refusal)).await
        }
        Err(error) => Err(error).context("could not tell people"),
    }
}
