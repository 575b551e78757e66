//! Turns: loaded as they were saved, saved whole or not at all, and only on what they were made
//! from.

use jiff::Timestamp;
use tidegate_domain::effect::{EffectStatus, Outcome};
use tidegate_domain::id::WaveId;
use tidegate_domain::message::Reading;
use tidegate_domain::server::{End, Stage};
use tidegate_domain::wave::Phase;
use tidegate_ports::driver::{Parked, Parking};
use tidegate_ports::effects::{Claim, Effects};
use tidegate_ports::observations::Observations;
use tidegate_ports::turns::{Loaded, MOST_MESSAGES, SaveError, Turns};

use super::fixtures::{
    Draft, all_seen, at, effect_id, job_id, message, message_id, round, server_id, servers, wave_id,
};
use super::{AllPorts, ok};

/// Load a wave.
pub(super) async fn load(store: &impl AllPorts, wave: &WaveId) -> Loaded {
    ok(store.load(wave).await, "load")
}

/// Save the next turn of a wave, made by `change`.
pub(super) async fn save_next(
    store: &impl AllPorts,
    wave: &WaveId,
    now: Timestamp,
    change: impl Fn(&mut Draft),
) -> Draft {
    // Other cases write the slots too: decide again, as `advance` does.
    loop {
        let mut draft = Draft::next(wave, load(store, wave).await, now);
        change(&mut draft);
        match Turns::save(store, &draft.turn()).await {
            Ok(()) => return draft,
            Err(SaveError::Changed) if draft.slots.is_some() => {}
            Err(error) => panic!("could not save: {error:?}"),
        }
    }
}

async fn refused(store: &impl AllPorts, draft: &Draft) {
    match Turns::save(store, &draft.turn()).await {
        Err(SaveError::Changed) => {}
        other => panic!("should have been refused as changed: {other:?}"),
    }
}

/// A decision can end a planned effect: then nobody gets it.
pub async fn an_ended_effect_is_nobodys(store: &impl AllPorts) {
    let id = wave_id("ended");
    let planned = save_next(store, &id, at(1), |draft| {
        draft.plan(&[server_id("ended", 0)]);
    })
    .await;
    let effect = planned.effects[0].id.clone();
    save_next(store, &id, at(2), |draft| {
        draft.ended.insert(effect.clone(), Outcome::Done);
    })
    .await;
    let claim = ok(
        Effects::claim(store, &id, &effect, 1, at(3), at(63)).await,
        "claim",
    );
    assert_eq!(claim, Claim::NotOurs);
}

/// An effect that somebody took meanwhile is not ended, and the turn is decided again.
pub async fn an_effect_that_was_taken_is_not_ended(store: &impl AllPorts) {
    let id = wave_id("ended-late");
    let planned = save_next(store, &id, at(1), |draft| {
        draft.plan(&[server_id("ended-late", 0)]);
    })
    .await;
    let effect = planned.effects[0].id.clone();
    let mut late = Draft::next(&id, load(store, &id).await, at(3));
    late.ended.insert(effect.clone(), Outcome::Done);
    let claim = ok(
        Effects::claim(store, &id, &effect, 1, at(2), at(62)).await,
        "claim",
    );
    assert!(matches!(claim, Claim::Ours { again: false, .. }));
    refused(store, &late).await;
}

