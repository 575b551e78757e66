//! The evidence of a gate as it is now.
//!
//! **Invariant 9**: an approval counts for what was shown, and for nothing that people could not see.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::turn::{Turn, servers};
use super::{health, settings, window};
use crate::gate::{
    Changes, CheckShown, Evidence, Gate, LeftOut, ServerEvidence, Summary, Took, Trouble, Waited,
    Waived, Warning, WarningKind,
};
use crate::id::{ApplicationName, CommandId, ServerId};
use crate::server::{End, Passed, Server, Stage, TestInstance, Then, Waiver};
use crate::words;

/// A read that is older than this says little: servers at rest are read every five minutes.
const STALE: SignedDuration = SignedDuration::from_mins(15);
/// How many servers a warning names.
const MOST_NAMED: usize = 5;

/// The launch that the gate is about, if it is about this server.
pub(super) fn subject(server: &Server, gate: Gate) -> Option<&Passed> {
    match (gate, &server.stage) {
        (Gate::Cutover, Stage::Tested { .. }) => server.test.as_ref(),
        (Gate::Finalize, Stage::CutOver { .. } | Stage::Finalizing { .. }) => {
            server.cutover.as_ref()
        }
        (Gate::Cutover | Gate::Finalize, _) => None,
    }
}

/// What an approver is shown now.
pub(super) fn evidence(turn: &Turn, gate: Gate, round: u32, changed: Changes) -> Evidence {
    let mut checks = Checks::default();
    let subjects: Vec<(&Server, &Passed)> = turn
        .servers
        .iter()
        .filter_map(|s| subject(s, gate).map(|passed| (s, passed)))
        .collect();
    let mut shown: Vec<ServerEvidence> = subjects
        .iter()
        .map(|(server, passed)| server_evidence(turn, gate, server, passed, &mut checks))
        .collect();
    settings::show(turn, gate, &mut shown);
    let waived = subjects.iter().flat_map(|(s, p)| waived(s, p)).collect();
    let may_fail = match gate {
        Gate::Cutover => subjects.iter().flat_map(|(s, p)| may_fail(s, p)).collect(),
        Gate::Finalize => Vec::new(),
    };
    let left_out: Vec<LeftOut> = turn.servers.iter().filter_map(left_out).collect();
    let projected_downtime = match gate {
        Gate::Cutover => turn
            .wave
            .plan
            .applications
            .iter()
            .map(|a| window::projection(turn, a))
            .max(),
        Gate::Finalize => None,
    };
    let mut evidence = Evidence {
        changed,
        window: turn.wave.plan.window.clone(),
        projected_downtime,
        waited: waited(turn.now, &subjects),
        max_lag: turn.wave.plan.policy.max_lag,
        servers: shown,
        checks: checks.shown,
        waived,
        may_fail,
        left_out,
        ..Evidence::new(turn.wave.id.clone(), gate, round)
    };
    evidence.summary = summary(&evidence);
    evidence.warnings = warnings(turn, &evidence, &subjects);
    evidence
}

/// The commands that ran the checks, each once.
#[derive(Default)]
struct Checks {
    shown: Vec<CheckShown>,
    places: BTreeMap<(CommandId, bool), u32>,
}

