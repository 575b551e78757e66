//! What people and tools are shown of a wave: the console's JSON and the command line's screens.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::AuditRecord;
use crate::gate::{Changes, Evidence, Gate, GateState, LeftOut, Summary, Waited, Waived};
use crate::hold::HoldId;
use crate::id::{ApplicationName, ServerId, WaveId};
use crate::observation::ServerSeen;
use crate::plan::{Start, Window};
use crate::server::{End, Server, Stage};
use crate::wave::{Phase, Wave};

/// A wave in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveSummary {
    /// Its name.
    pub wave: WaveId,
    /// Its phase's name.
    pub phase: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is held.
    pub held: bool,
    /// What it waits for, one sentence.
    pub waiting_for: String,
    /// How many servers it has; as JSON `server_count`, for [`WaveView`] flattens this beside its
    /// own `servers`.
    #[serde(rename = "server_count")]
    pub servers: u32,
}

/// A wave as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveView {
    /// The line of the list.
    #[serde(flatten)]
    pub summary: WaveSummary,
    /// Whether it has ended.
    pub ended: bool,
    /// Why it is held, and what releases it.
    pub hold: Option<HoldView>,
    /// Its window.
    pub window: Option<Window>,
    /// Its gates that were opened.
    pub gates: Vec<GateView>,
    /// How many servers are in each stage.
    pub stages: BTreeMap<String, u32>,
    /// Its servers, in the plan's order.
    pub servers: Vec<ServerView>,
    /// How long each application was down: the longest of its servers.
    pub downtime: BTreeMap<ApplicationName, SignedDuration>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// Its number: `resume` names it.
    pub id: HoldId,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Commands that release it, each with what it does.
    pub commands: Vec<(String, String)>,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateView {
    /// Which gate.
    pub gate: Gate,
    /// `open`, `approved`, or `lapsed`: it is about to ask again.
    pub state: String,
    /// The hash of the evidence.
    pub evidence: String,
    /// When it expires, if it is open.
    pub expires: Option<Timestamp>,
    /// When those who had not decided were last asked again, if they were.
    #[serde(default)]
    pub reminded: Option<Timestamp>,
    /// Those who were asked by mail and whose mail nobody got.
    #[serde(default)]
    pub unreached: Vec<String>,
    /// Who approved so far.
    pub approved_by: Vec<String>,
    /// How many must.
    pub quorum: u32,
    /// How many servers were left for later when it was approved.
    #[serde(default)]
    pub put_off: u32,
    /// How many servers it approved and asks about again once the others have come to rest.
    #[serde(default)]
    pub lapsed: u32,
    /// What changed, for which its approval counts no more, or not for all.
    #[serde(default)]
    pub changed: Vec<String>,
    /// Whether an approval can still be withdrawn.
    #[serde(default)]
    pub withdrawable: bool,
    /// What the approvers are shown, without every server; absent where nobody is asked any more.
    #[serde(default)]
    pub shown: Option<ShownView>,
}

/// The evidence of a gate, without every server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownView {
    /// Everything in a few numbers.
    pub summary: Summary,
    /// The same in a few facts, each a name and one line: see [`Evidence::facts`].
    #[serde(default)]
    pub facts: Vec<(String, String)>,
    /// What changed since the gate was asked before.
    pub changed: Vec<String>,
    /// What an approver should know, a sentence each.
    pub warnings: Vec<String>,
    /// How long one application is expected to be down.
    pub projected_downtime: Option<SignedDuration>,
    /// What waiting has cost so far.
    pub waited: Waited,
    /// Checks that failed and that a person waived.
    pub waived: Vec<Waived>,
    /// Servers that are not asked about and stay as they are.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// The applications that are asked about, with the number of their servers.
    pub applications: Vec<(ApplicationName, u32)>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Which server.
    pub server: ServerId,
    /// Its name for people.
    pub hostname: String,
    /// Its application.
    pub application: ApplicationName,
    /// Its stage's name.
    pub stage: String,
    /// Why it failed or was left out.
    pub detail: Option<String>,
    /// How far behind its replication is, in seconds.
    pub lag_seconds: Option<i64>,
    /// Bytes that wait to be replicated.
    pub backlog_bytes: Option<u64>,
    /// How much of the initial copy is done, 0 to 100.
    pub replicated_percent: Option<u8>,
    /// When MGN expects the initial copy to end.
    pub eta: Option<Timestamp>,
    /// Test launches so far.
    pub tests: u32,
    /// Cutover launches so far.
    pub cutovers: u32,
    /// The checks that may fail on it, because a person said so.
    #[serde(default)]
    pub waived: Vec<String>,
}

/// One line of a wave's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What, in the past tense.
    pub event: String,
    /// A sentence.
    pub text: String,
    /// Who wanted it.
    pub by: Option<String>,
}

