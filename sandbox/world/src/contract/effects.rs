//! Effects: each is claimed by one, until its deadline and a grace have passed.

use tidegate_domain::effect::{CLAIM_GRACE, EffectStatus, Outcome};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_ports::effects::{Claim, Effects};

use super::fixtures::{at, effect, effect_id, job_id, server_id, wave_id};
use super::turns::{load, save_next};
use super::{AllPorts, ok};

/// Plan one effect; gives its wave and ID.
pub(super) async fn planned(store: &impl AllPorts, case: &str) -> (WaveId, EffectId) {
    let id = wave_id(case);
    let draft = save_next(store, &id, at(1), |draft| {
        draft.plan(&[server_id(case, 0)]);
    })
    .await;
    (id, draft.effects[0].id.clone())
}

/// Claim as this generation, at `now`, until `until` (seconds).
async fn claim(
    store: &impl AllPorts,
    (wave, effect): &(WaveId, EffectId),
    generation: u64,
    now: i64,
    until: i64,
) -> Claim {
    ok(
        Effects::claim(store, wave, effect, generation, at(now), at(until)).await,
        "claim",
    )
}

async fn status(store: &impl AllPorts, wave: &WaveId) -> EffectStatus {
    load(store, wave).await.effects.remove(0).status
}

fn is_ours(claim: &Claim) -> Option<bool> {
    match claim {
        Claim::Ours { again, .. } => Some(*again),
        Claim::NotOurs => None,
    }
}

/// The first gets it, with what is wanted; a second one does not, not even of a higher generation.
pub async fn an_effect_is_claimed_by_one(store: &impl AllPorts) {
    let planned = planned(store, "claimed-once").await;
    let mut wanted = effect(&planned.0, 1, 0, &[server_id("claimed-once", 0)]);
    wanted.status = EffectStatus::Claimed {
        generation: 1,
        until: at(60),
    };
    let ours = Claim::Ours {
        effect: wanted.clone(),
        again: false,
    };
    assert_eq!(claim(store, &planned, 1, 2, 60).await, ours);
    assert_eq!(claim(store, &planned, 1, 3, 61).await, Claim::NotOurs);
    assert_eq!(claim(store, &planned, 2, 59, 119).await, Claim::NotOurs);
    assert_eq!(status(store, &planned.0).await, wanted.status);
}

/// After the deadline and the grace it can be taken over, by one who is told to look first.
pub async fn a_claim_lapses_after_its_grace(store: &impl AllPorts) {
    let planned = planned(store, "claim-lapses").await;
    let lapsed = 60 + CLAIM_GRACE.as_secs();
    assert_eq!(
        is_ours(&claim(store, &planned, 1, 2, 60).await),
        Some(false)
    );
    assert_eq!(
        is_ours(&claim(store, &planned, 1, lapsed - 1, 200).await),
        None
    );
    assert_eq!(
        is_ours(&claim(store, &planned, 1, lapsed, 200).await),
        Some(true)
    );
    let again = 200 + CLAIM_GRACE.as_secs();
    assert_eq!(
        is_ours(&claim(store, &planned, 2, again, 400).await),
        Some(true)
    );
}

/// A stale driver's function cannot take over what a newer driver's has claimed.
pub async fn a_lower_generation_takes_nothing_over(store: &impl AllPorts) {
    let planned = planned(store, "claim-generation").await;
    assert_eq!(
        is_ours(&claim(store, &planned, 5, 2, 60).await),
        Some(false)
    );
    assert_eq!(
        is_ours(&claim(store, &planned, 4, 1_000, 1_060).await),
        None
    );
    assert_eq!(
        is_ours(&claim(store, &planned, 5, 1_000, 1_060).await),
        Some(true)
    );
}

/// What is answered is over.
pub async fn an_answered_effect_is_nobodys(store: &impl AllPorts) {
    let planned = planned(store, "answered").await;
    assert_eq!(
        is_ours(&claim(store, &planned, 1, 2, 60).await),
        Some(false)
    );
    let outcome = Outcome::Job(job_id(1));
    for _ in 0..2 {
        let (wave, effect) = &planned;
        let answer = store.answer(wave, effect, 1, at(60), &outcome, at(5)).await;
        ok(answer, "answer");
    }
    assert_eq!(
        claim(store, &planned, 9, 1_000, 1_060).await,
        Claim::NotOurs
    );
    let answered = EffectStatus::Answered { outcome, at: at(5) };
    assert_eq!(status(store, &planned.0).await, answered);
}

/// Whoever lost the claim has nothing to say: another generation, another deadline, never claimed.
pub async fn an_answer_without_its_claim_is_dropped(store: &impl AllPorts) {
    let planned = planned(store, "answer-dropped").await;
    let (wave, effect) = &planned;
    let late = Outcome::Job(job_id(1));
    let answer = store.answer(wave, effect, 1, at(60), &late, at(5)).await;
    ok(answer, "answer");
    assert_eq!(status(store, wave).await, EffectStatus::Planned);

    assert_eq!(
        is_ours(&claim(store, &planned, 1, 2, 60).await),
        Some(false)
    );
    assert_eq!(
        is_ours(&claim(store, &planned, 2, 100, 160).await),
        Some(true)
    );
    for (generation, until) in [(1, 60), (1, 160), (2, 60), (3, 160)] {
        let answer = store
            .answer(wave, effect, generation, at(until), &late, at(101))
            .await;
        ok(answer, "answer");
    }
    let claimed = EffectStatus::Claimed {
        generation: 2,
        until: at(160),
    };
    assert_eq!(status(store, wave).await, claimed);
}

/// What was never saved cannot be done.
pub async fn an_unknown_effect_is_nobodys(store: &impl AllPorts) {
    let wave = wave_id("unknown-effect");
    let unknown = (wave.clone(), effect_id(&wave, 1, 0));
    assert_eq!(claim(store, &unknown, 1, 2, 60).await, Claim::NotOurs);
    let answer = store
        .answer(&wave, &unknown.1, 1, at(60), &Outcome::Done, at(5))
        .await;
    ok(answer, "answer");
    assert_eq!(claim(store, &unknown, 1, 2, 60).await, Claim::NotOurs);
}
