//! Slack: one channel, in which messages stand as Slack keeps them, and what people press there.
//!
//! **Invariant**: a message that Slack took stands in the channel, whether or not anybody heard so;
//! and it can be changed by whoever knows its time, or in answer to a click, as Slack has it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::gate::{Gate, Verdict};
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Posted;
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::slack::{Answer, SlackClicks, SlackPosts};
use tidegate_slack::app::{App, Delivery};
use tidegate_slack::button::{Button, SealedButton};
use tidegate_slack::message::Message;

use super::Cloud;
use super::invocation::{Fate, Invocation, Service};
use crate::invariants;
use crate::random::Random;

/// The workspace.
pub(super) const TEAM: &str = "T024BE7LD";
/// The channel.
const CHANNEL: &str = "C024BE91L";
/// Where answers to clicks go, before the click's number.
const HOOKS: &str = "https://hooks.slack.com/actions/T024BE7LD/";
/// How often, and how long, the answer to a click may change its message.
const MOST_ANSWERS: u32 = 5;
const ANSWERS_FOR: SignedDuration = SignedDuration::from_mins(30);

/// A channel, and the app that writes to it.
#[derive(Debug)]
pub struct Channel {
    pub(super) app: Arc<App>,
    /// The messages, the oldest first.
    pub messages: Vec<Standing>,
    /// What was pressed, if its button and its request were genuine.
    pub presses: Vec<Press>,
}

/// A message in the channel.
#[derive(Debug)]
pub struct Standing {
    /// Its time, which is its ID.
    pub ts: String,
    /// The question, if it came with buttons.
    pub asks: Option<Button>,
    /// As it came; somebody may have it on their screen for hours.
    pub first: Message,
    /// As it is.
    pub now: Message,
    /// Whether Slack refused to change it, or failed to: nobody asks twice.
    pub spoiled: bool,
}

/// Somebody pressed a button.
#[derive(Debug)]
pub struct Press {
    /// In which message.
    pub message: usize,
    /// Who.
    pub by: Approver,
    /// What the button says, if it decides.
    pub verdict: Option<Verdict>,
    /// What it answers.
    pub button: Button,
    /// When.
    pub at: Timestamp,
    answers: u32,
}

impl Channel {
    /// An empty channel: of a bot in most worlds, of an incoming webhook in others.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 5);
        let signing_secret = format!("{:032x}", random.bits());
        let secret = if random.chance(0.8) {
            json!({"signing_secret": signing_secret, "team_id": TEAM, "bot_token": "xoxb-1", "channel": CHANNEL})
        } else {
            json!({"signing_secret": signing_secret, "team_id": TEAM, "webhook_url": "https://hooks.slack.com/services/1"})
        };
        Self {
            app: Arc::new(App::parse(&secret.to_string()).expect("it is what an app is")),
            messages: Vec::new(),
            presses: Vec::new(),
        }
    }

    /// The newest message that asks this.
    #[must_use]
    pub fn asking(&self, wave: &WaveId, gate: Gate, evidence: &str) -> Option<usize> {
        self.messages.iter().rposition(|message| {
            let asks = message.asks.as_ref();
            asks.is_some_and(|b| b.wave == *wave && b.gate == gate && b.evidence == evidence)
        })
    }

    /// The message of that time.
    #[must_use]
    pub fn find(&self, posted: &Posted) -> Option<&Standing> {
        self.messages.iter().find(|m| m.ts == posted.ts)
    }

    /// Note a click; gives where it can be answered.
    pub fn pressed(
        &mut self,
        message: usize,
        by: Approver,
        verdict: Option<Verdict>,
        at: Timestamp,
    ) -> Option<String> {
        let button = self.messages.get(message)?.asks.clone()?;
        self.presses.push(Press {
            message,
            by,
            verdict,
            button,
            at,
            answers: 0,
        });
        Some(format!("{HOOKS}{}", self.presses.len() - 1))
    }

    /// A new message.
    pub fn write(&mut self, message: &Message) -> Posted {
        let ts = format!("{:010}.000000", self.messages.len() + 1);
        self.messages.push(Standing {
            ts: ts.clone(),
            asks: value(&message.blocks).and_then(|value| button(&value)),
            first: message.clone(),
            now: message.clone(),
            spoiled: false,
        });
        Posted {
            channel: CHANNEL.to_owned(),
            ts,
        }
    }

    /// Another message in its place.
    ///
    /// # Errors
    /// It is not there.
    pub fn change(&mut self, posted: &Posted, message: &Message) -> Result<(), CallError> {
        let gone = || CallError::refused(RefusalKind::NotFound, "message_not_found");
        let standing = self.messages.iter_mut().find(|m| m.ts == posted.ts);
        standing.ok_or_else(gone)?.now = message.clone();
        Ok(())
    }

    /// The click that is answered at this address, if it still can be.
    fn answered(&mut self, url: &str, now: Timestamp) -> Result<&mut Press, CallError> {
        let gone = || CallError::refused(RefusalKind::NotFound, "used_url");
        let number = url
            .strip_prefix(HOOKS)
            .and_then(|n| n.parse::<usize>().ok());
        let press = number.and_then(|number| self.presses.get_mut(number));
        let press = press.ok_or_else(gone)?;
        if press.answers == MOST_ANSWERS || now.duration_since(press.at) > ANSWERS_FOR {
            return Err(gone());
        }
        press.answers += 1;
        Ok(press)
    }
}

