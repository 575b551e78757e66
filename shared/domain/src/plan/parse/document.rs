//! SSM documents: what is run, with which parameters, for how long.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::errors::{Errors, shown};
use super::field::{Field, Fields};
use super::node::Kind;
use super::scalar::{self, Bounds};
use crate::plan::{Document, Quiesce};

/// The keys of a document, and of an `undo`.
const KEYS: &[&str] = &["document", "parameters", "timeout"];

/// The keys of a quiesce.
const QUIESCE_KEYS: &[&str] = &["document", "parameters", "timeout", "undo"];

/// The document that stops services, which brings its own undo.
const STOP_SERVICES: &str = "Tidegate-StopServices";
const START_SERVICES: &str = "Tidegate-StartServices";

const TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_mins(10);
/// SSM runs a script for at most 48 hours (SSM document syntax, `timeoutSeconds`).
const TIMEOUT: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(48),
    text: "1s to 48h",
};

/// The most parameters of one document, and the most values of one parameter.
const MOST_PARAMETERS: usize = 50;
const MOST_VALUES: usize = 100;
/// The most characters of one value.
const MOST_VALUE: usize = 4_096;

/// Read one check.
pub(super) fn check(field: Field<'_>, errors: &mut Errors) -> Option<Document> {
    let fields = Fields::of("a document", field.node, KEYS, &[], errors)?;
    document(&fields, errors)
}

/// Read `quiesce`.
pub(super) fn quiesce(field: Field<'_>, errors: &mut Errors) -> Option<Quiesce> {
    let fields = Fields::of("a quiesce", field.node, QUIESCE_KEYS, &[], errors)?;
    let stop = document(&fields, errors);
    let start = match fields.optional("undo") {
        Some(field) => Some(
            Fields::of("an undo", field.node, KEYS, &[], errors)
                .and_then(|fields| document(&fields, errors))?,
        ),
        None => stop
            .as_ref()
            .filter(|stop| stop.document == STOP_SERVICES)
            .map(|stop| Document {
                document: START_SERVICES.to_owned(),
                ..stop.clone()
            }),
    };
    Some(Quiesce { stop: stop?, start })
}

fn document(fields: &Fields<'_>, errors: &mut Errors) -> Option<Document> {
    let name = fields
        .required("document", errors)
        .and_then(|field| name(field, errors));
    let parameters = match fields.optional("parameters") {
        Some(field) => parameters(field, errors),
        None => Some(BTreeMap::new()),
    };
    let timeout = match fields.optional("timeout") {
        Some(field) => scalar::duration(field, TIMEOUT, errors),
        None => Some(TIMEOUT_DEFAULT),
    };
    Some(Document {
        document: name?,
        parameters: parameters?,
        timeout: timeout?,
    })
}

/// SSM's pattern for a document's name or ARN (SendCommand, `DocumentName`).
fn name(field: Field<'_>, errors: &mut Errors) -> Option<String> {
    const WHAT: &str =
        "the name of an SSM document: 3 to 128 letters, digits, hyphens, points, slashes, colons";
    let given = scalar::text(field, WHAT, errors)?;
    let fine = (3..=128).contains(&given.len())
        && given
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-/:".contains(c));
    if !fine {
        field.expected(WHAT, errors);
        return None;
    }
    Some(given.to_owned())
}

fn parameters(field: Field<'_>, errors: &mut Errors) -> Option<BTreeMap<String, Vec<String>>> {
    let entries = field.entries("parameters such as { port: [\"5432\"] }", errors)?;
    if entries.len() > MOST_PARAMETERS {
        field.wrong(
            format!("a document has at most {MOST_PARAMETERS} parameters"),
            errors,
        );
        return None;
    }
    let mut parameters = BTreeMap::new();
    let mut whole = true;
    for (key, node) in entries {
        let named = (1..=50).contains(&key.name.len())
            && key
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !named {
            errors.push(
                key.at,
                format!(
                    "{} is no parameter's name: 1 to 50 letters and digits",
                    shown(&key.name)
                ),
            );
        }
        let values = values(
            Field {
                name: &key.name,
                node,
            },
            errors,
        );
        whole &= named && values.is_some();
        parameters.extend(values.map(|values| (key.name.clone(), values)));
    }
    whole.then_some(parameters)
}

/// One text or number, or a list of them.
fn values(field: Field<'_>, errors: &mut Errors) -> Option<Vec<String>> {
    const WHAT: &str = "a text, a number or a list of them";
    match &field.node.kind {
        Kind::List(_) => field.each(WHAT, MOST_VALUES, errors, value),
        Kind::Quoted(_) | Kind::Plain(_) => value(field, errors).map(|value| vec![value]),
        Kind::Null | Kind::Map(_) | Kind::Broken => {
            field.expected(WHAT, errors);
            None
        }
    }
}

fn value(item: Field<'_>, errors: &mut Errors) -> Option<String> {
    let text = scalar::text(item, "a text or a number", errors)?;
    if text.chars().count() > MOST_VALUE {
        item.wrong(
            format!("a value has at most {MOST_VALUE} characters"),
            errors,
        );
        return None;
    }
    Some(text.to_owned())
}
