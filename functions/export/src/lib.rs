//! `export`: takes the audit chain out of the table. Signs each record, keeps it in the archive
//! and tells its events to the bus, in the order of the chain.
//!
//! **Invariant 1**: what wakes this function (a change of the table, the clock) says which waves to
//! look at, never what to export; the chain is read. **Invariant 4**: what is exported was saved as
//! a record first, so nothing that happened can be forgotten: whatever is between how far the
//! export has come and the head is exported the next time. **Invariant 2**: this function writes
//! neither a wave nor its chain, and signs nothing that does not continue what it signed before. How
//! far that is stands in the table, which others could write: the archive has to agree.
//!
//! At least once: an event that is told twice has the same ID.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tidegate_domain::audit::{AuditHead, AuditRecord, Seal, Sealed, StoredRecord, hash};
use tidegate_domain::event::events;
use tidegate_domain::id::WaveId;
use tidegate_ports::act::CALL_MARGIN;
use tidegate_ports::audit::{Archive, Archived, Bus, Chain, Exports};
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{CallError, Context, HandlerError, ReadError, StoreError, chain};
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

/// How many records are read at once.
const PAGE: usize = 25;

/// How far the index may lag behind the table, generously.
const INDEX_LAG: SignedDuration = SignedDuration::from_mins(10);

/// What wakes the function: records of the table's stream, or the schedule's event, which has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Changes of the table.
    #[serde(rename = "Records", default)]
    pub records: Vec<Changed>,
}

/// A change of the table (DynamoDB developer guide, "DynamoDB Streams record", keys only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// What changed.
    pub dynamodb: ChangedItem,
}

/// Which item changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedItem {
    /// Its keys.
    #[serde(rename = "Keys")]
    pub keys: Keys,
}

/// An item's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The partition.
    pub pk: Text,
}

/// A text, as DynamoDB writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The text.
    #[serde(rename = "S")]
    pub text: String,
}

/// Nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {}

/// What the function reaches.
#[derive(Debug)]
pub struct Ports<'a, T, S, A, B, C> {
    /// The table: waves, their chains, and how far the export has come.
    pub table: &'a T,
    /// The key that signs records, and nothing else.
    pub signer: &'a S,
    /// The archive.
    pub archive: &'a A,
    /// The event bus.
    pub bus: &'a B,
    /// The time.
    pub clock: &'a C,
}

/// A wave's chain could not be exported.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the record cannot be signed: {0}")]
    Sign(ReadError),
    #[error("the archive cannot be read: {0}")]
    Look(ReadError),
    #[error("the record cannot be archived: {0}")]
    Keep(CallError),
    #[error("the events cannot be told: {0}")]
    Tell(CallError),
    #[error("AUDIT CHAIN BROKEN at record {number}: {what}. Nothing more of it is signed")]
    Broken { number: u64, what: &'static str },
}

/// How many waves could not be exported; each was logged.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {asked} waves failed, the last with")]
struct Failed {
    failed: usize,
    asked: usize,
    source: ExportError,
}

/// Export what is new: of the waves that changed, or, without any, of every wave that was written
/// since all were looked at. `until` is when Lambda ends this invocation.
///
/// # Errors
/// `Retryable` at the end if any wave failed, after all were tried.
pub async fn handle<T, S, A, B, C>(
    request: Request,
    ports: &Ports<'_, T, S, A, B, C>,
    until: Timestamp,
) -> Result<Response, HandlerError>
where
    T: Waves + Chain + Exports,
    S: Signer,
    A: Archive + Archived,
    B: Bus,
    C: Clock,
{
    let began = ports.clock.now();
    let sweeping = request.records.is_empty();
    let waves = if sweeping {
        let swept = ports.table.swept().await;
        let swept = swept.context("could not read until when all waves were looked at")?;
        // A time that is still to come was not noted here.
        let swept = swept.filter(|swept| *swept <= began);
        let since = swept.unwrap_or(Timestamp::UNIX_EPOCH);
        let since = since.saturating_sub(INDEX_LAG).unwrap_or(Timestamp::MIN);
        let written = ports.table.written_since(since).await;
        let written = written.context("could not list the waves that were written")?;
        written.into_iter().collect()
    } else {
        named(&request)
    };
    let mut failed = 0;
    let mut last = None;
    let mut whole = true;
    for wave in &waves {
        match export(wave, ports, until).await {
            Ok(end) => whole &= end,
            Err(error) => {
                tracing::error!(%wave, error = chain(&error), "the audit chain was not exported");
                failed += 1;
                last = Some(error);
            }
        }
    }
    if let Some(source) = last {
        return Err(HandlerError::Retryable {
            context: "could not export every audit chain".to_owned(),
            source: Failed {
                failed,
                asked: waves.len(),
                source,
            }
            .into(),
        });
    }
    if sweeping && whole {
        let swept = ports.table.set_swept(began).await;
        swept.context("could not note until when all waves were looked at")?;
    }
    Ok(Response {})
}

