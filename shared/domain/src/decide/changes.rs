//! What changed materially since people were shown it.
//!
//! **Invariant 9**: an approval counts for what was shown, until the last cutover of what it approved
//! has begun. What drifts within its limits is not a change: lag below the plan's, a newer snapshot,
//! a newer read.

use std::collections::{BTreeMap, BTreeSet};

use super::differences::in_window;
use super::evidence::{end, left_out, subject};
use super::turn::Turn;
use super::{cleanup, health, settings};
use crate::gate::{
    Changes, Evidence, Gate, GateState, Lapse, ServerEvidence, Shown, Trouble, Waived,
};
use crate::id::{ApplicationName, JobId, ServerId};
use crate::server::{End, Server, Stage, Waiver};
use crate::words;

/// The checks that people were shown to be waived, each on which server and why.
type Known<'a> = BTreeSet<(&'a ServerId, &'a str, &'a str)>;

/// The servers for which an approval does not count any more, and why.
#[derive(Default)]
pub(super) struct Lapsing {
    pub(super) servers: BTreeSet<ServerId>,
    pub(super) changes: Changes,
}

/// What changed materially since the evidence was frozen; nothing about servers that are put off.
pub(super) fn changes(turn: &Turn, frozen: &Evidence, put_off: &BTreeSet<ServerId>) -> Changes {
    let gate = frozen.gate;
    let then: BTreeMap<&ServerId, &ServerEvidence> =
        frozen.servers.iter().map(|s| (&s.server, s)).collect();
    let shown = frozen.shown();
    let known = known(&shown.waived);
    let mut changes = Changes::default();
    for server in &turn.servers {
        if put_off.contains(&server.id) {
            continue;
        }
        let name = words::one_line(&server.hostname, 80);
        match (then.get(&server.id), subject(server, gate)) {
            (None, None) => {}
            (None, Some(_)) => changes.push(format!("{name} is ready now and was not asked about")),
            (Some(_), None) => changes.push(match left_out(server) {
                Some(left) => format!("{name} left the wave: {}", left.reason),
                None => format!("{name} is {}", server.stage.name()),
            }),
            (Some(then), Some(now)) if then.job != now.launch.job => {
                changes.push(format!("{name} was launched again"));
            }
            (Some(then), Some(_)) if gate == Gate::Cutover => {
                let settings = then.settings.as_ref().map(|mark| &mark.digest);
                changes.add(before_cutover(turn, server, &shown, &known, settings));
            }
            (Some(then), Some(_)) => {
                let trouble = health::trouble(turn, server);
                if let Some(what) = trouble.filter(|what| then.trouble.as_deref() != Some(what)) {
                    changes.push(format!("{name}: {what}"));
                }
            }
        }
    }
    in_window(frozen.window.as_ref(), turn.wave.plan.window.as_ref())
        .into_iter()
        .for_each(|change| changes.push(change));
    changes
}

/// What changed materially for servers whose cutover was approved and has not begun, while others'
/// may have. A server that left takes with it the rest of its application and what comes after
/// that: nobody could have approved the latter without it ([`Evidence::part`]).
pub(super) fn before_begun(turn: &Turn) -> Lapsing {
    let mut lapsing = Lapsing::default();
    let Some(GateState::Approved {
        jobs,
        settings,
        acted_on,
        lapse,
        ..
    }) = turn.wave.gates.get(&Gate::Cutover)
    else {
        return lapsing;
    };
    // A gate that decides by itself showed nothing, and would decide the same again.
    let mut left = match acted_on {
        Some(_) => left(turn, jobs, lapse.as_ref()),
        None => BTreeMap::new(),
    };
    let known = acted_on.as_ref().map(|shown| known(&shown.waived));
    let mut missed: BTreeSet<ApplicationName> = BTreeSet::new();
    for server in &turn.servers {
        if !matches!(server.stage, Stage::Tested { .. }) || !jobs.contains_key(&server.id) {
            continue;
        }
        let own: Changes = match (acted_on, &known) {
            (Some(shown), Some(known)) => {
                before_cutover(turn, server, shown, known, settings.get(&server.id))
            }
            _ => {
                let change = settings::before_quiesce(turn, server).changed();
                change.into_iter().collect()
            }
        };
        let after = turn.application(server).map(|a| a.after.as_slice());
        let with = after
            .unwrap_or_default()
            .iter()
            .chain([&server.application]);
        let without: Vec<&ApplicationName> = with.filter(|a| left.contains_key(a)).collect();
        if !own.is_empty() || !without.is_empty() {
            lapsing.servers.insert(server.id.clone());
            lapsing.changes.add(own);
            missed.extend(without.into_iter().cloned());
        }
    }
    left.retain(|application, _| missed.contains(*application));
    lapsing.changes.add(left.into_values().flatten().collect());
    lapsing
}

