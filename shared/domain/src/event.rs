//! Domain events: what other programs are told of a wave, through the event bus.
//!
//! **Invariant**: each entry of a saved audit record is one event, in order, and nothing else is;
//! its ID is made of wave, record and place, so that one that is sent twice is the same event.
//! `events/domain/` holds a JSON Schema for every name in [`EVENTS`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::{About, AuditRecord, Entry};
use crate::id::WaveId;

/// The source that all events carry.
pub const SOURCE: &str = "tidegate";

/// The longest sentence of an event, in characters: an entry of the bus holds 256 KB
/// (EventBridge user guide, "PutEvents"), of which 200 servers take 5.
const LONGEST_TEXT: usize = 2_000;

/// Every event, with what it says. More may come: a consumer ignores names that it does not know.
pub const EVENTS: &[(&str, &str)] = &[
    ("WaveApplied", "A plan was applied and its wave begun."),
    (
        "ServersSelected",
        "The wave's servers are selected and frozen.",
    ),
    ("WaveWaiting", "The wave waits for its start."),
    ("WaveStarted", "The wave began with its preflight checks."),
    ("TestingStarted", "Servers are launched for tests."),
    (
        "WaveReadyForCutover",
        "Testing is over; the wave waits for its cutover gate and window.",
    ),
    (
        "CutoverStarted",
        "The gate is approved and the window open: applications are cut over.",
    ),
    (
        "SoakStarted",
        "Every application runs in AWS and is watched.",
    ),
    (
        "WaveReadyForFinalize",
        "The soak is over; the wave waits for its finalize gate.",
    ),
    (
        "FinalizeStarted",
        "The servers are finalized, which cannot be undone.",
    ),
    (
        "WaveCompleted",
        "Every server is finalized or was left out.",
    ),
    (
        "RollbackStarted",
        "What was cut over is undone: targets are stopped, data kept, sources started.",
    ),
    (
        "WaveRolledBack",
        "Everything that was cut over runs on its source again.",
    ),
    (
        "AbortStarted",
        "A person ended the wave; what was started is cleaned up.",
    ),
    (
        "WaveAborted",
        "The wave was ended by a person, and is cleaned up.",
    ),
    (
        "WaveHeld",
        "Nothing new starts until a person has seen to it.",
    ),
    ("GateOpened", "The approvers of a gate are asked."),
    (
        "GateDecided",
        "A person's approval or rejection was counted.",
    ),
    (
        "GateApproved",
        "Enough people have approved a gate, or the plan has.",
    ),
    (
        "GateRejected",
        "A gate expired undecided, and its plan rejects then.",
    ),
    (
        "GateExpired",
        "A gate expired undecided, and its plan goes on or rolls back then.",
    ),
    (
        "ApproversReminded",
        "Who has not decided at a gate is asked again.",
    ),
    (
        "GateEscalated",
        "A gate expires soon; others are asked as well.",
    ),
    (
        "ApproversUnreached",
        "Mail may not reach some who are asked at a gate.",
    ),
    (
        "CheckWaived",
        "A failed check was waived by a person, with a reason.",
    ),
    (
        "EvidenceChanged",
        "What a gate was asked on has changed; it is asked again.",
    ),
    ("MessageCounted", "A command of a person was carried out."),
    (
        "MessageRefused",
        "A command or decision of a person was not counted, and why.",
    ),
    (
        "MessagesSetAside",
        "Messages that cannot be read, or that drivers died on, were set aside.",
    ),
    ("JobPlanned", "A launch or termination is wanted and saved."),
    (
        "TestLaunched",
        "A job that launches test instances was started.",
    ),
    (
        "CutoverLaunched",
        "A job that launches cutover instances was started.",
    ),
    (
        "TerminationStarted",
        "A job that terminates test instances was started.",
    ),
    (
        "EffectRefused",
        "AWS, or a guard, refused something that the wave wanted.",
    ),
    ("TestPassed", "A server's test launch passed its checks."),
    (
        "TestLapsed",
        "A passed test counts no more; the server is tested again.",
    ),
    ("CheckFailed", "A check of a launched server failed."),
    ("LaunchFailed", "A server's launch failed."),
    ("ServerFailed", "A server failed for good in this wave."),
    (
        "SourceQuiesced",
        "A server's services are stopped on its source.",
    ),
    (
        "SourceRestarted",
        "A server's services run on its source again.",
    ),
    ("CutOver", "A server runs in AWS, launched and checked."),
    (
        "TargetQuiesced",
        "A server's services are stopped on what its cutover launched.",
    ),
    (
        "TargetStopped",
        "What a server's cutover launched is stopped.",
    ),
    (
        "DataKept",
        "Snapshots of what a server's cutover launched are made.",
    ),
    (
        "TargetNotQuiesced",
        "A server's services could not be stopped in AWS; its instance is stopped all the same.",
    ),
    (
        "StepTakenAsDone",
        "A person did a step of the way back by hand.",
    ),
    ("Finalized", "A server's cutover is finalized."),
    ("ReplicationStalled", "A server's replication stalls."),
    ("ReplicationResumed", "A server replicates again."),
    (
        "TerminationOverdue",
        "A termination has not ended in its time.",
    ),
    (
        "TerminationRefused",
        "MGN does not terminate a test instance.",
    ),
    (
        "LifeCycleRefused",
        "MGN does not set back a server's life cycle state.",
    ),
];

