//! `simulate`: runs worlds by the thousand, or one with its log.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use tidegate_world::coverage::Coverage;
use tidegate_world::journal::Journal;
use tidegate_world::scenario::Size;
use tidegate_world::simulation::{Report, simulate};

/// Run simulated waves with faults, check the invariants after every step, heal, and see that
/// every wave ends.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed alone, and print its log.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to run.
    #[arg(short = 'n', long, default_value_t = 2_000)]
    count: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Waves of 200 servers.
    #[arg(long, group = "size")]
    large: bool,
    /// Two waves of 200 servers at once.
    #[arg(long, group = "size")]
    crowded: bool,
    /// A wave of 200 servers, and strangers who take the slots.
    #[arg(long, group = "size")]
    strangers: bool,
    /// Stop after this many failures.
    #[arg(long, default_value_t = 20)]
    failures: u64,
    /// Print what the runs came across.
    #[arg(long)]
    coverage: bool,
    /// Print a line for every seed.
    #[arg(long)]
    verbose: bool,
}

#[expect(clippy::print_stdout, reason = "a command for people")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let size = match (arguments.large, arguments.crowded, arguments.strangers) {
        (true, _, _) => Size::Large,
        (_, true, _) => Size::Crowded,
        (_, _, true) => Size::Strangers,
        (false, false, false) => Size::Small,
    };
    if let Some(seed) = arguments.seed {
        let journal = Journal::kept();
        let kept = journal.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| simulate(seed, size, journal)));
        for line in kept.lines() {
            println!("{line}");
        }
        return match outcome {
            Ok(Ok(report)) => {
                println!("{report}");
                if report.good() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Ok(Err(error)) => {
                println!("{error:#}");
                ExitCode::FAILURE
            }
            Err(_) => {
                println!("seed {seed} panicked");
                ExitCode::FAILURE
            }
        };
    }
    let began = Instant::now();
    let (next, failed, turns) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let coverage = Mutex::new(Coverage::default());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while failed.load(Ordering::Relaxed) < arguments.failures {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= arguments.count {
                        return;
                    }
                    let seed = arguments.first + index;
                    let run = || simulate(seed, size, Journal::off());
                    let outcome = catch_unwind(AssertUnwindSafe(run));
                    let (good, text) = match outcome {
                        Ok(Ok(report)) => {
                            turns.fetch_add(report.turns, Ordering::Relaxed);
                            if let Ok(mut all) = coverage.lock() {
                                all.add(&report.coverage);
                            }
                            (Report::good(&report), report.to_string())
                        }
                        Ok(Err(error)) => (false, format!("seed {seed}: {error:#}")),
                        Err(_) => {
                            let again = size.replay(seed);
                            (false, format!("seed {seed} panicked\n  again: {again}"))
                        }
                    };
                    if !good {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    if !good || arguments.verbose {
                        println!("{text}");
                    }
                }
            });
        }
    });
    if arguments.coverage
        && let Ok(all) = coverage.lock()
    {
        for (what, count) in all.iter() {
            println!("{count:>9} {what}");
        }
    }
    let failed = failed.load(Ordering::Relaxed);
    let ran = next.load(Ordering::Relaxed).min(arguments.count);
    println!(
        "{ran} worlds from seed {}, {} turns, {failed} failed, {:.1} s",
        arguments.first,
        turns.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64(),
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