/// A decision can end a claimed effect, once: whoever claimed it answers in vain; and not if it was
/// claimed again or answered meanwhile.
pub async fn a_claimed_effect_is_ended_as_it_was_loaded(store: &impl AllPorts) {
    let id = wave_id("ended-claimed");
    let planned = save_next(store, &id, at(1), |draft| {
        for n in 0..3 {
            draft.plan(&[server_id("ended-claimed", n)]);
        }
    })
    .await;
    let [seen, taken_again, answered] = [0, 1, 2].map(|n| planned.effects[n].id.clone());
    let claim = async |effect, now, until| {
        let claim = Effects::claim(store, &id, effect, 1, at(now), at(until)).await;
        assert!(matches!(ok(claim, "claim"), Claim::Ours { .. }));
    };
    let answer = async |effect, until, now| {
        let answer = store.answer(&id, effect, 1, at(until), &Outcome::Done, at(now));
        ok(answer.await, "answer");
    };
    for effect in [&seen, &taken_again, &answered] {
        claim(effect, 2, 10).await;
    }
    let loaded = load(store, &id).await;
    claim(&taken_again, 60, 70).await;
    answer(&answered, 10, 5).await;
    for effect in [&taken_again, &answered] {
        let mut late = Draft::next(&id, loaded.clone(), at(61));
        late.ended.insert(effect.clone(), Outcome::Done);
        refused(store, &late).await;
    }
    let outcome = Outcome::Job(job_id(1));
    save_next(store, &id, at(62), |draft| {
        draft.ended.insert(seen.clone(), outcome.clone());
    })
    .await;
    answer(&seen, 10, 63).await;
    let loaded = load(store, &id).await;
    let stored = loaded.effects.iter().find(|effect| effect.id == seen);
    let at = at(62);
    assert_eq!(
        stored.map(|effect| &effect.status),
        Some(&EffectStatus::Answered { outcome, at })
    );
}

/// Nothing is known of a wave that was never saved.
pub async fn an_unknown_wave_is_empty(store: &impl AllPorts) {
    let loaded = load(store, &wave_id("unknown-wave")).await;
    assert_eq!(loaded.wave, None);
    assert!(loaded.servers.is_empty() && loaded.effects.is_empty() && loaded.inbox.is_empty());
    assert_eq!((loaded.round, loaded.restarts), (None, 0));
}

/// Wave, servers, effects, slots and observations come back as they were saved.
pub async fn a_turn_is_loaded_as_it_was_saved(store: &impl AllPorts) {
    let id = wave_id("turn-as-saved");
    ok(store.create(&id, at(0)).await, "create the driver");
    assert!(ok(
        store.append(&id, &message("m-1", at(0))).await,
        "append"
    ));
    let draft = save_next(store, &id, at(1), |draft| {
        draft.servers = servers("turn-as-saved", 120);
        let effect = draft.plan(&[server_id("turn-as-saved", 0)]);
        draft.reserve(&effect, 1);
        draft.drained = draft.loaded.inbox.iter().map(|m| m.id.clone()).collect();
        draft.record("The wave began.");
    })
    .await;
    let seen = all_seen("turn-as-saved", 120, at(2));
    ok(
        Observations::save(store, &id, &round(at(2)), &seen).await,
        "save observations",
    );

    let loaded = load(store, &id).await;
    assert_eq!(loaded.wave.as_ref(), Some(&draft.wave));
    assert_eq!(loaded.servers, draft.servers);
    assert_eq!(loaded.effects, draft.effects);
    assert_eq!(loaded.round, Some(round(at(2))));
    assert_eq!(loaded.seen, seen);
    assert!(loaded.inbox.is_empty() && loaded.unreadable.is_empty());
    assert!(loaded.slots_version > draft.loaded.slots_version);
    let reserved = draft.effects[0].id.clone();
    assert!(loaded.slots.reservations.contains_key(&reserved));
    let audit = ok(store.audit(&id).await, "read the audit chain");
    assert_eq!(
        Some(&audit[..]),
        draft.audit.as_ref().map(std::slice::from_ref)
    );
}

