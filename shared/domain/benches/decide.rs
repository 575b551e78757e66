//! `decide` on waves of 100 and of 3,000 servers: it must grow no faster than the wave.
//!
//! A wave of 3,000 servers does not fit a processor's cache, so that a mere copy of it takes more than
//! thirty times as long as one of 100. Each decision is therefore measured beside a copy of its facts, in
//! the same run: how many copies it costs, and how that grows.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

#[path = "../tests/decide/fixture.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod fixture;

use fixture::{Hand, plan};
use tidegate_domain::decide::decide;

/// How often each is measured; the median counts.
const TIMES: usize = 60;

/// What a decision takes, and what a copy of its facts does.
#[derive(Clone, Copy)]
struct Measured {
    decide: Duration,
    copy: Duration,
}

impl Measured {
    /// How many copies a decision costs.
    fn copies(self) -> f64 {
        self.decide.as_secs_f64() / self.copy.as_secs_f64()
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]
fn measure(hand: &Hand) -> Measured {
    let mut measured: Vec<(Duration, Duration)> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            let facts = black_box(hand.facts());
            let copied = Instant::now();
            let decision = black_box(decide(facts));
            let decided = Instant::now();
            drop(decision);
            (copied - begun, decided - copied)
        })
        .collect();
    let mut median = |of: fn(&(Duration, Duration)) -> Duration| {
        measured.sort_by_key(of);
        of(&measured[TIMES / 2])
    };
    Measured {
        copy: median(|(copy, _)| *copy),
        decide: median(|(_, decide)| *decide),
    }
}

fn in_phase(servers: usize, phase: &str) -> Hand {
    let mut hand = Hand::new(plan(servers, 0));
    hand.until(phase);
    hand
}

fn main() {
    println!(
        "{:16} {:>12} {:>12} {:>8} {:>22} {:>22}",
        "phase", "100", "3,000", "growth", "copying its facts grows", "beside it (1 is linear)"
    );
    for phase in ["Waiting", "Testing", "AwaitingCutover"] {
        let [small, large] = [100, 3_000].map(|servers| measure(&in_phase(servers, phase)));
        let growth =
            |of: fn(Measured) -> Duration| of(large).as_secs_f64() / of(small).as_secs_f64();
        println!(
            "{phase:16} {:>12.1?} {:>12.1?} {:>8.1} {:>23.1} {:>23.2}",
            small.decide,
            large.decide,
            growth(|m| m.decide),
            growth(|m| m.copy),
            large.copies() / small.copies()
        );
    }
}
