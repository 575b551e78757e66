//! Reads: single items and whole partitions, paged to their end.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_ports::error::StoreError;

use super::DynamoStore;
use super::errors::unavailable;
use super::item::{Item, Key, names, text, values};

impl DynamoStore {
    /// One item. A consistent read.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        Ok(output.item)
    }

    /// The items of a partition from `first` to `last`, in order. Consistent reads.
    pub(super) async fn between(
        &self,
        pk: &str,
        first: &str,
        last: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .set_expression_attribute_names(names(&["pk", "sk"]))
            .set_expression_attribute_values(values([
                ("pk", text(pk)),
                ("first", text(first)),
                ("last", text(last)),
            ]))
            .consistent_read(true);
        self.all(query, usize::MAX).await
    }

    /// All items that a query gives, page after page (1 MB each), until there are `enough`.
    pub(super) async fn all(
        &self,
        query: QueryFluentBuilder,
        enough: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let page = query
                .clone()
                .table_name(&self.table)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(unavailable)?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || items.len() >= enough {
                return Ok(items);
            }
        }
    }
}

/// The size of an item as DynamoDB counts it: the bytes of names and values, and a little for
/// each number.
pub(super) fn size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| {
            name.len()
                + match value {
                    AttributeValue::S(text) => text.len(),
                    _ => 21,
                }
        })
        .sum()
}
