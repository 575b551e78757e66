//! Clicks: the requests that Slack sends to `console` when somebody presses a button.
//!
//! **Invariant**: Slack does not send a click again by itself; who sees that it failed may press
//! again, and who presses twice sends it twice.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::SignedDuration;
use serde_json::json;
use tidegate_domain::gate::Verdict;
use tidegate_domain::plan::Approver;
use tidegate_slack::click::{APPROVE, LOOK, REJECT};
use tidegate_slack::signature::{SIGNATURE, TIMESTAMP, sign};

use super::Cloud;
use super::errands;
use super::functions::Function;
use super::invocation::invoke;
use super::slack::{TEAM, value};
use crate::invariants::covered;

/// How long Slack waits for an answer.
const PATIENCE: SignedDuration = SignedDuration::from_secs(3);
/// How often somebody presses a button that does not work.
const MOST_TRIES: u32 = 3;

/// Somebody presses a button in Slack.
#[derive(Debug, Clone)]
pub struct Click {
    /// Of which message.
    pub message: usize,
    /// Who: `U…`.
    pub user: String,
    /// Which: one that decides, or the one that shows the wave.
    pub verdict: Option<Verdict>,
    /// How it is sent.
    pub sent: Sent,
}

/// How a click is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// As Slack sends it.
    Once,
    /// Twice, the same.
    Twice,
    /// By somebody who does not know the app's signing secret.
    Unsigned,
    /// With a button that Tidegate did not make.
    Forged,
}

/// Press it, as often as it takes.
pub(super) fn press(cloud: &Rc<Cloud>, click: Click) {
    let cloud = Rc::clone(cloud);
    let runtime = cloud.runtime.clone();
    runtime.clone().spawn(async move {
        for _ in 0..MOST_TRIES {
            let Some(request) = request(&cloud, &click) else {
                return;
            };
            let answer = invoke(&cloud, Function::Console, request.clone());
            if click.sent == Sent::Twice {
                invoke(&cloud, Function::Console, request);
            }
            let limit = cloud.now().saturating_add(PATIENCE);
            let answer = runtime.within(limit.unwrap_or(cloud.now()), answer.take());
            let status = match answer.await {
                Some(Ok(response)) => response["statusCode"].as_u64(),
                Some(Err(_)) | None => None,
            };
            match status {
                Some(200) => return,
                Some(status @ 400..500) => {
                    covered(&cloud, format!("Slack click refused: {status}"));
                    return;
                }
                Some(_) | None => covered(&cloud, "Slack click fails"),
            }
            let pause = cloud.random.borrow_mut().between(5, 60);
            runtime
                .sleep(SignedDuration::from_secs(i64::try_from(pause).unwrap_or(5)))
                .await;
        }
    });
}

/// The request as API Gateway hands it on; None if there is no such button.
fn request(cloud: &Cloud, click: &Click) -> Option<serde_json::Value> {
    let mut channel = cloud.slack.borrow_mut();
    let genuine = value(&channel.messages.get(click.message)?.first.blocks)?;
    let (value, response_url) = match click.sent {
        Sent::Once | Sent::Twice => {
            let by = Approver::Slack(click.user.clone());
            let url = channel.pressed(click.message, by, click.verdict, cloud.now())?;
            (genuine, Some(url))
        }
        Sent::Unsigned => (genuine, None),
        Sent::Forged => (format!("{genuine}A"), None),
    };
    let action = match click.verdict {
        Some(Verdict::Approve) => APPROVE,
        Some(Verdict::Reject) => REJECT,
        None => LOOK,
    };
    cloud.note(|| {
        format!(
            "in Slack, {} presses {action}: {:?}",
            click.user, click.sent
        )
    });
    let payload = json!({
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": click.user, "team_id": TEAM},
        "response_url": response_url,
        "actions": [{"type": "button", "action_id": action, "value": value}],
    });
    let body = serde_urlencoded::to_string([("payload", payload.to_string())]).ok()?;
    let at = cloud.now().as_second().to_string();
    let signature = match click.sent {
        Sent::Once | Sent::Twice | Sent::Forged => {
            sign(&channel.app.signing_secret, &at, body.as_bytes())
        }
        Sent::Unsigned => format!("v0={}", "0".repeat(64)),
    };
    let headers = [
        (
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        ),
        (TIMESTAMP, at),
        (SIGNATURE, signature),
    ];
    let mut request = errands::request("POST", "/slack/actions");
    request["headers"] = json!(BTreeMap::from(headers));
    request["body"] = body.into();
    Some(request)
}
