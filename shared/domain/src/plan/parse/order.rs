//! The order of applications: names used once, `after` names that exist, no circle.

use std::collections::BTreeMap;

use super::application::{MOST_APPLICATIONS, raw_name};
use super::errors::{At, Errors, nearest, shown};
use super::field::Fields;
use super::node::Kind;

/// One `after` entry.
struct Edge<'n> {
    name: &'n str,
    at: At,
}

/// Tell what is wrong with the order of the applications whose fields these are.
pub(super) fn check(applications: &[Option<Fields<'_>>], errors: &mut Errors) {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names: Vec<Option<(&str, At)>> = Vec::new();
    for (number, fields) in applications.iter().enumerate() {
        let name = fields.as_ref().and_then(raw_name);
        names.push(name);
        let Some((name, at)) = name else { continue };
        if let Some(first) = numbers.get(name).and_then(|number| names[*number]) {
            errors.push(
                at,
                format!(
                    "two applications are called {}; the first is in line {}",
                    shown(name),
                    first.1.line
                ),
            );
        } else {
            numbers.insert(name, number);
        }
    }
    let edges: Vec<Vec<(usize, At)>> = applications
        .iter()
        .enumerate()
        .map(|(number, fields)| {
            let edges = fields.as_ref().map(after).unwrap_or_default();
            known(number, &edges, &numbers, errors)
        })
        .collect();
    circles(&names, &edges, errors);
}

/// The `after` entries that are texts; others are told of elsewhere.
fn after<'n>(fields: &Fields<'n>) -> Vec<Edge<'n>> {
    let Some(field) = fields.optional("after") else {
        return Vec::new();
    };
    let Kind::List(items) = &field.node.kind else {
        return Vec::new();
    };
    items
        .iter()
        .take(MOST_APPLICATIONS)
        .filter_map(|item| match &item.kind {
            Kind::Plain(name) | Kind::Quoted(name) => Some(Edge { name, at: item.at }),
            Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Broken => None,
        })
        .collect()
}

/// The entries that name another application, by number.
fn known(
    number: usize,
    edges: &[Edge<'_>],
    numbers: &BTreeMap<&str, usize>,
    errors: &mut Errors,
) -> Vec<(usize, At)> {
    let mut found: Vec<(usize, At)> = Vec::new();
    for edge in edges {
        match numbers.get(edge.name) {
            Some(other) if *other == number => {
                errors.push(
                    edge.at,
                    format!("{} cannot come after itself", shown(edge.name)),
                );
            }
            Some(other) if found.iter().any(|(known, _)| known == other) => {
                errors.push(edge.at, format!("{} stands here twice", shown(edge.name)));
            }
            Some(other) => found.push((*other, edge.at)),
            None => errors.push(
                edge.at,
                match nearest(edge.name, numbers.keys().copied()) {
                    Some(meant) => format!(
                        "no application is called {}; did you mean `{meant}`?",
                        shown(edge.name)
                    ),
                    None => format!("no application is called {}", shown(edge.name)),
                },
            ),
        }
    }
    found
}

/// Tell of each circle once, at the entry that closes it. Depth first, on a stack of its own.
fn circles(names: &[Option<(&str, At)>], edges: &[Vec<(usize, At)>], errors: &mut Errors) {
    let mut done = vec![false; edges.len()];
    for root in 0..edges.len() {
        // The way from the root: each application with the number of its next entry.
        let mut way: Vec<(usize, usize)> = if done[root] {
            Vec::new()
        } else {
            vec![(root, 0)]
        };
        while let Some((number, next)) = way.last_mut() {
            let Some((other, at)) = edges[*number].get(*next).copied() else {
                done[*number] = true;
                way.pop();
                continue;
            };
            *next += 1;
            if let Some(begin) = way.iter().position(|(on_way, _)| *on_way == other) {
                let circle: Vec<&str> = way[begin..]
                    .iter()
                    .map(|(number, _)| *number)
                    .chain([other])
                    .filter_map(|number| names[number].map(|(name, _)| name))
                    .collect();
                errors.push(
                    at,
                    format!(
                        "the applications wait for each other in a circle: {}; take one `after` \
                         out",
                        told(&circle)
                    ),
                );
            } else if !done[other] {
                way.push((other, 0));
            }
        }
    }
}

/// `a` after `b` after `a`, the middle left out where it is long.
fn told(circle: &[&str]) -> String {
    const MOST: usize = 12;
    let mut names: Vec<String> = circle.iter().map(|name| shown(name)).collect();
    if names.len() > MOST {
        let tail = names.split_off(names.len() - MOST / 2);
        names.truncate(MOST / 2);
        names.push("…".to_owned());
        names.extend(tail);
    }
    names.join(" after ")
}
