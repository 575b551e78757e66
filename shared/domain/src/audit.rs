//! The audit chain: what happened, who wanted it, on which evidence; each record carries the hash
//! of the one before.
//!
//! **Invariant 2**: written by `advance` alone, one record a turn. `export` signs each record's hash
//! ([`Seal`]) and keeps it where `advance` cannot reach; [`Verifier`] holds the three against each
//! other: the records, the head in the wave, and the seals.

mod seal;
mod verify;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::gate::{Gate, Verdict};
use crate::hold::HoldId;
use crate::id::{EffectId, JobId, ServerId, WaveId};

pub use seal::{Seal, Sealed};
pub use verify::{Finding, Report, SEALED_WITHIN, Verifier};

/// The end of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// How many records there are.
    pub records: u64,
    /// The hash of the last, empty if there is none.
    pub hash: String,
}

/// What happened in one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The wave.
    pub wave: WaveId,
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The driver's generation.
    pub generation: u64,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// The effects that were wanted, and those that ended.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub effects: Vec<EffectRecord>,
    /// The hash of the record before, empty for the first.
    pub previous: String,
}

/// An effect that was wanted or that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRecord {
    /// Which effect.
    pub id: EffectId,
    /// What it does, for people: [`Task::title`](crate::effect::Task::title).
    pub task: String,
    /// How it ended, with the job or command of AWS; absent where it is wanted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What, in the past tense: `PhaseEntered`, `MessageCounted`, `GateOpened`, …
    pub event: String,
    /// A sentence for people.
    pub text: String,
    /// Who wanted it, if a person did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// The evidence, effect or message that it goes with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
    /// What it is about, for machines.
    #[serde(skip_serializing_if = "About::is_empty", default)]
    pub about: About,
}

/// What an entry is about, so that no machine has to read its sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The phase that was entered, by its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<String>,
    /// The gate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gate: Option<Gate>,
    /// The hash of the evidence that was asked about or decided on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evidence: Option<String>,
    /// What a person decided at it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// The hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hold: Option<HoldId>,
    /// What a job does: `test`, `cutover` or `termination`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub purpose: Option<String>,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<JobId>,
    /// The servers; at most the 200 of a job.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub servers: Vec<ServerId>,
    /// Where there are more, all of them: `servers` are the first, in the order of their IDs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub all: Option<AllServers>,
}

/// Servers that are too many to be listed, so that a list of them can be proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllServers {
    /// How many there are.
    pub count: u32,
    /// SHA-256 of their IDs in order, a line each, in hexadecimal.
    pub digest: String,
}

/// The most servers that an entry lists.
const MOST_SERVERS: usize = 200;

impl About {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A gate.
    #[must_use]
    pub fn gate(gate: Gate) -> Self {
        Self {
            gate: Some(gate),
            ..Self::default()
        }
    }

    /// A gate, and the evidence that it was asked or decided on.
    #[must_use]
    pub fn evidence(gate: Gate, evidence: &str) -> Self {
        Self {
            evidence: Some(evidence.to_owned()),
            ..Self::gate(gate)
        }
    }

    /// The same, about these servers: each once, in the order of their IDs.
    #[must_use]
    pub fn with_servers<'a>(self, servers: impl IntoIterator<Item = &'a ServerId>) -> Self {
        let servers: BTreeSet<&ServerId> = servers.into_iter().collect();
        let lines: String = servers.iter().map(|id| format!("{id}\n")).collect();
        let all = (servers.len() > MOST_SERVERS).then(|| AllServers {
            count: u32::try_from(servers.len()).unwrap_or(u32::MAX),
            digest: hash(lines.as_bytes()),
        });
        Self {
            servers: servers.into_iter().take(MOST_SERVERS).cloned().collect(),
            all,
            ..self
        }
    }

    /// One server.
    #[must_use]
    pub fn server(server: &ServerId) -> Self {
        Self {
            servers: vec![server.clone()],
            ..Self::default()
        }
    }
}

impl AuditRecord {
    /// SHA-256 of the record's JSON (fixed order of fields, no maps), in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&serde_json::to_vec(self).unwrap_or_default())
    }
}

impl AuditHead {
    /// Append a record; gives the record with its number and predecessor.
    pub fn append(
        &mut self,
        wave: &WaveId,
        generation: u64,
        at: Timestamp,
        entries: Vec<Entry>,
        effects: Vec<EffectRecord>,
    ) -> AuditRecord {
        let record = AuditRecord {
            wave: wave.clone(),
            number: self.records + 1,
            at,
            generation,
            entries,
            effects,
            previous: self.hash.clone(),
        };
        self.records = record.number;
        self.hash = record.hash();
        record
    }
}

/// A part of a wave's chain, as the console gives it: the records as they are stored, so that
/// whoever asks can prove them without believing the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// What the wave's item says of the chain's end.
    pub head: AuditHead,
    /// Records, in the order of their places.
    pub records: Vec<StoredRecord>,
    /// The seals of these records, and on the last page of all later ones; empty if not asked for.
    #[serde(default)]
    pub seals: Vec<CheckedSeal>,
    /// After which number the next page begins; None on the last.
    pub next: Option<u64>,
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// The place that it lies at.
    pub number: u64,
    /// Its text, JSON, byte for byte; empty if it is not whole.
    pub body: String,
}

/// A seal whose code was checked against the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedSeal {
    /// The record's number.
    pub number: u64,
    /// The hash that it vouches for; None if its code is not Tidegate's.
    pub hash: Option<String>,
}

/// The hash of a text, a record's as it is stored among them.
#[must_use]
pub fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// Check a whole chain against its head; the error names the first record that is wrong.
pub fn verify(records: &[AuditRecord], head: &AuditHead) -> Result<(), String> {
    let mut previous = String::new();
    for (record, number) in records.iter().zip(1u64..) {
        if record.number != number {
            return Err(format!("record {number} is missing or out of order"));
        }
        if record.previous != previous {
            return Err(format!("record {number} does not follow the one before it"));
        }
        previous = record.hash();
    }
    if records.len() as u64 != head.records || previous != head.hash {
        return Err(format!(
            "the chain ends at record {} but its head says {}, or the last record was altered",
            records.len(),
            head.records
        ));
    }
    Ok(())
}
