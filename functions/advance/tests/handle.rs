//! `advance` on the memory store: one decision is saved whole, or decided again.

use std::cell::Cell;

use advance::{Pace, Request, Response, Step};
use jiff::{SignedDuration, Timestamp};
use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::message::{Body, Message, Reading};
use tidegate_domain::plan::Approver;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::{HandlerError, StoreError};
use tidegate_ports::inbox::Inbox;
use tidegate_ports::turns::{Loaded, SaveError, Turn, Turns};
use tidegate_world::contract::fixtures::{at, plan, wave_id};
use tidegate_world::fakes::{FixedClock, run};
use tidegate_world::memory::MemoryStore;

/// A store in which somebody else is faster, for the first `races` saves.
struct Contended {
    store: MemoryStore,
    races: Cell<u32>,
    tries: Cell<u32>,
}

impl Turns for Contended {
    async fn load(&self, wave: &WaveId) -> Result<Loaded, StoreError> {
        self.store.load(wave).await
    }

    async fn note_reading(&self, wave: &WaveId, reading: &Reading) -> Result<(), StoreError> {
        self.store.note_reading(wave, reading).await
    }

    async fn save(&self, turn: &Turn<'_>) -> Result<(), SaveError> {
        self.tries.set(self.tries.get() + 1);
        if self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            return Err(SaveError::Changed);
        }
        Turns::save(&self.store, turn).await
    }

    async fn make_due(&self, _waves: &[WaveId], _now: Timestamp) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("nobody needs it".into()))
    }
}

fn applied() -> Contended {
    let store = MemoryStore::new();
    let wave = wave_id("orders");
    let message = Message {
        id: MessageId::parse("apply-1").expect("an ID"),
        at: at(0),
        by: Approver::Mail("ops@example.com".to_owned()),
        body: Body::Apply(Box::new(plan(&wave))),
    };
    run(store.append(&wave, &message)).expect("an append");
    run(store.create(&wave, at(0))).expect("a driver");
    Contended {
        store,
        races: Cell::new(0),
        tries: Cell::new(0),
    }
}

fn advance(turns: &Contended, generation: u64) -> Result<Response, HandlerError> {
    advance_at(turns, generation, &FixedClock::default())
}

fn advance_at(
    turns: &Contended,
    generation: u64,
    clock: &FixedClock,
) -> Result<Response, HandlerError> {
    let request = Request {
        wave: wave_id("orders"),
        generation,
        execution: String::new(),
        wakes: 0,
    };
    let pace = Pace {
        settle_seconds: 3,
        lease: SignedDuration::from_mins(3),
    };
    run(advance::handle(request, turns, clock, pace))
}

#[test]
fn a_plan_becomes_a_wave() {
    let turns = applied();
    let response = advance(&turns, 1).expect("it decides");
    assert_eq!((response.turn, response.settle_seconds), (1, 3));
    assert_ne!(response.next, Step::Done);
    turns.store.inspect(|tables| {
        let stored = &tables.waves[&wave_id("orders")];
        assert_eq!(stored.wave.turn, 1);
        assert!(
            tables
                .inbox
                .values()
                .all(|message| message.drained.is_some())
        );
    });
}

#[test]
fn what_is_due_in_seconds_is_a_nap_and_what_is_due_later_a_sleep() {
    // The fixture's wave is scheduled 60 seconds after the fixture's first moment.
    for (passed, next, seconds) in [(30, Step::Park, 3), (45, Step::Nap, 15), (59, Step::Nap, 3)] {
        let clock = FixedClock::default();
        clock.pass(passed);
        let response = advance_at(&applied(), 1, &clock).expect("it decides");
        assert_eq!(
            (response.next, response.settle_seconds),
            (next, seconds),
            "{passed}"
        );
    }
}

#[test]
fn a_wave_that_nobody_applied_is_done_and_not_saved() {
    let turns = Contended {
        store: MemoryStore::new(),
        races: Cell::new(0),
        tries: Cell::new(0),
    };
    let response = advance(&turns, 1).expect("it decides");
    assert_eq!((response.next, response.turn), (Step::Done, 0));
    assert_eq!(turns.tries.get(), 0);
}

#[test]
fn a_driver_of_a_lower_generation_ends_and_writes_nothing() {
    let turns = applied();
    advance(&turns, 2).expect("it decides");
    let before = turns.store.inspect(|tables| tables.waves.clone());
    let response = advance(&turns, 1).expect("it ends");
    assert_eq!((response.next, response.turn), (Step::Done, 1));
    assert_eq!(turns.store.inspect(|tables| tables.waves.clone()), before);
}

#[test]
fn what_changed_meanwhile_is_decided_again() {
    let turns = applied();
    turns.races.set(4);
    assert_eq!(advance(&turns, 1).expect("the fifth try is saved").turn, 1);
    assert_eq!(turns.tries.get(), 5);
}

#[test]
fn what_changes_each_time_is_left_to_the_state_machine() {
    let turns = applied();
    turns.races.set(100);
    assert_eq!(
        advance(&turns, 1).expect_err("never saved").name(),
        "Retryable"
    );
    assert_eq!(turns.tries.get(), 5);
}

#[test]
fn the_payloads_are_what_the_state_machine_expects() {
    let request: Request = serde_json::from_str(
        r#"{"wave":"orders","generation":2,"execution":"arn","wakes":7,"later":"ignored"}"#,
    )
    .expect("unknown fields are tolerated");
    assert_eq!((request.generation, request.wakes), (2, 7));
    let response =
        serde_json::to_value(advance(&applied(), 1).expect("it decides")).expect("it is JSON");
    for member in ["turn", "next", "effects", "settle_seconds", "wake_at"] {
        assert!(!response[member].is_null(), "{member}");
    }
    for (step, name) in [
        (Step::Act, "act"),
        (Step::Park, "park"),
        (Step::Renew, "renew"),
        (Step::Done, "done"),
    ] {
        assert_eq!(serde_json::to_value(step).expect("it is JSON"), name);
    }
}
