//! Replication that does not go on: told when that begins and when it ends. Where it stalls, MGN is
//! asked to try again, and if that does not help, people are told once more. What somebody stopped or
//! paused while the wave waits is told likewise.
//!
//! **Invariant 12**: a wave that waits for such a server is held, and no end of a stall releases it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::turn::{Turn, later};
use super::wants::{MOST_CALLS, ids};
use super::{cleanup, gates, news};
use crate::audit::About;
use crate::effect::Task;
use crate::gate::Gate;
use crate::hold::{HoldReason, MOST_NAMED};
use crate::id::{ApplicationName, ServerId};
use crate::news::{Affected, News};
use crate::observation::{Halted, ReplicationState, ServerSeen};
use crate::server::{Server, Stage, Stall};
use crate::wave::{Claims, Phase};

/// How long to leave a stall to MGN between two attempts of ours.
const STALL_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Tell of a stall that begins or ends.
pub(super) fn follow(turn: &mut Turn, server: &mut Server) {
    let replicates = match server.stage {
        Stage::Finalizing { .. } | Stage::Finalized { .. } | Stage::Ended { .. } => false,
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
        | Stage::Terminating { .. }
        | Stage::CutOver { .. } => true,
    };
    let Some(seen) = turn.seen.get(&server.id) else {
        return;
    };
    let halted = seen.halted();
    let trouble = trouble(turn, seen).filter(|_| replicates);
    match (&server.stall, trouble) {
        (None, Some(error)) => {
            let text = format!("Replication of {} stalls: {error}.", server.hostname);
            turn.note("ReplicationStalled", text);
            turn.about(About::server(&server.id));
            tell(turn, server, &error);
            server.stall = Some(Stall {
                since: turn.now,
                retries: 0,
                retry_at: first_retry(turn, halted),
                reported: false,
            });
        }
        // Whether it stalls does not matter any more, or it will be lost for that.
        (Some(_), None) if !replicates || halted.is_some() => server.stall = None,
        (Some(_), None) => {
            turn.note(
                "ReplicationResumed",
                format!("{} replicates again.", server.hostname),
            );
            turn.about(About::server(&server.id));
            server.stall = None;
        }
        (Some(_), Some(_)) if in_vain(turn, server) => {}
        (Some(stall), Some(_)) => {
            let at = stall.retry_at;
            turn.look_again(at);
        }
        (None, None) => {}
    }
}

/// Why replication does not go on, in a way that people are told of: MGN's own error where it stalls.
/// A server that is stopped or paused later than in Waiting is lost, or shown at the gate.
fn trouble(turn: &Turn, seen: &ServerSeen) -> Option<String> {
    if seen.replication.state == ReplicationState::Stalled {
        let error = seen.replication.error.clone();
        return Some(error.unwrap_or_else(|| "no reason given".to_owned()));
    }
    match seen.halted()? {
        why @ (Halted::Stopped | Halted::Paused) if turn.wave.phase == Phase::Waiting => {
            Some(why.to_string())
        }
        Halted::Stopped | Halted::Paused | Halted::NotBegun => None,
    }
}

/// When MGN is asked to try again. It tries nothing where somebody stopped or paused replication: that
/// has as long to end by itself.
fn first_retry(turn: &Turn, halted: Option<Halted>) -> Timestamp {
    match halted {
        None => turn.now,
        Some(_) => later(turn.now, STALL_PAUSE),
    }
}

/// Whether a server does not replicate although MGN was asked to try again as often as the plan allows,
/// or cannot be asked, by a read from after the pause that follows the last time.
pub(super) fn in_vain(turn: &Turn, server: &Server) -> bool {
    let Some((stall, seen)) = server.stall.as_ref().zip(turn.seen.get(&server.id)) else {
        return false;
    };
    let asked = stall.retries >= turn.wave.plan.policy.attempts;
    (asked || seen.halted().is_some()) && seen.at >= stall.retry_at
}

/// Why a server will not replicate by itself. Before the wave starts, it waits for those that have yet
/// to begin.
fn never(turn: &Turn, server: &Server) -> Option<String> {
    let seen = turn.seen.get(&server.id)?;
    let not_begun = seen.halted().filter(|why| *why == Halted::NotBegun);
    if turn.wave.phase != Phase::Waiting && not_begun.is_some() {
        return not_begun.map(|why| why.to_string());
    }
    trouble(turn, seen).filter(|_| in_vain(turn, server))
}

/// Hold the wave if it waits for servers that will not replicate by themselves.
pub(super) fn hold(turn: &mut Turn, waited_for: impl Fn(&Server) -> bool) {
    let waited_for = turn.servers.iter().filter(|s| waited_for(s));
    let mut servers: Vec<String> = waited_for
        .filter_map(|s| Some(format!("{}: {}", s.hostname, never(turn, s)?)))
        .collect();
    let all = servers.len();
    if all > MOST_NAMED {
        servers.truncate(MOST_NAMED - 1);
        servers.push(format!("and {} more", all - servers.len()));
    }
    if !servers.is_empty() {
        turn.hold(HoldReason::Stalled { servers });
    }
}

