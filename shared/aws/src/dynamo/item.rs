//! Items: keys, attributes and their values.
//!
//! **Invariant**: times are RFC 3339 in UTC with six digits of a second, so that the order of the
//! text is the order of time; what cannot be read names its item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_domain::id::{CommandId, EffectId, MessageId, ServerId, WaveId};
use tidegate_ports::error::StoreError;

/// An item, or the values of an expression.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The two keys of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }

    pub(super) fn wave(wave: &WaveId) -> Self {
        Self::new(format!("WAVE#{wave}"), "WAVE")
    }

    pub(super) fn servers(wave: &WaveId, chunk: usize) -> Self {
        Self::new(format!("WAVE#{wave}"), format!("SERVERS#{chunk:04}"))
    }

    pub(super) fn audit(wave: &WaveId, number: u64) -> Self {
        Self::new(format!("WAVE#{wave}"), format!("AUDIT#{number:010}"))
    }

    pub(super) fn round(wave: &WaveId) -> Self {
        Self::new(format!("SEEN#{wave}"), "ROUND")
    }

    pub(super) fn seen(wave: &WaveId, chunk: usize) -> Self {
        Self::new(format!("SEEN#{wave}"), format!("SERVERS#{chunk:04}"))
    }

    pub(super) fn effect(wave: &WaveId, effect: &EffectId) -> Self {
        Self::new(format!("EFFECTS#{wave}"), effect.as_str())
    }

    pub(super) fn message(wave: &WaveId, message: &MessageId) -> Self {
        Self::new(format!("INBOX#{wave}"), message.as_str())
    }

    pub(super) fn driver(wave: &WaveId) -> Self {
        Self::new(format!("DRIVER#{wave}"), "DRIVER")
    }

    pub(super) fn claim(server: &ServerId) -> Self {
        Self::new(format!("SERVER#{server}"), "CLAIM")
    }

    pub(super) fn reference(command: &CommandId) -> Self {
        Self::new(format!("REF#{command}"), "REF")
    }

    pub(super) fn slots(place: &str) -> Self {
        Self::new(format!("ACCOUNT#{place}"), "SLOTS")
    }

    pub(super) fn jobs(place: &str) -> Self {
        Self::new(format!("JOBS#{place}"), "JOBS")
    }

    pub(super) fn export(wave: &WaveId) -> Self {
        Self::new(format!("EXPORT#{wave}"), "EXPORT")
    }

    pub(super) fn swept() -> Self {
        Self::new("EXPORT#", "SWEPT")
    }

    /// The keys as an item.
    pub(super) fn item(&self) -> Item {
        HashMap::from([
            ("pk".to_owned(), text(&self.pk)),
            ("sk".to_owned(), text(&self.sk)),
        ])
    }
}

/// A text value.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number.
pub(super) fn number(value: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A count of things in memory.
pub(super) fn count(value: usize) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A point in time.
pub(super) fn time(value: Timestamp) -> AttributeValue {
    text(time_text(value))
}

/// A point in time as text of fixed width.
pub(super) fn time_text(value: Timestamp) -> String {
    format!("{value:.6}")
}

/// `#name` for each name: several of them are reserved words in expressions.
pub(super) fn names(names: &[&str]) -> Option<HashMap<String, String>> {
    Some(
        names
            .iter()
            .map(|name| (format!("#{name}"), (*name).to_owned()))
            .collect(),
    )
}

/// `:name` for each value.
pub(super) fn values<const N: usize>(values: [(&str, AttributeValue); N]) -> Option<Item> {
    Some(
        values
            .into_iter()
            .map(|(name, value)| (format!(":{name}"), value))
            .collect(),
    )
}

/// Attributes of an item that must be there, and what is said when they are not.
pub(super) trait Attributes {
    /// A text, if there is one.
    fn text_if(&self, name: &str) -> Option<&str>;
    /// A number, if there is one.
    fn number_if(&self, name: &str) -> Option<u64>;
    /// An error that names this item.
    fn corrupt(&self, message: impl Into<String>) -> StoreError;

    /// A text.
    fn text(&self, name: &str) -> Result<&str, StoreError> {
        self.text_if(name)
            .ok_or_else(|| self.corrupt(format!("the text {name} is missing")))
    }

    /// A number.
    fn number(&self, name: &str) -> Result<u64, StoreError> {
        self.number_if(name)
            .ok_or_else(|| self.corrupt(format!("the number {name} is missing")))
    }

    /// A point in time, if there is one.
    fn time_if(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        self.text_if(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|error| self.corrupt(format!("{name} is not a time: {error}")))
            })
            .transpose()
    }

    /// A value that is stored as JSON.
    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        self.parse(name, self.text(name)?)
    }

    /// JSON that belongs to this item.
    fn parse<T: DeserializeOwned>(&self, name: &str, json: &str) -> Result<T, StoreError> {
        serde_json::from_str(json)
            .map_err(|error| self.corrupt(format!("{name} cannot be read: {error}")))
    }
}

impl Attributes for Item {
    fn text_if(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| value.as_s().ok())
            .map(String::as_str)
    }

    fn number_if(&self, name: &str) -> Option<u64> {
        self.get(name)
            .and_then(|value| value.as_n().ok())
            .and_then(|digits| digits.parse().ok())
    }

    fn corrupt(&self, message: impl Into<String>) -> StoreError {
        let key = |name| self.text_if(name).unwrap_or("?");
        StoreError::Corrupt {
            item: format!("{} / {}", key("pk"), key("sk")),
            message: message.into(),
        }
    }
}

/// A value as JSON.
pub(super) fn to_json<T: Serialize>(key: &Key, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt {
        item: format!("{} / {}", key.pk, key.sk),
        message: format!("cannot be written: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_text_is_the_order_of_time() {
        let mut texts: Vec<String> = [0, 1, 999_999, 1_000_000, 1_795_000_000_000_000]
            .into_iter()
            .map(|micros| time_text(Timestamp::from_microsecond(micros).expect("in range")))
            .collect();
        assert_eq!(texts[1], "1970-01-01T00:00:00.000001Z");
        let sorted = texts.clone();
        texts.sort();
        assert_eq!(texts, sorted);
    }

    #[test]
    fn what_is_missing_is_named_with_its_item() {
        let item = Key::new("WAVE#orders", "WAVE").item();
        let error = item.number("turn").expect_err("nothing there");
        assert_eq!(
            error.to_string(),
            "item WAVE#orders / WAVE cannot be read: the number turn is missing"
        );
    }
}
