//! Drivers: whoever sleeps can be woken, whoever was woken cannot sleep, and the highest
//! generation lives.

use tidegate_domain::id::WaveId;
use tidegate_ports::driver::{Driver, Parked, Parking};

use super::fixtures::{at, wave_id};
use super::turns::save_next;
use super::{AllPorts, ok};

/// An execution that sleeps.
pub(super) fn sleeper(generation: u64, turn: u64) -> Parked {
    Parked {
        token: format!("token-{generation}-{turn}"),
        generation,
        turn,
    }
}

/// Create a driver that is at work in generation 1; gives the wake count.
pub(super) async fn at_work(store: &impl AllPorts, case: &str) -> (WaveId, u64) {
    let id = wave_id(case);
    ok(store.create(&id, at(0)).await, "create the driver");
    assert!(ok(store.take_generation(&id, 0, at(100)).await, "start"));
    let wakes = ok(store.at_work(&id, 1, at(200)).await, "be at work");
    (id, wakes)
}

async fn park(store: &impl AllPorts, wave: &WaveId, parked: &Parked, wakes: u64) -> Parking {
    ok(store.park(wave, parked, wakes, at(500)).await, "park")
}

async fn driver(store: &impl AllPorts, wave: &WaveId) -> Driver {
    ok(store.driver(wave).await, "read the driver").unwrap_or_default()
}

/// Without a driver there is nothing to wake, to park or to start.
pub async fn an_unknown_wave_has_no_driver(store: &impl AllPorts) {
    let id = wave_id("no-driver");
    assert_eq!(ok(store.count_wake(&id).await, "count a wake"), None);
    assert_eq!(ok(store.at_work(&id, 1, at(9)).await, "be at work"), 0);
    assert_eq!(park(store, &id, &sleeper(1, 1), 0).await, Parking::GoOn);
    ok(store.unpark(&id, &sleeper(1, 1), at(9)).await, "unpark");
    assert!(!ok(store.take_generation(&id, 0, at(9)).await, "start"));
    assert_eq!(ok(store.driver(&id).await, "read the driver"), None);
    assert!(!ok(store.due(at(900)).await, "list what is due").contains(&id));
}

/// A second creation changes nothing.
pub async fn a_driver_is_created_once(store: &impl AllPorts) {
    let id = wave_id("created-once");
    ok(store.create(&id, at(7)).await, "create the driver");
    let created = Driver {
        wake_at: Some(at(7)),
        ..Driver::default()
    };
    assert_eq!(driver(store, &id).await, created);
    assert!(ok(store.take_generation(&id, 0, at(100)).await, "start"));
    ok(store.create(&id, at(8)).await, "create the driver again");
    let started = Driver {
        generation: 1,
        wake_at: Some(at(100)),
        ..Driver::default()
    };
    assert_eq!(driver(store, &id).await, started);
}

/// A sleeper is known to every waker until its driver is at work again.
pub async fn whoever_sleeps_is_told_to_the_waker(store: &impl AllPorts) {
    let (id, wakes) = at_work(store, "told-to-the-waker").await;
    assert_eq!(
        park(store, &id, &sleeper(1, 4), wakes).await,
        Parking::Parked
    );
    // Parking again (a lost answer) is parking once.
    assert_eq!(
        park(store, &id, &sleeper(1, 4), wakes).await,
        Parking::Parked
    );
    let asleep = Driver {
        wakes,
        generation: 1,
        parked: Some(sleeper(1, 4)),
        wake_at: Some(at(500)),
        ..Driver::default()
    };
    assert_eq!(driver(store, &id).await, asleep);
    let woken = ok(store.count_wake(&id).await, "count a wake");
    assert_eq!(woken, Some(sleeper(1, 4)));

    let counted = ok(store.at_work(&id, 1, at(600)).await, "be at work");
    assert_eq!(counted, wakes + 1);
    assert_eq!(ok(store.count_wake(&id).await, "count a wake"), None);
}

/// Whatever happened since the driver looked makes it look again.
pub async fn a_wake_keeps_the_driver_from_sleeping(store: &impl AllPorts) {
    let (id, wakes) = at_work(store, "kept-awake").await;
    assert_eq!(ok(store.count_wake(&id).await, "count a wake"), None);
    assert_eq!(park(store, &id, &sleeper(1, 1), wakes).await, Parking::GoOn);
    let awake = driver(store, &id).await;
    assert_eq!((awake.parked, awake.wake_at), (None, Some(at(200))));
    assert_eq!(
        park(store, &id, &sleeper(1, 1), wakes + 1).await,
        Parking::Parked
    );
}

