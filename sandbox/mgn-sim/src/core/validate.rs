//! Checks a request against the limits of the service model.
//!
//! **Invariant:** a request that the model does not allow changes nothing, and all its
//! faults are named at once.

use serde_json::Value;

use super::errors::{self, ApiError};
use super::model::{Kind, Shape, model};

/// Checks an operation's input.
///
/// # Errors
/// ValidationException: `cannotParse` for a wrong type, `fieldValidationFailed` for a limit.
pub(crate) fn validate(shape: &str, input: &Value) -> Result<(), ApiError> {
    let mut faults = Faults::default();
    check(shape, input, "", &mut faults);
    if let Some(message) = faults.unparsable {
        return Err(errors::validation("cannotParse", &message, Vec::new()));
    }
    if faults.fields.is_empty() {
        Ok(())
    } else {
        Err(errors::invalid_fields(faults.fields))
    }
}

#[derive(Default)]
struct Faults {
    unparsable: Option<String>,
    fields: Vec<(String, String)>,
}

impl Faults {
    fn field(&mut self, path: &str, constraint: &str) {
        let name = path.trim_start_matches('/').to_owned();
        let message = format!("Value at '{path}' failed to satisfy constraint: {constraint}");
        self.fields.push((name, message));
    }
}

fn check(name: &str, value: &Value, path: &str, faults: &mut Faults) {
    let Some(shape) = model().shapes.get(name) else {
        return;
    };
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(members)) => {
            for required in &shape.required {
                if members.get(required).is_none_or(Value::is_null) {
                    faults.field(&format!("{path}/{required}"), "Member must not be null");
                }
            }
            for (member, of) in &shape.members {
                if let Some(value) = members.get(member).filter(|value| !value.is_null()) {
                    check(of, value, &format!("{path}/{member}"), faults);
                }
            }
        }
        (Kind::List, Value::Array(items)) => {
            limits(shape, items.len() as i64, "length", path, faults);
            for (index, item) in items.iter().enumerate() {
                if let Some(of) = &shape.member {
                    check(of, item, &format!("{path}/{index}"), faults);
                }
            }
        }
        (Kind::Map, Value::Object(entries)) => {
            limits(shape, entries.len() as i64, "length", path, faults);
            for (key, value) in entries {
                if let Some(of) = &shape.key {
                    check(
                        of,
                        &Value::String(key.clone()),
                        &format!("{path}/{key}"),
                        faults,
                    );
                }
                if let Some(of) = &shape.value {
                    check(of, value, &format!("{path}/{key}"), faults);
                }
            }
        }
        (Kind::String, Value::String(text)) => string(shape, text, path, faults),
        (Kind::Integer | Kind::Long, Value::Number(number)) => match number.as_i64() {
            Some(number) => limits(shape, number, "value", path, faults),
            None => unparsable(path, "an integer", faults),
        },
        (Kind::Float | Kind::Double | Kind::Timestamp, Value::Number(_))
        | (Kind::Timestamp, Value::String(_))
        | (Kind::Boolean, Value::Bool(_)) => {}
        (kind, _) => unparsable(path, expected(kind), faults),
    }
}

fn string(shape: &Shape, text: &str, path: &str, faults: &mut Faults) {
    limits(shape, text.chars().count() as i64, "length", path, faults);
    if !shape.matches(text) {
        let pattern = shape.pattern.as_deref().unwrap_or_default();
        faults.field(
            path,
            &format!("Member must satisfy regular expression pattern: ^{pattern}$"),
        );
    }
    if !shape.values.is_empty() && !shape.values.iter().any(|value| value == text) {
        faults.field(
            path,
            &format!(
                "Member must satisfy enum value set: [{}]",
                shape.values.join(", ")
            ),
        );
    }
}

fn limits(shape: &Shape, actual: i64, what: &str, path: &str, faults: &mut Faults) {
    let below = shape.min.is_some_and(|min| actual < min);
    let above = shape.max.is_some_and(|max| actual > max);
    if !below && !above {
        return;
    }
    let (than, limit) = if below {
        ("greater", shape.min)
    } else {
        ("less", shape.max)
    };
    faults.field(
        path,
        &format!(
            "Member must have {what} {than} than or equal to {}",
            limit.unwrap_or_default()
        ),
    );
}

