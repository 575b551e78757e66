//! What happened in a wave, a line each.

use tidegate_domain::view::TimelineEntry;

use super::measure::exact;
use super::table::{Tone, cell, table, text};
use crate::terminal::Look;

/// The timeline.
#[must_use]
pub fn timeline(entries: &[TimelineEntry], look: &Look) -> String {
    if entries.is_empty() {
        return "Nothing has happened yet.".to_owned();
    }
    let mut lines = table(&["TIME", "EVENT", "WHAT HAPPENED", "BY"], look);
    for entry in entries {
        lines.add_row(vec![
            cell(exact(entry.at, &look.zone), Tone::Plain),
            cell(&entry.event, tone(&entry.event)),
            cell(&entry.text, Tone::Plain),
            cell(who(entry.by.as_deref().unwrap_or_default()), Tone::Plain),
        ]);
    }
    text(lines)
}

/// A principal without its partition and account; `--json` has all of it.
pub(super) fn who(by: &str) -> &str {
    let arn = by.strip_prefix("iam:").unwrap_or(by);
    match arn
        .strip_prefix("arn:")
        .map(|arn| arn.splitn(5, ':').last())
    {
        Some(Some(principal)) if !principal.is_empty() => principal,
        Some(_) | None => by,
    }
}

pub(super) fn tone(event: &str) -> Tone {
    let event = event.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| event.contains(word));
    if any(&["fail", "held", "reject", "expired", "abort", "quarantin"]) {
        Tone::Bad
    } else if any(&["opened", "asked"]) {
        Tone::Ask
    } else if any(&["completed", "approved", "passed", "finalized"]) {
        Tone::Good
    } else {
        Tone::Plain
    }
}