/// A park that comes after a later turn was saved, or has parked, is nobody's sleep.
pub async fn a_late_park_does_not_sleep(store: &impl AllPorts) {
    let (id, wakes) = at_work(store, "late-park").await;
    assert_eq!(
        park(store, &id, &sleeper(1, 5), wakes).await,
        Parking::Parked
    );
    assert_eq!(park(store, &id, &sleeper(1, 4), wakes).await, Parking::GoOn);
    assert_eq!(driver(store, &id).await.parked, Some(sleeper(1, 5)));

    let (id, wakes) = at_work(store, "late-park-saved").await;
    for turn in 1..=3 {
        save_next(store, &id, at(turn), |_| {}).await;
    }
    assert_eq!(park(store, &id, &sleeper(1, 2), wakes).await, Parking::GoOn);
    assert_eq!(
        park(store, &id, &sleeper(1, 3), wakes).await,
        Parking::Parked
    );
}

/// A driver that was superseded moves nothing any more.
pub async fn an_older_generation_neither_works_nor_sleeps(store: &impl AllPorts) {
    let (id, wakes) = at_work(store, "older-generation").await;
    // A renewal starts the next generation by itself.
    ok(store.at_work(&id, 2, at(300)).await, "be at work");
    assert_eq!(driver(store, &id).await.generation, 2);
    assert_eq!(
        ok(store.at_work(&id, 1, at(900)).await, "be at work"),
        wakes
    );
    assert_eq!(park(store, &id, &sleeper(1, 9), wakes).await, Parking::GoOn);
    let newer = driver(store, &id).await;
    let stands = (newer.generation, newer.parked, newer.wake_at);
    assert_eq!(stands, (2, None, Some(at(300))));
    assert_eq!(
        park(store, &id, &sleeper(2, 1), wakes).await,
        Parking::Parked
    );
    ok(store.at_work(&id, 1, at(900)).await, "be at work");
    assert_eq!(driver(store, &id).await.parked, Some(sleeper(2, 1)));
}

/// A token that nobody answers to is forgotten; another one is not.
pub async fn a_worthless_token_is_forgotten(store: &impl AllPorts) {
    let (id, wakes) = at_work(store, "worthless-token").await;
    assert_eq!(
        park(store, &id, &sleeper(1, 2), wakes).await,
        Parking::Parked
    );
    ok(store.unpark(&id, &sleeper(1, 1), at(9)).await, "unpark");
    let asleep = driver(store, &id).await;
    assert_eq!(
        (asleep.parked, asleep.wake_at),
        (Some(sleeper(1, 2)), Some(at(500)))
    );
    ok(store.unpark(&id, &sleeper(1, 2), at(700)).await, "unpark");
    let awake = driver(store, &id).await;
    assert_eq!((awake.parked, awake.wake_at), (None, Some(at(700))));
}

/// One generation after the other; the first start is no restart.
pub async fn generations_are_taken_in_order(store: &impl AllPorts) {
    let id = wave_id("generations");
    ok(store.create(&id, at(0)).await, "create the driver");
    for generation in 0..3 {
        let until = at(100 + i64::try_from(generation).unwrap_or_default());
        assert!(ok(
            store.take_generation(&id, generation, until).await,
            "take"
        ));
        assert!(!ok(
            store.take_generation(&id, generation, at(900)).await,
            "take again"
        ));
        let started = driver(store, &id).await;
        assert_eq!(
            (started.generation, started.wake_at),
            (generation + 1, Some(until))
        );
        assert_eq!(u64::from(started.restarts), generation);
    }
    assert!(!ok(
        store.take_generation(&id, 9, at(900)).await,
        "take what is not there"
    ));
}

/// What is due comes in the order of time; what is not due does not come.
pub async fn the_due_list_is_in_order_of_time(store: &impl AllPorts) {
    let wave = |number: i64| wave_id(&format!("due-{number:02}"));
    for number in 0..20 {
        ok(
            store.create(&wave(number), at(40 - number)).await,
            "create the driver",
        );
    }
    let due = ok(store.due(at(30)).await, "list what is due");
    let ours: Vec<_> = due
        .into_iter()
        .filter(|id| (0..20).any(|number| wave(number) == *id))
        .collect();
    let expected: Vec<_> = (10..20).rev().map(wave).collect();
    assert_eq!(ours, expected);
}
