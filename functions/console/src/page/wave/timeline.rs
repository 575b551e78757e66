//! What happened, on the page of a wave: its phases on an axis, and the latest entries.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::audit::AuditRecord;
use tidegate_domain::view;
use tidegate_domain::wave::Wave;
use tidegate_domain::words::{self, one_line};

use super::label;
use crate::page::{LONGEST_TEXT, chart};

/// The most entries of the timeline.
const MOST_ENTRIES: usize = 40;

/// A phase.
pub(super) struct Span {
    pub(super) name: String,
    pub(super) took: String,
    pub(super) class: &'static str,
    pub(super) x: u64,
    pub(super) width: u64,
}

/// An entry.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) time: String,
    pub(super) text: String,
    pub(super) by: Option<String>,
}

/// The phases on an axis until now.
pub(super) fn spans(records: &[AuditRecord], now: Timestamp) -> Vec<Span> {
    chart::spans(records, now)
        .into_iter()
        .map(|span| Span {
            took: words::duration(SignedDuration::from_secs(
                span.to.as_second() - span.from.as_second(),
            )),
            name: label(&span.name).to_owned(),
            class: span.stretch.class,
            x: span.stretch.x,
            width: span.stretch.width,
        })
        .collect()
}

/// The latest entries, the newest first.
pub(super) fn timeline(records: &[AuditRecord], now: Timestamp) -> Vec<Line> {
    let today = now.strftime("%Y-%m-%d").to_string();
    view::timeline(records)
        .into_iter()
        .rev()
        .take(MOST_ENTRIES)
        .map(|entry| {
            let day = entry.at.strftime("%Y-%m-%d").to_string();
            let form = if day == today {
                "%H:%M:%S UTC"
            } else {
                "%m-%d %H:%M UTC"
            };
            Line {
                at: entry.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                time: entry.at.strftime(form).to_string(),
                text: one_line(&entry.text, LONGEST_TEXT),
                by: entry.by.map(|by| one_line(&by, LONGEST_TEXT)),
            }
        })
        .collect()
}

/// How much of the timeline is not on the page.
pub(super) fn earlier(wave: &Wave, records: &[AuditRecord]) -> u64 {
    let entries = records.iter().map(|r| r.entries.len()).sum::<usize>();
    let unread = records
        .first()
        .map_or(0, |first| first.number.saturating_sub(1));
    unread.min(wave.audit.records) + entries.saturating_sub(MOST_ENTRIES) as u64
}
