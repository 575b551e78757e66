//! `tidegate audit`: the chain as a table, its proof, and what the doors refused.
//!
//! **Invariant**: the proof is made here, from the records as they are stored; of the console it
//! takes the codes' verdicts alone, for the key never leaves KMS.

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_domain::audit::{AuditHead, AuditRecord, Finding, StoredRecord, Verifier, hash};
use tidegate_domain::id::WaveId;

use super::status::pretty;
use crate::client::Client;
use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Show the chain.
///
/// # Errors
/// What the console said.
pub async fn show(
    client: &Client,
    wave: &WaveId,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let mut records: Vec<StoredRecord> = Vec::new();
    let mut next = Some(0);
    while let Some(after) = next {
        let page = client.audit(wave, after, false).await?;
        records.extend(page.records);
        next = page.next;
    }
    let text = if json {
        let records: Vec<_> = records.iter().map(as_json).collect();
        pretty(&Value::Array(records))
    } else {
        render::audit::chain(&records, &terminal.look)
    };
    terminal.say(&text);
    Ok(())
}

/// Prove the chain.
///
/// # Errors
/// The chain is not whole or not signed to its end, or what the console said.
pub async fn verify(
    client: &Client,
    wave: &WaveId,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let mut verifier = Verifier::new(wave);
    let mut head = AuditHead::default();
    let mut next = Some(0);
    while let Some(after) = next {
        let page = client.audit(wave, after, true).await?;
        for seal in page.seals {
            verifier.seal(seal.number, seal.hash);
        }
        for record in page.records {
            verifier.record(record.number, &record.body);
        }
        head = page.head;
        next = page.next;
    }
    let report = verifier.finish(&head, Timestamp::now());
    if json {
        let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        terminal.say(&pretty(&json!({
            "wave": wave,
            "proved": report.findings.is_empty(),
            "records": report.records,
            "signed_to": report.sealed,
            "head": head.hash,
            "findings": report.findings,
            "sentences": findings,
        })));
    } else {
        terminal.say(&render::audit::proof(wave, &report, &head));
    }
    let wrong = match report.findings.as_slice() {
        [] => return Ok(()),
        [Finding::Unsealed { .. }] => "is not signed and exported to its end".to_owned(),
        [_] => "is not whole".to_owned(),
        several => format!("is not whole, in {} places", several.len()),
    };
    Err(Failure::Failed(format!(
        "the audit chain of wave {wave} {wrong}"
    )))
}

/// Show what the doors refused on a day, in UTC; today's if it is left out.
///
/// # Errors
/// What the console said.
pub async fn refused(
    client: &Client,
    day: Option<jiff::civil::Date>,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let refused = client.refused(day).await?;
    let text = if json {
        let value = serde_json::to_value(&refused);
        pretty(&value.unwrap_or_default())
    } else {
        render::audit::refused(&refused, &terminal.look)
    };
    terminal.say(&text);
    Ok(())
}

fn as_json(record: &StoredRecord) -> Value {
    let parsed: Option<AuditRecord> = serde_json::from_str(&record.body).ok();
    json!({
        "number": record.number,
        "hash": hash(record.body.as_bytes()),
        "record": parsed,
    })
}
