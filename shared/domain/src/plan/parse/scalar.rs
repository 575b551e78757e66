//! Single values: texts, numbers, truth, durations, names.

use jiff::SignedDuration;
use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

use super::errors::{Errors, either, nearest, shown};
use super::field::Field;
use super::node::Kind;
use crate::id::IdError;

/// What a duration may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The shortest.
    pub(super) least: SignedDuration,
    /// The longest.
    pub(super) most: SignedDuration,
    /// Both, for people.
    pub(super) text: &'static str,
}

/// A text; a number without quotes is one too, as it is written.
pub(super) fn text<'n>(field: Field<'n>, what: &str, errors: &mut Errors) -> Option<&'n str> {
    match &field.node.kind {
        Kind::Quoted(text) => Some(text),
        Kind::Plain(text) if truth(text).is_none() => Some(text),
        Kind::Plain(text) => {
            field.expected(
                &format!("{what}; put it in quotes if {text} is one"),
                errors,
            );
            None
        }
        Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Broken => {
            field.expected(what, errors);
            None
        }
    }
}

/// True or false.
pub(super) fn boolean(field: Field<'_>, errors: &mut Errors) -> Option<bool> {
    if let Kind::Plain(text) = &field.node.kind
        && let Some(truth) = truth(text)
    {
        return Some(truth);
    }
    field.expected("true or false", errors);
    None
}

/// A whole number in a range.
pub(super) fn whole(field: Field<'_>, least: u32, most: u32, errors: &mut Errors) -> Option<u32> {
    if let Kind::Plain(text) = &field.node.kind
        && let Ok(number) = text.parse::<u32>()
        && (least..=most).contains(&number)
    {
        return Some(number);
    }
    field.expected(
        &format!("a whole number from {least} to {most}, without quotes"),
        errors,
    );
    None
}

/// Per cent, whole, from 0% to 100%.
pub(super) fn percent(field: Field<'_>, errors: &mut Errors) -> Option<u8> {
    const WHAT: &str = "whole per cent from 0% to 100%, such as 5%";
    let text = text(field, WHAT, errors)?;
    let percent = text
        .strip_suffix('%')
        .and_then(|digits| digits.trim_end().parse::<u8>().ok())
        .filter(|percent| *percent <= 100);
    if percent.is_none() {
        field.expected(WHAT, errors);
    }
    percent
}

/// A duration of whole seconds: 30s, 1h30m, 7d. A day is 24 hours.
pub(super) fn duration(
    field: Field<'_>,
    bounds: Bounds,
    errors: &mut Errors,
) -> Option<SignedDuration> {
    const WHAT: &str = "a duration with its unit, such as 30s, 5m, 1h30m or 7d";
    let given = text(field, WHAT, errors)?;
    let parsed = SpanParser::new()
        .parse_span(given)
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let Ok(duration) = parsed else {
        field.expected(WHAT, errors);
        return None;
    };
    if duration.subsec_nanos() != 0 {
        field.expected("a duration of whole seconds", errors);
        return None;
    }
    if duration < bounds.least || duration > bounds.most {
        field.expected(&format!("a duration from {}", bounds.text), errors);
        return None;
    }
    Some(duration)
}

/// One of a few names.
pub(super) fn choice<T: Copy>(
    field: Field<'_>,
    choices: &[(&str, T)],
    errors: &mut Errors,
) -> Option<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let given = text(field, &either(&names), errors)?;
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == given) {
        return Some(*value);
    }
    match nearest(given, names.iter().copied()) {
        Some(meant) => {
            field.wrong(
                format!("unknown value {}; did you mean `{meant}`?", shown(given)),
                errors,
            );
        }
        None => field.expected(&either(&names), errors),
    }
    None
}

/// An identifier of a certain form.
pub(super) fn identifier<T>(
    field: Field<'_>,
    parse: impl FnOnce(String) -> Result<T, IdError>,
    errors: &mut Errors,
) -> Option<T> {
    let text = text(field, "a text", errors)?;
    match parse(text.to_owned()) {
        Ok(identifier) => Some(identifier),
        Err(error) => {
            field.expected(error.expected, errors);
            None
        }
    }
}

/// YAML's core schema (1.2.2, 10.3.2): `yes` and `no` are texts.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}
