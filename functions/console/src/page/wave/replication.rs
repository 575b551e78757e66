//! Replication on the page of a wave: how far the first copy is, and who is how far behind.

use std::collections::BTreeMap;

use tidegate_domain::id::ServerId;
use tidegate_domain::observation::ServerSeen;
use tidegate_domain::server::{Server, Stage};
use tidegate_domain::wave::Wave;
use tidegate_domain::words;

use crate::page::chart::share;

/// How far the first copy is.
pub(super) struct Copied {
    pub(super) text: String,
    pub(super) width: u64,
}

/// How many servers are so far behind.
pub(super) struct Lag {
    pub(super) label: String,
    pub(super) servers: String,
    pub(super) width: u64,
    pub(super) class: &'static str,
}

/// How far the first copy is, and the lag of those that still replicate.
pub(super) fn replication(
    wave: &Wave,
    servers: &[Server],
    seen: &BTreeMap<ServerId, ServerSeen>,
    zone: Option<&str>,
) -> (Option<Copied>, Vec<Lag>) {
    let replicating: Vec<_> = servers
        .iter()
        .filter(|s| !s.at_rest() && !matches!(s.stage, Stage::CutOver { .. }))
        .map(|s| seen.get(&s.id).map(|seen| &seen.replication))
        .collect();
    if replicating.is_empty() {
        return (None, Vec::new());
    }
    let known = || replicating.iter().flatten();
    let copied: u64 = known().map(|r| r.replicated_bytes.min(r.total_bytes)).sum();
    let total: u64 = known().map(|r| r.total_bytes).sum();
    let mut text = format!("{} of {} copied", bytes(copied), bytes(total));
    if let Some(eta) = known().filter_map(|r| r.eta).max() {
        text.push_str(&format!(
            "; MGN expects the last by {}",
            words::time(eta, zone)
        ));
    }
    let limit = wave.plan.policy.max_lag;
    let far = limit.saturating_mul(10);
    let groups = [
        ("none".to_owned(), "done"),
        (format!("up to {}", words::duration(limit)), "done"),
        (format!("up to {}", words::duration(far)), "late"),
        ("more".to_owned(), "bad"),
        ("not known".to_owned(), "wait"),
    ];
    let mut counts = [0u64; 5];
    for replication in &replicating {
        let group = match replication.and_then(|r| r.lag) {
            None => 4,
            Some(lag) if lag.is_zero() => 0,
            Some(lag) if lag <= limit => 1,
            Some(lag) if lag <= far => 2,
            Some(_) => 3,
        };
        counts[group] += 1;
    }
    let lags = groups
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|((label, class), count)| Lag {
            label,
            servers: words::count(usize::try_from(count).unwrap_or(usize::MAX), "server"),
            width: share(count, replicating.len() as u64).max(6),
            class,
        })
        .collect();
    let width = share(copied, total);
    (Some(Copied { text, width }), lags)
}

/// A number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut unit = 0;
    let mut tenths = u128::from(count) * 10 / 1_024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_576, "1.0 MiB"),
            (u64::MAX, "16383.9 PiB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }
}
