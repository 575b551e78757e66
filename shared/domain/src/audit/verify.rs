//! The proof of a chain: what was altered, removed, put elsewhere or cut off, by number.
//!
//! Three witnesses are held against each other: the records in the table, the head in the wave's
//! item, and the seals outside. Whoever can write the table can make records and head agree; the
//! seals still tell, for every record that was sealed. What was never sealed is proved by nothing
//! that they could not write: it is a finding as soon as it is too old to be on its way.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AuditHead, AuditRecord, hash};
use crate::id::WaveId;

/// The most findings that are kept; where there are more, the first tell enough.
const MOST_FINDINGS: usize = 50;

/// How long a record may be without a seal: its export takes a minute at most.
pub const SEALED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// The record is not the one that was sealed, or cannot be read.
    Altered {
        /// Its number.
        number: u64,
    },
    /// Two records that are not sealed do not fit together: one of them was altered.
    Unlinked {
        /// The number of the second.
        number: u64,
    },
    /// Records are gone, with others after them.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The record at this place was written for another.
    Moved {
        /// Its place.
        number: u64,
        /// The number that it was written with.
        written_as: u64,
    },
    /// The end is gone.
    CutShort {
        /// The last record that is there, 0 if none is.
        after: u64,
        /// The last that there was, by the seals or the head.
        until: u64,
    },
    /// There are records that the head does not know.
    BeyondHead {
        /// The last record that the head knows.
        head: u64,
        /// The last record.
        last: u64,
    },
    /// The head does not carry the hash of the last record.
    HeadAltered {
        /// The last record's number.
        number: u64,
    },
    /// The seal's code is not Tidegate's.
    SealForged {
        /// The record's number.
        number: u64,
    },
    /// Later records are sealed and this one is not.
    SealMissing {
        /// The record's number.
        number: u64,
    },
    /// The records behind the last seal should have one by now, going by their own times. A time
    /// that is as far ahead is not believed.
    Unsealed {
        /// The first.
        from: u64,
    },
}

impl Finding {
    /// The number of the first record concerned.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Altered { number }
            | Self::Unlinked { number }
            | Self::Moved { number, .. }
            | Self::HeadAltered { number }
            | Self::SealForged { number }
            | Self::SealMissing { number } => *number,
            Self::Missing { from, .. } | Self::Unsealed { from } => *from,
            Self::CutShort { after, .. } => *after + 1,
            Self::BeyondHead { head, .. } => *head + 1,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { number } => write!(f, "record {number} was altered"),
            Self::Unlinked { number } => write!(
                f,
                "records {} and {number} do not fit together: one of them was altered",
                number - 1
            ),
            Self::Missing { from, to } if from == to => write!(f, "record {from} is missing"),
            Self::Missing { from, to } => write!(f, "records {from} to {to} are missing"),
            Self::Moved { number, written_as } => write!(
                f,
                "record {number} is out of order: it was written as record {written_as}"
            ),
            Self::CutShort { after, until } if after + 1 == *until => {
                write!(f, "record {until} was cut off the end")
            }
            Self::CutShort { after, until } => {
                write!(f, "records {} to {until} were cut off the end", after + 1)
            }
            Self::BeyondHead { head, last } if head + 1 == *last => {
                write!(f, "record {last} was added behind the end")
            }
            Self::BeyondHead { head, last } => {
                write!(
                    f,
                    "records {} to {last} were added behind the end",
                    head + 1
                )
            }
            Self::HeadAltered { number } => write!(
                f,
                "record {number}, the last, or the wave's note of it was altered"
            ),
            Self::SealForged { number } => {
                write!(f, "the signature of record {number} is not Tidegate's")
            }
            Self::SealMissing { number } => write!(
                f,
                "the exported record {number} is missing, though later ones are there"
            ),
            Self::Unsealed { from } => {
                write!(f, "records from {from} on were not signed and exported")
            }
        }
    }
}

/// What came of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many records there are.
    pub records: u64,
    /// The last record that is sealed: what came later is vouched for by the chain alone, until it
    /// is exported too.
    pub sealed: u64,
    /// What is wrong, in the order of the chain; empty if nothing is.
    pub findings: Vec<Finding>,
}