/// The largest wave, every server changed, with as many effects and messages as a turn can have.
pub async fn a_wave_of_three_thousand_servers_fits_one_turn(store: &impl AllPorts) {
    let id = wave_id("three-thousand");
    for number in 0..MOST_MESSAGES {
        let message = message(&format!("m-{number:02}"), at(0));
        ok(store.append(&id, &message).await, "append");
    }
    let draft = save_next(store, &id, at(1), |draft| {
        draft.servers = servers("three-thousand", 3_000);
        for number in 0..40 {
            let of: Vec<_> = (number * 50..(number + 1) * 50)
                .map(|server| server_id("three-thousand", server))
                .collect();
            let effect = draft.plan(&of);
            draft.reserve(&effect, 0);
        }
        draft.drained = draft.loaded.inbox.iter().map(|m| m.id.clone()).collect();
        draft.record("The wave began.");
    })
    .await;
    let loaded = load(store, &id).await;
    assert_eq!(loaded.servers, draft.servers);
    assert_eq!(loaded.effects.len(), 40);

    let draft = save_next(store, &id, at(2), |draft| {
        for server in &mut draft.servers {
            server.stage = Stage::Ended {
                end: End::Failed {
                    purpose: tidegate_domain::server::Purpose::Test,
                    reason: "The launch failed three times: ".repeat(10),
                },
            };
        }
    })
    .await;
    assert_eq!(load(store, &id).await.servers, draft.servers);

    let draft = save_next(store, &id, at(3), |draft| {
        draft.servers[1_777].tests = 7;
    })
    .await;
    assert_eq!(load(store, &id).await.servers, draft.servers);
}

/// Effects that the wave has closed are not loaded; an answer is.
pub async fn only_what_is_open_is_loaded(store: &impl AllPorts) {
    let id = wave_id("only-open");
    let first = save_next(store, &id, at(1), |draft| {
        draft.plan(&[server_id("only-open", 0)]);
        draft.plan(&[server_id("only-open", 1)]);
    })
    .await;
    let (done, kept) = (&first.effects[0].id, &first.effects[1].id);
    let claim = ok(
        Effects::claim(store, &id, kept, 1, at(2), at(60)).await,
        "claim",
    );
    assert!(matches!(claim, Claim::Ours { again: false, .. }));
    let answer = store
        .answer(&id, kept, 1, at(60), &Outcome::Done, at(3))
        .await;
    ok(answer, "answer");
    save_next(store, &id, at(4), |draft| {
        draft.wave.open.remove(done);
    })
    .await;

    let loaded = load(store, &id).await;
    assert_eq!(loaded.effects.len(), 1);
    assert_eq!(loaded.effects[0].id, *kept);
    assert_eq!(
        loaded.effects[0].status,
        EffectStatus::Answered {
            outcome: Outcome::Done,
            at: at(3)
        }
    );
}

/// Of two first turns one is saved.
pub async fn a_wave_begins_once(store: &impl AllPorts) {
    let id = wave_id("begins-once");
    let mut late = Draft::next(&id, load(store, &id).await, at(2));
    late.wave.generation = 2;
    let draft = save_next(store, &id, at(1), |_| {}).await;
    refused(store, &late).await;
    assert_eq!(load(store, &id).await.wave, Some(draft.wave));
}

/// A decision on an older turn leaves nothing behind: no effect, no drained message, no slots.
pub async fn a_stale_turn_is_refused_whole(store: &impl AllPorts) {
    let id = wave_id("stale-turn");
    save_next(store, &id, at(1), |draft| {
        draft.servers = servers("stale-turn", 60);
    })
    .await;
    ok(store.append(&id, &message("m-1", at(1))).await, "append");
    let mut stale = Draft::next(&id, load(store, &id).await, at(3));
    let effect = stale.plan(&[server_id("stale-turn", 0)]);
    stale.reserve(&effect, 1);
    stale.drained = vec![message("m-1", at(1)).id];
    stale.servers[0].tests = 1;
    stale.record("This never happened.");
    let kept = save_next(store, &id, at(2), |draft| {
        draft.servers[59].tests = 2;
    })
    .await;
    stale.loaded.slots_version = load(store, &id).await.slots_version;
    refused(store, &stale).await;

    let loaded = load(store, &id).await;
    assert_eq!(loaded.wave, Some(kept.wave));
    assert_eq!(loaded.servers, kept.servers);
    assert_eq!(loaded.inbox, vec![message("m-1", at(1))]);
    assert!(!loaded.slots.reservations.contains_key(&effect));
    assert!(ok(store.audit(&id).await, "read the audit chain").is_empty());
    let claim = ok(
        Effects::claim(store, &id, &effect, 1, at(4), at(60)).await,
        "claim",
    );
    assert_eq!(claim, Claim::NotOurs);
}

