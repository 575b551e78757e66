//! Launch settings: whose are worth reading, which a test was launched with, and whether a cutover
//! would still be launched as it was approved.
//!
//! **Invariant 7**: nothing is launched otherwise than approved; what cannot be read is said to
//! people, who may approve it all the same. **Invariant 11**: what is read in a round is bounded
//! whatever the wave's size; templates are looked up by hundreds, and only what is about to be
//! launched is read at once.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::turn::{Turn, later};
use crate::gate::{Evidence, Gate, GateState, ServerEvidence, WarningKind};
use crate::id::ServerId;
use crate::launch_settings::{LaunchSettings, list};
use crate::observation::{ServerSeen, SettingsSeen};
use crate::plan::Policy;
use crate::server::{JobStep, Launch, Passed, Purpose, Server, Stage};
use crate::wave::{Phase, Wave};
use crate::words::one_line;

/// Launch configurations read in a minute of what is about to be launched (200 servers can be in
/// MGN's jobs), and in a round of what rests.
const MOST_URGENT: usize = 200;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const MOST_AT_REST: usize = 20;
/// A launch configuration of what is about to be launched is read again when it is this old, ...
const FRESH: SignedDuration = SignedDuration::from_mins(1);
/// ... and not believed when it is this old.
const TOO_OLD: SignedDuration = SignedDuration::from_mins(2);
/// How many of the plan's looks go by between two looks at what rests: five minutes as a rule.
const LOOKS_AT_REST: i32 = 20;
/// Servers of which the evidence tells in what they differ from their test, ...
const MOST_TOLD: usize = 200;
/// ... and warnings about it; the rest is counted.
const MOST_WARNINGS: usize = 8;

/// How the settings of a cutover compare with those that were approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// They are the same, or nobody was shown any and none are known to differ from the test's.
    AsApproved,
    /// They were not read recently enough.
    NotRead,
    /// They are others, or cannot be read any more; a clause on what changed.
    Changed(String),
}

impl Standing {
    /// What changed, if anything did.
    pub(super) fn changed(self) -> Option<String> {
        match self {
            Self::Changed(change) => Some(change),
            Self::AsApproved | Self::NotRead => None,
        }
    }
}

/// What is to be read of a server's settings.
enum Wanted {
    Nothing,
    /// All of them, once after that time.
    Once(Timestamp),
    /// All of them once after that time, and the template as often as the plan looks.
    Watched(Timestamp),
    /// All of them, as fresh as may be.
    Fresh,
    /// All of them, now and then.
    AtRest,
}

/// The servers whose launch configuration is to be read, and those whose template is to be looked
/// up.
pub(super) fn reads(
    wave: &Wave,
    servers: &[Server],
    seen: &BTreeMap<ServerId, ServerSeen>,
    now: Timestamp,
) -> (Vec<ServerId>, Vec<ServerId>) {
    let mut templates = Vec::new();
    let (mut urgent, mut at_rest) = (Vec::new(), Vec::new());
    for server in servers {
        // What MGN does not name has no settings.
        let Some(seen) = seen.get(&server.id).map(|seen| &seen.settings) else {
            continue;
        };
        let older = |at: Option<Timestamp>, than: SignedDuration| {
            at.is_none_or(|at| now.duration_since(at) >= than)
        };
        let failed = seen.failing.as_ref().map(|failing| failing.at);
        let (configuration, template) = (seen.configuration_at, seen.template_at);
        let read = |queue: &mut Vec<(Option<Timestamp>, ServerId)>| {
            queue.push((configuration.max(failed), server.id.clone()));
        };
        let policy = &wave.plan.policy;
        match wanted(wave, server) {
            Wanted::Nothing => {}
            Wanted::Once(since) => {
                if seen.read_after(since, since).is_none() {
                    read(&mut urgent);
                }
            }
            Wanted::Watched(since) => {
                if template <= Some(since) || older(template, policy.observe_every) {
                    templates.push(server.id.clone());
                }
                if configuration <= Some(since) || failed.is_some() {
                    read(&mut urgent);
                }
            }
            Wanted::Fresh => {
                templates.push(server.id.clone());
                if older(configuration, FRESH) {
                    read(&mut urgent);
                }
            }
            Wanted::AtRest => {
                if older(template.max(failed), rest(policy)) {
                    templates.push(server.id.clone());
                }
                if older(configuration.max(failed), rest(policy)) {
                    read(&mut at_rest);
                }
            }
        }
    }
    // Those that waited longest come first, so that everybody's turn comes.
    let longest = |mut queue: Vec<(Option<Timestamp>, ServerId)>, most: usize| {
        queue.sort();
        queue.into_iter().take(most).map(|(_, server)| server)
    };
    let tried = |seen: &&ServerSeen| {
        let failed = seen.settings.failing.as_ref().map(|failing| failing.at);
        let tried = seen.settings.configuration_at.max(failed);
        tried.is_some_and(|at| now.duration_since(at) < MINUTE)
    };
    let most_urgent = MOST_URGENT.saturating_sub(seen.values().filter(tried).count());
    let configurations = longest(urgent, most_urgent).chain(longest(at_rest, MOST_AT_REST));
    (configurations.collect(), templates)
}

