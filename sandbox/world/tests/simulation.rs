//! Two thousand worlds with everything going wrong, then healed: the invariants hold after every
//! step, and every wave ends.
//!
//! `TIDEGATE_WORLDS` runs another number, `TIDEGATE_FIRST_SEED` others; a seed that fails is
//! replayed, with its log, by `simulate --seed N`.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tidegate_world::journal::Journal;
use tidegate_world::scenario::Size;
use tidegate_world::simulation::simulate;

/// How many failures are shown.
const SHOWN: usize = 10;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Every failure among `count` worlds, as far as they are shown.
fn failures(count: u64, size: Size) -> Vec<String> {
    let first = number("TIDEGATE_FIRST_SEED", 1);
    let (next, found) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || found.lock().expect("nobody panics with it").len() >= SHOWN {
                return;
            }
            if let Err(text) = run(first + index, size) {
                found.lock().expect("nobody panics with it").push(text);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    found.into_inner().expect("nobody panics with it")
}

fn run(seed: u64, size: Size) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| simulate(seed, size, Journal::off()))) {
        Ok(Ok(report)) if report.good() => Ok(()),
        Ok(Ok(report)) => Err(report.to_string()),
        Ok(Err(error)) => Err(format!("seed {seed}: {error:#}")),
        Err(_) => Err(format!("seed {seed} panicked")),
    }
}

#[test]
fn every_wave_ends_and_the_invariants_hold_in_two_thousand_worlds() {
    let failures = failures(number("TIDEGATE_WORLDS", 2_000), Size::Small);
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_wave_of_200_servers_ends_and_the_invariants_hold() {
    let failures = failures(number("TIDEGATE_LARGE_WORLDS", 6), Size::Large);
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_seed_replays_line_by_line() {
    let run = || {
        let journal = Journal::kept();
        let report = simulate(7, Size::Small, journal.clone()).expect("it runs");
        (report.to_string(), journal.lines())
    };
    assert_eq!(run(), run());
}
