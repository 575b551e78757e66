//! All waves, a line each.

use jiff::Timestamp;
use tidegate_domain::view::WaveSummary;

use super::measure::{between, moment};
use super::table::{Tone, cell, table, text};
use super::wave::phase_tone;
use crate::terminal::Look;

/// The list of all waves.
#[must_use]
pub fn list(waves: &[WaveSummary], now: Timestamp, look: &Look) -> String {
    if waves.is_empty() {
        return "There are no waves yet. Begin one: tidegate apply FILE".to_owned();
    }
    let mut lines = table(&["WAVE", "PHASE", "SINCE", "SERVERS", "WAITS FOR"], look);
    for wave in waves {
        let (phase, tone) = match wave.held {
            true => (format!("{}, held", wave.phase), Tone::Bad),
            false => (wave.phase.clone(), phase_tone(&wave.phase)),
        };
        let since = format!(
            "{} ({})",
            moment(wave.since, &look.zone),
            between(wave.since, now)
        );
        lines.add_row(vec![
            cell(&wave.wave, Tone::Plain),
            cell(phase, tone),
            cell(since, Tone::Plain),
            cell(wave.servers, Tone::Plain),
            cell(&wave.waiting_for, Tone::Plain),
        ]);
    }
    text(lines)
}
