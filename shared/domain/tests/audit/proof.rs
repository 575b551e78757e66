//! Meddling of every kind, by hand and at random.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate_domain::audit::{
    About, AuditHead, Entry, Finding, Report, SEALED_WITHIN, Verifier, hash,
};
use tidegate_domain::id::WaveId;

/// A chain as it is stored, its head, and the seals of its first records.
#[derive(Debug, Clone)]
struct Stored {
    records: Vec<(u64, String)>,
    head: AuditHead,
    seals: Vec<(u64, Option<String>)>,
}

fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

/// When everything happened.
fn then() -> Timestamp {
    "2026-12-05T21:00:00Z".parse().expect("a time")
}

fn chain(records: u64, sealed: u64) -> Stored {
    let mut head = AuditHead::default();
    let bodies: Vec<_> = (1..=records)
        .map(|number| {
            let entry = Entry {
                event: "JobStarted".to_owned(),
                text: format!("The {number}th thing happened."),
                by: Some("ops@example.com".to_owned()),
                reference: None,
                about: About::default(),
            };
            let record = head.append(&wave(), 1, then(), vec![entry], Vec::new());
            (number, serde_json::to_string(&record).expect("JSON"))
        })
        .collect();
    let seals = bodies.iter().take(usize::try_from(sealed).expect("small"));
    Stored {
        seals: seals
            .map(|(number, body)| (*number, Some(hash(body.as_bytes()))))
            .collect(),
        records: bodies,
        head,
    }
}

impl Stored {
    /// The proof soon after, when nothing has to be sealed yet.
    fn prove(&self) -> Report {
        self.prove_at(then() + SEALED_WITHIN)
    }

    fn prove_at(&self, now: Timestamp) -> Report {
        let mut verifier = Verifier::new(&wave());
        for (number, hash) in &self.seals {
            verifier.seal(*number, hash.clone());
        }
        for (number, body) in &self.records {
            verifier.record(*number, body);
        }
        verifier.finish(&self.head, now)
    }

    fn alter(&mut self, index: usize) {
        let body = &mut self.records[index].1;
        *body = body.replace("thing happened", "thing never happened");
    }

    /// Make records and head agree with each other again, as somebody would who writes the table.
    fn rewrite(&mut self, from: usize) {
        let mut previous = match from {
            0 => String::new(),
            _ => hash(self.records[from - 1].1.as_bytes()),
        };
        for (_, body) in &mut self.records[from..] {
            let mut record: tidegate_domain::audit::AuditRecord =
                serde_json::from_str(body).expect("a record");
            record.previous.clone_from(&previous);
            *body = serde_json::to_string(&record).expect("JSON");
            previous = hash(body.as_bytes());
        }
        self.head = AuditHead {
            records: self.records.last().map_or(0, |(number, _)| *number),
            hash: previous,
        };
    }
}

#[test]
fn a_whole_chain_is_proved_if_it_is_sealed_or_new() {
    for (records, sealed) in [(0, 0), (1, 0), (1, 1), (9, 0), (9, 4), (9, 9)] {
        let report = chain(records, sealed).prove();
        assert_eq!(report.findings, [], "{records} records, {sealed} sealed");
        assert_eq!((report.records, report.sealed), (records, sealed));
    }
}

#[test]
fn what_should_have_been_sealed_long_ago_is_named() {
    let second = SignedDuration::from_secs(1);
    let late = then() + SEALED_WITHIN + second;
    // Whoever writes the table writes the times in it too.
    let ahead = then() - SEALED_WITHIN - second;
    for now in [late, ahead] {
        for (records, sealed, from) in [(1, 0, 1), (9, 0, 1), (9, 4, 5), (9, 8, 9)] {
            let report = chain(records, sealed).prove_at(now);
            assert_eq!(report.findings, [Finding::Unsealed { from }], "{now}");
            assert_eq!((report.records, report.sealed), (records, sealed));
        }
        assert_eq!(chain(9, 9).prove_at(now).findings, []);
        assert_eq!(chain(0, 0).prove_at(now).findings, []);
    }
}

