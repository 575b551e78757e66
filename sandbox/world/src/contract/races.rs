//! Many writers at once: one of them wins where one may, and nothing is lost where all may.

use std::cell::Cell;

use futures::future::{join, join_all};
use tidegate_ports::claims::Claims;
use tidegate_ports::driver::Parking;
use tidegate_ports::effects::{Claim, Effects};
use tidegate_ports::error::StoreError;
use tidegate_ports::turns::{SaveError, Turns};

use super::drivers::{at_work, sleeper};
use super::effects::planned;
use super::fixtures::{Draft, at, message, server_id, servers, wave_id};
use super::turns::{load, save_next};
use super::{AllPorts, WRITERS, ok};

/// Of the decisions made from one turn, one is saved; over many rounds, one each.
pub async fn one_of_many_turns_is_saved(store: &impl AllPorts) {
    let id = wave_id("race-turns");
    for round in 1..=10u64 {
        let drafts: Vec<Draft> = join_all((0..WRITERS).map(async |writer| {
            let mut draft = Draft::next(&id, load(store, &id).await, at(1));
            draft.wave.history = u32::try_from(writer).unwrap_or_default();
            draft.servers = servers("race-turns", 60);
            draft.servers[usize::try_from(writer).unwrap_or_default()].tests =
                u32::try_from(round).unwrap_or_default();
            draft
        }))
        .await;
        let turns: Vec<_> = drafts.iter().map(Draft::turn).collect();
        let saved = join_all(turns.iter().map(|turn| Turns::save(store, turn))).await;
        let winners: Vec<usize> = (0..saved.len()).filter(|n| saved[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {saved:?}");
        assert!(
            saved
                .iter()
                .all(|s| matches!(s, Ok(()) | Err(SaveError::Changed)))
        );
        let loaded = load(store, &id).await;
        assert_eq!(loaded.wave.as_ref(), Some(&drafts[winners[0]].wave));
        assert_eq!(loaded.servers, drafts[winners[0]].servers);
    }
}

/// Whoever reads while turns are saved sees one turn or the next, over more than one page (1 MB).
pub async fn a_turn_is_never_read_in_halves(store: &impl AllPorts) {
    let id = wave_id("race-halves");
    let saved = Cell::new(false);
    let write = async {
        for turn in 1..=4u32 {
            save_next(store, &id, at(turn.into()), |draft| {
                draft.servers = servers("race-halves", 2_500);
                draft
                    .servers
                    .iter_mut()
                    .for_each(|server| server.tests = turn);
                draft.plan(&[server_id("race-halves", 0)]);
            })
            .await;
        }
        saved.set(true);
    };
    let readers = join_all((0..2).map(async |_| {
        while !saved.get() {
            let loaded = match store.load(&id).await {
                Ok(loaded) => loaded,
                // It was written each time it was read.
                Err(StoreError::Unavailable(_)) => continue,
                Err(error) => panic!("could not load: {error:?}"),
            };
            let turn = loaded.wave.as_ref().map_or(0, |wave| wave.turn);
            let halves = loaded
                .servers
                .iter()
                .filter(|server| u64::from(server.tests) != turn);
            assert_eq!(halves.count(), 0, "turn {turn}");
            assert_eq!(loaded.effects.len() as u64, turn);
        }
    }));
    join(write, readers).await;
    assert_eq!(load(store, &id).await.wave.map(|wave| wave.turn), Some(4));
}

/// An effect is claimed by one of those who want it at once.
pub async fn one_of_many_claims_an_effect(store: &impl AllPorts) {
    let (wave, effect) = planned(store, "race-claims").await;
    let claims = join_all(
        (0..WRITERS).map(|writer| Effects::claim(store, &wave, &effect, writer, at(2), at(60))),
    )
    .await;
    let ours = |claim| !matches!(ok(claim, "claim"), Claim::NotOurs);
    assert_eq!(
        claims
            .into_iter()
            .filter_map(|c| ours(c).then_some(()))
            .count(),
        1
    );
}

/// A server belongs to one of the waves that want it at once, and the others are told which.
pub async fn one_of_many_waves_gets_a_server(store: &impl AllPorts) {
    let server = server_id("race-servers", 0);
    let waves: Vec<_> = (0..WRITERS)
        .map(|n| wave_id(&format!("race-servers-{n}")))
        .collect();
    let owners = join_all(waves.iter().map(|wave| Claims::claim(store, &server, wave))).await;
    let owner = ok(store.owner(&server).await, "find the owner");
    let mut winners = 0;
    for (wave, answer) in waves.iter().zip(owners) {
        match ok(answer, "claim") {
            None => {
                winners += 1;
                assert_eq!(owner.as_ref(), Some(wave));
            }
            told => assert_eq!(told, owner),
        }
    }
    assert_eq!(winners, 1);
}

/// Of doubles that arrive at once one is new.
pub async fn a_message_is_appended_by_one_of_many(store: &impl AllPorts) {
    let id = wave_id("race-inbox");
    let messages: Vec<_> = (0..WRITERS)
        .map(|writer| message("m-1", at(i64::try_from(writer).unwrap_or_default())))
        .collect();
    let new = join_all(messages.iter().map(|message| store.append(&id, message))).await;
    let new: Vec<bool> = new.into_iter().map(|new| ok(new, "append")).collect();
    assert_eq!(new.iter().filter(|new| **new).count(), 1);
    let winner = new.iter().position(|new| *new).unwrap_or_default();
    assert_eq!(load(store, &id).await.inbox, vec![messages[winner].clone()]);
}

/// Every wake is counted, also while turns are saved.
pub async fn no_wake_is_lost(store: &impl AllPorts) {
    let (id, wakes) = at_work(store, "race-wakes").await;
    let wake = join_all((0..WRITERS).map(async |_| {
        for _ in 0..10 {
            ok(store.count_wake(&id).await, "count a wake");
        }
    }));
    let save = async {
        for turn in 0..5 {
            save_next(store, &id, at(turn), |_| {}).await;
        }
    };
    join(wake, save).await;
    let driver = ok(store.driver(&id).await, "read the driver");
    assert_eq!(
        driver.map(|driver| driver.wakes),
        Some(wakes + 10 * WRITERS)
    );
}

/// Either the driver sleeps and every waker is told so, or it does not sleep.
pub async fn a_wake_meets_the_sleeper_or_keeps_it_awake(store: &impl AllPorts) {
    for round in 0..10 {
        let (id, wakes) = at_work(store, &format!("race-park-{round}")).await;
        let parked = sleeper(1, 1);
        let park = async { ok(store.park(&id, &parked, wakes, at(500)).await, "park") };
        let wakers =
            join_all((0..WRITERS).map(async |_| ok(store.count_wake(&id).await, "count a wake")));
        let (parking, told) = join(park, wakers).await;
        // Told or not, all are told the same. (Who was told and yet must go on has lost the answer
        // to its parking: it wakes itself once more.)
        let sleeper = (parking == Parking::Parked).then_some(&parked);
        let told_of = told[0].as_ref();
        assert!(
            sleeper.is_none() || told_of == sleeper,
            "{parking:?}: {told:?}"
        );
        assert!(
            told.iter().all(|told| told.as_ref() == told_of),
            "{parking:?}: {told:?}"
        );
    }
}

/// Of those who find a dead driver at once, one starts the next.
pub async fn one_of_many_takes_the_generation(store: &impl AllPorts) {
    let (id, _) = at_work(store, "race-generation").await;
    for generation in 1..=5 {
        let taken = join_all((0..WRITERS).map(async |_| {
            ok(
                store.take_generation(&id, generation, at(300)).await,
                "take",
            )
        }))
        .await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    }
    let driver = ok(store.driver(&id).await, "read the driver");
    assert_eq!(
        driver.map(|driver| (driver.generation, driver.restarts)),
        Some((6, 5))
    );
}

/// Waves that reserve slots at once lose none of each other's reservations.
pub async fn reservations_of_many_waves_are_all_kept(store: &impl AllPorts) {
    let reserved = join_all((0..WRITERS).map(async |writer| {
        let id = wave_id(&format!("race-slots-{writer}"));
        let mut reserved = Vec::new();
        for turn in 0..3 {
            let draft = save_next(store, &id, at(turn), |draft| {
                let effect = draft.plan(&[server_id("race-slots", 0)]);
                draft.reserve(&effect, 1);
            })
            .await;
            reserved.push(draft.effects[0].id.clone());
        }
        reserved
    }))
    .await;
    let slots = load(store, &wave_id("race-slots-0")).await.slots;
    for effect in reserved.iter().flatten() {
        assert!(slots.reservations.contains_key(effect), "{effect}");
    }
}
