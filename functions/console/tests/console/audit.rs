//! The chain as the console gives it, and the log of what it refused.

use jiff::SignedDuration;
use serde_json::Value;
use tidegate_domain::audit::{AuditPage, Finding, Report, Seal, Sealed, Verifier, hash};
use tidegate_domain::link::Link;
use tidegate_domain::refused::{MOST_AN_HOUR, RefusedDay};
use tidegate_ports::audit::Chain;
use tidegate_ports::clock::Clock;
use tidegate_ports::turns::Turns;
use tidegate_world::contract::fixtures::{Draft, wave_id};

use super::fixture::{
    ADDRESS, AUDIT_KEY, Console, OPERATOR, STRANGER, decide, error, open, post, request, signed,
};
use super::slack;

impl Console {
    /// A chain of so many records, all sealed.
    async fn with_chain(records: u32) -> Self {
        let console = Self::empty();
        let wave = wave_id("orders");
        for number in 1..=records {
            let loaded = console.store.load(&wave).await.expect("loaded");
            let at = console.clock.now() + SignedDuration::from_secs(i64::from(number));
            let mut draft = Draft::next(&wave, loaded, at);
            draft.record(&format!("The {number}th thing."));
            console.store.save(&draft.turn()).await.expect("saved");
        }
        let stored = console.store.records_after(&wave, 0, 10_000).await;
        for record in stored.expect("read") {
            let seal = Seal {
                wave: wave.clone(),
                number: record.number,
                hash: hash(record.body.as_bytes()),
            };
            console.keep(Sealed {
                code: hex(&AUDIT_KEY.code(&seal.signed())),
                record: record.body,
                seal,
            });
        }
        console
    }

    fn keep(&self, sealed: Sealed) {
        let place = (sealed.seal.wave.clone(), sealed.seal.number);
        self.archive.kept.borrow_mut().insert(place, sealed);
    }