fn unparsable(path: &str, expected: &str, faults: &mut Faults) {
    let path = if path.is_empty() { "/" } else { path };
    faults
        .unparsable
        .get_or_insert_with(|| format!("Value at '{path}' is not {expected}"));
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Structure | Kind::Map => "an object",
        Kind::List => "a list",
        Kind::String => "a string",
        Kind::Integer | Kind::Long => "an integer",
        Kind::Float | Kind::Double => "a number",
        Kind::Boolean => "a boolean",
        Kind::Timestamp => "a timestamp",
    }
}

/// Checks a reply against the model, for tests: an unknown member, or a limit broken.
/// `LAUNCH_END` and timestamps that end in `+00:00` are the known exceptions.
#[cfg(test)]
pub(crate) fn check_reply(shape: &str, reply: &Value) -> Result<(), String> {
    unknown_members(shape, reply, shape)?;
    let mut faults = Faults::default();
    check(shape, reply, "", &mut faults);
    if let Some(message) = faults.unparsable {
        return Err(message);
    }
    for (_, message) in faults.fields {
        let quirk =
            message.contains("JOB_CANCEL, JOB_END]") || message.contains("T([0-1][0-9]|2[0-3])");
        if !quirk {
            return Err(message);
        }
    }
    Ok(())
}

#[cfg(test)]
fn unknown_members(name: &str, value: &Value, path: &str) -> Result<(), String> {
    let shape = &model().shapes[name];
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(members)) => {
            for (member, value) in members {
                let of = shape
                    .members
                    .get(member)
                    .ok_or_else(|| format!("{path} has no member {member}"))?;
                unknown_members(of, value, &format!("{path}.{member}"))?;
            }
        }
        (Kind::List, Value::Array(items)) => {
            for item in items {
                let of = shape.member.as_deref().unwrap_or_default();
                unknown_members(of, item, path)?;
            }
        }
        (Kind::Map, Value::Object(entries)) => {
            for value in entries.values() {
                let of = shape.value.as_deref().unwrap_or_default();
                unknown_members(of, value, path)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::validate;

    fn check(operation: &str, input: Value, expected: &str) {
        let shape = format!("{operation}Request");
        let message = match validate(&shape, &input) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.message().to_owned(),
        };
        assert!(message.contains(expected), "{operation}: {message}");
    }

    #[test]
    fn the_limits_of_the_model_hold() {
        let server = "s-0123456789abcdef0";
        let servers: Vec<&str> = vec![server; 201];
        check("StartTest", json!({"sourceServerIDs": [server]}), "ok");
        check("StartTest", json!({}), "must not be null");
        check(
            "StartTest",
            json!({"sourceServerIDs": []}),
            "greater than or equal to 1",
        );
        check(
            "StartTest",
            json!({"sourceServerIDs": servers}),
            "less than or equal to 200",
        );
        check(
            "StartTest",
            json!({"sourceServerIDs": ["s-1"]}),
            "pattern: ^s-[0-9a-zA-Z]{17}$",
        );
        check(
            "StartTest",
            json!({"sourceServerIDs": server}),
            "is not a list",
        );
        check(
            "StartTest",
            json!({"sourceServerIDs": [server], "unknown": 1}),
            "ok",
        );
        check(
            "ChangeServerLifeCycleState",
            json!({"sourceServerID": server, "lifeCycle": {"state": "TESTED"}}),
            "enum value set: [READY_FOR_TEST, READY_FOR_CUTOVER, CUTOVER]",
        );
        check(
            "DescribeSourceServers",
            json!({"maxResults": 1001}),
            "value less than",
        );
        check(
            "DescribeSourceServers",
            json!({"maxResults": "5"}),
            "is not an integer",
        );
        check("CreateWave", json!({"name": " x"}), "pattern");
        check(
            "CreateWave",
            json!({"name": "x", "description": "d".repeat(601)}),
            "600",
        );
        check(
            "DescribeJobs",
            json!({"filters": {"fromDate": "2022-08-31T14:33:26+00:00"}}),
            "pattern",
        );
    }

    #[test]
    fn all_faults_are_named_at_once() {
        check(
            "PutSourceServerAction",
            json!({"sourceServerID": "x", "order": 7}),
            "6 validation errors",
        );
    }
}
