//! The audit chain, its proof, and what the doors refused.

use tidegate_domain::audit::{AuditHead, AuditRecord, Finding, Report, StoredRecord};
use tidegate_domain::id::WaveId;
use tidegate_domain::refused::RefusedDay;
use tidegate_domain::words::{count, one_line};

use super::measure::exact;
use super::table::{Tone, cell, table, text};
use super::timeline::{tone, who};
use crate::terminal::Look;

/// How many digits of a hash are shown.
const DIGITS: usize = 12;

/// The longest text of somebody else's that is shown, in characters.
const LONGEST: usize = 300;

/// The records, a line for each entry and for each effect.
#[must_use]
pub fn chain(records: &[StoredRecord], look: &Look) -> String {
    if records.is_empty() {
        return "Nothing has happened yet.".to_owned();
    }
    let mut lines = table(
        &[
            "RECORD",
            "TIME",
            "EVENT",
            "WHAT HAPPENED",
            "BY",
            "REFERENCE",
        ],
        look,
    );
    for stored in records {
        let Ok(record) = serde_json::from_str::<AuditRecord>(&stored.body) else {
            lines.add_row(vec![
                cell(stored.number, Tone::Bad),
                cell("", Tone::Plain),
                cell("", Tone::Plain),
                cell("cannot be read: see --verify", Tone::Bad),
            ]);
            continue;
        };
        for entry in &record.entries {
            let by = entry.by.as_deref().unwrap_or_default();
            lines.add_row(vec![
                cell(stored.number, Tone::Plain),
                cell(exact(record.at, &look.zone), Tone::Plain),
                cell(one_line(&entry.event, LONGEST), tone(&entry.event)),
                cell(one_line(&entry.text, LONGEST), Tone::Plain),
                cell(one_line(who(by), LONGEST), Tone::Plain),
                cell(
                    short(entry.reference.as_deref().unwrap_or_default()),
                    Tone::Plain,
                ),
            ]);
        }
        for effect in &record.effects {
            let (event, what) = match &effect.outcome {
                Some(outcome) => ("EffectEnded", format!("{}: {outcome}", effect.task)),
                None => ("EffectWanted", effect.task.clone()),
            };
            lines.add_row(vec![
                cell(stored.number, Tone::Plain),
                cell(exact(record.at, &look.zone), Tone::Plain),
                cell(event, Tone::Plain),
                cell(one_line(&what, LONGEST), Tone::Plain),
                cell("tidegate", Tone::Plain),
                cell(&effect.id, Tone::Plain),
            ]);
        }
    }
    text(lines)
}

/// What was proved, or what is wrong.
#[must_use]
pub fn proof(wave: &WaveId, report: &Report, head: &AuditHead) -> String {
    let records = count(
        usize::try_from(report.records).unwrap_or(usize::MAX),
        "record",
    );
    if !report.findings.is_empty() {
        // Not every export that stopped was stopped by somebody.
        let wrong = match report.findings.as_slice() {
            [Finding::Unsealed { .. }] => "is not proved",
            _ => "was tampered with",
        };
        let mut text = format!("The audit chain of wave {wave} ({records}) {wrong}:");
        for finding in &report.findings {
            text.push_str(&format!("\n  {finding}"));
        }
        return text;
    }
    let signed = if report.sealed == report.records {
        "all of them signed and exported".to_owned()
    } else if report.sealed == 0 {
        "none of them signed and exported yet".to_owned()
    } else {
        format!(
            "signed and exported up to record {}; the rest hangs together and is not signed yet",
            report.sealed
        )
    };
    format!(
        "Proved: the audit chain of wave {wave} is whole and in order. {records}, {signed}.\nIt ends in {}.",
        if head.hash.is_empty() {
            "nothing"
        } else {
            &head.hash
        }
    )
}

/// What the doors refused.
#[must_use]
pub fn refused(day: &RefusedDay, look: &Look) -> String {
    if day.counts.is_empty() {
        return "Nothing was refused on that day.".to_owned();
    }
    let mut lines = table(&["TIME", "DOOR", "STATUS", "WHY", "WHO"], look);
    for refused in &day.requests {
        let mut door = one_line(&refused.door, LONGEST);
        if refused.signed {
            door.push_str(", signed");
        }
        lines.add_row(vec![
            cell(exact(refused.at, &look.zone), Tone::Plain),
            cell(door, Tone::Plain),
            cell(refused.status, Tone::Plain),
            cell(one_line(&refused.reason, LONGEST), Tone::Plain),
            cell(one_line(who(&refused.who), LONGEST), Tone::Plain),
        ]);
    }
    let all: u64 = day.counts.iter().map(|count| count.count).sum();
    let shown = day.requests.len() as u64;
    let mut text = text(lines);
    if all > shown {
        text.push_str(&format!(
            "\n\nand {} more, which were counted and not kept:",
            all - shown
        ));
        for count in &day.counts {
            text.push_str(&format!(
                "\n  {:02}:00 UTC  {}: {} in all",
                count.hour,
                one_line(&count.kind, LONGEST),
                count.count
            ));
        }
    }
    text
}

/// A hash by its first digits; anything else as it is.
fn short(reference: &str) -> String {
    let hash = reference.len() == 64 && reference.chars().all(|c| c.is_ascii_hexdigit());
    if hash {
        format!("{}…", &reference[..DIGITS])
    } else {
        one_line(reference, LONGEST)
    }
}
