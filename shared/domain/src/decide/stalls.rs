//! Replication that stalls: told when it begins and when it ends. MGN is asked to try again, and if
//! that does not help, people are told once more.
//!
//! **Invariant 12**: a wave that waits for such a server is held, and no end of a stall releases it.

use std::collections::BTreeMap;

use super::turn::{Turn, later};
use super::wants::{MOST_CALLS, ids};
use super::{cleanup, gates};
use crate::audit::About;
use crate::effect::Task;
use crate::gate::Gate;
use crate::hold::{HoldReason, MOST_NAMED};
use crate::id::{ApplicationName, ServerId};
use crate::news::News;
use crate::observation::ReplicationState;
use crate::server::{Server, Stage, Stall};
use crate::wave::Claims;

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
    let stalled = replicates && seen.replication.state == ReplicationState::Stalled;
    match (&server.stall, stalled) {
        (None, true) => {
            let error = error(turn, server);
            let text = format!("Replication of {} stalls: {error}.", server.hostname);
            turn.note("ReplicationStalled", text);
            turn.about(About::server(&server.id));
            turn.tell(News::ReplicationStalled {
                hostname: server.hostname.clone(),
                server: server.id.clone(),
                error,
                window: turn.window_ahead(),
            });
            server.stall = Some(Stall {
                since: turn.now,
                retries: 0,
                retry_at: turn.now,
                reported: false,
            });
        }
        // Whether it stalls does not matter any more.
        (Some(_), false) if !replicates => server.stall = None,
        (Some(_), false) => {
            turn.note(
                "ReplicationResumed",
                format!("{} replicates again.", server.hostname),
            );
            turn.about(About::server(&server.id));
            server.stall = None;
        }
        (Some(_), true) if in_vain(turn, server) => {}
        (Some(stall), true) => {
            let at = stall.retry_at;
            turn.look_again(at);
        }
        (None, false) => {}
    }
}

/// What MGN says is wrong.
fn error(turn: &Turn, server: &Server) -> String {
    let seen = turn.seen.get(&server.id);
    let error = seen.and_then(|seen| seen.replication.error.clone());
    error.unwrap_or_else(|| "no reason given".to_owned())
}

/// Whether a server stalls although MGN was asked to try again as often as the plan allows, by a
/// read from after the pause that follows the last time.
pub(super) fn in_vain(turn: &Turn, server: &Server) -> bool {
    let seen = turn.seen.get(&server.id);
    server.stall.as_ref().is_some_and(|stall| {
        stall.retries >= turn.wave.plan.policy.attempts
            && seen.is_some_and(|seen| seen.at >= stall.retry_at)
    })
}

/// Hold the wave if it waits for servers for which MGN was asked in vain.
pub(super) fn hold(turn: &mut Turn, waited_for: impl Fn(&Server) -> bool) {
    let stalled = turn
        .servers
        .iter()
        .filter(|s| waited_for(s) && in_vain(turn, s));
    let mut servers: Vec<String> = stalled
        .map(|s| format!("{}: {}", s.hostname, error(turn, s)))
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
            let told = tell_again(turn, server);
            if let Some(stall) = &mut server.stall {
                stall.reported = told;
            }
        });
    }
}

/// Gives whether people are told.
fn tell_again(turn: &mut Turn, server: &Server) -> bool {
    let times = match turn.wave.plan.policy.attempts {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let error = format!(
        "{}, and asking it {times} to try again did not help",
        error(turn, server)
    );
    let told = turn.tell(News::ReplicationStalled {
        hostname: server.hostname.clone(),
        server: server.id.clone(),
        error: error.clone(),
        window: turn.window_ahead(),
    });
    if told.is_none() {
        return false;
    }
    let text = format!("Replication of {} still stalls: {error}.", server.hostname);
    turn.note("ReplicationStalled", text);
    turn.about(About::server(&server.id));
    true
}

/// A person wants MGN to be asked anew where it was asked in vain.
pub(super) fn begin_anew(turn: &mut Turn) {
    let attempts = turn.wave.plan.policy.attempts;
    for stall in turn.servers.iter_mut().filter_map(|s| s.stall.as_mut()) {
        if stall.retries >= attempts {
            stall.retries = 0;
            stall.retry_at = turn.now;
            stall.reported = false;
        }
    }
}

/// RetryDataReplication for servers that stall.
pub(super) fn retry(turn: &mut Turn) {
    if turn.wave.claims != Claims::Held {
        return;
    }
    let attempts = turn.wave.plan.policy.attempts;
    let due: Vec<usize> = turn
        .servers
        .iter()
        .enumerate()
        .filter(|(_, s)| {
            s.stall
                .as_ref()
                .is_some_and(|st| st.retries < attempts && st.retry_at <= turn.now)
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