fn wanted(wave: &Wave, server: &Server) -> Wanted {
    let put_off = || match wave.gates.get(&Gate::Cutover) {
        Some(GateState::Approved { put_off, .. }) => put_off.contains(&server.id),
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => false,
    };
    match &server.stage {
        // MGN uses the template some minutes after the job was asked for.
        Stage::Launching {
            step: JobStep::Running { since, .. },
            ..
        } => Wanted::Once(*since),
        Stage::Checking { launch, .. } | Stage::Validating { launch, .. } => {
            Wanted::Once(launch.requested_at)
        }
        Stage::Tested { .. } if wave.phase == Phase::CuttingOver && !put_off() => {
            Wanted::Watched(wave.phase_since)
        }
        Stage::Tested { .. } => Wanted::AtRest,
        Stage::Settling { .. }
        | Stage::Launching {
            purpose: Purpose::Cutover,
            step: JobStep::Due { .. },
        } => Wanted::Fresh,
        Stage::Replicating
        | Stage::Launching { .. }
        | Stage::Accepting { .. }
        | Stage::Quiescing { .. }
        | Stage::Returning { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Copying { .. }
        | Stage::Restarting { .. }
        | Stage::Terminating { .. }
        | Stage::CutOver { .. }
        | Stage::Finalizing { .. }
        | Stage::Finalized { .. }
        | Stage::Ended { .. } => Wanted::Nothing,
    }
}

/// How long passes between two looks at what rests.
pub(super) fn rest(policy: &Policy) -> SignedDuration {
    policy.observe_every * LOOKS_AT_REST
}

/// No event tells that settings changed: look now and then while people are asked, or wait for
/// their window.
pub(super) fn look(turn: &mut Turn, server: &Server) {
    if turn.wave.phase == Phase::AwaitingCutover
        && !super::gates::is_put_off(turn, Gate::Cutover, &server.id)
    {
        let at = turn.after(rest(&turn.wave.plan.policy));
        turn.look_again(at);
    }
}

/// The digest of the settings that a server was launched with, if they were read while it was.
pub(super) fn launched_with(turn: &Turn, server: &Server, launch: &Launch) -> Option<String> {
    let since = launch.requested_at;
    let seen = &turn.seen.get(&server.id)?.settings;
    let settings = seen.read_after(since, since)?;
    Some(settings.digest().to_owned())
}

/// Whether an application's cutover may begin with this server's settings, read since its wave
/// began to cut over. Nothing is stopped yet.
pub(super) fn before_quiesce(turn: &Turn, server: &Server) -> Standing {
    let since = turn.wave.phase_since;
    standing(turn, server, since, since)
}

/// Whether a cutover may be launched with this server's settings, at the last moment.
pub(super) fn before_launch(turn: &Turn, server: &Server) -> Standing {
    let configuration = later(turn.now, -TOO_OLD);
    standing(turn, server, configuration, server.since)
}

fn standing(
    turn: &Turn,
    server: &Server,
    configuration: Timestamp,
    template: Timestamp,
) -> Standing {
    let Some(GateState::Approved { settings, .. }) = turn.wave.gates.get(&Gate::Cutover) else {
        return Standing::AsApproved;
    };
    let tested = server.test.as_ref().and_then(|test| test.settings.as_ref());
    let shown = settings.get(&server.id);
    let Some(expected) = shown.or(tested) else {
        return Standing::AsApproved;
    };
    let Some(seen) = turn.seen.get(&server.id).map(|seen| &seen.settings) else {
        return Standing::NotRead;
    };
    if let Some(message) = seen.unreadable() {
        return match shown {
            Some(_) => Standing::Changed(not_readable(server, message)),
            None => Standing::AsApproved,
        };
    }
    match seen.read_after(configuration, template) {
        Some(_) if seen.failing.is_some() => Standing::NotRead,
        Some(now) if now.digest() == expected => Standing::AsApproved,
        Some(now) => Standing::Changed(otherwise(server, seen, now, shown)),
        None => Standing::NotRead,
    }
}

/// What became of a server's settings since an approver was shown them, or shown none, if anything.
pub(super) fn since_shown(turn: &Turn, server: &Server, shown: Option<&String>) -> Option<String> {
    let seen = &turn.seen.get(&server.id)?.settings;
    let tested = server.test.as_ref()?.settings.as_ref();
    let expected = shown.or(tested)?;
    match (seen.readable(), shown) {
        (Some(now), _) if now.digest() == expected => None,
        (Some(now), _) => Some(otherwise(server, seen, now, shown)),
        (None, Some(_)) => Some(not_readable(server, seen.unreadable().unwrap_or_default())),
        (None, None) => None,
    }
}

fn not_readable(server: &Server, message: &str) -> String {
    let name = one_line(&server.hostname, 80);
    format!("the launch settings of {name} cannot be read any more ({message})")
}

/// A clause on what is not as it was shown, or as it was tested if nobody was shown any.
fn otherwise(
    server: &Server,
    seen: &SettingsSeen,
    now: &LaunchSettings,
    shown: Option<&String>,
) -> String {
    let name = one_line(&server.hostname, 80);
    let tested = server.test.as_ref().and_then(|test| test.settings.as_ref());
    let as_tested = shown.is_none_or(|shown| tested == Some(shown));
    match tested.and_then(|digest| seen.digested(digest)) {
        Some(before) if now.digest() == before.digest() => {
            format!("{name} would be launched as it was tested again")
        }
        Some(before) if as_tested => {
            let differences = list(&now.differences(before));
            format!("{name} would be launched otherwise: {differences}")
        }
        Some(before) => {
            let differences = list(&now.differences(before));
            format!("{name} would be launched otherwise again: since its test, {differences}")
        }
        None => format!(
            "{name} would be launched otherwise: version {} of its template {}, or its launch \
             configuration, says something else",
            now.version, now.template
        ),
    }
}

/// Put into the evidence how each cutover would be launched, or was if it is about finalizing, and
/// how that differs from its test.
pub(super) fn show(turn: &Turn, gate: Gate, shown: &mut [ServerEvidence]) {
    let servers: BTreeMap<&ServerId, &Server> = turn.servers.iter().map(|s| (&s.id, s)).collect();
    let mut told = 0;
    for evidence in shown {
        let Some(server) = servers.get(&evidence.server) else {
            continue;
        };
        let Some(seen) = turn.seen.get(&server.id).map(|seen| &seen.settings) else {
            continue;
        };
        let digest = |passed: &Option<Passed>| passed.as_ref()?.settings.clone();
        let these = match gate {
            Gate::Cutover => seen.readable(),
            Gate::Finalize => digest(&server.cutover).and_then(|digest| seen.digested(&digest)),
        };
        let Some(these) = these else { continue };
        evidence.settings = Some(these.mark());
        let Some(tested) = digest(&server.test).filter(|tested| tested != these.digest()) else {
            continue;
        };
        told += 1;
        if let Some(before) = seen.digested(&tested).filter(|_| told <= MOST_TOLD) {
            evidence.differences = these.differences(before);
        }
    }
}

/// A warning: its kind, what is wrong, and the servers that it is about.
pub(super) type About<'a> = (WarningKind, String, Vec<&'a str>);

