//! Block Kit's elements, as far as they are used.

use serde_json::{Value, json};

pub(super) fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

/// Marked-up text, in which Slack makes no links of its own.
pub(super) fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

pub(super) fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// A button that asks again before it decides.
pub(super) fn button(action: &str, label: &str, style: &str, value: &str, question: &str) -> Value {
    json!({
        "type": "button", "action_id": action, "style": style, "value": value, "text": plain(label),
        "confirm": {
            "title": plain("Are you sure?"), "text": plain(question), "style": style,
            "confirm": plain(label), "deny": plain("Not now"),
        },
    })
}
