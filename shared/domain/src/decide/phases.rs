//! The wave's phases: when it goes on to the next, and when it is held.

use std::collections::BTreeSet;

use super::follow::ready_to_test;
use super::health::Health;
use super::turn::{Turn, later};
use super::wants::failed;
use super::{
    access, claims, cleanup, cutovers, evidence, finalizing, gates, health, news, rollback,
    selection, stalls, window,
};
use crate::effect::Task;
use crate::gate::Gate;
use crate::hold::HoldReason;
use crate::id::{ApplicationName, ServerId};
use crate::news::News;
use crate::observation::{Answer, WaveSeen};
use crate::plan::Start;
use crate::server::{Server, Stage, TestInstance};
use crate::wave::{Claims, Phase};

/// Servers whose launch configuration one preflight looks at.
const MOST_PREFLIGHT: usize = 50;
/// How long after the soak it may take to see that a server is well. EC2's status checks are minutes
/// old at most.
const HEALTH_PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Take one step, if one can be taken; gives whether the phase changed.
pub(super) fn step(turn: &mut Turn) -> bool {
    let before = std::mem::discriminant(&turn.wave.phase);
    start_by_hand(turn);
    if turn.wave.hold.is_some() {
        return false;
    }
    match turn.wave.phase.clone() {
        Phase::Waiting => waiting(turn),
        Phase::Preflight {
            looked_at,
            effect: None,
            not_before,
        } => preflight(turn, looked_at, not_before),
        Phase::Preflight {
            effect: Some(_), ..
        } => {}
        Phase::Testing => testing(turn),
        Phase::AwaitingCutover => awaiting_cutover(turn),
        Phase::CuttingOver => cutting_over(turn),
        Phase::Soaking { until } => soaking(turn, until),
        Phase::AwaitingFinalize => awaiting_finalize(turn),
        Phase::Finalizing => finalizing::step(turn),
        Phase::RollingBack => rollback::rolling_back(turn),
        Phase::Aborting => {
            if all_left(turn) {
                turn.enter(Phase::Aborted);
                news::tell(turn, News::WaveAborted);
            }
        }
        Phase::Completed | Phase::RolledBack | Phase::Aborted => {}
    }
    std::mem::discriminant(&turn.wave.phase) != before
}

pub(super) fn waiting(turn: &mut Turn) {
    let starts = match &turn.wave.plan.start {
        Start::Replication => true,
        Start::Schedule(at) => {
            let at = *at;
            turn.look_again(at);
            turn.now >= at || turn.wave.started.is_some()
        }
        Start::Manual => turn.wave.started.is_some(),
    };
    if !starts {
        return;
    }
    match turn.wave.claims.clone() {
        Claims::None => select(turn),
        Claims::Claiming {
            claimed,
            effect,
            not_before,
        } => {
            claims::claim(turn, claimed, effect.is_some(), not_before);
        }
        Claims::Held => {
            if turn.wave.plan.start == Start::Replication && waits_for_servers(turn) {
                return turn.look_again_soon();
            }
            turn.wave.started.get_or_insert(turn.now);
            turn.enter(Phase::Preflight {
                looked_at: 0,
                effect: None,
                not_before: turn.now,
            });
            let servers = u32::try_from(turn.servers.len()).unwrap_or(u32::MAX);
            news::tell(turn, News::WaveStarted { servers });
        }
        Claims::Releasing { .. } | Claims::Released => {}
    }
}

/// Whether a wave that starts by itself has to wait: for replication, or for a person where a
/// server failed that nobody left out.
fn waits_for_servers(turn: &mut Turn) -> bool {
    let max_lag = turn.wave.plan.policy.max_lag;
    let ready = |s: &Server| {
        let seen = turn.seen.get(&s.id);
        s.left() || seen.is_some_and(|seen| ready_to_test(seen, max_lag))
    };
    if turn.servers.iter().all(ready) {
        return hold_for_failed(turn);
    }
    stalls::hold(turn, replicates);
    true
}

/// Whether a round listed the servers that the selectors pick: `interest` asks for that only once
/// the wave is to start.
fn listed(turn: &Turn, round: &WaveSeen) -> bool {
    let told = || turn.wave.started.is_some_and(|started| round.at > started);
    match &turn.wave.plan.start {
        Start::Replication => true,
        Start::Schedule(at) => round.at >= *at || told(),
        Start::Manual => told(),
    }
}

/// Freeze the wave's servers, from a round of observations that listed the account's.
fn select(turn: &mut Turn) {
    // `access` holds the wave if MGN does not answer.
    let answers = |round: &&WaveSeen| round.mgn == Answer::Answered && listed(turn, round);
    if turn.round.as_ref().filter(answers).is_none() {
        return turn.look_again_soon();
    }
    match selection::select(&turn.wave.plan, &turn.seen, turn.now) {
        Ok(servers) => {
            turn.note(
                "ServersSelected",
                format!("Selected: {}.", super::turn::servers(servers.len())),
            );
            turn.servers = servers;
            turn.wave.claims = Claims::Claiming {
                claimed: 0,
                effect: None,
                not_before: turn.now,
            };
            claims::claim(turn, 0, false, turn.now);
        }
        Err(problems) => turn.hold(HoldReason::Selection { problems }),
    }
}

