//! Documents: which there are, and what parameters they take.
//!
//! **Invariant:** a document whose content is known refuses parameters that it does not
//! declare, misses or does not allow, as SSM does before anything is sent.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::{SsmSimulator, errors};
use crate::core::ApiError;

/// What a document's content declares of a parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameter {
    kind: String,
    description: String,
    default: Option<Value>,
    allowed_values: Vec<String>,
    allowed_pattern: Option<String>,
}

impl SsmSimulator {
    /// Tells a document's content (schema 2.2, as JSON), so that its parameters are checked.
    pub fn learn_document(&mut self, name: &str, content: &Value) {
        let parameters = content["parameters"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, declared)| (name.clone(), read(declared)))
            .collect();
        self.contents.insert(name.to_owned(), parameters);
    }

    /// Whether a document exists, named plainly or by ARN.
    pub(super) fn has_document(&self, name: &str) -> bool {
        let plain = plain(name);
        self.config.documents.is_empty()
            || self.config.documents.contains(plain)
            || self.contents.contains_key(plain)
    }

    /// Checks the parameters of a command.
    pub(super) fn check_parameters(&self, document: &str, given: &Value) -> Result<(), ApiError> {
        let Some(declared) = self.contents.get(plain(document)) else {
            return Ok(());
        };
        let wrong = |message: String| errors::error(400, "InvalidParameters", &message);
        for (name, values) in given.as_object().into_iter().flatten() {
            let Some(parameter) = declared.get(name) else {
                return Err(wrong(format!(
                    "Parameter {name} is not defined in the document {document}."
                )));
            };
            for value in values
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                parameter
                    .allows(value)
                    .map_err(|why| wrong(format!("Parameter {name}: {value:?} {why}.")))?;
            }
        }
        let missing = declared.iter().find(|(name, parameter)| {
            parameter.default.is_none() && given[name.as_str()].is_null()
        });
        match missing {
            Some((name, _)) => Err(wrong(format!(
                "Parameter {name} of the document {document} has no value."
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn describe_document(&mut self, input: &Value) -> Result<Value, ApiError> {
        let name = input["Name"].as_str().unwrap_or_default();
        if name.is_empty() || !self.has_document(name) {
            return Err(errors::invalid_document(name));
        }
        let empty = BTreeMap::new();
        let parameters: Vec<Value> = self
            .contents
            .get(plain(name))
            .unwrap_or(&empty)
            .iter()
            .map(|(name, parameter)| {
                let mut shown = json!({
                    "Name": name,
                    "Type": parameter.kind,
                    "Description": parameter.description,
                });
                if let Some(default) = &parameter.default {
                    shown["DefaultValue"] = json!(
                        default
                            .as_str()
                            .map_or_else(|| default.to_string(), str::to_owned)
                    );
                }
                shown
            })
            .collect();
        let owner = if name.starts_with("AWS") {
            "Amazon"
        } else {
            self.config.account.as_str()
        };
        Ok(json!({"Document": {
            "Name": name,
            "Owner": owner,
            "Status": "Active",
            "DocumentVersion": "1",
            "LatestVersion": "1",
            "DefaultVersion": "1",
            "DocumentType": "Command",
            "DocumentFormat": "JSON",
            "SchemaVersion": "2.2",
            "PlatformTypes": ["Linux", "Windows"],
            "Parameters": parameters,
            "Tags": [],
        }}))
    }
}

impl Parameter {
    fn allows(&self, value: &str) -> Result<(), String> {
        if !self.allowed_values.is_empty()
            && !self.allowed_values.iter().any(|allowed| allowed == value)
        {
            return Err(format!("is none of [{}]", self.allowed_values.join(", ")));
        }
        let Some(pattern) = &self.allowed_pattern else {
            return Ok(());
        };
        // A pattern that is not understood here is left to SSM itself.
        match Regex::new(pattern) {
            Ok(regex) if !regex.is_match(value) => Err(format!("does not match {pattern}")),
            _ => Ok(()),
        }
    }
}

fn read(declared: &Value) -> Parameter {
    Parameter {
        kind: declared["type"].as_str().unwrap_or("String").to_owned(),
        description: declared["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        default: declared.get("default").cloned(),
        allowed_values: declared["allowedValues"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect(),
        allowed_pattern: declared["allowedPattern"].as_str().map(str::to_owned),
    }
}

/// A document's name without the rest of its ARN.
pub(super) fn plain(name: &str) -> &str {
    name.rsplit("document/").next().unwrap_or(name)
}