/// The waves that the changes name, without doubles.
fn named(request: &Request) -> BTreeSet<WaveId> {
    let keys = request.records.iter().map(|r| &r.dynamodb.keys.pk.text);
    keys.filter_map(|pk| WaveId::parse(pk.strip_prefix("WAVE#")?).ok())
        .collect()
}

/// Export one wave's new records; gives whether all are.
async fn export<T, S, A, B, C>(
    wave: &WaveId,
    ports: &Ports<'_, T, S, A, B, C>,
    until: Timestamp,
) -> Result<bool, ExportError>
where
    T: Waves + Chain + Exports,
    S: Signer,
    A: Archive + Archived,
    B: Bus,
    C: Clock,
{
    let mut exported = ports.table.exported(wave).await?;
    is_archived(wave, &exported, ports.archive).await?;
    loop {
        // The records come before the head, so that the head is never behind them.
        let page = ports.table.records_after(wave, exported.records, PAGE);
        let page = page.await?;
        let head = ports.table.wave(wave).await?.map(|wave| wave.audit);
        let head = head.unwrap_or_default();
        if head.records < exported.records {
            return Err(broken(head.records + 1, "it was exported and is gone"));
        }
        if head.records == exported.records && head.hash != exported.hash {
            return Err(broken(head.records, "it is not the one that was exported"));
        }
        if page.is_empty() {
            return if head.records == exported.records {
                Ok(true)
            } else {
                // Written between the two reads, or gone: the next look tells.
                let again = ports.table.records_after(wave, exported.records, 1).await?;
                if again.is_empty() {
                    Err(broken(exported.records + 1, "it is missing"))
                } else {
                    continue;
                }
            };
        }
        for record in &page {
            let ends = ports.clock.now().saturating_add(CALL_MARGIN);
            if ends.unwrap_or(Timestamp::MAX) >= until {
                tracing::info!(%wave, exported = exported.records, "the rest is exported next time");
                return Ok(false);
            }
            let next = carry_out(wave, record, &exported, ports).await?;
            if !ports.table.set_exported(wave, &exported, &next).await? {
                // Another invocation is at it, and does the rest.
                return Ok(false);
            }
            exported = next;
        }
    }
}

/// Make sure that the table tells the truth on how far the export has come: a record is archived
/// before that is noted. Otherwise what somebody skipped would never be signed, and what they put
/// in its place would be continued.
async fn is_archived(
    wave: &WaveId,
    exported: &AuditHead,
    archive: &impl Archived,
) -> Result<(), ExportError> {
    let number = exported.records;
    let Some(before) = number.checked_sub(1) else {
        return Ok(());
    };
    let kept = archive.kept_after(wave, before).await;
    let kept = kept.map_err(ExportError::Look)?;
    let Some(kept) = kept.first().filter(|kept| kept.number == number) else {
        return Err(broken(number, "it is noted as exported and was not"));
    };
    let sealed = archive.read(wave, kept).await.map_err(ExportError::Look)?;
    match sealed {
        Some(sealed) if sealed.seal.hash == exported.hash => Ok(()),
        Some(_) | None => Err(broken(number, "another one is noted as exported")),
    }
}

/// Sign, archive and tell one record; gives the new end of what is exported.
async fn carry_out<T, S: Signer, A: Archive, B: Bus, C>(
    wave: &WaveId,
    stored: &StoredRecord,
    exported: &AuditHead,
    ports: &Ports<'_, T, S, A, B, C>,
) -> Result<AuditHead, ExportError> {
    let number = exported.records + 1;
    let record: AuditRecord = match serde_json::from_str(&stored.body) {
        Ok(record) => record,
        Err(_) => return Err(broken(stored.number, "it cannot be read")),
    };
    if stored.number != number {
        return Err(broken(number, "it is missing"));
    }
    if record.number != number || record.wave != *wave {
        return Err(broken(number, "it was written for another place"));
    }
    if record.previous != exported.hash {
        return Err(broken(number, "it does not follow the one before it"));
    }
    let seal = Seal {
        wave: wave.clone(),
        number,
        hash: hash(stored.body.as_bytes()),
    };
    let code = ports.signer.sign(&seal.signed()).await;
    let sealed = Sealed {
        code: hex::encode(code.map_err(ExportError::Sign)?),
        record: stored.body.clone(),
        seal,
    };
    let kept = ports.archive.keep(&sealed).await;
    if let Some(first) = kept.map_err(ExportError::Keep)?
        && first.seal != sealed.seal
    {
        return Err(broken(number, "another one was exported before"));
    }
    let told = ports.bus.tell(&events(&record)).await;
    told.map_err(ExportError::Tell)?;
    tracing::info!(%wave, number, "audit record exported");
    Ok(AuditHead {
        records: number,
        hash: sealed.seal.hash,
    })
}

fn broken(number: u64, what: &'static str) -> ExportError {
    ExportError::Broken { number, what }
}
