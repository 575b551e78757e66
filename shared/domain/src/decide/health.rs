//! How a server is that runs in AWS: its instance and EC2's status checks.
//!
//! **Invariant 7**: nothing is finalized that was not healthy at the end of its soak, and nothing
//! that is not when people decide or when it is done, unless they were shown so.

use jiff::Timestamp;

use super::turn::Turn;
use super::{follow, settings};
use crate::gate::{Gate, GateState};
use crate::observation::{ServerSeen, StatusChecks};
use crate::server::Server;
use crate::wave::Phase;

/// How a server is.
pub(super) enum Health {
    Good,
    /// It may yet show.
    Unknown(&'static str),
    Bad(&'static str),
}

/// How a server is, as it was read after that time: from then on it has to be read in every round.
pub(super) fn of(turn: &Turn, server: &Server, after: Timestamp) -> Health {
    let read = turn.round.as_ref().is_some_and(|round| round.at > after);
    if read && follow::gone(turn, server) {
        return Health::Bad(follow::GONE);
    }
    match turn.seen.get(&server.id).filter(|seen| seen.at > after) {
        Some(seen) => instance(server, seen),
        None => Health::Unknown("its instance could not be looked at"),
    }
}

/// What is wrong with a server while people are asked whether to finalize it. What could not be
/// read is not: the last that was known stands.
pub(super) fn trouble(turn: &Turn, server: &Server) -> Option<&'static str> {
    if turn.wave.phase != Phase::AwaitingFinalize {
        return None;
    }
    bad(turn, server)
}

/// What is wrong with a server as it was last looked at, if anything is for certain.
pub(super) fn bad(turn: &Turn, server: &Server) -> Option<&'static str> {
    match instance(server, turn.seen.get(&server.id)?) {
        Health::Bad(what) => Some(what),
        Health::Good | Health::Unknown(_) => None,
    }
}

/// No event tells that an instance was stopped or terminated: look now and then while people are
/// asked.
pub(super) fn look(turn: &mut Turn) {
    let asked = turn.wave.gates.get(&Gate::Finalize);
    if turn.wave.phase == Phase::AwaitingFinalize && matches!(asked, Some(GateState::Open(_))) {
        let at = turn.after(settings::rest(&turn.wave.plan.policy));
        turn.look_again(at);
    }
}

/// How the instance of the cutover is.
fn instance(server: &Server, seen: &ServerSeen) -> Health {
    let ours = server.cutover.as_ref().map(|c| &c.launch.instance);
    let instance = seen.instance.as_ref();
    match instance.filter(|instance| ours == Some(&instance.id)) {
        None => Health::Unknown("its instance could not be looked at"),
        Some(instance) if instance.gone => Health::Bad("its instance is gone"),
        Some(instance) if !instance.running => Health::Bad("its instance does not run"),
        Some(instance) => match instance.checks {
            StatusChecks::Passed => Health::Good,
            StatusChecks::Pending => Health::Unknown("its EC2 status checks have not ended"),
            StatusChecks::Failed => Health::Bad("its EC2 status checks fail"),
        },
    }
}
