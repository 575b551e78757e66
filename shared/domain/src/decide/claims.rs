//! The wave's servers: made its own before anything is done to them, given free once nothing more
//! is.
//!
//! **Invariant 2**: a server belongs to one live wave at most.

use super::phases;
use super::turn::Turn;
use crate::effect::Task;
use crate::id::ServerId;
use crate::server::Server;
use crate::wave::Claims;

/// Servers in one claim or release.
const MOST_CLAIMS: usize = 100;

pub(super) fn claim(turn: &mut Turn, claimed: u32, asked: bool, not_before: jiff::Timestamp) {
    if asked {
        return;
    }
    if turn.now < not_before {
        return turn.look_again(not_before);
    }
    let servers = batch(&turn.servers, claimed);
    if servers.is_empty() {
        turn.wave.claims = Claims::Held;
        return phases::waiting(turn);
    }
    if let Some(effect) = turn.plan(Task::Claim { servers }) {
        turn.wave.claims = Claims::Claiming {
            claimed,
            effect: Some(effect),
            not_before,
        };
    }
}

/// The next servers of a batch, in order.
fn batch(servers: &[Server], from: u32) -> Vec<ServerId> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    servers
        .iter()
        .skip(from)
        .take(MOST_CLAIMS)
        .map(|s| s.id.clone())
        .collect()
}

/// Give the servers free; gives whether they all are.
pub(super) fn released(turn: &mut Turn) -> bool {
    let (released, asked) = match turn.wave.claims.clone() {
        Claims::None | Claims::Released => return true,
        Claims::Claiming {
            effect: Some(_), ..
        } => return false,
        Claims::Claiming { effect: None, .. } | Claims::Held => (0, false),
        Claims::Releasing { released, effect } => (released, effect.is_some()),
    };
    // Nothing is done to a server that is not ours any more.
    let under_way = turn.wave.open.keys().any(|id| {
        let stored = turn
            .stored
            .get(id)
            .or_else(|| turn.new.iter().find(|e| e.id == *id));
        stored.is_some_and(|e| {
            !matches!(
                e.task,
                Task::Notify { .. } | Task::Release { .. } | Task::CloseQuestion { .. }
            )
        })
    });
    if asked || under_way {
        return false;
    }
    let servers = batch(&turn.servers, released);
    if servers.is_empty() {
        turn.wave.claims = Claims::Released;
        return true;
    }
    let effect = turn.plan(Task::Release { servers });
    turn.wave.claims = Claims::Releasing { released, effect };
    false
}