impl Standing {
    /// Whether it asks, or would if nobody had changed it.
    #[must_use]
    pub fn still_asks(&self) -> bool {
        self.now.has_buttons() && !self.spoiled
    }
}

/// What the buttons of a message carry.
pub(super) fn value(blocks: &[Value]) -> Option<String> {
    let actions = blocks.iter().find(|block| block["type"] == "actions")?;
    let value = actions["elements"][0]["value"].as_str();
    value.map(str::to_owned)
}

fn button(value: &str) -> Option<Button> {
    SealedButton::parse(value).ok()?.open().ok()
}

/// Slack refuses for good, as the faults have it.
fn refused(cloud: &Cloud, call: &str) -> Result<(), CallError> {
    let odds = cloud.faults.borrow().slack_refuses;
    if !cloud.random.borrow_mut().chance(odds) {
        return Ok(());
    }
    cloud.note(|| format!("Slack refuses {call}"));
    invariants::covered(cloud, format!("Slack refuses {call}"));
    Err(CallError::refused(RefusalKind::NotFound, "is_archived"))
}

impl SlackPosts for Invocation {
    async fn post(&self, message: &Message) -> Result<Option<Posted>, CallError> {
        let call = "chat.postMessage";
        self.send_out(call, || {
            refused(&self.cloud, call)?;
            let mut channel = self.cloud.slack.borrow_mut();
            let posted = channel.write(message);
            self.cloud.note(|| format!("in Slack: {}", message.text));
            if !message.has_buttons() {
                invariants::covered(&self.cloud, "Slack is told news");
            }
            Ok(match channel.app.delivery {
                Delivery::Bot { .. } => Some(posted),
                Delivery::Webhook { .. } => None,
            })
        })
        .await
    }

    async fn change(&self, posted: &Posted, message: &Message) -> Result<(), CallError> {
        let call = "chat.update";
        let changed = self.send_out(call, || {
            refused(&self.cloud, call)?;
            self.cloud.slack.borrow_mut().change(posted, message)?;
            self.cloud
                .note(|| format!("in Slack now: {}", message.text));
            invariants::covered(&self.cloud, "Slack message changed");
            Ok(())
        });
        let changed = changed.await;
        if changed.is_err() {
            let mut channel = self.cloud.slack.borrow_mut();
            let standing = channel.messages.iter_mut().find(|m| m.ts == posted.ts);
            standing.into_iter().for_each(|m| m.spoiled = true);
        }
        changed
    }
}

impl SlackClicks for Invocation {
    async fn app(&self) -> Result<Option<Arc<App>>, ReadError> {
        match self.point("GetParameter", Service::Other).await {
            Fate::Goes => Ok(Some(Arc::clone(&self.cloud.slack.borrow().app))),
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                Err(ReadError::Failed("no answer".to_owned()))
            }
        }
    }

    async fn answer(&self, response_url: &str, answer: &Answer) -> Result<(), CallError> {
        self.send_out("response_url", || {
            let mut channel = self.cloud.slack.borrow_mut();
            let press = channel.answered(response_url, self.cloud.now())?;
            invariants::told(&self.cloud, press, answer);
            let message = press.message;
            if let Answer::Replace(new) = answer
                && let Some(standing) = channel.messages.get_mut(message)
            {
                standing.now = new.clone();
            }
            Ok(())
        })
        .await
    }

    async fn within<T>(&self, time: SignedDuration, work: impl Future<Output = T>) -> Option<T> {
        let runtime = &self.cloud.runtime;
        let until = runtime.now().saturating_add(time);
        let done = runtime.within(until.unwrap_or(Timestamp::MAX), work).await;
        if done.is_none() {
            invariants::covered(&self.cloud, "Slack click has no time for an answer");
        }
        done
    }
}