    async fn audit(&self, query: &str) -> AuditPage {
        let mut request = signed("GET", "/api/waves/orders/audit", STRANGER);
        request.raw_query_string = query.to_owned();
        let response = self.send(request).await;
        assert_eq!(response.status_code, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("a page")
    }

    /// What whoever asks page after page finds.
    async fn prove(&self) -> Report {
        let mut verifier = Verifier::new(&wave_id("orders"));
        let mut next = Some(0);
        let mut head = None;
        while let Some(after) = next {
            let page = self.audit(&format!("after={after}&seals=true")).await;
            for seal in page.seals {
                verifier.seal(seal.number, seal.hash);
            }
            for record in page.records {
                verifier.record(record.number, &record.body);
            }
            next = page.next;
            head = Some(page.head);
        }
        verifier.finish(&head.expect("a page"), self.clock.now())
    }

    async fn refused(&self) -> RefusedDay {
        let response = self.send(signed("GET", "/api/refused", STRANGER)).await;
        assert_eq!(response.status_code, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("a day")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_chain_is_given_in_pages_that_prove() {
    for records in [1, 49, 50, 51, 120] {
        let console = Console::with_chain(records).await;
        let report = console.prove().await;
        let all = u64::from(records);
        assert_eq!((report.records, report.sealed), (all, all));
        assert_eq!(report.findings, [], "{records}");
    }
    let console = Console::with_chain(60).await;
    let page = console.audit("").await;
    assert_eq!((page.records.len(), page.next), (50, Some(50)));
    assert!(page.seals.is_empty(), "nobody asked for them");
    let page = console.audit("after=50").await;
    assert_eq!((page.records.len(), page.next), (10, None));
}

#[tokio::test]
async fn what_the_archive_knows_is_held_against_the_table() {
    let forge = |number: u64, code: String, hash: String| Sealed {
        seal: Seal {
            wave: wave_id("orders"),
            number,
            hash,
        },
        code,
        record: String::new(),
    };
    let seal = |number, hash: &str| {
        let sealed = forge(number, String::new(), hash.to_owned());
        let code = hex(&AUDIT_KEY.code(&sealed.seal.signed()));
        Sealed { code, ..sealed }
    };
    let cases = [
        (
            forge(3, "00".repeat(32), "0".repeat(64)),
            "the signature of record 3 is not Tidegate's",
        ),
        (
            forge(3, "no code".to_owned(), String::new()),
            "the signature of record 3 is not Tidegate's",
        ),
        (seal(3, &"0".repeat(64)), "record 3 was altered"),
        (
            seal(99, &"0".repeat(64)),
            "records 61 to 99 were cut off the end",
        ),
    ];
    for (sealed, expected) in cases {
        let console = Console::with_chain(60).await;
        console.keep(sealed);
        let findings = console.prove().await.findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].to_string(), expected);
    }
}

#[tokio::test]
async fn seals_that_are_missing_where_a_page_ends_are_named() {
    let console = Console::with_chain(60).await;
    let wave = wave_id("orders");
    let kept = &console.archive.kept;
    let between = |number: u64| (49..=50).contains(&number);
    kept.borrow_mut()
        .retain(|(of, number), _| *of != wave || !between(*number));
    let findings = console.prove().await.findings;
    let missing = |number| Finding::SealMissing { number };
    assert_eq!(findings, [missing(49), missing(50)]);
}

#[tokio::test]
async fn a_wave_that_is_gone_is_known_by_its_seals() {
    let console = Console::empty();
    let response = console
        .send(signed("GET", "/api/waves/orders/audit", STRANGER))
        .await;
    assert_eq!(response.status_code, 404);
    let seals = Console::with_chain(3).await.archive;
    let console = Console {
        archive: seals,
        ..Console::empty()
    };
    let findings = console.prove().await.findings;
    assert_eq!(
        findings[0].to_string(),
        "records 1 to 3 were cut off the end"
    );
}

#[tokio::test]
async fn wrong_questions_are_refused() {
    let console = Console::with_chain(1).await;
    for query in ["after=x", "after=-1", "more=1", "seals=perhaps"] {
        let mut request = signed("GET", "/api/waves/orders/audit", STRANGER);
        request.raw_query_string = query.to_owned();
        let response = console.send(request).await;
        assert_eq!(response.status_code, 400, "{query}: {}", error(&response));
    }
    let mut tomorrow = signed("GET", "/api/refused", STRANGER);
    tomorrow.raw_query_string = "day=tomorrow".to_owned();
    assert_eq!(console.send(tomorrow).await.status_code, 400);
    for path in ["/api/waves/orders/audit", "/api/refused"] {
        assert_eq!(
            console.send(request("GET", path)).await.status_code,
            403,
            "unsigned"
        );
        assert_eq!(
            console
                .send(signed("POST", path, OPERATOR))
                .await
                .status_code,
            405
        );
    }
}

#[tokio::test]
async fn what_is_refused_is_noted_without_what_was_sent() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let forged = format!("{}A", &token[..token.len() - 1]);
    assert_eq!(console.send(open(&forged)).await.status_code, 403);
    let body = serde_json::json!({
        "message": super::fixture::UUID, "verdict": "approve", "evidence": "0".repeat(64),
    });
    let path = "/api/waves/orders/gates/cutover/decisions";
    assert_eq!(
        console.send(post(path, STRANGER, &body)).await.status_code,
        403
    );
    let day = console.refused().await;
    let seen: Vec<_> = day
        .requests
        .iter()
        .map(|r| (&*r.door, r.signed, r.status, &*r.who))
        .collect();
    let expected = [("link", false, 403, ADDRESS), ("api", true, 403, STRANGER)];
    assert_eq!(seen, expected);
    let log = serde_json::to_string(&day).expect("JSON");
    assert!(!log.contains(&token[..20]), "{log}");
    assert!(console.messages().is_empty());
    let counts: Vec<_> = day.counts.iter().map(|c| (&*c.kind, c.count)).collect();
    assert_eq!(counts, [("api 403 signed", 1), ("link 403", 1)]);
}

#[tokio::test]
async fn a_flood_is_counted_and_leaves_room_for_others() {
    let console = Console::with_open_gate().await;
    for _ in 0..MOST_AN_HOUR + 30 {
        let response = console.send(decide("a.b", "c", "approve")).await;
        assert!(response.status_code >= 400);
    }
    console
        .send(signed("GET", "/api/waves/nobody", STRANGER))
        .await;
    let day = console.refused().await;
    let kept = |door: &str| day.requests.iter().filter(|r| r.door == door).count() as u64;
    assert_eq!((kept("link"), kept("api")), (MOST_AN_HOUR, 1));
    let flood = day
        .counts
        .iter()
        .find(|count| count.kind.starts_with("link"));
    assert_eq!(flood.map(|count| count.count), Some(MOST_AN_HOUR + 30));
    let requests: Value = serde_json::to_value(&day.requests).expect("JSON");
    assert_eq!(requests[0]["at"], "2026-12-01T12:00:00Z");
}

#[tokio::test]
async fn what_strangers_send_leaves_room_for_what_was_signed() {
    let console = slack::console().await;
    let token = console.token(&console.link());
    let forged = console.token(&Link {
        expires: console.clock.now(),
        ..console.link()
    });
    let (forged, _) = forged.split_once('.').expect("a payload");
    let (_, code) = token.split_once('.').expect("a code");
    let mut unsigned = slack::approve(slack::ANNA);
    unsigned.body = slack::approve(slack::BERT).body;
    let mut page = request("GET", "/wave");
    page.raw_query_string = format!("view={token}");
    for _ in 0..=MOST_AN_HOUR {
        for stranger in [
            open(&format!("{forged}.{code}")),
            unsigned.clone(),
            page.clone(),
            request("GET", "/api/waves"),
        ] {
            assert_eq!(console.send(stranger).await.status_code, 403);
        }
    }
    let strangers = console.refused().await.requests;
    assert!(strangers.iter().all(|refused| !refused.signed));

    // An approver of nothing, with a link; a user of Slack; a principal.
    console.send(open(&token)).await;
    console.send(slack::approve("U0STRANGER")).await;
    let body = serde_json::json!({
        "message": super::fixture::UUID, "verdict": "approve", "evidence": "0".repeat(64),
    });
    let path = "/api/waves/orders/gates/cutover/decisions";
    console.send(post(path, STRANGER, &body)).await;
    let requests = console.refused().await.requests;
    let signed = requests.iter().filter(|refused| refused.signed);
    let signed: Vec<_> = signed.map(|r| (&*r.door, r.status)).collect();
    assert_eq!(signed, [("link", 403), ("slack", 403), ("api", 403)]);
}

#[tokio::test]
async fn a_refusal_of_a_genuine_link_pass_or_form_is_known_as_one() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let shown = console.send(open(&token)).await;
    assert_eq!(shown.status_code, 200);
    assert_eq!(
        console
            .send(decide(&token, "AAAA", "approve"))
            .await
            .status_code,
        403
    );
    assert!(
        console.noted().await.signed,
        "the form was not ours, the link was"
    );
    let (_, view) = shown
        .body
        .split_once("href=\"wave?")
        .expect("the wave's page");
    let mut look = request("GET", "/wave");
    look.raw_query_string = view.split('"').next().unwrap_or_default().to_owned();
    console.at("2026-12-05T20:00:00Z");
    assert_eq!(console.send(look).await.status_code, 410);
    let noted = console.noted().await;
    assert!(noted.door == "page" && noted.signed, "{noted:?}");
    console.send(open("a.b")).await;
    assert!(!console.noted().await.signed);
}
