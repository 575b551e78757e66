//! The audit chain as it is stored, and how far its export has come.
//!
//! **Invariant**: a record's text is given byte for byte, whatever it is, so that an altered one
//! is proved altered and does not pass for unreadable.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use tidegate_domain::audit::{AuditHead, StoredRecord};
use tidegate_domain::id::WaveId;
use tidegate_ports::audit::{Chain, Exports};
use tidegate_ports::error::StoreError;

use super::errors::{Written, unavailable, written};
use super::item::{Attributes, Item, Key, names, number, text, time, values};
use super::parts::{Joined, is_part, join};
use super::waves::named;
use super::{DynamoStore, INDEX};

/// What the keys of a wave's records begin with.
const PREFIX: &str = "AUDIT#";

impl Chain for DynamoStore {
    async fn records_after(
        &self,
        wave: &WaveId,
        after: u64,
        most: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let first = Key::audit(wave, after.saturating_add(1));
        let query = self
            .client
            .query()
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .set_expression_attribute_names(names(&["pk", "sk"]))
            .set_expression_attribute_values(values([
                ("pk", text(&first.pk)),
                ("first", text(&first.sk)),
                ("last", text("AUDIT~")),
            ]))
            .limit(i32::try_from(most).unwrap_or(i32::MAX).saturating_add(1))
            .consistent_read(true);
        let mut items = BTreeMap::new();
        for item in self.all(query, most + 1).await? {
            items.insert(item.text("sk")?.to_owned(), item);
        }
        let mut records = Vec::new();
        for (sk, item) in items.iter().filter(|(sk, _)| !is_part(sk)) {
            if records.len() == most {
                break;
            }
            let body = match join(item, &items) {
                Ok(Joined::Whole(body)) => body,
                // The last record's parts may lie beyond the page.
                Ok(Joined::Torn) => match self.body(item).await {
                    Ok(Joined::Whole(body)) => body,
                    Ok(Joined::Torn) | Err(StoreError::Corrupt { .. }) => String::new(),
                    Err(error) => return Err(error),
                },
                Err(StoreError::Corrupt { .. }) => String::new(),
                Err(error) => return Err(error),
            };
            let number = sk
                .strip_prefix(PREFIX)
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| item.corrupt("its key is no record's"))?;
            records.push(StoredRecord { number, body });
        }
        Ok(records)
    }
}

impl Exports for DynamoStore {
    async fn exported(&self, wave: &WaveId) -> Result<AuditHead, StoreError> {
        let item = self.get(&Key::export(wave)).await?;
        item.map_or_else(
            || Ok(AuditHead::default()),
            |item| {
                Ok(AuditHead {
                    records: item.number("records")?,
                    hash: item.text("hash")?.to_owned(),
                })
            },
        )
    }

    async fn set_exported(
        &self,
        wave: &WaveId,
        from: &AuditHead,
        to: &AuditHead,
    ) -> Result<bool, StoreError> {
        let mut item = Key::export(wave).item();
        item.insert("records".to_owned(), number(to.records));
        item.insert("hash".to_owned(), text(&to.hash));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = if from.records == 0 {
            put.condition_expression("attribute_not_exists(#pk)")
                .set_expression_attribute_names(names(&["pk"]))
        } else {
            put.condition_expression("#records = :records AND #hash = :hash")
                .set_expression_attribute_names(names(&["records", "hash"]))
                .set_expression_attribute_values(values([
                    ("records", number(from.records)),
                    ("hash", text(&from.hash)),
                ]))
        };
        Ok(match written(put.send().await)? {
            Written::Done(_) => true,
            // Our own put, whose answer was lost, or another invocation's of the same.
            Written::Unmet(item) => item.is_some_and(|item| {
                item.number_if("records") == Some(to.records)
                    && item.text_if("hash") == Some(&to.hash)
            }),
        })
    }

    async fn written_since(&self, since: Timestamp) -> Result<Vec<WaveId>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(INDEX)
            .key_condition_expression("#list = :wave AND #at >= :since")
            .set_expression_attribute_names(names(&["list", "at"]))
            .set_expression_attribute_values(values([
                ("wave", text("wave")),
                ("since", time(since)),
            ]));
        let keys: Vec<Item> = self.all(query, usize::MAX).await?;
        Ok(keys.iter().filter_map(|key| named(key, "WAVE#")).collect())
    }

    async fn swept(&self) -> Result<Option<Timestamp>, StoreError> {
        let item = self.get(&Key::swept()).await?;
        item.map_or(Ok(None), |item| item.time_if("until"))
    }

    async fn set_swept(&self, until: Timestamp) -> Result<(), StoreError> {
        let mut item = Key::swept().item();
        item.insert("until".to_owned(), time(until));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}
