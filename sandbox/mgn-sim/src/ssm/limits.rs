//! The limits of SSM's model on what calls may hold.
//!
//! From botocore 1.44.5, `data/ssm/2014-11-06`: InstanceIds at most 50, Targets at most 5 of
//! at most 50 values, Comment at most 100 characters, TimeoutSeconds 30 to 2,592,000.
//!
//! **Invariant:** a request that the model does not allow changes nothing.

use std::sync::OnceLock;

use regex_lite::Regex;
use serde_json::Value;

use super::errors;
use crate::core::ApiError;

/// Checks a SendCommand request.
pub(super) fn send_command(input: &Value) -> Result<(), ApiError> {
    let name = input["DocumentName"]
        .as_str()
        .ok_or_else(|| constraint("documentName", "Member must not be null"))?;
    let plain = super::document::plain(name);
    if !(3..=128).contains(&plain.len())
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
    {
        return Err(constraint(
            "documentName",
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.:/]{3,128}$",
        ));
    }
    at_most(&input["InstanceIds"], "instanceIds", 50)?;
    at_most(&input["Targets"], "targets", 5)?;
    for target in input["Targets"].as_array().into_iter().flatten() {
        at_most(&target["Values"], "targets.member.values", 50)?;
    }
    for id in input["InstanceIds"].as_array().into_iter().flatten() {
        node_id(id.as_str().unwrap_or_default(), "instanceIds")?;
    }
    if input["Comment"]
        .as_str()
        .is_some_and(|comment| comment.chars().count() > 100)
    {
        return Err(constraint(
            "comment",
            "Member must have length less than or equal to 100",
        ));
    }
    range(&input["TimeoutSeconds"], "timeoutSeconds", 30, 2_592_000)?;
    for (name, values) in input["Parameters"].as_object().into_iter().flatten() {
        let strings = values
            .as_array()
            .is_some_and(|values| values.iter().all(Value::is_string));
        if !strings {
            return Err(constraint(
                &format!("parameters.{name}"),
                "Member must be a list of strings",
            ));
        }
    }
    for (field, limit) in [("MaxConcurrency", 1), ("MaxErrors", 0)] {
        if let Some(text) = input[field].as_str()
            && !count_or_percent(text, limit)
        {
            return Err(constraint(field, "Member must be a number or a percentage"));
        }
    }
    Ok(())
}

/// Checks the form of a node's ID.
pub(super) fn node_id(id: &str, field: &str) -> Result<(), ApiError> {
    static FORM: OnceLock<Option<Regex>> = OnceLock::new();
    let form = FORM.get_or_init(|| Regex::new(r"^(?:i-(?:\w{8}|\w{17})|mi-\w{17})$").ok());
    if form.as_ref().is_some_and(|form| form.is_match(id)) {
        Ok(())
    } else {
        Err(constraint(
            field,
            "Member must satisfy regular expression pattern: (^i-(\\w{8}|\\w{17})$)|(^mi-\\w{17}$)",
        ))
    }
}

/// Checks that a list is not too long.
pub(super) fn at_most(list: &Value, field: &str, most: usize) -> Result<(), ApiError> {
    if list.as_array().is_some_and(|list| list.len() > most) {
        let message = format!("Member must have length less than or equal to {most}");
        return Err(constraint(field, &message));
    }
    Ok(())
}

/// Checks that a number is in its range.
pub(super) fn range(value: &Value, field: &str, least: i64, most: i64) -> Result<(), ApiError> {
    match value {
        Value::Null => Ok(()),
        value => match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Ok(()),
            _ => Err(constraint(
                field,
                &format!("Member must be from {least} to {most}"),
            )),
        },
    }
}

fn count_or_percent(text: &str, least: u32) -> bool {
    let (digits, most) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100),
        None => (text, 9_999_999),
    };
    text.len() <= 7
        && digits
            .parse::<u32>()
            .is_ok_and(|number| (least..=most).contains(&number))
}

pub(super) fn constraint(field: &str, constraint: &str) -> ApiError {
    errors::invalid(&format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: {constraint}"
    ))
}
