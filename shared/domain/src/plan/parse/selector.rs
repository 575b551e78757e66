//! Which servers belong to an application.

use std::collections::BTreeMap;

use super::errors::{At, Errors, shown};
use super::field::{Field, Fields};
use super::scalar;
use crate::id::ServerId;
use crate::plan::{MOST_SERVERS, Select, Selector};

/// The keys of a selector.
const KEYS: &[&str] = &["hostname", "id", "tag", "criticality"];

/// The most tags of one selector: AWS allows 50 on a resource (General Reference, tags).
const MOST_TAGS: usize = 50;

/// Every selector of the plan, so that none is there twice and not too many are.
#[derive(Debug, Default)]
pub(super) struct Named {
    seen: BTreeMap<(&'static str, String), At>,
    servers: usize,
    too_many: Option<At>,
}

impl Named {
    /// Note a selector; the same one twice is told.
    fn note(&mut self, select: &Select, at: At, errors: &mut Errors) {
        let (kind, value) = match select {
            Select::Id(id) => ("id", id.as_str().to_ascii_lowercase()),
            Select::Hostname(name) => ("hostname", name.to_lowercase()),
            Select::Tags(tags) => ("tag", format!("{tags:?}")),
        };
        self.servers += 1;
        if self.servers > MOST_SERVERS {
            self.too_many.get_or_insert(at);
        }
        let told = match kind {
            "tag" => "what these tags pick is".to_owned(),
            _ => format!("{} is", shown(&value)),
        };
        match self.seen.get(&(kind, value.clone())) {
            Some(first) => errors.push(
                at,
                format!(
                    "{told} named twice; the first is in line {}, column {}: a server belongs \
                     to one application",
                    first.line, first.column
                ),
            ),
            None => {
                self.seen.insert((kind, value), at);
            }
        }
    }

    /// Tell if there are too many.
    pub(super) fn check(&self, errors: &mut Errors) {
        if let Some(at) = self.too_many {
            errors.push(
                at,
                format!(
                    "the plan names {} servers; a wave has at most {MOST_SERVERS}: make it two \
                     waves",
                    self.servers
                ),
            );
        }
    }
}

/// Read `servers`.
pub(super) fn selectors(
    field: Field<'_>,
    named: &mut Named,
    errors: &mut Errors,
) -> Option<Vec<Selector>> {
    const WHAT: &str = "a list of servers such as [{ hostname: db01 }]";
    let items = field.list(WHAT, errors)?;
    if items.is_empty() {
        field.wrong("an application has at least one server", errors);
        return None;
    }
    let selectors: Vec<Option<Selector>> = items
        .into_iter()
        .map(|item| selector(item, named, errors))
        .collect();
    selectors.into_iter().collect()
}

fn selector(item: Field<'_>, named: &mut Named, errors: &mut Errors) -> Option<Selector> {
    let fields = Fields::of("a server", item.node, KEYS, &[], errors)?;
    let critical = match fields.optional("criticality") {
        Some(field) => scalar::choice(field, &[("normal", false), ("critical", true)], errors),
        None => Some(false),
    };
    let given: Vec<Field<'_>> = ["hostname", "id", "tag"]
        .into_iter()
        .filter_map(|name| fields.optional(name))
        .collect();
    let field = match given.as_slice() {
        [field] => *field,
        [] => {
            errors.push(
                fields.at,
                "which server? Write one of `hostname`, `id` or `tag`",
            );
            return None;
        }
        [_, second, ..] => {
            errors.push(
                second.node.at,
                "a server is picked by one of `hostname`, `id` or `tag`: write one entry for each",
            );
            return None;
        }
    };
    let select = match field.name {
        "hostname" => hostname(field, errors).map(Select::Hostname),
        "id" => scalar::identifier(field, ServerId::parse, errors).map(Select::Id),
        _ => tags(field, errors).map(Select::Tags),
    }?;
    named.note(&select, field.node.at, errors);
    Some(Selector {
        select,
        critical: critical?,
    })
}

/// MGN takes what the system calls itself (`identificationHints.hostname`, at most 255
/// characters: botocore's model); a name that no system has is a slip.
fn hostname(field: Field<'_>, errors: &mut Errors) -> Option<String> {
    const WHAT: &str = "a hostname: 1 to 255 letters, digits, points, hyphens and underscores";
    let name = scalar::text(field, WHAT, errors)?;
    let fine = (1..=255).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if !fine {
        field.expected(WHAT, errors);
        return None;
    }
    Some(name.to_owned())
}

/// Tags by AWS's limits: keys of 1 to 128 characters, values of at most 256.
fn tags(field: Field<'_>, errors: &mut Errors) -> Option<BTreeMap<String, String>> {
    const WHAT: &str = "tags such as { role: web }";
    let entries = field.entries(WHAT, errors)?;
    if entries.is_empty() || entries.len() > MOST_TAGS {
        field.wrong(
            format!("a server is picked by 1 to {MOST_TAGS} tags"),
            errors,
        );
        return None;
    }
    let mut tags = BTreeMap::new();
    let mut whole = true;
    for (key, node) in entries {
        let value = Field {
            name: &key.name,
            node,
        };
        if key.name.is_empty() || key.name.chars().count() > 128 {
            whole = false;
            errors.push(key.at, "a tag's key has 1 to 128 characters");
        }
        match scalar::text(value, "a tag's value", errors) {
            Some(text) if text.chars().count() <= 256 && !text.contains(['\n', '\t']) => {
                tags.insert(key.name.clone(), text.to_owned());
            }
            Some(_) => {
                whole = false;
                value.wrong(
                    "a tag's value has at most 256 characters, in one line",
                    errors,
                );
            }
            None => whole = false,
        }
    }
    whole.then_some(tags)
}
