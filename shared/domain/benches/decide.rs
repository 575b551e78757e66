//! `decide` on waves of 100 and of 3,000 servers, as ratios within one run: it must grow no faster
//! than the wave.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[path = "../tests/decide/fixture.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod fixture;

use fixture::{Hand, plan};
use tidegate_domain::decide::decide;

/// The median of many runs of one decision.
#[expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]
fn measure(hand: &Hand) -> Duration {
    let mut times: Vec<Duration> = (0..30)
        .map(|_| {
            let facts = hand.facts();
            let begun = Instant::now();
            black_box(decide(black_box(facts)));
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn in_phase(servers: usize, phase: &str) -> Hand {
    let mut hand = Hand::new(plan(servers, 0));
    hand.until(phase);
    hand
}

fn main() {
    println!(
        "{:18} {:>12} {:>12} {:>26}",
        "phase", "100", "3,000", "growth (30 is linear)"
    );
    for phase in ["Waiting", "Testing", "AwaitingCutover"] {
        let times: BTreeMap<usize, Duration> = [100, 3_000]
            .into_iter()
            .map(|n| (n, measure(&in_phase(n, phase))))
            .collect();
        let growth = times[&3_000].as_secs_f64() / times[&100].as_secs_f64();
        println!(
            "{phase:18} {:>12.1?} {:>12.1?} {growth:>26.1}",
            times[&100], times[&3_000]
        );
    }
}
