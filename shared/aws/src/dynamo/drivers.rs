//! Drivers: one small item for each wave, changed by conditions alone.
//!
//! **Invariant**: `list` and `at` are there until the wave has ended; nothing but
//! [`create`](Drivers::create) brings them, so an ended wave is never due again.

use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use tidegate_domain::id::WaveId;
use tidegate_domain::message::Reading;
use tidegate_ports::driver::{Driver, Drivers, Parked, Parking};
use tidegate_ports::error::StoreError;
use uuid::Uuid;

use super::errors::{Written, written};
use super::item::{Attributes, Item, Key, names, number, text, time, to_json, values};
use super::waves::named;
use super::{DynamoStore, INDEX};

impl Drivers for DynamoStore {
    async fn driver(&self, wave: &WaveId) -> Result<Option<Driver>, StoreError> {
        let item = self.get(&Key::driver(wave)).await?;
        item.as_ref().map(driver).transpose()
    }

    async fn create(&self, wave: &WaveId, at: Timestamp) -> Result<(), StoreError> {
        let mut item = Key::driver(wave).item();
        for name in ["wakes", "generation", "restarts", "turn"] {
            item.insert(name.to_owned(), number(0u64));
        }
        item.insert("list".to_owned(), text("due"));
        item.insert("at".to_owned(), time(at));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .set_expression_attribute_names(names(&["pk"]))
            .send()
            .await;
        written(put)?;
        Ok(())
    }

    async fn count_wake(&self, wave: &WaveId) -> Result<Option<Parked>, StoreError> {
        let update = self
            .change(wave)
            .update_expression("ADD #wakes :one")
            .condition_expression("attribute_exists(#pk)")
            .set_expression_attribute_names(names(&["pk", "wakes"]))
            .set_expression_attribute_values(values([("one", number(1u64))]))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        Ok(match written(update)? {
            Written::Done(output) => new(output).as_ref().map(parked).transpose()?.flatten(),
            Written::Unmet(_) => None,
        })
    }

    async fn at_work(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let update = self
            .change(wave)
            .update_expression(
                "SET #generation = :generation, #at = :until \
                 REMOVE #token, #parked_generation, #parked_turn",
            )
            .condition_expression("attribute_exists(#at) AND #generation <= :generation")
            .set_expression_attribute_names(names(&[
                "generation",
                "at",
                "token",
                "parked_generation",
                "parked_turn",
            ]))
            .set_expression_attribute_values(values([
                ("generation", number(generation)),
                ("until", time(until)),
            ]))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match written(update)? {
            Written::Done(output) => new(output),
            Written::Unmet(item) => item,
        };
        Ok(item.and_then(|item| item.number_if("wakes")).unwrap_or(0))
    }

    async fn park(
        &self,
        wave: &WaveId,
        parked: &Parked,
        wakes: u64,
        wake_at: Timestamp,
    ) -> Result<Parking, StoreError> {
        let update = self
            .change(wave)
            .update_expression(
                "SET #token = :token, #parked_generation = :generation, #parked_turn = :turn, \
                 #generation = :generation, #turn = :turn, #at = :at",
            )
            .condition_expression(
                "attribute_exists(#at) AND #wakes = :wakes AND #generation <= :generation \
                 AND #turn <= :turn",
            )
            .set_expression_attribute_names(names(&[
                "token",
                "parked_generation",
                "parked_turn",
                "generation",
                "turn",
                "at",
                "wakes",
            ]))
            .set_expression_attribute_values(values([
                ("token", text(&parked.token)),
                ("generation", number(parked.generation)),
                ("turn", number(parked.turn)),
                ("wakes", number(wakes)),
                ("at", time(wake_at)),
            ]))
            .send()
            .await;
        Ok(match written(update)? {
            Written::Done(_) => Parking::Parked,
            // Perhaps it was our own update, its answer lost, and a wake since: whoever then goes on
            // wakes itself once more, which is nothing.
            Written::Unmet(_) => Parking::GoOn,
        })
    }