fn preflight(turn: &mut Turn, looked_at: u32, not_before: jiff::Timestamp) {
    if turn.now < not_before {
        return turn.look_again(not_before);
    }
    let servers = to_look_at(&turn.servers, looked_at);
    if servers.is_empty() {
        let missing = without_node(turn);
        if missing.is_empty() {
            turn.enter(Phase::Testing);
        } else if access::is_past(turn, turn.wave.phase_since) {
            let problems = missing;
            turn.hold(HoldReason::Preflight { problems });
        } else {
            turn.look_again_soon();
        }
        return;
    }
    let documents = if looked_at == 0 {
        documents(turn)
    } else {
        Vec::new()
    };
    if let Some(effect) = turn.plan(Task::Preflight { documents, servers }) {
        turn.wave.phase = Phase::Preflight {
            looked_at,
            effect: Some(effect),
            not_before,
        };
    }
}

/// The next servers that preflight looks at: what has left the wave is not launched.
fn to_look_at(servers: &[Server], looked_at: u32) -> Vec<ServerId> {
    let looked_at = usize::try_from(looked_at).unwrap_or(usize::MAX);
    let rest = servers.iter().skip(looked_at).filter(|s| !s.left());
    rest.take(MOST_PREFLIGHT).map(|s| s.id.clone()).collect()
}

