//! Claims on servers: one item for each server that a live wave owns.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_ports::claims::{Claims, Owners};
use tidegate_ports::error::StoreError;

use super::DynamoStore;
use super::errors::{Written, written};
use super::item::{Attributes, Item, Key, names, text, values};

impl Claims for DynamoStore {
    async fn claim(&self, server: &ServerId, wave: &WaveId) -> Result<Option<WaveId>, StoreError> {
        let key = Key::claim(server);
        let mut item = key.item();
        item.insert("wave".to_owned(), text(wave.as_str()));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk) OR #wave = :wave")
            .set_expression_attribute_names(names(&["pk", "wave"]))
            .set_expression_attribute_values(values([("wave", text(wave.as_str()))]))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match written(put)? {
            Written::Done(_) => Ok(None),
            Written::Unmet(Some(item)) => wave_of(&item).map(Some),
            Written::Unmet(None) => Err(key.item().corrupt("its owner was not told")),
        }
    }

    async fn release(&self, server: &ServerId, wave: &WaveId) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::claim(server).item()))
            .condition_expression("#wave = :wave")
            .set_expression_attribute_names(names(&["wave"]))
            .set_expression_attribute_values(values([("wave", text(wave.as_str()))]))
            .send()
            .await;
        written(delete)?;
        Ok(())
    }
}

impl Owners for DynamoStore {
    async fn owner(&self, server: &ServerId) -> Result<Option<WaveId>, StoreError> {
        let item = self.get(&Key::claim(server)).await?;
        item.as_ref().map(wave_of).transpose()
    }
}

/// The wave that an item names.
pub(super) fn wave_of(item: &Item) -> Result<WaveId, StoreError> {
    WaveId::parse(item.text("wave")?).map_err(|error| item.corrupt(error.to_string()))
}
