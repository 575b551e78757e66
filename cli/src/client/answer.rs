//! Answers of the console, and of what stands before it when the console was not reached.
//!
//! Every text is cleaned of characters that a terminal would obey: hostnames and error messages
//! come from elsewhere.

use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_domain::plan::PlanError;
use tidegate_domain::words::hidden;

use crate::failure::Failure;

/// An answer as it came.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// A refused plan.
#[derive(Deserialize)]
struct Problems {
    error: String,
    #[serde(default)]
    problems: Vec<PlanError>,
}

impl Answer {
    /// Whether the same request may do better later: throttled, or something failed on the way.
    pub(super) fn passing(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 500 | 502 | 503 | 504)
    }

    /// What the console said is wrong with a plan.
    pub(super) fn problems(&self) -> (String, Vec<PlanError>) {
        match self
            .json()
            .and_then(|json| serde_json::from_value::<Problems>(json).ok())
        {
            Some(problems) => (problems.error, problems.problems),
            None => (
                "the console refused the plan and did not say why".to_owned(),
                Vec::new(),
            ),
        }
    }

    /// The body, if the console did what was asked.
    pub(super) fn into_result(self, base: &Url) -> Result<Value, Failure> {
        let json = self.json();
        if self.status.is_success() {
            return json.ok_or_else(|| {
                Failure::Failed(format!(
                    "what answers at {base} is not a Tidegate console: its answer is not JSON"
                ))
            });
        }
        let said = json
            .as_ref()
            .and_then(|json| json.get("error"))
            .and_then(Value::as_str);
        if let Some(sentence) = said {
            let sentence = sentence.to_owned();
            return Err(match self.status.as_u16() {
                400 | 413 | 422 => Failure::Input(sentence),
                404 => Failure::NotFound(sentence),
                403 | 409 => Failure::Refused(sentence),
                429 | 502..=504 => Failure::Unreachable(sentence),
                _ => Failure::Failed(sentence),
            });
        }
        // Not the console's own words: API Gateway, or something else at that address.
        let gateway = json
            .as_ref()
            .and_then(|json| json.get("message").or_else(|| json.get("Message")))
            .and_then(Value::as_str)
            .unwrap_or("no reason given");
        let status = self.status.as_u16();
        Err(match status {
            401 | 403 => Failure::Refused(format!(
                "AWS did not let the request through to the console ({gateway}): your credentials \
                 need execute-api:Invoke on it, in its account and Region"
            )),
            404 => Failure::Input(format!(
                "there is no Tidegate console at {base}: check TIDEGATE_CONSOLE_URL or --console"
            )),
            429 | 502..=504 => Failure::Unreachable(format!(
                "the console at {base} cannot answer now (HTTP {status}: {gateway}); try again later"
            )),
            _ => Failure::Failed(format!(
                "the console at {base} failed (HTTP {status}: {gateway})"
            )),
        })
    }

    fn json(&self) -> Option<Value> {
        let mut json = serde_json::from_slice(&self.body).ok()?;
        clean(&mut json);
        Some(json)
    }
}

/// An answer of the shape that this program knows.
pub(super) fn typed<T: DeserializeOwned>(json: Value) -> Result<T, Failure> {
    serde_json::from_value(json).map_err(|error| {
        Failure::Failed(format!(
            "the console's answer has a shape that this version does not know ({error}): use the \
             command line of the console's version"
        ))
    })
}

/// Why nothing answered: the innermost reason, which names the cause.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// Take out what a terminal would obey instead of showing, and what nobody sees there.
fn clean(json: &mut Value) {
    match json {
        Value::String(text) => {
            let shown = |c: char| !hidden(c) || c == '\n';
            if !text.chars().all(shown) {
                *text = text
                    .chars()
                    .map(|c| if shown(c) { c } else { '\u{fffd}' })
                    .collect();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(map) => map.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