/// Slots that another wave has written meanwhile refuse the whole turn.
pub async fn a_turn_on_changed_slots_is_refused_whole(store: &impl AllPorts) {
    let (id, other) = (wave_id("changed-slots"), wave_id("changed-slots-other"));
    let mut late = Draft::next(&id, load(store, &id).await, at(2));
    late.servers = servers("changed-slots", 10);
    let effect = late.plan(&[server_id("changed-slots", 0)]);
    late.reserve(&effect, 1);
    save_next(store, &other, at(1), |draft| {
        let effect = draft.plan(&[server_id("changed-slots", 1)]);
        draft.reserve(&effect, 1);
    })
    .await;
    refused(store, &late).await;
    assert_eq!(load(store, &id).await.wave, None);

    // Without a change of its own to the slots, their version does not matter.
    late.slots = None;
    ok(Turns::save(store, &late.turn()).await, "save");
}

/// A message is drained by one turn.
pub async fn a_turn_that_drains_a_drained_message_is_refused_whole(store: &impl AllPorts) {
    let id = wave_id("drained-twice");
    ok(store.append(&id, &message("m-1", at(0))).await, "append");
    save_next(store, &id, at(1), |draft| {
        draft.drained = vec![message("m-1", at(0)).id];
    })
    .await;
    let mut late = Draft::next(&id, load(store, &id).await, at(2));
    late.drained = vec![message("m-1", at(0)).id];
    refused(store, &late).await;
    late.drained = vec![message("never-appended", at(0)).id];
    refused(store, &late).await;
    assert_eq!(load(store, &id).await.wave.map(|wave| wave.turn), Some(1));
}

/// Once a driver of a higher generation has written, a lower one cannot.
pub async fn a_turn_of_a_lower_generation_is_refused(store: &impl AllPorts) {
    let id = wave_id("lower-generation");
    save_next(store, &id, at(1), |draft| draft.wave.generation = 3).await;
    let mut late = Draft::next(&id, load(store, &id).await, at(2));
    late.wave.generation = 2;
    refused(store, &late).await;
    late.wave.generation = 3;
    ok(Turns::save(store, &late.turn()).await, "save");
}

/// A turn whose answer was lost is saved again, and changes nothing more.
pub async fn the_same_turn_again_is_saved_once(store: &impl AllPorts) {
    let id = wave_id("same-turn");
    ok(store.append(&id, &message("m-1", at(0))).await, "append");
    for turn in 1..=2 {
        let draft = save_next(store, &id, at(turn), |draft| {
            draft.servers = servers("same-turn", 3);
            let effect = draft.plan(&[server_id("same-turn", 0)]);
            draft.reserve(&effect, 1);
            draft.drained = draft.loaded.inbox.iter().map(|m| m.id.clone()).collect();
            draft.record("Once.");
        })
        .await;
        // Something else has gone on in between.
        let claim = Effects::claim(store, &id, &draft.effects[0].id, 1, at(turn), at(90)).await;
        assert!(matches!(ok(claim, "claim"), Claim::Ours { .. }));
        ok(Turns::save(store, &draft.turn()).await, "save again");
        let loaded = load(store, &id).await;
        assert_eq!(loaded.wave, Some(draft.wave));
        let status = loaded.effects.last().map(|effect| effect.status.clone());
        let claimed = EffectStatus::Claimed {
            generation: 1,
            until: at(90),
        };
        assert_eq!(status, Some(claimed), "an effect is not planned again");
    }
    assert_eq!(ok(store.audit(&id).await, "read the audit chain").len(), 2);
}

/// What another driver saved under the same number is not taken for a repeat.
pub async fn another_turn_of_the_same_number_is_refused(store: &impl AllPorts) {
    let id = wave_id("same-number");
    let mut late = Draft::next(&id, load(store, &id).await, at(1));
    late.wave.history = 9;
    save_next(store, &id, at(1), |_| {}).await;
    refused(store, &late).await;
}

