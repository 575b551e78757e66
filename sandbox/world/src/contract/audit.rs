//! The audit chain as it is stored, how far its export has come, and the log of refused requests.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tidegate_domain::audit::{AuditHead, Verifier};
use tidegate_domain::refused::{MOST_AN_HOUR, RefusedRequest};

use super::fixtures::{at, wave_id};
use super::turns::save_next;
use super::{AllPorts, ok};

/// Records come page by page, byte for byte: together they prove.
pub async fn a_chain_is_read_in_pages_and_proves(store: &impl AllPorts) {
    let id = wave_id("chain-pages");
    let mut head = AuditHead::default();
    for turn in 1..=7 {
        // The second is too large for one item.
        let text = "ä ".repeat(if turn == 2 { 200_000 } else { 1 });
        head = save_next(store, &id, at(turn), |draft| draft.record(&text))
            .await
            .wave
            .audit;
    }
    let mut verifier = Verifier::new(&id);
    let mut last = 0;
    loop {
        let page = ok(store.records_after(&id, last, 2).await, "read a page");
        assert!(page.len() <= 2);
        let Some(end) = page.last() else { break };
        last = end.number;
        for record in &page {
            verifier.record(record.number, &record.body);
        }
    }
    let report = verifier.finish(&head, at(7));
    assert_eq!((report.records, report.findings), (7, Vec::new()));
    let none = store.records_after(&wave_id("chain-none"), 0, 2).await;
    assert!(ok(none, "read no chain").is_empty());
}

/// How far the export has come changes only for who knows how far it was.
pub async fn an_export_goes_on_from_where_it_was(store: &impl AllPorts) {
    let id = wave_id("exported");
    let none = AuditHead::default();
    let head = |records: u64| AuditHead {
        records,
        hash: format!("{records:064}"),
    };
    assert_eq!(ok(store.exported(&id).await, "read"), none);
    assert!(ok(store.set_exported(&id, &none, &head(1)).await, "begin"));
    assert!(!ok(store.set_exported(&id, &none, &head(9)).await, "stale"));
    assert!(ok(
        store.set_exported(&id, &head(1), &head(2)).await,
        "go on"
    ));
    assert!(ok(
        store.set_exported(&id, &head(1), &head(2)).await,
        "the same again"
    ));
    assert_eq!(ok(store.exported(&id).await, "read"), head(2));
}

/// Waves are found from the time of their last write on.
pub async fn waves_that_were_written_are_found(store: &impl AllPorts) {
    let ids = ["written-a", "written-b"].map(wave_id);
    // Later than in any other case.
    for (id, seconds) in ids.iter().zip([950_001, 950_002]) {
        save_next(store, id, at(seconds), |_| {}).await;
    }
    let ours = |mut found: Vec<tidegate_domain::id::WaveId>| {
        found.retain(|wave| ids.contains(wave));
        found
    };
    let since = ok(store.written_since(at(950_001)).await, "list");
    assert_eq!(ours(since), ids);
    let since = ok(store.written_since(at(950_002)).await, "list");
    assert_eq!(ours(since), ids[1..]);
    ok(store.set_swept(at(950_002)).await, "note");
    assert_eq!(ok(store.swept().await, "read"), Some(at(950_002)));
}

/// A flood is counted, and the first of each kind and hour are kept. A count whose answer was lost
/// may count twice: less is kept then, never more.
pub async fn refused_requests_are_bounded(store: &impl AllPorts) {
    // Midnight of a day of its own: the fixtures begin at 11:06:40.
    let morning = at(40 * 86_400 + 46_400);
    let refused = |seconds: i64, door: &str| RefusedRequest {
        at: morning + SignedDuration::from_secs(seconds),
        door: door.to_owned(),
        status: 403,
        signed: false,
        reason: "This link was not made by Tidegate.".to_owned(),
        who: "192.0.2.7".to_owned(),
    };
    let most = i64::try_from(MOST_AN_HOUR).unwrap_or(i64::MAX);
    let mut kept = Vec::new();
    for second in 0..most + 5 {
        kept.push(ok(store.note(&refused(second, "link")).await, "note"));
    }
    assert!(kept.is_sorted_by(|a, b| a >= b), "the first: {kept:?}");
    let kept = kept.into_iter().filter(|kept| *kept).count() as u64;
    assert!((1..=MOST_AN_HOUR).contains(&kept), "{kept}");
    assert!(
        ok(store.note(&refused(1, "slack")).await, "note"),
        "another kind"
    );
    assert!(
        ok(store.note(&refused(3_600, "link")).await, "note"),
        "another hour"
    );
    let signed = RefusedRequest {
        signed: true,
        ..refused(2, "link")
    };
    assert!(
        ok(store.note(&signed).await, "note"),
        "what strangers send leaves room for what is signed"
    );
    let day = morning.to_zoned(TimeZone::UTC).date();
    let found = ok(store.refused_on(day).await, "read");
    assert_eq!(found.requests.len() as u64, kept + 3);
    assert!(found.requests.contains(&refused(0, "link")) && found.requests.contains(&signed));
    let first = &found.counts[0];
    assert_eq!((first.hour, &*first.kind), (0, "link 403"));
    assert!(first.count >= MOST_AN_HOUR + 5, "{}", first.count);
    assert_eq!(found.counts.len(), 4);
    assert_eq!(found.counts[1].kind, "link 403 signed");
    let other = day.tomorrow().unwrap_or(day);
    let found = ok(store.refused_on(other).await, "read");
    assert!(found.requests.is_empty() && found.counts.is_empty());
}
