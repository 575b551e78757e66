//! Whether a subscription takes a mail, by its filter policy ("Amazon SNS subscription
//! filter policies"): every key of the policy has to match the mail's attribute of that name.
//!
//! **Invariant**: what is not understood does not count as taken, so that nobody counts as asked
//! whose mail is filtered away; and it may take any mail, so that nobody gets the links of others.

use serde_json::Value;
use tidegate_ports::mail::{Mail, Subscription};

/// Whether the subscription takes the mail for certain.
pub(crate) fn takes(subscription: &Subscription, mail: &Mail) -> bool {
    let Some(policy) = &subscription.filter else {
        return true;
    };
    let attributes = mail.attributes();
    let Ok(Value::Object(policy)) = serde_json::from_str(policy) else {
        return false;
    };
    // A policy on the body wants one of JSON, and a mail is text.
    !subscription.filters_body
        && policy.iter().all(|(key, wanted)| {
            let value = attributes.get(key.as_str()).map(String::as_str);
            entries(wanted).any(|wanted| matches(wanted, value) == Some(true))
        })
}

/// Whether the subscription may take a message to that person, as far as its policy says of `to`.
pub(crate) fn may_take(subscription: &Subscription, to: &str) -> bool {
    let policy = subscription.filter.as_deref().unwrap_or_default();
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    match policy.get("to") {
        Some(wanted) if !subscription.filters_body => {
            !wanted.is_array() || entries(wanted).any(|one| matches(one, Some(to)) != Some(false))
        }
        Some(_) | None => true,
    }
}

fn entries(wanted: &Value) -> impl Iterator<Item = &Value> {
    wanted.as_array().into_iter().flatten()
}

/// Whether one entry of a key's list matches the attribute, which may not be there; None if it is not
/// understood.
fn matches(wanted: &Value, value: Option<&str>) -> Option<bool> {
    let operator = match wanted {
        Value::String(wanted) => return Some(value == Some(wanted)),
        Value::Object(operator) if operator.len() == 1 => operator,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    let (name, wanted) = operator.iter().next()?;
    match (name.as_str(), value) {
        ("exists", _) => Some(wanted.as_bool()? == value.is_some()),
        ("anything-but", Some(value)) => is_none_of(wanted, value),
        (_, Some(value)) => compares(name, wanted, value),
        // An operator on a text wants one.
        (_, None) => None,
    }
}

/// Whether the attribute is none of these texts, or does not compare so.
fn is_none_of(wanted: &Value, value: &str) -> Option<bool> {
    match wanted {
        Value::String(wanted) => Some(wanted != value),
        Value::Array(all) if !all.is_empty() && all.iter().all(Value::is_string) => {
            Some(all.iter().all(|one| one != value))
        }
        Value::Object(operator) if operator.len() == 1 => {
            let (name, wanted) = operator.iter().next()?;
            compares(name, wanted, value).map(|is| !is)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// What an operator on one text says; None if it is not understood.
fn compares(operator: &str, wanted: &Value, value: &str) -> Option<bool> {
    let wanted = wanted.as_str()?;
    match operator {
        "prefix" => Some(value.starts_with(wanted)),
        "suffix" => Some(value.ends_with(wanted)),
        "equals-ignore-case" => Some(value.eq_ignore_ascii_case(wanted)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_domain::plan::Approver;

    use super::*;

    fn mail() -> Mail {
        Mail {
            subject: "Tidegate: decide".to_owned(),
            text: "Decide.".to_owned(),
            wave: "orders".to_owned(),
            to: Some(Approver::Mail("ann@example.com".to_owned())),
            kind: "gate_opened",
            action_required: true,
        }
    }

    fn taken(filter: Option<&str>, filters_body: bool) -> bool {
        let subscription = Subscription {
            endpoint: "ann@example.com".to_owned(),
            filter: filter.map(str::to_owned),
            filters_body,
        };
        takes(&subscription, &mail())
    }

    #[test]
    fn a_mail_is_taken_whose_every_attribute_is_let_through() {
        for policy in [
            "{}",
            r#"{"to":["ann@example.com",{"exists":false}]}"#,
            r#"{"to":["bob@example.com","ann@example.com"],"wave":["orders"]}"#,
            r#"{"action_required":["true"],"kind":[{"prefix":"gate_"}]}"#,
            r#"{"to":[{"suffix":"@example.com"}],"kind":[{"exists":true}]}"#,
            r#"{"to":[{"equals-ignore-case":"Ann@Example.com"}]}"#,
            r#"{"to":[{"anything-but":["bob@example.com"]}]}"#,
            r#"{"to":[{"anything-but":{"prefix":"bob"}}],"wave":[{"anything-but":"billing"}]}"#,
            r#"{"team":[{"exists":false}]}"#,
        ] {
            assert!(taken(Some(policy), false), "{policy}");
            assert!(!taken(Some(policy), true), "on the body: {policy}");
        }
        assert!(taken(None, false));
        assert!(taken(None, true), "no policy filters nothing");
    }

    #[test]
    fn a_mail_that_may_be_filtered_away_is_not_taken() {
        for policy in [
            r#"{"to":["ann@example.com"],"wave":["billing"]}"#,
            r#"{"kind":["wave_held"]}"#,
            r#"{"to":[{"anything-but":["ann@example.com"]}]}"#,
            r#"{"to":[{"anything-but":"ann@example.com"}]}"#,
            r#"{"to":[{"anything-but":{"prefix":"ann"}}]}"#,
            r#"{"to":[{"exists":false}]}"#,
            r#"{"to":["Ann@example.com"]}"#,
            r#"{"to":[]}"#,
            r#"{"to":"ann@example.com"}"#,
            r#"{"action_required":[true]}"#,
            r#"{"team":["ops"]}"#,
            r#"{"team":[{"exists":true}]}"#,
            r#"{"team":[{"anything-but":["ops"]}]}"#,
            // These are not understood.
            r#"{"to":[{"wildcard":"ann@*"}]}"#,
            r#"{"to":[{"anything-but":{"wildcard":"bob@*"}}]}"#,
            r#"{"to":[{"anything-but":[7]}]}"#,
            r#"{"to":[{"prefix":"ann","suffix":".com"}]}"#,
            r#"{"to":[{"prefix":["ann"]}]}"#,
            r#"{"to":[{}]}"#,
            r#"{"$or":[{"to":["ann@example.com"]},{"wave":["orders"]}]}"#,
            "[]",
            "",
        ] {
            assert!(!taken(Some(policy), false), "{policy}");
        }
    }
}
