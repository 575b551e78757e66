//! The audit chain: what happened, who wanted it, on which evidence; each record carries the hash
//! of the one before.
//!
//! **Invariant 2**: written by `advance` alone, one record a turn.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::WaveId;

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
    /// The hash of the record before, empty for the first.
    pub previous: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What, in the past tense: `PhaseEntered`, `DecisionCounted`, `EffectPlanned`, …
    pub event: String,
    /// A sentence for people.
    pub text: String,
    /// Who wanted it, if a person did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// The evidence, effect or message that it goes with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
}

impl AuditRecord {
    /// SHA-256 of the record's JSON (fixed order of fields, no maps), in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
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
    ) -> AuditRecord {
        let record = AuditRecord {
            wave: wave.clone(),
            number: self.records + 1,
            at,
            generation,
            entries,
            previous: self.hash.clone(),
        };
        self.records = record.number;
        self.hash = record.hash();
        record
    }
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
