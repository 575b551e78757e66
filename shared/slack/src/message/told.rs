//! News: what the mail says, for Slack.
//!
//! **Invariant**: the text is of `rich_text`, whose text elements Slack shows as they are
//! (docs.slack.dev, "Rich text block"): nothing in them is a mention, a link or an entity.

use serde_json::{Value, json};
use tidegate_domain::words::one_line;

use super::Message;
use super::blocks::plain;
use super::text::{LONGEST_SECTION, theirs};

/// The longest headline, in characters; Slack takes 150.
const LONGEST_HEADLINE: usize = 150;

/// What people are told: what it is about in one line, and the text of a mail. Lines of running text
/// are joined, for Slack breaks them itself; what is set in stays as it is.
#[must_use]
pub fn told(about: &str, text: &str) -> Message {
    let mut headline = one_line(about, LONGEST_HEADLINE - 1);
    if let Some(first) = headline.get(..1).map(str::to_uppercase) {
        headline.replace_range(..1, &first);
    }
    let header = json!({"type": "header", "text": plain(&headline)});
    let body = json!({"type": "rich_text", "elements": elements(text)});
    Message {
        text: theirs(&headline, LONGEST_HEADLINE),
        blocks: vec![header, body],
    }
}

/// Paragraphs, and what is set in between them.
fn elements(text: &str) -> Vec<Value> {
    let mut room = LONGEST_SECTION;
    let mut elements: Vec<(&str, String)> = Vec::new();
    let mut ended = true;
    for line in text.lines() {
        let Some(taken) = room.checked_sub(line.chars().count() + 1) else {
            elements.push(("rich_text_section", "…".to_owned()));
            break;
        };
        room = taken;
        let set_in = line.strip_prefix("  ");
        let kind = match set_in {
            Some(_) => "rich_text_preformatted",
            None => "rich_text_section",
        };
        let line = set_in.unwrap_or(line);
        match elements.last_mut() {
            _ if line.trim().is_empty() => {}
            Some((last, text)) if *last == kind && (set_in.is_some() || !ended) => {
                text.push(if set_in.is_some() { '\n' } else { ' ' });
                text.push_str(line);
            }
            _ => elements.push((kind, line.to_owned())),
        }
        ended = line.trim().is_empty();
    }
    let element = |(kind, mut text): (&str, String)| {
        if kind == "rich_text_section" {
            text.push('\n');
        }
        json!({"type": kind, "elements": [{"type": "text", "text": text}]})
    };
    elements.into_iter().map(element).collect()
}
