//! Waves for those who only look.

use tidegate_domain::audit::verify;
use tidegate_ports::observations::Observations;
use tidegate_ports::waves::WholeWave;

use super::fixtures::{all_seen, at, round, servers, wave_id};
use super::turns::save_next;
use super::{AllPorts, ok};

/// The list begins with what changed last, and counts the servers.
pub async fn the_latest_changed_wave_is_listed_first(store: &impl AllPorts) {
    let waves = ["listed-a", "listed-b", "listed-c"].map(wave_id);
    // Later than in any other case, so that they are among the first 200.
    for (wave, seconds) in waves.iter().zip([900_001, 900_002, 900_003]) {
        save_next(store, wave, at(seconds), |draft| {
            draft.servers = servers("listed", 55);
        })
        .await;
    }
    let last = save_next(store, &waves[0], at(900_004), |_| {}).await;
    let listed = ok(store.list().await, "list the waves");
    let ours: Vec<_> = listed
        .iter()
        .filter(|(wave, _)| waves.contains(&wave.id))
        .collect();
    let names: Vec<_> = ours.iter().map(|(wave, _)| wave.id.as_str()).collect();
    assert_eq!(names, ["listed-a", "listed-c", "listed-b"]);
    assert_eq!(ours[0], &(last.wave, 55));
    assert!(listed.len() <= 200);
}

/// One wave, alone and with everything.
pub async fn a_wave_is_seen_whole(store: &impl AllPorts) {
    let id = wave_id("seen-whole");
    assert_eq!(ok(store.wave(&id).await, "read the wave"), None);
    assert_eq!(ok(store.whole(&id).await, "read it whole"), None);
    let draft = save_next(store, &id, at(1), |draft| {
        draft.servers = servers("seen-whole", 101);
    })
    .await;
    let seen = all_seen("seen-whole", 101, at(2));
    let saved = Observations::save(store, &id, &round(at(2)), &seen).await;
    ok(saved, "save observations");
    let wave = ok(store.wave(&id).await, "read the wave");
    assert_eq!(wave.as_ref(), Some(&draft.wave));
    let whole = WholeWave {
        wave: draft.wave,
        servers: draft.servers,
        seen,
    };
    assert_eq!(ok(store.whole(&id).await, "read it whole"), Some(whole));
}

/// More than one page (1 MB) of records, in order, unbroken.
pub async fn a_long_audit_chain_is_read_in_order(store: &impl AllPorts) {
    let id = wave_id("long-audit");
    let text = "Something long happened. ".repeat(4_000);
    let mut head = None;
    for turn in 1..=13 {
        let draft = save_next(store, &id, at(turn), |draft| draft.record(&text)).await;
        head = Some(draft.wave.audit);
    }
    let records = ok(store.audit(&id).await, "read the audit chain");
    assert_eq!(records.len(), 13);
    assert_eq!(head.map(|head| verify(&records, &head)), Some(Ok(())));
    let latest = ok(store.audit_since(&id, 11).await, "read the latest records");
    assert_eq!(latest, records[10..]);
    assert!(ok(store.audit(&wave_id("no-audit")).await, "read no chain").is_empty());
}