/// Hold the wave if in each of these applications, whose cutovers can begin, a server stalls for good
/// that the policy does not pass over: a hold would stop an application that can go on. Gives
/// whether it does.
pub(super) fn hold_cutovers(turn: &mut Turn, applications: &[ApplicationName]) -> bool {
    let stalled: BTreeMap<ServerId, ApplicationName> = turn
        .servers
        .iter()
        .filter(|s| {
            matches!(s.stage, Stage::Tested { .. }) && applications.contains(&s.application)
        })
        .filter(|s| in_vain(turn, s) && !cleanup::passed_over(turn, s))
        .filter(|s| !gates::is_put_off(turn, Gate::Cutover, &s.id))
        .map(|s| (s.id.clone(), s.application.clone()))
        .collect();
    let stalls = |name| stalled.values().any(|application| application == name);
    if !applications.iter().all(stalls) {
        return false;
    }
    hold(turn, |s| stalled.contains_key(&s.id));
    true
}

/// Tell once more of servers for which MGN was asked in vain, unless the wave is held for such: then
/// people know, and MGN is asked anew before anything else is said.
pub(super) fn report(turn: &mut Turn) {
    let held = turn.wave.hold.as_ref();
    if turn.wave.phase.ending()
        || held.is_some_and(|hold| matches!(hold.reason, HoldReason::Stalled { .. }))
    {
        return;
    }
    // In other stages something is under way, or nothing depends on it.
    let waits = |s: &Server| matches!(s.stage, Stage::Replicating | Stage::Tested { .. });
    let silent = |s: &Server| s.stall.as_ref().is_some_and(|stall| !stall.reported);
    let due: Vec<usize> = turn
        .servers
        .iter()
        .enumerate()
        .filter(|(_, s)| silent(s) && waits(s) && in_vain(turn, s))
        .map(|(index, _)| index)
        .collect();
    for index in due {
        turn.with_server(index, |turn, server| {
            tell_again(turn, server);
            if let Some(stall) = &mut server.stall {
                stall.reported = true;
            }
        });
    }
}

fn tell_again(turn: &mut Turn, server: &Server) {
    let seen = turn.seen.get(&server.id);
    let Some(mut error) = seen.and_then(|seen| trouble(turn, seen)) else {
        return;
    };
    if seen.is_some_and(|seen| seen.halted().is_none()) {
        let times = match turn.wave.plan.policy.attempts {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        error.push_str(&format!(
            ", and asking it {times} to try again did not help"
        ));
    }
    tell(turn, server, &error);
    let text = format!("Replication of {} still stalls: {error}.", server.hostname);
    turn.note("ReplicationStalled", text);
    turn.about(About::server(&server.id));
}

fn tell(turn: &mut Turn, server: &Server, error: &str) {
    let window = turn.window_ahead();
    let servers = Affected::one(&server.hostname, &server.id, error);
    news::tell(turn, News::ReplicationStalled { servers, window });
}

/// A person wants MGN to be asked anew where it was asked in vain.
pub(super) fn begin_anew(turn: &mut Turn) {
    let attempts = turn.wave.plan.policy.attempts;
    for index in 0..turn.servers.len() {
        turn.with_server(index, |turn, server| {
            let halted = turn.seen.get(&server.id).and_then(ServerSeen::halted);
            let stall = server.stall.as_mut();
            if let Some(stall) = stall.filter(|s| s.retries >= attempts || halted.is_some()) {
                stall.retries = 0;
                stall.retry_at = first_retry(turn, halted);
                stall.reported = false;
            }
        });
    }
}

/// RetryDataReplication for servers that stall.
pub(super) fn retry(turn: &mut Turn) {
    if turn.wave.claims != Claims::Held {
        return;
    }
    let attempts = turn.wave.plan.policy.attempts;
    let stalls = |server: &Server| {
        let seen = turn.seen.get(&server.id);
        seen.is_some_and(|seen| seen.replication.state == ReplicationState::Stalled)
    };
    let due: Vec<usize> = turn
        .servers
        .iter()
        .enumerate()
        .filter(|(_, s)| {
            let stall = s.stall.as_ref().filter(|_| stalls(s));
            stall.is_some_and(|stall| stall.retries < attempts && stall.retry_at <= turn.now)
        })
        .map(|(index, _)| index)
        .collect();
    for batch in due.chunks(MOST_CALLS) {
        let servers = ids(turn, batch);
        if turn.plan(Task::RetryReplication { servers }).is_none() {
            return;
        }
        for index in batch {
            turn.with_server(*index, |turn, server| {
                if let Some(stall) = &mut server.stall {
                    stall.retries += 1;
                    stall.retry_at = later(turn.now, STALL_PAUSE);
                }
            });
        }
    }
}