/// What an approver should know of launch settings: those that are not as they should be, alike
/// ones together, and those that are not known.
pub(super) fn warnings<'a>(
    turn: &Turn,
    evidence: &'a Evidence,
    subjects: &[(&'a Server, &Passed)],
) -> Vec<About<'a>> {
    let mut groups: BTreeMap<(WarningKind, String), Vec<&str>> = BTreeMap::new();
    let approved = match turn.wave.gates.get(&Gate::Cutover) {
        Some(GateState::Approved { settings, .. }) => Some(settings),
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => None,
    };
    for (shown, (server, _)) in evidence.servers.iter().zip(subjects) {
        let warning = match evidence.gate {
            Gate::Cutover => before_cutover(turn, shown, server),
            Gate::Finalize => {
                let approved = approved.and_then(|settings| settings.get(&server.id));
                after_cutover(shown, server, approved)
            }
        };
        if let Some(warning) = warning {
            let names = groups.entry(warning).or_default();
            names.push(&shown.hostname);
        }
    }
    let mut warnings: Vec<About<'_>> = groups
        .into_iter()
        .map(|((kind, text), names)| (kind, text, names))
        .collect();
    warnings.sort_by_key(|(kind, _, names)| (*kind != WarningKind::Changed, Reverse(names.len())));
    if warnings.len() > MOST_WARNINGS {
        let rest = warnings.split_off(MOST_WARNINGS);
        let names = rest.into_iter().flat_map(|(_, _, names)| names).collect();
        let text = "Launch settings differ from the test's, or are not known, for others too";
        warnings.push((WarningKind::Changed, text.to_owned(), names));
    }
    warnings
}