/// The line of a list.
#[must_use]
pub fn summary(wave: &Wave, servers: u32) -> WaveSummary {
    WaveSummary {
        wave: wave.id.clone(),
        phase: wave.phase.name().to_owned(),
        since: wave.phase_since,
        held: wave.hold.is_some(),
        waiting_for: waiting_for(wave),
        servers,
    }
}

/// The whole wave.
#[must_use]
pub fn wave(wave: &Wave, servers: &[Server], seen: &BTreeMap<ServerId, ServerSeen>) -> WaveView {
    let mut stages = BTreeMap::new();
    let mut downtime: BTreeMap<ApplicationName, SignedDuration> = BTreeMap::new();
    for server in servers {
        *stages.entry(server.stage.name().to_owned()).or_insert(0) += 1;
        if let Some(down) = server.downtime {
            let longest = downtime.entry(server.application.clone()).or_default();
            *longest = (*longest).max(down);
        }
    }
    WaveView {
        summary: summary(wave, u32::try_from(servers.len()).unwrap_or(u32::MAX)),
        ended: wave.phase.terminal(),
        hold: wave.hold.as_ref().map(|hold| HoldView {
            id: hold.id,
            since: hold.since,
            reason: hold.reason.sentence(),
            commands: hold
                .reason
                .commands(wave)
                .into_iter()
                .map(|(command, what)| (command, what.to_owned()))
                .collect(),
        }),
        window: wave.plan.window.clone(),
        gates: wave
            .gates
            .iter()
            .map(|(gate, state)| gate_view(wave, *gate, state))
            .collect(),
        stages,
        servers: servers
            .iter()
            .map(|s| server_view(s, seen.get(&s.id)))
            .collect(),
        downtime,
    }
}

/// The timeline of a wave, from its audit records.
#[must_use]
pub fn timeline(records: &[AuditRecord]) -> Vec<TimelineEntry> {
    records
        .iter()
        .flat_map(|record| {
            record.entries.iter().map(|entry| TimelineEntry {
                at: record.at,
                event: entry.event.clone(),
                text: entry.text.clone(),
                by: entry.by.clone(),
            })
        })
        .collect()
}

/// What the wave waits for, one sentence.
#[must_use]
pub fn waiting_for(wave: &Wave) -> String {
    if let Some(hold) = &wave.hold {
        return format!("a person: {}", hold.reason.sentence());
    }
    let waited_for = waited_for(wave);
    match wave.silence.as_ref().filter(|_| !wave.phase.terminal()) {
        None => waited_for,
        Some(silence) => format!(
            "{waited_for}; AWS cannot be read since {}: {}",
            minute(silence.since),
            silence.message
        ),
    }
}

/// What it waits for as long as nothing is wrong.
fn waited_for(wave: &Wave) -> String {
    if let Some(put_off) = waits_for_the_rest(wave) {
        return put_off;
    }
    match &wave.phase {
        Phase::Waiting => match &wave.plan.start {
            Start::Replication => "replication of every server to be in step".to_owned(),
            Start::Schedule(at) => format!("its start at {}", minute(*at)),
            Start::Manual => format!("a person: tidegate start {}", wave.id),
        },
        Phase::Preflight { .. } => "the preflight checks".to_owned(),
        Phase::Testing => "the tests of its servers".to_owned(),
        Phase::AwaitingCutover => match (wave.gates.get(&Gate::Cutover), &wave.plan.window) {
            (Some(GateState::Approved { .. }), Some(window)) => {
                format!("its window, which opens at {}", minute(window.opens))
            }
            _ => decision(wave, Gate::Cutover),
        },
        Phase::CuttingOver => "the cutovers of its servers".to_owned(),
        Phase::Soaking { until } => format!("the soak, until {}", second(*until)),
        Phase::AwaitingFinalize => decision(wave, Gate::Finalize),
        Phase::Finalizing => "the finalizing of its servers".to_owned(),
        Phase::RollingBack => "the way back of its servers".to_owned(),
        Phase::Aborting => "the clean-up".to_owned(),
        Phase::Completed | Phase::RolledBack | Phase::Aborted => "nothing".to_owned(),
    }
}

/// The most approvers that a sentence names, and the most changes that a view tells.
const MOST_NAMED: usize = 3;
const MOST_CHANGES: usize = 9;

/// The decision at a gate, if it asks, and whom it does not reach.
fn decision(wave: &Wave, gate: Gate) -> String {
    let Some(GateState::Open(open)) = wave.gates.get(&gate) else {
        return format!("the {gate} gate");
    };
    let asked = format!(
        "a decision at the {gate} gate, by {}: tidegate approve {} {gate}",
        minute(open.expires),
        wave.id
    );
    match open.unreached.as_slice() {
        [] => asked,
        unreached => format!(
            "{asked} (mail may not reach {})",
            crate::words::few(unreached, MOST_NAMED)
        ),
    }
}