#[test]
fn one_old_record_behind_the_seals_is_enough() {
    for old in 5..9 {
        let mut stored = chain(9, 5);
        let body = &mut stored.records[old].1;
        *body = body.replace("T21:00:00Z", "T20:00:00Z");
        stored.rewrite(old);
        assert_eq!(stored.prove().findings, [Finding::Unsealed { from: 6 }]);
    }
    // One that cannot be read has no time, and is named for itself.
    let mut stored = chain(9, 8);
    stored.records[8].1 = "{".to_owned();
    stored.head.hash = hash(b"{");
    let altered = [Finding::Altered { number: 9 }];
    assert_eq!(stored.prove_at(Timestamp::MAX).findings, altered);
}

#[test]
fn seals_that_come_later_tell_which_are_missing() {
    let stored = chain(9, 9);
    let mut verifier = Verifier::new(&wave());
    for (number, body) in &stored.records {
        // As pages bring them: the seals of a page's records and no others.
        match number {
            1 => (1..=3).for_each(|n| verifier.seal(n, stored.seals[n as usize - 1].1.clone())),
            6 => (6..=9).for_each(|n| verifier.seal(n, stored.seals[n as usize - 1].1.clone())),
            _ => {}
        }
        verifier.record(*number, body);
    }
    let missing = |number| Finding::SealMissing { number };
    let report = verifier.finish(&stored.head, then());
    assert_eq!(report.findings, [missing(4), missing(5)]);
}

#[test]
fn each_kind_of_meddling_is_named() {
    use Finding::*;
    type Meddle = fn(&mut Stored);
    let cases: &[(&str, u64, Meddle, Finding)] = &[
        ("altered", 9, |c| c.alter(3), Altered { number: 4 }),
        ("the last altered", 9, |c| c.alter(8), Altered { number: 9 }),
        (
            "altered, unsealed",
            0,
            |c| c.alter(3),
            Unlinked { number: 5 },
        ),
        (
            "the last, unsealed",
            0,
            |c| c.alter(8),
            HeadAltered { number: 9 },
        ),
        (
            "a space added",
            9,
            |c| c.records[3].1.push(' '),
            Altered { number: 4 },
        ),
        (
            "not a record",
            9,
            |c| c.records[3].1 = "{}".to_owned(),
            Altered { number: 4 },
        ),
        (
            "not whole",
            0,
            |c| c.records[3].1 = String::new(),
            Altered { number: 4 },
        ),
        (
            "removed",
            9,
            |c| drop(c.records.remove(3)),
            Missing { from: 4, to: 4 },
        ),
        (
            "removed, unsealed",
            0,
            |c| drop(c.records.drain(3..5)),
            Missing { from: 4, to: 5 },
        ),
        (
            "cut short",
            9,
            |c| c.records.truncate(7),
            CutShort { after: 7, until: 9 },
        ),
        (
            "cut short with its head",
            9,
            |c| {
                c.records.truncate(7);
                c.rewrite(7);
            },
            CutShort { after: 7, until: 9 },
        ),
        (
            "cut short, unsealed",
            0,
            |c| c.records.truncate(7),
            CutShort { after: 7, until: 9 },
        ),
        (
            "all gone",
            9,
            |c| {
                c.records.clear();
                c.head = AuditHead::default();
            },
            CutShort { after: 0, until: 9 },
        ),
        (
            "rewritten from there on",
            9,
            |c| {
                c.alter(6);
                c.rewrite(6);
            },
            Altered { number: 7 },
        ),
        (
            "added behind the end",
            5,
            |c| {
                let more = chain(10, 0).records.pop().expect("a record");
                c.records.push(more);
            },
            BeyondHead { head: 9, last: 10 },
        ),
        (
            "its head altered",
            9,
            |c| c.head.hash = "0".repeat(64),
            HeadAltered { number: 9 },
        ),
        (
            "a seal forged",
            9,
            |c| c.seals[3].1 = None,
            SealForged { number: 4 },
        ),
        (
            "a seal removed",
            9,
            |c| drop(c.seals.remove(3)),
            SealMissing { number: 4 },
        ),
        (
            "another wave's",
            0,
            |c| c.records[8].1 = c.records[8].1.replace("\"orders\"", "\"billing\""),
            Altered { number: 9 },
        ),
    ];
    for (name, sealed, meddle, expected) in cases {
        let mut stored = chain(9, *sealed);
        meddle(&mut stored);
        let report = stored.prove();
        assert_eq!(
            report.findings.first(),
            Some(expected),
            "{name}: {report:?}"
        );
    }
}