/// The servers that left after they were approved and before they were cut over, in words, by
/// application. Whom the plan's own policy leaves out is no news to those who approved the plan.
fn left<'a>(
    turn: &'a Turn,
    jobs: &BTreeMap<ServerId, JobId>,
    lapse: Option<&Lapse>,
) -> BTreeMap<&'a ApplicationName, Vec<String>> {
    let mut left: BTreeMap<&ApplicationName, Vec<String>> = BTreeMap::new();
    for server in &turn.servers {
        let lapsed = || lapse.is_some_and(|lapse| lapse.servers.contains(&server.id));
        let approved = jobs.contains_key(&server.id) || lapsed();
        let by_policy = server.failed && cleanup::passed_over(turn, server);
        if let Some(End::Skipped { reason }) = end(server)
            && approved
            && server.cutover.is_none()
            && !by_policy
        {
            let name = words::one_line(&server.hostname, 80);
            let text = format!("{name} left the wave: {reason}");
            left.entry(&server.application).or_default().push(text);
        }
    }
    left
}

fn known(waived: &[Waived]) -> Known<'_> {
    waived
        .iter()
        .map(|w| (&w.server, w.check.as_str(), w.reason.as_str()))
        .collect()
}

/// What changed for a server that is to be cut over as it was tested; `settings` is what people were
/// shown that it would be launched with.
fn before_cutover(
    turn: &Turn,
    server: &Server,
    shown: &Shown,
    known: &Known<'_>,
    settings: Option<&String>,
) -> Changes {
    let name = words::one_line(&server.hostname, 80);
    let before = shown.replication.get(&server.id).copied();
    let worse = worse(turn, server, before.unwrap_or_default());
    let new = server.waivers.iter().filter(|w| {
        let waived = (&server.id, w.check.as_str(), w.reason.as_str());
        !known.contains(&waived)
    });
    worse
        .map(|what| format!("{name} {what}"))
        .into_iter()
        .chain(settings::since_shown(turn, server, settings))
        .chain(new.map(|waiver| newly_waived(server, waiver)))
        .collect()
}

/// That a check may fail on a server from now on.
fn newly_waived(server: &Server, waiver: &Waiver) -> String {
    format!(
        "{} may fail on {}: {} waived it ({})",
        waiver.check,
        words::one_line(&server.hostname, 80),
        waiver.by,
        waiver.reason
    )
}

/// What became of a server's replication, if it is in worse trouble than before.
fn worse(turn: &Turn, server: &Server, before: Trouble) -> Option<String> {
    let seen = &turn.seen.get(&server.id)?.replication;
    let allowed = turn.wave.plan.policy.max_lag;
    let now = Trouble::of(seen.state, seen.lag, allowed);
    if now <= before {
        return None;
    }
    match now {
        Trouble::None => None,
        Trouble::Behind => Some(format!(
            "is {} behind its source; the plan allows {}",
            words::duration(seen.lag.unwrap_or_default()),
            words::duration(allowed)
        )),
        Trouble::Anew => Some("copies its disks anew".to_owned()),
        Trouble::Stopped => Some("does not replicate any more".to_owned()),
    }
}
