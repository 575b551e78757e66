//! Two thousand worlds with everything going wrong, then healed: the invariants hold after every
//! step, and every wave ends.
//!
//! `TIDEGATE_WORLDS` runs another number, `TIDEGATE_FIRST_SEED` others; a seed that fails says what
//! replays it, with its log.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tidegate_world::coverage::Coverage;
use tidegate_world::faults::CHANGES;
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

/// What two thousand worlds must have come across; else they show nothing.
const COVERED: &[&str] = &[
    "event is lost",
    "event comes twice",
    "event comes late",
    "event comes after a newer one",
    "event is forged",
    "invocation of advance is refused",
    "invocation of advance is doubled",
    "invocation of advance is lost",
    "invocation of launch is refused",
    "invocation of launch is doubled",
    "invocation of launch is lost",
    "invocation of finalize is doubled",
    "invocation of finalize is lost",
    "advance goes on late at load",
    "advance goes on late at save",
    "observe goes on late at save observations",
    "launch meets Throttled at StartTest",
    "launch meets Throttled at StartCutover",
    "finalize meets Throttled at FinalizeCutover",
    "validate meets Throttled at SendCommand",
    "sweep meets Throttled at StartExecution",
    "sweep is left out",
    "second driver beside one that runs",
    "time jumps",
    "job of a stranger",
    "somebody else: StartTest",
    "somebody changes how a server is launched",
    "phase Completed",
    "phase Aborted",
    "phase RolledBack",
    "rolled back because its finalize gate expired",
    "launch adopts",
    "validate adopts",
    "launch dies before StartTest",
    "launch dies before StartCutover",
    "launch dies before answer",
    "launch meets Lost at StartCutover",
    "validate meets Lost at SendCommand",
    "finalize dies before FinalizeCutover",
    "finalize meets Lost at FinalizeCutover",
    "advance dies before save",
    "advance meets Lost at save",
    "advance times out",
    "launch times out",
    "effect cancelled",
    "effect whose job was seen",
    "execution failed Runtime.ExitError",
    "execution stopped in Observe",
    "execution stopped in Advance",
    "execution stopped in Follow",
    "execution stopped in Act",
    "execution stopped in Launch",
    "execution stopped in Settle",
    "execution stopped in Park",
    "execution stopped in Doze",
    "state Renew",
    "state Doze",
    "hold BudgetSpent",
    "hold Denied",
    "hold Expired",
    "hold Expired ended by a decision in time",
    "hold Preflight",
    "hold Quarantined",
    "hold Rejected",
    "hold ServersFailed",
    "hold Unhealthy",
    "hold Uninitialized",
    "hold WindowMissed",
    "Slack click comes twice",
    "Slack click fails",
    "Slack click is a stranger's",
    "Slack click is taken",
    "Slack click is too late",
    "Slack click refused: 403",
    "Slack is told news",
    "Slack message changed",
    "Slack refuses chat.postMessage",
    "Slack refuses chat.update",
    "gate meets Lost at chat.postMessage",
    "gate dies before chat.update",
    "console dies before response_url",
    "console dies before append",
    "console dies before count wake",
    "advance dies before its answer",
    "finalize dies before its answer",
    "gate dies before Publish",
    "launch dies before TerminateTargetInstances",
    "launch dies before its answer",
    "lifecycle dies before ChangeServerLifeCycleState",
    "notify dies before Publish",
    "park dies before park",
    "prepare dies before claim server",
    "validate dies before SendCommand",
    "park goes on late at its answer",
    "observe goes on late at known",
    "RetryDataReplication accepted",
    "gate cutover approvers not reached",
    "gate cutover reminded",
    "hold Refused",
    "hold Selection",
    "hold Stalled",
    "server waits for its job to end",
];

/// That a function dies before and after each call that changes something, and that its answer is lost.
fn crashes() -> impl Iterator<Item = String> {
    CHANGES.iter().flat_map(|(function, calls)| {
        let name = function.name();
        let at = calls.iter().flat_map(move |call| {
            [
                format!("{name} dies before {call}"),
                format!("{name} meets Lost at {call}"),
            ]
        });
        at.chain([format!("{name} dies before its answer")])
    })
}

/// Run `count` worlds: the failures as far as they are shown, and what was come across.
fn worlds(count: u64, size: Size) -> (Vec<String>, Coverage) {
    let first = number("TIDEGATE_FIRST_SEED", 1);
    let next = AtomicU64::new(0);
    let found = Mutex::new((Vec::new(), Coverage::default()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || found.lock().expect("nobody panics with it").0.len() >= SHOWN {
                return;
            }
            let result = run(first + index, size);
            let mut found = found.lock().expect("nobody panics with it");
            match result {
                Ok(coverage) => found.1.add(&coverage),
                Err(text) => found.0.push(text),
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

fn run(seed: u64, size: Size) -> Result<Coverage, String> {
    match catch_unwind(AssertUnwindSafe(|| simulate(seed, size, Journal::off()))) {
        Ok(Ok(report)) if report.good() => Ok(report.coverage),
        Ok(Ok(report)) => Err(report.to_string()),
        Ok(Err(error)) => Err(format!("seed {seed}: {error:#}")),
        Err(_) => Err(format!(
            "seed {seed} panicked\n  again: {}",
            size.replay(seed)
        )),
    }
}

/// The worlds that are run, and what they must have come across.
fn check(count: u64, size: Size, covered: &[&str]) -> Coverage {
    let (failures, coverage) = worlds(count, size);
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    let missed: Vec<&&str> = covered
        .iter()
        .filter(|what| coverage.of(what) == 0)
        .collect();
    assert!(missed.is_empty(), "never came up: {missed:?}");
    coverage
}

#[test]
fn every_wave_ends_and_the_invariants_hold_in_two_thousand_worlds() {
    let count = number("TIDEGATE_WORLDS", 2_000);
    let covered = if count >= 2_000 { COVERED } else { &[] };
    let coverage = check(count, Size::Small, covered);
    let missed: Vec<String> = crashes().filter(|what| coverage.of(what) == 0).collect();
    assert!(
        missed.is_empty() || count < 2_000,
        "never came up: {missed:?}"
    );
}

#[test]
fn every_wave_of_200_servers_ends_and_the_invariants_hold() {
    check(number("TIDEGATE_LARGE_WORLDS", 6), Size::Large, &[]);
}

#[test]
fn two_waves_share_the_slots() {
    check(2, Size::Crowded, &["waited for slots of another wave"]);
}

#[test]
fn strangers_take_the_slots() {
    let covered = [
        "job of a stranger",
        "StartTest ServiceQuotaExceededException",
        "waited for slots of strangers",
    ];
    check(3, Size::Strangers, &covered);
}

/// Worlds that failed once, by what was wrong then.
#[test]
fn what_failed_once_holds() {
    // A source went down after the world had healed: its fault counted from InitializeService.
    let planned_faults = [3614, 4135];
    // Somebody deleted a server during the soak.
    let deleted = [7701];
    // One waited for a person to start its source, another for that before it asked for a person.
    let for_each_other = [1628];
    let seeds = planned_faults.into_iter().chain(deleted);
    let seeds = seeds.chain(for_each_other);
    let failures: Vec<String> = seeds
        .filter_map(|seed| run(seed, Size::Small).err())
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_seed_replays_line_by_line() {
    for size in [Size::Small, Size::Strangers] {
        let run = || {
            let journal = Journal::kept();
            let report = simulate(7, size, journal.clone()).expect("it runs");
            (report.to_string(), journal.lines())
        };
        assert!(run() == run(), "{}", size.replay(7));
    }
}