/// Verifies a chain, record by record, in the order of their places.
#[derive(Debug)]
pub struct Verifier {
    wave: WaveId,
    /// The last place that was looked at.
    last: u64,
    /// What the next record must follow; None where that is not known.
    previous: Option<String>,
    /// The hash of the last record as it is.
    last_hash: String,
    /// Whether the last record is as it was sealed.
    last_sealed: bool,
    seals: BTreeMap<u64, Option<String>>,
    seals_to: u64,
    /// The records that have no seal, with their times; None where one cannot be read.
    unsealed: Vec<(u64, Option<Timestamp>)>,
    findings: Vec<Finding>,
}

impl Verifier {
    /// Begin with the first record of a wave.
    #[must_use]
    pub fn new(wave: &WaveId) -> Self {
        Self {
            wave: wave.clone(),
            last: 0,
            previous: Some(String::new()),
            last_hash: String::new(),
            last_sealed: true,
            seals: BTreeMap::new(),
            seals_to: 0,
            unsealed: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// A seal, before the record of that number. `hash` is None if its code was not Tidegate's.
    pub fn seal(&mut self, number: u64, hash: Option<String>) {
        self.seals_to = self.seals_to.max(number);
        self.seals.insert(number, hash);
    }

    /// The record that lies at place `number`, as it is stored.
    pub fn record(&mut self, number: u64, body: &str) {
        if number > self.last + 1 {
            let from = self.last + 1;
            let to = number - 1;
            self.found(Finding::Missing { from, to });
            self.previous = self.seals.get(&to).cloned().flatten();
            self.last_sealed = self.previous.is_some();
            for gone in from..=to.min(from + MOST_FINDINGS as u64) {
                self.seals.remove(&gone);
            }
        }
        let found = hash(body.as_bytes());
        let seal = self.seals.remove(&number);
        let record = serde_json::from_str::<AuditRecord>(body).ok();
        let followed = match (&record, &self.previous) {
            (Some(record), Some(previous)) => record.previous == *previous,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let ours = record
            .as_ref()
            .is_some_and(|record| record.wave == self.wave && record.number == number);
        match &seal {
            Some(None) => self.found(Finding::SealForged { number }),
            Some(Some(sealed)) if *sealed == found => {}
            None | Some(Some(_)) => {
                let sealed_otherwise = seal.is_some();
                match &record {
                    Some(record) if record.number != number && record.wave == self.wave => {
                        self.found(Finding::Moved {
                            number,
                            written_as: record.number,
                        });
                    }
                    _ if sealed_otherwise || !ours => self.found(Finding::Altered { number }),
                    _ if !followed && self.last_sealed => self.found(Finding::Altered { number }),
                    _ if !followed => self.found(Finding::Unlinked { number }),
                    _ => {}
                }
            }
        }
        if seal.is_none() {
            let at = record.as_ref().map(|record| record.at);
            self.unsealed.push((number, at));
        }
        let sealed = seal.flatten();
        self.last_sealed = sealed.is_some();
        self.previous = match sealed {
            Some(hash) => Some(hash),
            // What is not what it was tells nothing about the next.
            None if !ours => None,
            None => Some(found.clone()),
        };
        self.last_hash = found;
        self.last = number;
    }

    /// That was the last record: `head` is what the wave's item says, `now` when the last records
    /// were read.
    #[must_use]
    pub fn finish(mut self, head: &AuditHead, now: Timestamp) -> Report {
        let until = self.seals_to.max(head.records);
        if self.last < until {
            let after = self.last;
            self.found(Finding::CutShort { after, until });
        } else if self.last > head.records {
            self.found(Finding::BeyondHead {
                head: head.records,
                last: self.last,
            });
        } else if self.last_hash != head.hash
            && !self.findings.iter().any(|f| f.number() == self.last)
        {
            self.found(Finding::HeadAltered { number: self.last });
        }
        self.without_seal(now);
        self.findings.sort_by_key(Finding::number);
        Report {
            records: self.last,
            sealed: self.seals_to,
            findings: self.findings,
        }
    }

    /// The records without a seal: before the last seal it is missing, behind it there was time.
    fn without_seal(&mut self, now: Timestamp) {
        let unsealed = std::mem::take(&mut self.unsealed);
        let behind = unsealed.partition_point(|(number, _)| *number <= self.seals_to);
        let (before, behind) = unsealed.split_at(behind);
        for (number, _) in before {
            self.found(Finding::SealMissing { number: *number });
        }
        let times = behind.iter().filter_map(|(_, at)| *at);
        let late = times
            .map(|at| now.duration_since(at).abs())
            .any(|age| age > SEALED_WITHIN);
        if let (true, Some((from, _))) = (late, behind.first()) {
            self.found(Finding::Unsealed { from: *from });
        }
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}
