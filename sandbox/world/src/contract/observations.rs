//! Observations: replaced by later ones, never by older ones.

use tidegate_domain::id::WaveId;
use tidegate_domain::observation::{AccountJob, AccountJobs};
use tidegate_ports::observations::{Known, Observations};

use super::fixtures::{all_seen, at, job_id, round, server_id, servers, wave_id};
use super::turns::{load, save_next};
use super::{AllPorts, ok};

async fn observe(store: &impl AllPorts, wave: &WaveId, servers: usize, seconds: i64) {
    let seen = all_seen(wave.as_str(), servers, at(seconds));
    let saved = Observations::save(store, wave, &round(at(seconds)), &seen).await;
    ok(saved, "save observations");
}

async fn known(store: &impl AllPorts, wave: &WaveId) -> Known {
    ok(store.known(wave).await, "read what is known")
}

/// What `observe` has to know comes back, before and after the wave's first turn.
pub async fn a_round_is_known_as_it_was_saved(store: &impl AllPorts) {
    let id = wave_id("round-as-saved");
    assert_eq!(known(store, &id).await, Known::default());
    observe(store, &id, 70, 1).await;
    let before = known(store, &id).await;
    assert_eq!(
        (before.wave, before.seen),
        (None, all_seen("round-as-saved", 70, at(1)))
    );
    let draft = save_next(store, &id, at(2), |draft| {
        draft.servers = servers("round-as-saved", 70);
    })
    .await;
    let after = known(store, &id).await;
    assert_eq!(after.wave, Some(draft.wave));
    assert_eq!(after.servers, draft.servers);
}

/// The later round stands alone, with more servers or with fewer.
pub async fn a_later_round_replaces_an_earlier(store: &impl AllPorts) {
    let id = wave_id("later-round");
    for (servers, seconds) in [(120, 1), (40, 2), (130, 3), (0, 4), (1, 5)] {
        observe(store, &id, servers, seconds).await;
        let seen = known(store, &id).await.seen;
        assert_eq!(seen, all_seen("later-round", servers, at(seconds)));
        assert_eq!(load(store, &id).await.round, Some(round(at(seconds))));
    }
    // A repeat of the same round (a lost answer) changes nothing.
    observe(store, &id, 1, 5).await;
    assert_eq!(
        known(store, &id).await.seen,
        all_seen("later-round", 1, at(5))
    );
}

/// A stale task that wakes up late is not believed.
pub async fn an_older_round_is_dropped(store: &impl AllPorts) {
    let id = wave_id("older-round");
    observe(store, &id, 120, 10).await;
    observe(store, &id, 130, 9).await;
    observe(store, &id, 20, 9).await;
    let loaded = load(store, &id).await;
    assert_eq!(loaded.round, Some(round(at(10))));
    assert_eq!(loaded.seen, all_seen("older-round", 120, at(10)));
}

/// More than one page (1 MB) of observations.
pub async fn three_thousand_observations_are_all_there(store: &impl AllPorts) {
    let id = wave_id("many-seen");
    observe(store, &id, 3_000, 1).await;
    observe(store, &id, 3_000, 2).await;
    let seen = known(store, &id).await.seen;
    assert_eq!(seen.len(), 3_000);
    assert_eq!(seen, all_seen("many-seen", 3_000, at(2)));
    assert!(seen.contains_key(&server_id("many-seen", 2_999)));
}

/// The account's jobs as they were listed last.
pub async fn older_lists_of_jobs_are_dropped(store: &impl AllPorts) {
    let list = |seconds| AccountJobs {
        at: at(seconds),
        jobs: vec![AccountJob {
            id: job_id(usize::try_from(seconds).unwrap_or_default()),
            servers: 7,
            effect: None,
        }],
    };
    for (listed, stands) in [(10, 10), (9, 10), (11, 11), (11, 11), (3, 11)] {
        ok(store.save_jobs(&list(listed)).await, "save jobs");
        let loaded = load(store, &wave_id("jobs")).await;
        assert_eq!(loaded.jobs, Some(list(stands)));
    }
}
