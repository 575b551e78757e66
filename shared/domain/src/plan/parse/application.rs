//! Applications: names, order, servers, documents.

use super::document;
use super::errors::{At, Errors};
use super::field::{Field, Fields};
use super::node::Kind;
use super::{order, scalar, selector};
use crate::id::ApplicationName;
use crate::plan::Application;

/// The keys of an application.
const KEYS: &[&str] = &["name", "after", "servers", "quiesce", "validate"];

/// Keys that the design has and this version does not.
const LATER: &[(&str, &str)] = &[(
    "traffic",
    "this version does not switch traffic (DNS, load balancers) yet: leave `traffic` out and \
     switch it yourself after the cutover",
)];

/// The most applications of one wave.
pub(super) const MOST_APPLICATIONS: usize = 500;

/// The most checks of one application.
const MOST_CHECKS: usize = 20;

/// Read `applications`.
pub(super) fn applications(field: Field<'_>, errors: &mut Errors) -> Option<Vec<Application>> {
    let items = field.list("a list of applications", errors)?;
    if items.is_empty() || items.len() > MOST_APPLICATIONS {
        field.wrong(
            format!(
                "a wave has 1 to {MOST_APPLICATIONS} applications; this one has {}",
                items.len()
            ),
            errors,
        );
        return None;
    }
    let fields: Vec<Option<Fields<'_>>> = items
        .iter()
        .map(|item| Fields::of("an application", item.node, KEYS, LATER, errors))
        .collect();
    order::check(&fields, errors);
    let mut named = selector::Named::default();
    let applications: Vec<Option<Application>> = fields
        .iter()
        .map(|fields| application(fields.as_ref()?, &mut named, errors))
        .collect();
    named.check(errors);
    applications.into_iter().collect()
}

/// The name that an application goes by, right or wrong, and where it stands.
pub(super) fn raw_name<'n>(fields: &Fields<'n>) -> Option<(&'n str, At)> {
    let field = fields.optional("name")?;
    match &field.node.kind {
        Kind::Plain(name) | Kind::Quoted(name) => Some((name, field.node.at)),
        Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Broken => None,
    }
}

fn application(
    fields: &Fields<'_>,
    named: &mut selector::Named,
    errors: &mut Errors,
) -> Option<Application> {
    let name = fields
        .required("name", errors)
        .and_then(|field| scalar::identifier(field, ApplicationName::parse, errors));
    let after = match fields.optional("after") {
        Some(field) => field.each(
            "a list of names of applications",
            MOST_APPLICATIONS,
            errors,
            |item, errors| scalar::identifier(item, ApplicationName::parse, errors),
        ),
        None => Some(Vec::new()),
    };
    let servers = fields
        .required("servers", errors)
        .and_then(|field| selector::selectors(field, named, errors));
    let quiesce = match fields.optional("quiesce") {
        Some(field) => document::quiesce(field, errors).map(Some),
        None => Some(None),
    };
    let validate = match fields.optional("validate") {
        Some(field) => field.each("a list of documents", MOST_CHECKS, errors, document::check),
        None => Some(Vec::new()),
    };
    Some(Application {
        name: name?,
        after: after?,
        servers: servers?,
        quiesce: quiesce?,
        validate: validate?,
    })
}
