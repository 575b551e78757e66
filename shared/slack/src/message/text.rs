//! Words in messages: whose they are is seen, and they fit.

use tidegate_domain::plan::Approver;
use tidegate_domain::words::one_line;

use crate::app::is_id;

/// The longest text of a section that is written, in characters; Slack takes 3,000.
pub(super) const LONGEST_SECTION: usize = 2_800;

/// The longest hostname, reason and sentence, in characters.
pub(super) const LONGEST_NAME: usize = 80;
pub(super) const LONGEST_REASON: usize = 150;
pub(super) const LONGEST_SENTENCE: usize = 400;

/// Somebody's words as text of ours: one line, of at most that many characters, in which nothing
/// is a mention, a link or an entity (docs.slack.dev, "Formatting message text").
#[must_use]
pub fn theirs(text: &str, longest: usize) -> String {
    escaped(&one_line(text, longest))
}

pub(super) fn person(approver: &Approver) -> String {
    match approver {
        Approver::Slack(user) if is_user(user) => format!("<@{user}>"),
        Approver::Slack(_) | Approver::Mail(_) | Approver::Iam(_) => {
            theirs(&approver.to_string(), LONGEST_REASON)
        }
    }
}

/// `slack:U…` as a mention of that user, which Slack shows by name, where it is one of these.
pub(super) fn mentioned(text: &str, people: &[Approver]) -> String {
    let mut parts = text.split("slack:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(part.len());
        let (user, rest) = part.split_at(end);
        let named = |one: &&Approver| matches!(one, Approver::Slack(known) if known == user);
        match people.iter().find(named) {
            Some(one) => shown.push_str(&person(one)),
            None => shown.push_str(&format!("slack:{user}")),
        }
        shown.push_str(rest);
    }
    shown
}

/// The ID of a user.
fn is_user(user: &str) -> bool {
    is_id(user, &['U', 'W'])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Lines that fit one section; what does not is counted.
pub(super) fn bounded(lines: &[String]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for (number, line) in lines.iter().enumerate() {
        let line = cut(line, LONGEST_SECTION);
        length += line.chars().count() + 1;
        if length > LONGEST_SECTION {
            text.push_str(&format!("\n… and {} lines more", lines.len() - number));
            break;
        }
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

pub(super) fn sentences<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    texts.map(|text| theirs(text, LONGEST_SENTENCE)).collect()
}

pub(super) fn more(lines: &mut Vec<String>, all: usize, shown: usize) {
    if all > shown {
        lines.push(format!("and {} more", all - shown));
    }
}

/// The beginning of an escaped text; no entity and no mention is cut in two.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest - 1).collect();
    for (begins, ends) in [('&', ';'), ('<', '>')] {
        if let Some(at) = short.rfind(begins)
            && !short[at..].contains(ends)
        {
            short.truncate(at);
        }
    }
    short.push('…');
    short
}
