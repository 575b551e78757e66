//! The log of refused requests: a partition for each day, which passes away by itself.
//!
//! **Invariant**: the count comes first, so that what is kept is bounded however many ask at once.

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidegate_domain::refused::{
    KEPT_DAYS, MOST_AN_HOUR, MOST_SHOWN, RefusedCount, RefusedDay, RefusedRequest,
};
use tidegate_ports::error::StoreError;
use tidegate_ports::refusals::Refusals;

use super::DynamoStore;
use super::errors::unavailable;
use super::item::{Attributes, Key, names, number, text, time_text, to_json, values};

/// The most items of a day that are read.
const MOST_READ: usize = 10_000;

impl Refusals for DynamoStore {
    async fn note(&self, refused: &RefusedRequest) -> Result<bool, StoreError> {
        let at = refused.at.to_zoned(TimeZone::UTC);
        let (day, hour) = (at.date(), at.hour());
        let kind = refused.kind();
        let expires = number(expires(refused.at));
        let count = Key::new(format!("REFUSED#{day}"), format!("{hour:02}#COUNT#{kind}"));
        let output = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(count.item()))
            .update_expression("ADD #count :one SET #expires = :expires")
            .set_expression_attribute_names(names(&["count", "expires"]))
            .set_expression_attribute_values(values([
                ("one", number(1u64)),
                ("expires", expires.clone()),
            ]))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(unavailable)?;
        let so_far = output
            .attributes
            .and_then(|attributes| attributes.number_if("count"))
            .unwrap_or(u64::MAX);
        if so_far > MOST_AN_HOUR {
            return Ok(false);
        }
        let sk = format!(
            "{hour:02}#REQUEST#{}#{kind}#{so_far:02}",
            time_text(refused.at)
        );
        let key = Key::new(count.pk, sk);
        let mut item = key.item();
        item.insert("body".to_owned(), text(to_json(&key, refused)?));
        item.insert("expires".to_owned(), expires);
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(unavailable)?;
        Ok(true)
    }

    async fn refused_on(&self, day: Date) -> Result<RefusedDay, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("#pk = :pk")
            .set_expression_attribute_names(names(&["pk"]))
            .set_expression_attribute_values(values([("pk", text(format!("REFUSED#{day}")))]))
            .consistent_read(true);
        let mut found = RefusedDay::default();
        for item in self.all(query, MOST_READ).await? {
            let sk = item.text("sk")?;
            let mut parts = sk.splitn(3, '#');
            let hour = parts.next().and_then(|hour| hour.parse().ok());
            match (hour, parts.next(), parts.next()) {
                (Some(hour), Some("COUNT"), Some(kind)) => found.counts.push(RefusedCount {
                    hour,
                    kind: kind.to_owned(),
                    count: item.number("count")?,
                }),
                (Some(_), Some("REQUEST"), Some(_)) if found.requests.len() < MOST_SHOWN => {
                    found.requests.push(item.json("body")?);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// When an item passes away, in seconds since 1970.
fn expires(at: Timestamp) -> u64 {
    let kept = SignedDuration::from_hours(24 * i64::from(KEPT_DAYS));
    let at = at.saturating_add(kept).unwrap_or(Timestamp::MAX);
    u64::try_from(at.as_second()).unwrap_or_default()
}