impl Checks {
    fn place(&mut self, document: &str, command: &CommandId, waived: bool) -> u32 {
        let next = u32::try_from(self.shown.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry((command.clone(), waived)).or_insert(next);
        if place == next {
            self.shown.push(CheckShown {
                document: document.to_owned(),
                command: command.clone(),
                waived,
            });
        }
        place
    }
}

fn server_evidence(
    turn: &Turn,
    gate: Gate,
    server: &Server,
    passed: &Passed,
    checks: &mut Checks,
) -> ServerEvidence {
    let Passed { launch, trial, .. } = passed;
    let seconds = |from: Option<Timestamp>, to: Option<Timestamp>| {
        let took = from.zip(to).map(|(from, to)| to.duration_since(from));
        took.map_or(0, |took| u32::try_from(took.as_secs()).unwrap_or(0))
    };
    let seen = turn.seen.get(&server.id);
    ServerEvidence {
        checks: passed.checks,
        ran: trial
            .results
            .iter()
            .map(|result| checks.place(&result.document, &result.command, result.waived))
            .collect(),
        took: Took {
            launch: seconds(Some(launch.requested_at), trial.launched_at),
            boot: seconds(trial.launched_at, trial.booted_at),
            checks: seconds(trial.booted_at, Some(passed.at)),
        },
        life_cycle: seen.map(|s| s.life_cycle),
        replication: seen.map(|s| s.replication.state),
        lag: seen.and_then(|s| s.replication.lag),
        last_snapshot: seen.and_then(|s| s.replication.last_snapshot),
        seen_at: seen.map(|s| s.at),
        trouble: match gate {
            Gate::Cutover => None,
            Gate::Finalize => health::trouble(turn, server).map(str::to_owned),
        },
        ..ServerEvidence::new(
            server.id.clone(),
            server.hostname.clone(),
            server.application.clone(),
            launch.job.clone(),
            launch.instance.clone(),
            passed.at,
        )
    }
}

/// The checks that failed on a server and were waived, with who said so.
fn waived<'a>(server: &'a Server, passed: &'a Passed) -> impl Iterator<Item = Waived> + 'a {
    let waivers = server.waivers.iter();
    let failed = waivers.filter(|waiver| failed(passed, waiver));
    failed.map(|waiver| shown(server, waiver))
}

/// The checks that did not fail on a server, and may: waived before they did.
fn may_fail<'a>(server: &'a Server, passed: &'a Passed) -> impl Iterator<Item = Waived> + 'a {
    let waivers = server.waivers.iter();
    let passed = waivers.filter(|waiver| !failed(passed, waiver));
    passed.map(|waiver| shown(server, waiver))
}

fn failed(passed: &Passed, waiver: &Waiver) -> bool {
    let mut results = passed.trial.results.iter();
    results.any(|result| result.waived && result.document == waiver.check)
}

fn shown(server: &Server, waiver: &Waiver) -> Waived {
    Waived {
        server: server.id.clone(),
        hostname: server.hostname.clone(),
        check: waiver.check.clone(),
        by: waiver.by.clone(),
        reason: waiver.reason.clone(),
    }
}

/// How a server ended, or will once what is left of it is cleaned up.
pub(super) fn end(server: &Server) -> Option<&End> {
    match &server.stage {
        Stage::Ended { end } => Some(end),
        Stage::Returning {
            then: Then::CleanUp(end),
            ..
        }
        | Stage::Restarting {
            then: Then::CleanUp(end),
            ..
        }
        | Stage::Terminating {
            then: Then::CleanUp(end),
            ..
        } => Some(end),
        _ => None,
    }
}

/// Why a server left the wave, if it did.
pub(super) fn left_out(server: &Server) -> Option<LeftOut> {
    match end(server)? {
        End::Skipped { reason } | End::Failed { reason, .. } => Some(LeftOut {
            server: server.id.clone(),
            hostname: server.hostname.clone(),
            reason: reason.clone(),
        }),
        End::Aborted { .. } | End::RolledBack => None,
    }
}

fn waited(now: Timestamp, subjects: &[(&Server, &Passed)]) -> Waited {
    let running = subjects.iter().filter(|(server, _)| {
        matches!(
            server.stage,
            Stage::Tested {
                instance: TestInstance::Kept { .. } | TestInstance::Terminating(_)
            }
        )
    });
    let mut waited = Waited::default();
    let mut seconds: u64 = 0;
    for (_, passed) in running {
        waited.instances += 1;
        let since = now.duration_since(passed.launch.requested_at).as_secs();
        seconds += u64::try_from(since).unwrap_or(0);
    }
    waited.instance_hours = seconds / 3_600;
    waited
}

fn summary(evidence: &Evidence) -> Summary {
    let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
    let servers = &evidence.servers;
    let applications: BTreeSet<&ApplicationName> = servers.iter().map(|s| &s.application).collect();
    Summary {
        servers: count(servers.len()),
        applications: count(applications.len()),
        checks_passed: servers.iter().map(|s| s.checks).sum(),
        checks_waived: count(evidence.waived.len()),
        left_out: count(evidence.left_out.len()),
        longest_lag: servers.iter().filter_map(|s| s.lag).max(),
        oldest_snapshot: servers.iter().filter_map(|s| s.last_snapshot).min(),
    }
}

fn warnings(turn: &Turn, evidence: &Evidence, subjects: &[(&Server, &Passed)]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut unhealthy: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut warn = |kind, names: Vec<&str>, text: &str| {
        if !names.is_empty() {
            warnings.push(Warning {
                kind,
                text: format!("{text}: {}.", named(&names)),
                servers: u32::try_from(names.len()).unwrap_or(u32::MAX),
            });
        }
    };
    let of = |is: &dyn Fn(&ServerEvidence) -> bool| -> Vec<&str> {
        let which = evidence.servers.iter().filter(|s| is(s));
        which.map(|s| s.hostname.as_str()).collect()
    };
    if evidence.gate == Gate::Cutover {
        let in_trouble = |s: &ServerEvidence| {
            s.replication.map_or(Trouble::None, |state| {
                Trouble::of(state, s.lag, evidence.max_lag)
            })
        };
        warn(
            WarningKind::Stalled,
            of(&|s| in_trouble(s) == Trouble::Stopped),
            "Does not replicate",
        );
        warn(
            WarningKind::Stalled,
            of(&|s| in_trouble(s) == Trouble::Anew),
            "Copies its disks anew",
        );
        warn(
            WarningKind::Behind,
            of(&|s| in_trouble(s) == Trouble::Behind),
            &format!(
                "Further behind than the {} that the plan allows",
                words::duration(evidence.max_lag)
            ),
        );
    }
    for (kind, text, names) in settings::warnings(turn, evidence, subjects) {
        warn(kind, names, &text);
    }
    let stale = |s: &ServerEvidence| {
        s.seen_at
            .is_none_or(|at| turn.now.duration_since(at) > STALE)
    };
    warn(
        WarningKind::StaleData,
        of(&stale),
        "What is shown is old, for MGN has not told since",
    );
    let repeated = subjects.iter().filter(|(s, _)| s.previous_snapshots > 0);
    warn(
        WarningKind::PreviousSnapshot,
        repeated.map(|(s, _)| s.hostname.as_str()).collect(),
        "A launch came from a previous snapshot and was repeated",
    );
    for server in &evidence.servers {
        if let Some(trouble) = &server.trouble {
            let names = unhealthy.entry(trouble).or_default();
            names.push(server.hostname.as_str());
        }
    }
    for (trouble, names) in unhealthy {
        warn(
            WarningKind::Unhealthy,
            names,
            &format!("Not healthy, {trouble}"),
        );
    }
    warnings.extend(waivers("Failed and waived", &evidence.waived));
    let may_fail = "May fail at the cutover, for it was waived";
    warnings.extend(waivers(may_fail, &evidence.may_fail));
    warnings
}

/// A warning of checks that were waived, if there are any.
fn waivers(text: &str, waived: &[Waived]) -> Option<Warning> {
    let each: Vec<String> = waived
        .iter()
        .take(MOST_NAMED)
        .map(|w| format!("{} on {} ({}, by {})", w.check, w.hostname, w.reason, w.by))
        .collect();
    let more = match waived.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let hosts: BTreeSet<&ServerId> = waived.iter().map(|w| &w.server).collect();
    (!waived.is_empty()).then(|| Warning {
        kind: WarningKind::WaivedCheck,
        text: format!("{text}: {}{more}.", each.join("; ")),
        servers: u32::try_from(hosts.len()).unwrap_or(u32::MAX),
    })
}

fn named(names: &[&str]) -> String {
    let mut text = names
        .iter()
        .take(MOST_NAMED)
        .map(|name| words::one_line(name, 80))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST_NAMED {
        text.push_str(&format!(" and {} more", servers(names.len() - MOST_NAMED)));
    }
    text
}
