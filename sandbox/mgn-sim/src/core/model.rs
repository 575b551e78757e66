//! MGN's service model: operations, shapes and their limits.
//!
//! The file beside it is derived from botocore by `model/derive.py`.
//!
//! **Invariant:** what a request may hold is decided by the model alone, never by hand.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use regex_lite::Regex;
use serde::Deserialize;

/// How the patterns of IDs end.
const ID_DIGITS: &str = "[0-9a-zA-Z]{17}";

/// The service model.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) operations: BTreeMap<String, Operation>,
    pub(crate) shapes: HashMap<String, Shape>,
}

/// One operation of the model.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    #[cfg(test)]
    pub(crate) method: String,
    pub(crate) status: u16,
    pub(crate) input: Option<String>,
    #[cfg(test)]
    pub(crate) output: Option<String>,
    #[cfg(test)]
    pub(crate) errors: Vec<String>,
}

/// One shape of the model, with its limits.
#[derive(Debug, Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) members: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    #[serde(rename = "enum", default)]
    pub(crate) values: Vec<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) member: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(skip)]
    regex: OnceLock<Option<Regex>>,
}

/// The type of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Structure,
    List,
    Map,
    String,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Timestamp,
}

impl Shape {
    /// Whether a text matches the pattern, if there is one.
    pub(crate) fn matches(&self, text: &str) -> bool {
        // Nearly all patterns that calls are checked against are IDs; a comparison does.
        if let Some(prefix) = self
            .pattern
            .as_deref()
            .and_then(|pattern| pattern.strip_suffix(ID_DIGITS))
            && prefix
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return text.strip_prefix(prefix).is_some_and(|digits| {
                digits.len() == 17 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        }
        self.regex().is_none_or(|regex| regex.is_match(text))
    }

    /// The pattern, anchored at both ends as AWS applies it.
    fn regex(&self) -> Option<&Regex> {
        self.regex
            .get_or_init(|| {
                let pattern = self.pattern.as_ref()?;
                Regex::new(&format!("^(?:{pattern})$")).ok()
            })
            .as_ref()
    }
}

/// The model, read once.
pub(crate) fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        serde_json::from_str(include_str!("../../model/mgn-2020-02-26.json"))
            .expect("the model is part of this crate and a test reads it")
    })
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn the_model_holds_what_it_says() {
        let model = model();
        assert_eq!(model.operations.len(), 80);
        for operation in model.operations.values() {
            assert!(["GET", "POST", "DELETE"].contains(&operation.method.as_str()));
            for shape in operation.input.iter().chain(&operation.output) {
                assert!(model.shapes.contains_key(shape), "{shape}");
            }
            for error in &operation.errors {
                assert!(model.shapes.contains_key(error), "{error}");
            }
        }
    }

    #[test]
    fn ids_are_matched_as_their_patterns_say() {
        for shape in model().shapes.values() {
            for text in [
                "s-0123456789abcdefZ",
                "wave-0123456789abcdef0",
                "s-0123456789abcdef",
                "s-0123456789abcdef!",
                "x",
                "",
            ] {
                let expected = shape.regex().is_none_or(|regex| regex.is_match(text));
                assert_eq!(shape.matches(text), expected, "{:?} {text}", shape.pattern);
            }
        }
    }

    #[test]
    fn every_pattern_of_the_model_is_understood() {
        for (name, shape) in &model().shapes {
            assert_eq!(shape.pattern.is_some(), shape.regex().is_some(), "{name}");
        }
    }
}
