//! How MGN writes things in JSON.
//!
//! On a real account timestamps were `2022-08-31T14:33:26.983505+00:00`, though the model
//! demands `…Z`, and unset sub-objects appeared as `{}`.
//!
//! **Invariant:** every timestamp and duration of a reply is written here.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::guesses::Guesses;

/// A timestamp as replies hold it.
pub(crate) fn timestamp(at: Timestamp, guesses: &Guesses) -> Value {
    let form = if guesses.timestamps_as_modelled {
        "%Y-%m-%dT%H:%M:%S%.6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f+00:00"
    };
    Value::String(at.strftime(form).to_string())
}

/// A timestamp to the second, as EventBridge's envelope holds it.
pub(crate) fn event_time(at: Timestamp) -> Value {
    Value::String(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Seconds since 1970, as the model's type `timestamp` is written in JSON.
pub(crate) fn epoch_seconds(at: Timestamp) -> Value {
    let seconds = at.as_millisecond() as f64 / 1_000.0;
    serde_json::Number::from_f64(seconds).map_or(Value::Null, Value::Number)
}

/// An ISO 8601 duration; `P0D` is zero.
pub(crate) fn duration(length: SignedDuration) -> Value {
    let mut seconds = length.as_secs().max(0);
    if seconds == 0 {
        return Value::String("P0D".to_owned());
    }
    let mut text = "P".to_owned();
    let days = seconds / 86_400;
    seconds %= 86_400;
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if seconds > 0 {
        text.push('T');
        for (size, unit) in [(3_600, 'H'), (60, 'M'), (1, 'S')] {
            if seconds / size > 0 {
                text.push_str(&format!("{}{unit}", seconds / size));
            }
            seconds %= size;
        }
    }
    Value::String(text)
}

/// Builds an object and leaves out what is not set.
#[derive(Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A member that is always there.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A member that is there when it is set.
    pub(crate) fn with_some(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A sub-object; unset it shows as `{}`, or not at all.
    pub(crate) fn with_object(self, name: &str, value: Option<Value>, guesses: &Guesses) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None if guesses.empty_objects_shown => self.with(name, Value::Object(Map::new())),
            None => self,
        }
    }

    pub(crate) fn build(self) -> Value {
        Value::Object(self.0)
    }
}

/// A map of strings as JSON.
pub(crate) fn strings(map: &std::collections::BTreeMap<String, String>) -> Value {
    Value::Object(
        map.iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_seen_or_as_modelled() {
        let at: Timestamp = "2022-08-31T14:33:26.983505Z".parse().expect("a timestamp");
        let mut guesses = Guesses::default();
        assert_eq!(timestamp(at, &guesses), "2022-08-31T14:33:26.983505+00:00");
        guesses.timestamps_as_modelled = true;
        assert_eq!(timestamp(at, &guesses), "2022-08-31T14:33:26.983505Z");
        assert_eq!(event_time(at), "2022-08-31T14:33:26Z");
    }

    #[test]
    fn durations_are_iso_8601() {
        let check = |seconds, expected: &str| {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), expected);
        };
        check(0, "P0D");
        check(17, "PT17S");
        check(3_600, "PT1H");
        check(86_400, "P1D");
        check(90_061, "P1DT1H1M1S");
    }
}