/// Restarts are counted from the last saved decision, and so is what was being read.
pub async fn a_saved_turn_is_progress(store: &impl AllPorts) {
    let id = wave_id("progress");
    ok(store.create(&id, at(0)).await, "create the driver");
    for generation in 0..4 {
        let taken = store.take_generation(&id, generation, at(60)).await;
        assert!(ok(taken, "take a generation"));
    }
    let reading = Reading {
        message: message_id("m-1"),
        generation: 4,
        drivers: 2,
    };
    ok(store.note_reading(&id, &reading).await, "note the message");
    let loaded = load(store, &id).await;
    assert_eq!((loaded.restarts, loaded.reading), (3, Some(reading)));
    save_next(store, &id, at(1), |_| {}).await;
    let loaded = load(store, &id).await;
    assert_eq!((loaded.restarts, loaded.reading), (0, None));
}

/// A wave that has ended leaves the due list, for good.
pub async fn a_wave_that_has_ended_is_due_no_more(store: &impl AllPorts) {
    let id = wave_id("ended");
    ok(store.create(&id, at(0)).await, "create the driver");
    assert!(ok(store.take_generation(&id, 0, at(1)).await, "start"));
    save_next(store, &id, at(1), |draft| {
        draft.wave.phase = Phase::Completed
    })
    .await;

    let driver = ok(store.driver(&id).await, "read the driver");
    assert_eq!(driver.map(|driver| driver.wake_at), Some(None));
    assert!(!ok(store.due(at(900)).await, "list what is due").contains(&id));

    // Neither a late task nor a late wake brings it back.
    let wakes = ok(store.at_work(&id, 1, at(2)).await, "be at work");
    let parked = Parked {
        token: "token".to_owned(),
        generation: 1,
        turn: 1,
    };
    let parking = store.park(&id, &parked, wakes, at(2)).await;
    assert_eq!(ok(parking, "park"), Parking::GoOn);
    assert_eq!(ok(store.count_wake(&id).await, "count a wake"), None);
    ok(
        store.make_due(std::slice::from_ref(&id), at(2)).await,
        "make due",
    );
    assert!(!ok(
        store.take_generation(&id, 1, at(2)).await,
        "start again"
    ));
    assert!(!ok(store.due(at(900)).await, "list what is due").contains(&id));
}

/// What is still under way is looked after.
pub async fn a_wave_that_ended_with_open_effects_stays_due(store: &impl AllPorts) {
    let id = wave_id("ended-open");
    ok(store.create(&id, at(0)).await, "create the driver");
    save_next(store, &id, at(1), |draft| {
        draft.wave.phase = Phase::Aborted;
        draft.plan(&[server_id("ended-open", 0)]);
    })
    .await;
    assert!(ok(store.due(at(900)).await, "list what is due").contains(&id));
    save_next(store, &id, at(2), |draft| {
        draft.wave.open.remove(&effect_id(&id, 1, 0));
    })
    .await;
    assert!(!ok(store.due(at(900)).await, "list what is due").contains(&id));
}

/// A sleeper is due at once; one that is awake is not restarted, but cannot go to sleep without
/// having looked again.
pub async fn waves_that_wait_for_slots_become_due(store: &impl AllPorts) {
    let (asleep, awake) = (wave_id("due-asleep"), wave_id("due-awake"));
    let parked = Parked {
        token: "token".to_owned(),
        generation: 1,
        turn: 0,
    };
    let mut wakes = 0;
    for wave in [&asleep, &awake] {
        ok(store.create(wave, at(0)).await, "create the driver");
        wakes = ok(store.at_work(wave, 1, at(500)).await, "be at work");
    }
    let parking = store.park(&asleep, &parked, wakes, at(500)).await;
    assert_eq!(ok(parking, "park"), Parking::Parked);

    let waves = [asleep.clone(), wave_id("due-unknown"), awake.clone()];
    ok(store.make_due(&waves, at(100)).await, "make due");
    let due = ok(store.due(at(100)).await, "list what is due");
    assert!(due.contains(&asleep) && !due.contains(&awake));
    let parking = store.park(&awake, &parked, wakes, at(500)).await;
    assert_eq!(ok(parking, "park"), Parking::GoOn);
    assert_eq!(ok(store.driver(&waves[1]).await, "read the driver"), None);
}
