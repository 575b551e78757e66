//! The audit chain shown and proved, what the doors refused, and the address of a wave's page.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate_domain::audit::{About, AuditHead, AuditPage, CheckedSeal, Entry, StoredRecord, hash};
use tidegate_domain::id::WaveId;

use super::{Console, tidegate, told};

/// A chain of three records, signed and exported up to the second, on two pages; of just now.
fn chain() -> [AuditPage; 2] {
    chain_of(Timestamp::now())
}

fn chain_of(at: Timestamp) -> [AuditPage; 2] {
    let wave = WaveId::parse("orders").expect("a wave");
    let mut head = AuditHead::default();
    let records: Vec<StoredRecord> = ["WaveApplied", "WaveStarted", "GateOpened"]
        .into_iter()
        .map(|event| {
            let entry = Entry {
                event: event.to_owned(),
                text: format!("{event}, as it happened."),
                by: None,
                reference: None,
                about: About::default(),
            };
            let record = head.append(&wave, 1, at, vec![entry], Vec::new());
            StoredRecord {
                number: record.number,
                body: serde_json::to_string(&record).expect("JSON"),
            }
        })
        .collect();
    let seal = |record: &StoredRecord| CheckedSeal {
        number: record.number,
        hash: Some(hash(record.body.as_bytes())),
    };
    let page = |records: &[StoredRecord], seals: &[StoredRecord], next| AuditPage {
        head: head.clone(),
        records: records.to_vec(),
        seals: seals.iter().map(seal).collect(),
        next,
    };
    [
        page(&records[..2], &records[..2], Some(2)),
        page(&records[2..], &[], None),
    ]
}

async fn audit(pages: &[AuditPage], arguments: &[&str]) -> ((i32, String, String), Vec<String>) {
    let pages: Vec<(u16, Value)> = pages
        .iter()
        .map(|page| (200, serde_json::to_value(page).expect("JSON")))
        .collect();
    let console = Console::default().answer("GET /api/waves/orders/audit", &pages);
    let address = console.serve().await;
    let arguments = [&["audit", "orders"], arguments].concat();
    let told = told(&tidegate(&address, &arguments).await);
    let asked = console.requests();
    let asked = asked.iter().filter_map(|request| request.uri.query());
    (told, asked.map(str::to_owned).collect())
}

