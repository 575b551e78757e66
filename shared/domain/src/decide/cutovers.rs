//! Beginning the cutovers of applications: those whose turn has come, whole, and only as they were
//! approved.
//!
//! **Invariant 7**: checked before anything is stopped; `wants` checks again before the launch. What
//! was begun goes on, whatever becomes of the rest: its sources are down.

use super::settings::{self, Standing};
use super::turn::{Turn, later};
use super::{changes, cleanup, gates, lapses, window};
use crate::gate::{Changes, Gate, GateState};
use crate::id::ApplicationName;
use crate::server::{JobStep, Purpose, Run, Server, Stage, TestInstance};
use crate::wave::Phase;

/// Every server of an application whose turn has come begins its cutover, all of them together:
/// as soon as the first is quiesced, the application is down.
pub(super) fn begin(turn: &mut Turn) {
    if !matches!(turn.wave.phase, Phase::CuttingOver) {
        return;
    }
    for application in turn.wave.plan.applications.clone() {
        if !window::may_begin(turn, &application) {
            continue;
        }
        let members: Vec<usize> = turn
            .servers
            .iter()
            .enumerate()
            .filter(|(_, s)| s.application == application.name)
            .filter(|(_, s)| matches!(s.stage, Stage::Tested { .. }))
            .filter(|(_, s)| !gates::is_put_off(turn, Gate::Cutover, &s.id))
            .map(|(index, _)| index)
            .collect();
        let ready = |index: &usize| turn.servers.get(*index).is_some_and(|s| ready(turn, s));
        if !members.iter().all(ready) {
            turn.look_again_soon();
            continue;
        }
        for index in members {
            turn.with_server(index, |turn, server| {
                server.stage = if application.quiesce.is_some() {
                    Stage::Quiescing {
                        run: Run::due(turn.now),
                    }
                } else {
                    Stage::Settling { since: turn.now }
                };
            });
        }
    }
}

/// The approval lapses for servers that have not begun and of which something changed since people
/// were shown it; they are asked again once what was begun has come to rest.
pub(super) fn lapse_rest(turn: &mut Turn) {
    let lapsing = changes::before_begun(turn);
    if !lapsing.servers.is_empty() {
        lapses::lapse_for(turn, Gate::Cutover, &lapsing);
    }
}

/// Servers that keep their application from beginning because their replication is not in step
/// are given up in the end, so that a person is asked; unless it stalls, of which a person is asked
/// once MGN was asked in vain.
pub(super) fn give_up_out_of_step(turn: &mut Turn, applications: &[ApplicationName]) {
    let patience = turn.wave.plan.policy.launch_timeout;
    let max_lag = turn.wave.plan.policy.max_lag;
    for index in 0..turn.servers.len() {
        turn.with_server(index, |turn, server| {
            let deadline = later(server.since.max(turn.wave.phase_since), patience);
            let behind = || {
                turn.seen
                    .get(&server.id)
                    .is_none_or(|seen| !seen.in_step(max_lag))
            };
            if matches!(server.stage, Stage::Tested { .. })
                && !gates::is_put_off(turn, Gate::Cutover, &server.id)
                && applications.contains(&server.application)
                && (server.stall.is_none() || cleanup::passed_over(turn, server))
                && turn.now >= deadline
                && behind()
            {
                let reason = "its replication is not in step";
                cleanup::give_up(turn, server, Purpose::Cutover, reason);
            }
        });
    }
}

/// The gate lapses before any cutover is launched of which one would be launched otherwise than
/// approved: then none of them is, and people see all that changed.
pub(super) fn lapse_changed(turn: &mut Turn) {
    let is_due = |server: &Server| {
        matches!(
            server.stage,
            Stage::Launching {
                purpose: Purpose::Cutover,
                step: JobStep::Due { .. }
            }
        )
    };
    let due = turn.servers.iter().filter(|s| is_due(s));
    let changes: Changes = due
        .filter_map(|server| settings::before_launch(turn, server).changed())
        .collect();
    if !changes.is_empty() {
        lapses::lapse_if_asked(turn, Gate::Cutover, changes);
    }
}

/// Whether a tested server can begin its cutover: approved as it was tested and as it would be
/// launched, its replication in step since the cutovers began, and its test instance not just
/// being terminated.
fn ready(turn: &Turn, server: &Server) -> bool {
    let terminating = match &server.stage {
        Stage::Tested {
            instance: TestInstance::Terminating(step),
        } => !matches!(step, JobStep::Due { .. }),
        _ => false,
    };
    let max_lag = turn.wave.plan.policy.max_lag;
    let in_step = turn
        .fresh(server)
        .is_some_and(|seen| seen.at > turn.wave.phase_since && seen.in_step(max_lag));
    let as_approved = || settings::before_quiesce(turn, server) == Standing::AsApproved;
    !terminating && in_step && approved(turn, server) && as_approved()
}

/// Whether the cutover gate approved this server as it was tested.
pub(super) fn approved(turn: &Turn, server: &Server) -> bool {
    match (turn.wave.gates.get(&Gate::Cutover), &server.test) {
        (Some(GateState::Approved { jobs, .. }), Some(test)) => {
            jobs.get(&server.id) == Some(&test.launch.job)
        }
        (
            Some(GateState::Approved { .. } | GateState::Open(_) | GateState::Lapsed { .. }) | None,
            _,
        ) => false,
    }
}