/// Every document that the plan names for what is still in the wave, once.
fn documents(turn: &Turn) -> Vec<String> {
    let in_wave: BTreeSet<&ApplicationName> = turn
        .servers
        .iter()
        .filter(|s| !s.left())
        .map(|s| &s.application)
        .collect();
    let mut names: Vec<String> = turn
        .wave
        .plan
        .applications
        .iter()
        .filter(|a| in_wave.contains(&a.name))
        .flat_map(|a| {
            let quiesce = a
                .quiesce
                .iter()
                .flat_map(|q| std::iter::once(&q.stop).chain(&q.start));
            quiesce.chain(&a.validate).map(|d| d.document.clone())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Servers whose source must be quiesced and that SSM does not reach.
fn without_node(turn: &Turn) -> Vec<String> {
    turn.servers
        .iter()
        .filter(|s| !s.left())
        .filter(|s| turn.application(s).is_some_and(|a| a.quiesce.is_some()))
        .filter(|s| turn.seen.get(&s.id).is_none_or(|seen| seen.node.is_none()))
        .map(|s| {
            format!(
                "SSM has no online managed node named {} to quiesce",
                s.hostname
            )
        })
        .collect()
}

fn testing(turn: &mut Turn) {
    if turn.servers.iter().all(|s| rests_after_test(&s.stage)) {
        if hold_for_failed(turn) {
            return;
        }
        return turn.enter(Phase::AwaitingCutover);
    }
    // A hold would stop tests that can go on.
    let moving = |s: &Server| !replicates(s) && !rests_after_test(&s.stage);
    if !turn.servers.iter().any(moving) {
        stalls::hold(turn, replicates);
    }
}

/// Whether a server waits until its replication is in step.
fn replicates(server: &Server) -> bool {
    matches!(server.stage, Stage::Replicating)
}

fn rests_after_test(stage: &Stage) -> bool {
    matches!(
        stage,
        Stage::Tested { .. }
            | Stage::CutOver { .. }
            | Stage::Finalized { .. }
            | Stage::Ended { .. }
    )
}

/// A person is needed where servers failed whose failure the policy does not pass over.
fn hold_for_failed(turn: &mut Turn) -> bool {
    let servers: Vec<String> = turn
        .servers
        .iter()
        .filter(|s| failed(s))
        .map(|s| match &s.stage {
            Stage::Ended {
                end: crate::server::End::Failed { reason, .. },
            } => {
                format!("{}: {reason}", s.hostname)
            }
            _ => s.hostname.clone(),
        })
        .collect();
    if servers.is_empty() {
        return false;
    }
    turn.hold(HoldReason::ServersFailed { servers });
    true
}

/// More failed than the budget (per cent of the servers that are not critical) allows.
pub(super) fn budget(turn: &mut Turn) {
    if !matches!(
        turn.wave.phase,
        Phase::Testing | Phase::AwaitingCutover | Phase::CuttingOver
    ) {
        return;
    }
    let (all, failed) = turn
        .servers
        .iter()
        .filter(|s| !s.critical)
        .fold((0u32, 0u32), |(a, f), s| (a + 1, f + u32::from(s.failed)));
    let allowed = all * u32::from(turn.wave.plan.policy.failure_budget) / 100;
    if failed > allowed && failed > turn.wave.accepted_failures {
        turn.hold(HoldReason::BudgetSpent { failed, allowed });
    }
}

fn awaiting_cutover(turn: &mut Turn) {
    gates::back_to_testing(turn);
    if !matches!(turn.wave.phase, Phase::AwaitingCutover) {
        return;
    }
    let left = turn
        .servers
        .iter()
        .any(|s| matches!(s.stage, Stage::Tested { .. }));
    if !left {
        return cut_over(turn);
    }
    if !gates::approved(turn, Gate::Cutover) {
        return;
    }
    if let Some(window) = &turn.wave.plan.window
        && turn.now < window.opens
    {
        let opens = window.opens;
        return turn.look_again(opens);
    }
    cut_over(turn);
}

/// From here on the approval cannot be withdrawn.
fn cut_over(turn: &mut Turn) {
    gates::act_on(turn, Gate::Cutover);
    turn.enter(Phase::CuttingOver);
}

fn cutting_over(turn: &mut Turn) {
    gates::back_to_testing(turn);
    if !matches!(turn.wave.phase, Phase::CuttingOver) {
        return;
    }
    cutovers::lapse_rest(turn);
    let moving = turn.servers.iter().any(|s| !rests_after_test(&s.stage));
    if moving {
        return;
    }
    let (later, waiting): (Vec<&Server>, Vec<&Server>) = turn
        .servers
        .iter()
        .filter(|s| matches!(s.stage, Stage::Tested { .. }))
        .partition(|s| gates::is_put_off(turn, Gate::Cutover, &s.id));
    if waiting.is_empty() {
        let put_off = !later.is_empty();
        if hold_for_failed(turn) {
            return;
        }
        gates::acted(turn, Gate::Cutover);
        if !turn
            .servers
            .iter()
            .any(|s| matches!(s.stage, Stage::CutOver { .. }))
        {
            // Nothing runs in AWS that is to be soaked or finalized.
            return turn.enter(if put_off {
                Phase::AwaitingCutover
            } else {
                Phase::Finalizing
            });
        }
        let until = turn.after(turn.wave.plan.gates.soak);
        return turn.enter(Phase::Soaking { until });
    }
    if !waiting.iter().all(|s| cutovers::approved(turn, s)) {
        // Nothing is begun that is not approved; whoever has to approve is asked. A server that
        // had failed when the others were approved is asked about when it is back.
        return turn.enter(Phase::AwaitingCutover);
    }
    // Test instances that are being terminated are waited for.
    let terminating = waiting.iter().any(|s| {
        matches!(
            s.stage,
            Stage::Tested {
                instance: TestInstance::Terminating(_)
            }
        )
    });
    let applications = turn.wave.plan.applications.clone();
    let open: Vec<_> = applications
        .iter()
        .filter(|a| waiting.iter().any(|s| s.application == a.name))
        .filter(|a| window::order_allows(turn, a))
        .collect();
    if terminating {
        return;
    }
    let names: Vec<ApplicationName> = open.iter().map(|a| a.name.clone()).collect();
    let fitting = open.iter().filter(|a| window::fits(turn, a));
    let fitting: Vec<ApplicationName> = fitting.map(|a| a.name.clone()).collect();
    if !fitting.is_empty() {
        if !stalls::hold_cutovers(turn, &fitting) {
            cutovers::give_up_out_of_step(turn, &names);
        }
        return;
    }
    if open.is_empty() {
        hold_for_failed(turn);
    } else {
        turn.hold(HoldReason::WindowMissed);
    }
}

fn soaking(turn: &mut Turn, until: jiff::Timestamp) {
    if turn.now < until {
        return turn.look_again(until);
    }
    let running = turn.servers.iter();
    let running = running.filter(|s| matches!(s.stage, Stage::CutOver { .. }));
    let patient = turn.now < later(until, HEALTH_PATIENCE);
    let mut unhealthy = Vec::new();
    for server in running {
        match health::of(turn, server, until) {
            Health::Good => {}
            Health::Unknown(_) if patient => return turn.look_again_soon(),
            Health::Unknown(what) | Health::Bad(what) => {
                unhealthy.push(format!("{}: {what}", server.hostname));
            }
        }
    }
    if unhealthy.is_empty() {
        turn.enter(Phase::AwaitingFinalize);
    } else {
        turn.hold(HoldReason::Unhealthy { servers: unhealthy });
    }
}

fn awaiting_finalize(turn: &mut Turn) {
    let subject = |s: &Server| evidence::subject(s, Gate::Finalize).is_some();
    // Nobody is asked about nothing: all that was left may have been left out.
    if !turn.servers.iter().any(subject) || gates::approved(turn, Gate::Finalize) {
        turn.enter(Phase::Finalizing);
    }
    health::look(turn);
}

/// Every server goes its way out of the wave; gives whether all have, and are free.
pub(super) fn all_left(turn: &mut Turn) -> bool {
    for index in 0..turn.servers.len() {
        turn.with_server(index, cleanup::leave);
    }
    turn.servers.iter().all(|s| s.at_rest() && !failed(s)) && claims::released(turn)
}

/// A person is asked to start the sources that the plan cannot start.
pub(super) fn start_by_hand(turn: &mut Turn) {
    let servers: Vec<String> = turn
        .servers
        .iter()
        .filter(|s| cleanup::is_started_by_hand(turn, s))
        .map(|s| s.hostname.clone())
        .collect();
    if !servers.is_empty() {
        turn.hold(HoldReason::SourcesStopped { servers });
    }
}