#[tokio::test]
async fn a_chain_is_shown_page_by_page() {
    let pages = chain();
    let ((code, output, error), asked) = audit(&pages, &[]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    for event in ["WaveApplied", "WaveStarted", "GateOpened"] {
        assert!(output.contains(event), "{output}");
    }
    assert_eq!(asked, ["after=0&seals=false", "after=2&seals=false"]);

    let ((code, output, _), _) = audit(&pages, &["--json"]).await;
    assert_eq!(code, 0);
    let records: Value = serde_json::from_str(&output).expect("JSON");
    let last = &pages[1].records[0];
    assert_eq!(records.as_array().map(Vec::len), Some(3));
    assert_eq!(records[2]["hash"], json!(hash(last.body.as_bytes())));
    assert_eq!(records[2]["record"]["entries"][0]["event"], "GateOpened");
}

#[tokio::test]
async fn a_whole_chain_is_proved() {
    let ((code, output, error), asked) = audit(&chain(), &["--verify"]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(output.starts_with("Proved: "), "{output}");
    assert!(
        output.contains("signed and exported up to record 2"),
        "{output}"
    );
    assert_eq!(asked, ["after=0&seals=true", "after=2&seals=true"]);

    let pages = chain();
    let ((code, output, _), _) = audit(&pages, &["--verify", "--json"]).await;
    let proof: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(
        (code, proof),
        (
            0,
            json!({
                "wave": "orders", "proved": true, "records": 3, "signed_to": 2,
                "head": pages[0].head.hash, "findings": [], "sentences": []
            })
        )
    );
}

#[tokio::test]
async fn what_was_never_signed_is_not_proved() {
    let old = chain_of(Timestamp::now() - SignedDuration::from_mins(11));
    let ((code, output, error), _) = audit(&old, &["--verify"]).await;
    let failed = "error: the audit chain of wave orders is not signed and exported to its end";
    assert_eq!((code, error.as_str()), (1, failed));
    assert!(
        output.ends_with("is not proved:\n  records from 3 on were not signed and exported"),
        "{output}"
    );

    let ((code, output, _), _) = audit(&old, &["--verify", "--json"]).await;
    let proof: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!((code, &proof["proved"]), (1, &json!(false)));
    assert_eq!(
        proof["findings"],
        json!([{ "finding": "unsealed", "from": 3 }])
    );
}

#[tokio::test]
async fn what_was_done_to_a_chain_is_named_and_fails() {
    let mut altered = chain();
    altered[0].records[1].body = altered[0].records[1].body.replace("happened", "should");
    let ((code, output, error), _) = audit(&altered, &["--verify"]).await;
    assert_eq!(
        (code, error.as_str()),
        (1, "error: the audit chain of wave orders is not whole")
    );
    assert!(output.contains("record 2 was altered"), "{output}");

    // For programs too: the findings on standard output, and the code.
    let mut both = altered;
    both[1].records.clear();
    let ((code, output, error), _) = audit(&both, &["--verify", "--json"]).await;
    let proof: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(
        (code, error.as_str()),
        (
            1,
            "error: the audit chain of wave orders is not whole, in 2 places"
        )
    );
    assert_eq!(proof["proved"], false);
    assert_eq!(
        proof["findings"],
        json!([
            { "finding": "altered", "number": 2 },
            { "finding": "cut_short", "after": 2, "until": 3 }
        ])
    );
}

#[tokio::test]
async fn arguments_of_an_audit_that_do_not_go_together_are_refused() {
    for arguments in [
        &["audit"][..],
        &["audit", "--verify"][..],
        &["audit", "orders", "--refused"][..],
        &["audit", "orders", "--day", "2026-12-05"][..],
        &["audit", "--refused", "--day", "yesterday"][..],
    ] {
        let console = Console::default();
        let address = console.serve().await;
        let (code, _, error) = told(&tidegate(&address, arguments).await);
        assert_eq!(
            (code, console.requests().len()),
            (2, 0),
            "{arguments:?}: {error}"
        );
    }
}

#[tokio::test]
async fn what_the_doors_refused_is_shown_by_day() {
    let day = json!({
        "requests": [{
            "at": "2026-12-05T21:30:00Z", "door": "link", "status": 403,
            "reason": "This link was not made by Tidegate.", "who": "192.0.2.7"
        }],
        "counts": [{ "hour": 21, "kind": "link 403", "count": 1 }]
    });
    for (arguments, query) in [
        (&["audit", "--refused"][..], None),
        (
            &["audit", "--refused", "--day", "2026-12-05"][..],
            Some("day=2026-12-05"),
        ),
    ] {
        let console = Console::default().answer("GET /api/refused", &[(200, day.clone())]);
        let address = console.serve().await;
        let (code, output, error) = told(&tidegate(&address, arguments).await);
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(output.contains("192.0.2.7"), "{output}");
        assert_eq!(console.requests()[0].uri.query(), query);

        let arguments = [arguments, &["--json"]].concat();
        let (_, output, _) = told(&tidegate(&address, &arguments).await);
        assert_eq!(serde_json::from_str::<Value>(&output).expect("JSON"), day);
    }
}

#[tokio::test]
async fn a_page_is_an_address_and_nothing_else() {
    let answer = json!({ "path": "wave?view=a.b", "expires": "2026-12-05T22:30:00Z" });
    let console = Console::default().answer("GET /api/waves/orders/page", &[(200, answer)]);
    let address = console.serve().await;
    let told_page = told(&tidegate(&address, &["page", "orders"]).await);
    let page = format!("{address}/wave?view=a.b");
    assert_eq!(told_page, (0, page, String::new()));

    let none = json!({ "error": "There is no wave orders." });
    let console = Console::default().answer("GET /api/waves/orders/page", &[(404, none)]);
    let address = console.serve().await;
    let told = told(&tidegate(&address, &["page", "orders"]).await);
    let sentence = "error: There is no wave orders.".to_owned();
    assert_eq!(told, (3, String::new(), sentence));
}