/// What is wrong with the settings that a cutover would be launched with.
fn before_cutover(
    turn: &Turn,
    evidence: &ServerEvidence,
    server: &Server,
) -> Option<(WarningKind, String)> {
    let tested = server.test.as_ref().and_then(|test| test.settings.as_ref());
    let Some(now) = &evidence.settings else {
        let seen = turn.seen.get(&server.id).map(|seen| &seen.settings);
        let message = seen.and_then(SettingsSeen::unreadable);
        let message = message.map_or("not read yet".to_owned(), |m| one_line(m, 200));
        let text = format!(
            "Launch settings are not known, so that a change would not be seen ({message})"
        );
        return Some((WarningKind::StaleData, text));
    };
    match tested {
        None => {
            let text = "Not known with which launch settings they were tested";
            Some((WarningKind::StaleData, text.to_owned()))
        }
        Some(tested) if now.digest == *tested => None,
        Some(_) => {
            let text = "Would be launched otherwise than tested";
            Some((WarningKind::Changed, told(text, evidence)))
        }
    }
}

/// What is wrong with the settings that a cutover was launched with: they should be those that were
/// approved, or tested if nobody was shown any.
fn after_cutover(
    evidence: &ServerEvidence,
    server: &Server,
    approved: Option<&String>,
) -> Option<(WarningKind, String)> {
    let tested = server.test.as_ref().and_then(|test| test.settings.as_ref());
    let Some(then) = &evidence.settings else {
        let text = "Not known with which launch settings they were cut over";
        return Some((WarningKind::StaleData, text.to_owned()));
    };
    if approved.or(tested).is_none_or(|same| *same == then.digest) {
        return None;
    }
    let text = match approved {
        Some(approved) if Some(approved) != tested => {
            "Launched otherwise than approved, and than tested"
        }
        Some(_) => "Launched otherwise than approved",
        None => "Launched otherwise than tested",
    };
    Some((WarningKind::Changed, told(text, evidence)))
}

/// That something is otherwise, with the differences where they are known.
fn told(text: &str, evidence: &ServerEvidence) -> String {
    if evidence.differences.is_empty() {
        return text.to_owned();
    }
    format!("{text}: {}", list(&evidence.differences))
}
