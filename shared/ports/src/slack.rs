//! Slack: messages with buttons, and who signs its requests.

use std::sync::Arc;

use jiff::SignedDuration;
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::wave::Posted;
use tidegate_slack::app::App;
use tidegate_slack::message::Message;

use crate::error::{CallError, ReadError};

/// What becomes of a message in answer to a click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Everybody sees this in its place.
    Replace(Message),
    /// Whoever clicked is told this, alone; escaped.
    Whisper(String),
}

/// Writes to the channel. At least once.
pub trait SlackPosts {
    /// Write a message. None if it cannot be changed later: a webhook's.
    async fn post(&self, message: &Message) -> Result<Option<Posted>, CallError>;

    /// Put another message in its place.
    async fn change(&self, posted: &Posted, message: &Message) -> Result<(), CallError>;
}

/// Takes clicks.
pub trait SlackClicks {
    /// The app whose clicks are taken; None if the deployment has none.
    async fn app(&self) -> Result<Option<Arc<App>>, ReadError>;

    /// Answer a click at its `response_url`; an address that is not Slack's is refused.
    async fn answer(&self, response_url: &str, answer: &Answer) -> Result<(), CallError>;

    /// Do something for as long as Slack waits: None if it was not done in that time, and was given
    /// up.
    async fn within<T>(&self, time: SignedDuration, work: impl Future<Output = T>) -> Option<T>;
}

/// A deployment without Slack.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSlack;

/// What a gate that is to be asked in Slack is told where there is no Slack.
#[must_use]
pub fn not_set_up() -> CallError {
    CallError::refused(
        RefusalKind::Invalid,
        "no Slack app is set up: the template's parameter SlackParameter names its secret",
    )
}

impl SlackPosts for NoSlack {
    async fn post(&self, _message: &Message) -> Result<Option<Posted>, CallError> {
        Err(not_set_up())
    }

    async fn change(&self, _posted: &Posted, _message: &Message) -> Result<(), CallError> {
        Err(not_set_up())
    }
}

impl SlackClicks for NoSlack {
    async fn app(&self) -> Result<Option<Arc<App>>, ReadError> {
        Ok(None)
    }

    async fn answer(&self, _response_url: &str, _answer: &Answer) -> Result<(), CallError> {
        Err(not_set_up())
    }

    async fn within<T>(&self, _time: SignedDuration, work: impl Future<Output = T>) -> Option<T> {
        Some(work.await)
    }
}
