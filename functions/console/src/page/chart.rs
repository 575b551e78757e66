//! Drawings: where things stand in an SVG, in whole units of its view box. Numbers alone; the
//! words stand beside the drawing.

use jiff::Timestamp;
use tidegate_domain::audit::AuditRecord;

/// How wide a drawing is, in units of its view box.
pub(crate) const WIDTH: u64 = 1_000;

/// The most stretches and the most marks that a drawing of time has.
const MOST: usize = 60;

/// Phases in which the wave waits for people or for time; in the others it works.
const WAITS: [&str; 4] = ["Waiting", "AwaitingCutover", "Soaking", "AwaitingFinalize"];

/// A stretch of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where it begins.
    pub(crate) x: u64,
    /// How wide it is.
    pub(crate) width: u64,
    /// Its class, which gives its colour.
    pub(crate) class: &'static str,
}

/// A phase on the axis of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The phase.
    pub(crate) name: String,
    /// When it began.
    pub(crate) from: Timestamp,
    /// When it ended; now, if it did not.
    pub(crate) to: Timestamp,
    /// Where it stands.
    pub(crate) stretch: Stretch,
}

/// The part of a whole, as a width.
pub(crate) fn share(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let width = u128::from(part.min(whole)) * u128::from(WIDTH) / u128::from(whole);
    u64::try_from(width).unwrap_or(WIDTH)
}

/// Parts side by side. What there is of at all can be seen: it is at least a few units wide.
pub(crate) fn stacked(parts: &[(u64, &'static str)]) -> Vec<Stretch> {
    const NARROWEST: u64 = 6;
    let parts: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).collect();
    let whole: u64 = parts.iter().map(|(count, _)| count).sum();
    let spare = WIDTH.saturating_sub(NARROWEST * parts.len() as u64);
    let mut x = 0;
    let mut before = 0;
    parts
        .iter()
        .map(|(count, class)| {
            before += count;
            let place = NARROWEST * u64::from(u32::from(*count > 0));
            let end = share(before, whole) * spare / WIDTH;
            let begun = share(before - count, whole) * spare / WIDTH;
            let width = place + end - begun;
            let stretch = Stretch { x, width, class };
            x += width;
            stretch
        })
        .collect()
}

/// The phases that the records tell of, on an axis from the first record until `now`.
pub(crate) fn spans(records: &[AuditRecord], now: Timestamp) -> Vec<Span> {
    let mut entered: Vec<(String, Timestamp)> = Vec::new();
    for record in records {
        for entry in record.entries.iter().filter(|e| e.event == "PhaseEntered") {
            let name = entry.text.strip_prefix("The wave is now ");
            if let Some(name) = name.and_then(|name| name.strip_suffix('.')) {
                entered.push((name.to_owned(), record.at));
            }
        }
    }
    let latest = entered.len().saturating_sub(MOST);
    let entered = &entered[latest..];
    let Some((_, first)) = entered.first() else {
        return Vec::new();
    };
    let length = now.as_millisecond() - first.as_millisecond();
    let length = u64::try_from(length).unwrap_or(0).max(1);
    let place = |at: Timestamp| {
        let since = at.as_millisecond() - first.as_millisecond();
        share(u64::try_from(since).unwrap_or(0), length)
    };
    let ends = entered.iter().skip(1).map(|(_, at)| *at).chain([now]);
    entered
        .iter()
        .zip(ends)
        .map(|((name, from), to)| Span {
            name: name.clone(),
            from: *from,
            to,
            stretch: Stretch {
                x: place(*from),
                // A gap parts it from the next.
                width: place(to).saturating_sub(place(*from)).saturating_sub(3),
                class: if WAITS.contains(&name.as_str()) {
                    "wait"
                } else {
                    "work"
                },
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tidegate_domain::audit::Entry;
    use tidegate_domain::id::WaveId;

    use super::*;

    #[test]
    fn parts_fill_the_bar_and_the_smallest_can_be_seen() {
        let bar = stacked(&[(2_999, "done"), (0, "work"), (1, "bad")]);
        assert_eq!(bar.len(), 2);
        assert_eq!(bar[1].class, "bad");
        assert!(bar[1].width >= 6);
        assert_eq!(bar[0].width, bar[1].x);
        assert!(bar[1].x + bar[1].width <= WIDTH);
        assert!(stacked(&[]).is_empty() && stacked(&[(0, "done")]).is_empty());
        assert_eq!(share(u64::MAX, u64::MAX), WIDTH);
        assert_eq!([share(1, 0), share(5, 1), share(1, 2)], [0, WIDTH, 500]);
    }

    #[test]
    fn phases_stand_where_their_time_was() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let record = |number, second, text: &str| AuditRecord {
            wave: WaveId::parse("orders").expect("a wave"),
            number,
            at: at(second),
            generation: 1,
            entries: vec![Entry {
                event: "PhaseEntered".to_owned(),
                text: text.to_owned(),
                by: None,
                reference: None,
                about: Default::default(),
            }],
            effects: Vec::new(),
            previous: String::new(),
        };
        let records = [
            record(1, 100, "The wave is now Waiting."),
            record(2, 150, "The wave is now Testing."),
            record(3, 160, "something else"),
        ];
        let spans = spans(&records, at(200));
        let places: Vec<_> = spans
            .iter()
            .map(|s| (s.name.as_str(), s.stretch.x, s.stretch.width))
            .collect();
        assert_eq!(places, [("Waiting", 0, 497), ("Testing", 500, 497)]);
        assert!(super::spans(&[], at(200)).is_empty());
        assert_eq!(super::spans(&records[..1], at(0))[0].stretch.width, 0);
    }
}