    async fn unpark(
        &self,
        wave: &WaveId,
        parked: &Parked,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .change(wave)
            .update_expression("SET #at = :at REMOVE #token, #parked_generation, #parked_turn")
            .condition_expression("attribute_exists(#at) AND #token = :token")
            .set_expression_attribute_names(names(&[
                "at",
                "token",
                "parked_generation",
                "parked_turn",
            ]))
            .set_expression_attribute_values(values([
                ("at", time(at)),
                ("token", text(&parked.token)),
            ]))
            .send()
            .await;
        written(update)?;
        Ok(())
    }

    async fn take_generation(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let nonce = Uuid::new_v4().to_string();
        let update = self
            .change(wave)
            .update_expression(
                "SET #generation = :next, #at = :until, #taken_by = :taken_by \
                 REMOVE #token, #parked_generation, #parked_turn ADD #restarts :restart",
            )
            .condition_expression("attribute_exists(#at) AND #generation = :generation")
            .set_expression_attribute_names(names(&[
                "generation",
                "at",
                "taken_by",
                "token",
                "parked_generation",
                "parked_turn",
                "restarts",
            ]))
            .set_expression_attribute_values(values([
                ("generation", number(generation)),
                ("next", number(generation + 1)),
                ("until", time(until)),
                ("taken_by", text(&nonce)),
                // The first start is no restart.
                ("restart", number(u64::from(generation > 0))),
            ]))
            .send()
            .await;
        Ok(match written(update)? {
            Written::Done(_) => true,
            // Our own update, whose answer was lost.
            Written::Unmet(item) => {
                item.is_some_and(|item| item.text_if("taken_by") == Some(&nonce))
            }
        })
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<WaveId>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(INDEX)
            .key_condition_expression("#list = :due AND #at <= :now")
            .set_expression_attribute_names(names(&["list", "at"]))
            .set_expression_attribute_values(values([("due", text("due")), ("now", time(now))]));
        let keys = self.all(query, usize::MAX).await?;
        Ok(keys
            .iter()
            .filter_map(|key| named(key, "DRIVER#"))
            .collect())
    }
}

impl DynamoStore {
    /// An update of a driver; if its condition is not met, the item is given as it is.
    fn change(&self, wave: &WaveId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::driver(wave).item()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// A decision is begun on one message alone.
    pub(super) async fn note_driver_reads(
        &self,
        wave: &WaveId,
        reading: &Reading,
    ) -> Result<(), StoreError> {
        let reading = to_json(&Key::driver(wave), reading)?;
        let noted = self
            .change(wave)
            .update_expression("SET #reading = :reading")
            .condition_expression("attribute_exists(#pk)")
            .set_expression_attribute_names(names(&["pk", "reading"]))
            .set_expression_attribute_values(values([("reading", text(reading))]))
            .send()
            .await;
        written(noted)?;
        Ok(())
    }

    /// Make a wave due now if its driver sleeps; if it is awake, it only has to look again before
    /// it sleeps (to restart it would supersede it).
    pub(super) async fn make_one_due(
        &self,
        wave: &WaveId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let asleep = self
            .change(wave)
            .update_expression("SET #at = :now ADD #wakes :one")
            .condition_expression("attribute_exists(#token) AND #at > :now")
            .set_expression_attribute_names(names(&["at", "token", "wakes"]))
            .set_expression_attribute_values(values([("now", time(now)), ("one", number(1u64))]))
            .send()
            .await;
        if let Written::Unmet(_) = written(asleep)? {
            self.count_wake(wave).await?;
        }
        Ok(())
    }
}

fn new(output: UpdateItemOutput) -> Option<Item> {
    output.attributes
}

fn driver(item: &Item) -> Result<Driver, StoreError> {
    let restarts = item.number_if("restarts").unwrap_or(0);
    Ok(Driver {
        wakes: item.number_if("wakes").unwrap_or(0),
        generation: item.number_if("generation").unwrap_or(0),
        parked: parked(item)?,
        wake_at: item.time_if("at")?,
        restarts: u32::try_from(restarts).unwrap_or(u32::MAX),
        reading: item
            .text_if("reading")
            .map(|json| item.parse("reading", json))
            .transpose()?,
    })
}

fn parked(item: &Item) -> Result<Option<Parked>, StoreError> {
    let Some(token) = item.text_if("token") else {
        return Ok(None);
    };
    Ok(Some(Parked {
        token: token.to_owned(),
        generation: item.number("parked_generation")?,
        turn: item.number("parked_turn")?,
    }))
}