#[test]
fn exchanged_records_are_both_named() {
    for sealed in [0, 9] {
        let mut stored = chain(9, sealed);
        let (one, other) = (stored.records[3].1.clone(), stored.records[6].1.clone());
        stored.records[3].1 = other;
        stored.records[6].1 = one;
        let findings = stored.prove().findings;
        let moved = |number, written_as| Finding::Moved { number, written_as };
        assert!(findings.contains(&moved(4, 7)), "{findings:?}");
        assert!(findings.contains(&moved(7, 4)), "{findings:?}");
    }
}

#[test]
fn findings_are_sentences() {
    let cases = [
        (Finding::Altered { number: 4 }, "record 4 was altered"),
        (
            Finding::Unsealed { from: 4 },
            "records from 4 on were not signed and exported",
        ),
        (Finding::Missing { from: 4, to: 4 }, "record 4 is missing"),
        (
            Finding::Missing { from: 4, to: 6 },
            "records 4 to 6 are missing",
        ),
        (
            Finding::CutShort { after: 7, until: 9 },
            "records 8 to 9 were cut off the end",
        ),
        (
            Finding::CutShort { after: 8, until: 9 },
            "record 9 was cut off the end",
        ),
    ];
    for (finding, expected) in cases {
        assert_eq!(finding.to_string(), expected);
    }
}

proptest! {
    /// One byte of one sealed record: found, and named by its number.
    #[test]
    fn any_byte_of_a_sealed_record_counts(
        index in 0usize..9, place in any::<prop::sample::Index>(), byte in 0x20u8..0x7f
    ) {
        let mut stored = chain(9, 9);
        let mut body = stored.records[index].1.clone().into_bytes();
        let place = place.index(body.len());
        prop_assume!(body[place] != byte);
        body[place] = byte;
        stored.records[index].1 = String::from_utf8(body).expect("ASCII");
        let number = index as u64 + 1;
        let findings = stored.prove().findings;
        prop_assert!(findings.iter().any(|f| f.number() == number), "{:?}", findings);
        prop_assert!(findings.iter().all(|f| f.number() >= number), "{:?}", findings);
    }

    /// One byte of one record that nobody sealed: found, at the record or the one behind it.
    #[test]
    fn any_byte_of_an_unsealed_record_counts(
        index in 0usize..9, place in any::<prop::sample::Index>(), byte in 0x20u8..0x7f
    ) {
        let mut stored = chain(9, 0);
        let mut body = stored.records[index].1.clone().into_bytes();
        let place = place.index(body.len());
        prop_assume!(body[place] != byte);
        body[place] = byte;
        stored.records[index].1 = String::from_utf8(body).expect("ASCII");
        let number = index as u64 + 1;
        let findings = stored.prove().findings;
        prop_assert!(
            findings.iter().any(|f| (number..=number + 1).contains(&f.number())),
            "{:?}", findings
        );
    }

    /// Whatever is left of a sealed chain after removals and exchanges, made to agree with itself
    /// or not, is not taken for the chain.
    #[test]
    fn no_rearrangement_passes(
        order in Just((0usize..9).collect::<Vec<_>>()).prop_shuffle(), keep in 0usize..=9, rewrite: bool
    ) {
        let whole = chain(9, 9);
        let mut stored = whole.clone();
        for (place, from) in order.iter().take(keep).enumerate() {
            stored.records[place].1 = whole.records[*from].1.clone();
        }
        stored.records.truncate(keep);
        if rewrite {
            stored.rewrite(0);
        }
        let same = keep == 9 && order.iter().copied().eq(0..9);
        prop_assert_eq!(stored.prove().findings.is_empty(), same);
    }

    /// No text makes it panic.
    #[test]
    fn no_text_crashes_it(bodies in prop::collection::vec((0u64..20, ".{0,80}"), 0..12)) {
        let mut bodies = bodies;
        bodies.sort();
        bodies.dedup_by_key(|(number, _)| *number);
        let mut verifier = Verifier::new(&wave());
        for (number, body) in &bodies {
            verifier.record(*number, body);
        }
        let report = verifier.finish(&AuditHead::default(), then());
        prop_assert_eq!(report.findings.is_empty(), bodies.is_empty());
    }
}
