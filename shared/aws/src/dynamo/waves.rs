//! Waves for those who only look.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::StreamExt;
use futures::stream;
use tidegate_domain::audit::AuditRecord;
use tidegate_domain::id::WaveId;
use tidegate_domain::wave::Wave;
use tidegate_ports::error::StoreError;
use tidegate_ports::waves::{Waves, WholeWave};

use super::item::{Attributes, Item, Key, names, text, values};
use super::parts::{Joined, is_part, join};
use super::turns::AT_ONCE;
use super::{DynamoStore, INDEX};

/// The most waves that a list shows.
const MOST_LISTED: usize = 200;

impl Waves for DynamoStore {
    async fn list(&self) -> Result<Vec<(Wave, u32)>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(INDEX)
            .key_condition_expression("#list = :wave")
            .set_expression_attribute_names(names(&["list"]))
            .set_expression_attribute_values(values([("wave", text("wave"))]))
            .scan_index_forward(false)
            .limit(i32::try_from(MOST_LISTED).unwrap_or(i32::MAX));
        let mut keys = self.all(query, MOST_LISTED).await?;
        keys.truncate(MOST_LISTED);
        stream::iter(keys.iter().filter_map(|key| named(key, "WAVE#")))
            .map(async |wave: WaveId| self.wave_and_count(&wave).await)
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .filter_map(Result::transpose)
            .collect()
    }

    async fn wave(&self, wave: &WaveId) -> Result<Option<Wave>, StoreError> {
        self.stored_wave_alone(wave).await
    }

    async fn whole(&self, wave: &WaveId) -> Result<Option<WholeWave>, StoreError> {
        let (stored, (_, seen)) = futures::try_join!(self.stored_wave(wave), self.seen(wave))?;
        Ok(stored.map(|stored| WholeWave {
            wave: stored.wave,
            servers: stored.servers,
            seen,
        }))
    }

    async fn audit(&self, wave: &WaveId) -> Result<Vec<AuditRecord>, StoreError> {
        self.audit_since(wave, 0).await
    }

    async fn audit_since(&self, wave: &WaveId, first: u64) -> Result<Vec<AuditRecord>, StoreError> {
        let first = Key::audit(wave, first);
        let items = self.between(&first.pk, &first.sk, "AUDIT~").await?;
        let by_sk = items
            .into_iter()
            .map(|item| Ok((item.text("sk")?.to_owned(), item)))
            .collect::<Result<_, StoreError>>()?;
        let records: &std::collections::BTreeMap<String, Item> = &by_sk;
        records
            .iter()
            .filter(|(sk, _)| !is_part(sk))
            .map(|(_, item)| match join(item, records)? {
                Joined::Whole(body) => item.parse("body", &body),
                Joined::Torn => Err(item.corrupt("a part of its body is missing")),
            })
            .collect()
    }
}

/// The wave whose partition the key of an index's item names.
pub(super) fn named(key: &Item, prefix: &str) -> Option<WaveId> {
    let pk = key.get("pk").and_then(|pk: &AttributeValue| pk.as_s().ok());
    let wave = pk.and_then(|pk| pk.strip_prefix(prefix)).map(WaveId::parse);
    match wave {
        Some(Ok(wave)) => Some(wave),
        Some(Err(_)) | None => {
            tracing::error!(?pk, "an item of the index names no wave");
            None
        }
    }
}
