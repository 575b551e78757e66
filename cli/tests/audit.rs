//! What people see of the audit chain, its proof and the refused requests.

use jiff::tz::TimeZone;
use tidegate::render::audit;
use tidegate::terminal::{Look, Paint};
use tidegate_domain::audit::{
    About, AuditHead, EffectRecord, Entry, Finding, Report, StoredRecord,
};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_domain::refused::{RefusedCount, RefusedDay, RefusedRequest};

fn look() -> Look {
    Look {
        paint: Paint { colours: false },
        width: 160,
        zone: TimeZone::UTC,
    }
}

fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

#[test]
fn a_chain_is_a_line_for_each_entry() {
    let entry = |event: &str, text: &str, reference: Option<&str>| Entry {
        event: event.to_owned(),
        text: text.to_owned(),
        by: Some("iam:arn:aws:iam::111122223333:user/ann".to_owned()),
        reference: reference.map(str::to_owned),
        about: About::default(),
    };
    let at = "2026-12-05T21:30:00Z".parse().expect("a time");
    let hash = "3f2a91c0d7e4".repeat(6)[..64].to_owned();
    let record = AuditHead::default().append(
        &wave(),
        1,
        at,
        vec![
            entry("GateApproved", "The cutover gate is approved.", Some(&hash)),
            entry(
                "WaveHeld",
                "A line\u{1b}[2J\nand another.",
                Some("orders-3-0"),
            ),
        ],
        vec![
            EffectRecord {
                id: EffectId::parse("orders-2-0").expect("an ID"),
                task: "Launching tests".to_owned(),
                outcome: Some("job mgnjob-90000000000000001".to_owned()),
            },
            EffectRecord {
                id: EffectId::parse("orders-3-0").expect("an ID"),
                task: "Telling people".to_owned(),
                outcome: None,
            },
        ],
    );
    let stored = [
        StoredRecord {
            number: 1,
            body: serde_json::to_string(&record).expect("JSON"),
        },
        StoredRecord {
            number: 2,
            body: "{".to_owned(),
        },
    ];
    let text = audit::chain(&stored, &look());
    for shown in [
        "GateApproved",
        "user/ann",
        "3f2a91c0d7e4…",
        "EffectEnded",
        "Launching tests: job mgnjob-90000000000000001",
        "EffectWanted",
        "Telling people",
        "orders-3-0",
        "cannot be read",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(
        !text.contains('\u{1b}'),
        "no control sequence reaches the terminal"
    );
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(audit::chain(&[], &look()), "Nothing has happened yet.");
}

#[test]
fn a_proof_says_what_it_covers() {
    let head = AuditHead {
        records: 12,
        hash: "ab".repeat(32),
    };
    let report = |sealed, findings| Report {
        records: 12,
        sealed,
        findings,
    };
    let cases = [
        (
            report(12, Vec::new()),
            "12 records, all of them signed and exported.",
        ),
        (report(9, Vec::new()), "signed and exported up to record 9;"),
        (
            report(0, Vec::new()),
            "none of them signed and exported yet.",
        ),
        (
            report(9, vec![Finding::Unsealed { from: 10 }]),
            "(12 records) is not proved:\n  records from 10 on were not signed and exported",
        ),
        (
            report(12, vec![Finding::Altered { number: 4 }]),
            "was tampered with:\n  record 4 was altered",
        ),
    ];
    for (report, expected) in cases {
        let text = audit::proof(&wave(), &report, &head);
        assert!(text.contains(expected), "{text}");
        assert_eq!(text.starts_with("Proved: "), report.findings.is_empty());
    }
}

#[test]
fn a_flood_is_told_in_numbers() {
    let day = RefusedDay {
        requests: vec![RefusedRequest {
            at: "2026-12-05T21:30:00Z".parse().expect("a time"),
            door: "link".to_owned(),
            status: 403,
            signed: true,
            reason: "This link was not made by Tidegate.".to_owned(),
            who: "192.0.2.7".to_owned(),
        }],
        counts: vec![RefusedCount {
            hour: 21,
            kind: "link 403 signed".to_owned(),
            count: 1_000,
        }],
    };
    let text = audit::refused(&day, &look());
    assert!(text.contains("192.0.2.7"), "{text}");
    assert!(text.contains("link, signed"), "{text}");
    assert!(
        text.contains("and 999 more, which were counted and not kept:"),
        "{text}"
    );
    assert!(
        text.contains("21:00 UTC  link 403 signed: 1000 in all"),
        "{text}"
    );
    let none = audit::refused(&RefusedDay::default(), &look());
    assert_eq!(none, "Nothing was refused on that day.");
}