/// What is left of a gate that was approved in part waits until a person has it asked again.
fn waits_for_the_rest(wave: &Wave) -> Option<String> {
    let gate = match &wave.phase {
        Phase::AwaitingCutover => Gate::Cutover,
        Phase::AwaitingFinalize => Gate::Finalize,
        _ => return None,
    };
    match wave.gates.get(&gate)? {
        GateState::Approved {
            put_off, question, ..
        } if !put_off.is_empty() && question.is_none() => Some(format!(
            "a person, about {} that the {gate} gate put off: tidegate ask {} {gate}",
            crate::words::count(put_off.len(), "server"),
            wave.id
        )),
        GateState::Approved { .. } | GateState::Open(_) | GateState::Lapsed { .. } => None,
    }
}

/// A time for people, to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A time for people, to the second.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The first changes, the rest counted.
fn changed(changes: &Changes) -> Vec<String> {
    let (told, more) = changes.first(MOST_CHANGES);
    let more = (more > 0).then(|| format!("and {more} more changes"));
    told.iter().cloned().chain(more).collect()
}

fn gate_view(wave: &Wave, gate: Gate, state: &GateState) -> GateView {
    let quorum = match gate {
        Gate::Cutover => wave.plan.gates.cutover.quorum,
        Gate::Finalize => wave.plan.gates.finalize.quorum,
    };
    let view = GateView {
        gate,
        state: "open".to_owned(),
        evidence: String::new(),
        expires: None,
        reminded: None,
        unreached: Vec::new(),
        approved_by: Vec::new(),
        quorum,
        put_off: 0,
        lapsed: 0,
        changed: Vec::new(),
        withdrawable: false,
        shown: None,
    };
    match state {
        GateState::Open(open) => GateView {
            evidence: open.evidence.hash(),
            expires: Some(open.expires),
            reminded: open.reminded,
            unreached: open.unreached.iter().map(ToString::to_string).collect(),
            approved_by: open.approvals.iter().map(|a| a.by.to_string()).collect(),
            withdrawable: !open.approvals.is_empty(),
            shown: Some(shown(&open.evidence)),
            ..view
        },
        GateState::Approved {
            evidence,
            by,
            put_off,
            question,
            lapse,
            ..
        } => GateView {
            state: "approved".to_owned(),
            lapsed: lapse.as_ref().map_or(0, |lapse| {
                u32::try_from(lapse.servers.len()).unwrap_or(u32::MAX)
            }),
            changed: lapse
                .as_ref()
                .map(|lapse| changed(&lapse.changes))
                .unwrap_or_default(),
            evidence: evidence.clone(),
            approved_by: by.clone(),
            put_off: u32::try_from(put_off.len()).unwrap_or(u32::MAX),
            withdrawable: question.is_some(),
            ..view
        },
        GateState::Lapsed { changes, .. } => GateView {
            state: "lapsed".to_owned(),
            changed: changed(changes),
            ..view
        },
    }
}

fn shown(evidence: &Evidence) -> ShownView {
    let mut applications: Vec<(ApplicationName, u32)> = Vec::new();
    let mut places: BTreeMap<&ApplicationName, usize> = BTreeMap::new();
    for server in &evidence.servers {
        let name = &server.application;
        let place = *places.entry(name).or_insert_with(|| {
            applications.push((name.clone(), 0));
            applications.len() - 1
        });
        if let Some((_, servers)) = applications.get_mut(place) {
            *servers += 1;
        }
    }
    let facts = evidence.facts().into_iter();
    ShownView {
        summary: evidence.summary.clone(),
        facts: facts.map(|(name, fact)| (name.to_owned(), fact)).collect(),
        changed: changed(&evidence.changed),
        warnings: evidence.warnings.iter().map(|w| w.text.clone()).collect(),
        projected_downtime: evidence.projected_downtime,
        waited: evidence.waited,
        waived: evidence.waived.clone(),
        left_out: evidence.left_out.clone(),
        applications,
    }
}

fn server_view(server: &Server, seen: Option<&ServerSeen>) -> ServerView {
    let detail = match &server.stage {
        Stage::Ended {
            end: End::Failed { reason, .. } | End::Skipped { reason },
        } => Some(reason.clone()),
        Stage::Ended {
            end: End::Aborted { cut_over: true },
        } => Some("its cutover had been launched; it stays as it is".to_owned()),
        _ => None,
    };
    let replication = seen.map(|s| &s.replication);
    ServerView {
        server: server.id.clone(),
        hostname: server.hostname.clone(),
        application: server.application.clone(),
        stage: server.stage.name().to_owned(),
        detail,
        lag_seconds: replication.and_then(|r| r.lag).map(|lag| lag.as_secs()),
        backlog_bytes: replication.map(|r| r.backlog_bytes),
        replicated_percent: replication.filter(|r| r.total_bytes > 0).map(|r| {
            u8::try_from(r.replicated_bytes.min(r.total_bytes) * 100 / r.total_bytes).unwrap_or(100)
        }),
        eta: replication.and_then(|r| r.eta),
        tests: server.tests,
        cutovers: server.cutovers,
        waived: server.waivers.iter().map(|w| w.check.clone()).collect(),
    }
}