/// An event as the bus carries it: its `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainEvent {
    /// The same for all time and however often it is sent: `WAVE/RECORD/PLACE`.
    pub id: String,
    /// What happened: the bus's `detail-type`.
    pub event: String,
    /// The wave.
    pub wave: WaveId,
    /// When it was decided.
    pub at: Timestamp,
    /// The number of its audit record: events of a wave are in the order of this and `place`.
    pub record: u64,
    /// Its place in the record, from 0.
    pub place: u32,
    /// The record's hash, which its seal vouches for.
    pub hash: String,
    /// A sentence for people.
    pub text: String,
    /// Who wanted it, if a person did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// The evidence, effect or message that it goes with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
    /// What it is about.
    #[serde(flatten)]
    pub about: About,
}

/// The events of a record, in order.
#[must_use]
pub fn events(record: &AuditRecord) -> Vec<DomainEvent> {
    let hash = record.hash();
    record
        .entries
        .iter()
        .zip(0u32..)
        .map(|(entry, place)| DomainEvent {
            id: format!("{}/{}/{place}", record.wave, record.number),
            event: name(entry).to_owned(),
            wave: record.wave.clone(),
            at: record.at,
            record: record.number,
            place,
            hash: hash.clone(),
            text: entry.text.chars().take(LONGEST_TEXT).collect(),
            by: entry.by.clone(),
            reference: entry.reference.clone(),
            about: entry.about.clone(),
        })
        .collect()
}

/// The event's name: the entry's own, made plainer by what the entry is about.
fn name(entry: &Entry) -> &str {
    let About {
        phase,
        verdict,
        purpose,
        ..
    } = &entry.about;
    match (entry.event.as_str(), phase.as_deref(), purpose.as_deref()) {
        ("PhaseEntered", Some("Waiting"), _) => "WaveWaiting",
        ("PhaseEntered", Some("Preflight"), _) => "WaveStarted",
        ("PhaseEntered", Some("Testing"), _) => "TestingStarted",
        ("PhaseEntered", Some("AwaitingCutover"), _) => "WaveReadyForCutover",
        ("PhaseEntered", Some("CuttingOver"), _) => "CutoverStarted",
        ("PhaseEntered", Some("Soaking"), _) => "SoakStarted",
        ("PhaseEntered", Some("AwaitingFinalize"), _) => "WaveReadyForFinalize",
        ("PhaseEntered", Some("Finalizing"), _) => "FinalizeStarted",
        ("PhaseEntered", Some("Completed"), _) => "WaveCompleted",
        ("PhaseEntered", Some("RollingBack"), _) => "RollbackStarted",
        ("PhaseEntered", Some("RolledBack"), _) => "WaveRolledBack",
        ("PhaseEntered", Some("Aborting"), _) => "AbortStarted",
        ("PhaseEntered", Some("Aborted"), _) => "WaveAborted",
        ("JobStarted", _, Some("test")) => "TestLaunched",
        ("JobStarted", _, Some("cutover")) => "CutoverLaunched",
        ("JobStarted", _, Some("termination")) => "TerminationStarted",
        ("MessageCounted", ..) if verdict.is_some() => "GateDecided",
        (event, ..) => event,
    }
}
