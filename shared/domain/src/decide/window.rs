//! Order and time of the cutovers: which application may begin, and whether what remains fits
//! the window.
//!
//! **Invariant 7**: a cutover is launched in an open window that its projection fits.

use jiff::{SignedDuration, Timestamp};

use super::gates;
use super::turn::{Turn, later};
use super::wants::failed;
use crate::gate::Gate;
use crate::plan::Application;
use crate::server::{End, Server, Stage};

/// Whether an application may begin its cutover now: those that it comes after are cut over, none
/// of its critical servers failed, and the rest of the order fits the window.
pub(super) fn may_begin(turn: &Turn, application: &Application) -> bool {
    order_allows(turn, application) && fits(turn, application)
}

/// Whether order and failures allow an application to begin.
pub(super) fn order_allows(turn: &Turn, application: &Application) -> bool {
    let before = application.after.iter().all(|name| {
        turn.servers
            .iter()
            .filter(|s| s.application == *name)
            .all(cut_over_or_left_out)
    });
    let held = turn
        .servers
        .iter()
        .any(|s| s.application == application.name && s.critical && failed(s));
    before && !held
}

fn cut_over_or_left_out(server: &Server) -> bool {
    match &server.stage {
        Stage::CutOver { .. } | Stage::Finalizing { .. } | Stage::Finalized { .. } => true,
        Stage::Ended {
            end: End::Skipped { .. },
        } => true,
        Stage::Ended {
            end: End::Failed { .. } | End::Aborted { .. } | End::RolledBack,
        } => false,
        Stage::Replicating
        | Stage::Launching { .. }
        | Stage::Checking { .. }
        | Stage::Validating { .. }
        | Stage::Accepting { .. }
        | Stage::Tested { .. }
        | Stage::Quiescing { .. }
        | Stage::Settling { .. }
        | Stage::Returning { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Copying { .. }
        | Stage::Restarting { .. }
        | Stage::Terminating { .. } => false,
    }
}

/// Whether this application, and all that come after it, can be cut over in what is left of the
/// window.
pub(super) fn fits(turn: &Turn, application: &Application) -> bool {
    let Some(window) = &turn.wave.plan.window else {
        return true;
    };
    turn.now >= window.opens && later(turn.now, remaining(turn, application, 0)) <= window.closes
}

/// When these servers' cutover may be launched at the latest.
pub(super) fn latest_start(turn: &Turn, servers: &[usize]) -> Option<Timestamp> {
    let window = turn.wave.plan.window.as_ref()?;
    let longest = servers
        .iter()
        .filter_map(|index| turn.servers.get(*index))
        .filter_map(|server| turn.application(server))
        .map(|application| remaining(turn, application, 0))
        .max()
        .unwrap_or_default();
    Some(
        window
            .closes
            .saturating_sub(longest)
            .unwrap_or(window.opens),
    )
}

/// How long an application and the longest chain after it take, from the tests' own durations.
fn remaining(turn: &Turn, application: &Application, depth: usize) -> SignedDuration {
    // The plan has no cycle; the bound says so where a reader looks for it.
    if depth > turn.wave.plan.applications.len() {
        return SignedDuration::ZERO;
    }
    let after = turn
        .wave
        .plan
        .applications
        .iter()
        .filter(|a| a.after.contains(&application.name))
        .map(|a| remaining(turn, a, depth + 1))
        .max()
        .unwrap_or_default();
    projection(turn, application).saturating_add(after)
}

/// How long an application's cutover takes: the longest of its servers' tests, from asking for
/// the job to the last passed check. Servers that are done take no time.
pub(super) fn projection(turn: &Turn, application: &Application) -> SignedDuration {
    turn.servers
        .iter()
        .filter(|s| s.application == application.name && !cut_over_or_left_out(s))
        .filter(|s| !gates::is_put_off(turn, Gate::Cutover, &s.id))
        .filter_map(|s| s.test.as_ref())
        .map(|test| test.at.duration_since(test.launch.requested_at))
        .max()
        .unwrap_or_default()
}
