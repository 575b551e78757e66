//! Collects what is wrong, so that all of it is told at once; bounded (invariant 11).

use crate::plan::{Plan, PlanError, PlanErrors};

/// The most errors that are told; a last one then says how many more there are.
const MOST_ERRORS: usize = 200;

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
}

/// The errors so far.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<(At, String)>);

impl At {
    /// Where the file begins.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

impl Errors {
    /// Note an error.
    pub(super) fn push(&mut self, at: At, message: impl Into<String>) {
        self.0.push((at, message.into()));
    }

    /// The plan, if nothing is wrong with it.
    pub(super) fn into_result(self, plan: Option<Plan>) -> Result<Plan, PlanErrors> {
        let mut errors = self.0;
        match plan {
            Some(plan) if errors.is_empty() => return Ok(plan),
            Some(_) => {}
            None if errors.is_empty() => {
                errors.push((At::START, "the plan cannot be read".to_owned()));
            }
            None => {}
        }
        errors.sort();
        errors.dedup();
        let more = errors.len().saturating_sub(MOST_ERRORS);
        errors.truncate(MOST_ERRORS);
        if more > 0
            && let Some((at, _)) = errors.last()
        {
            errors.push((*at, format!("and {more} more errors")));
        }
        Err(PlanErrors(
            errors
                .into_iter()
                .map(|(at, message)| PlanError {
                    line: at.line,
                    column: at.column,
                    message,
                })
                .collect(),
        ))
    }
}

/// Text from the file as it is shown in an error: escaped, and not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

/// `a`, `b` or `c`.
pub(super) fn either(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// The name that was probably meant, if one is near.
pub(super) fn nearest<'n>(
    given: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let given = given.to_lowercase();
    let length = given.chars().count();
    names
        .into_iter()
        // Names whose lengths differ by more cannot be near; measuring is what takes time.
        .filter(|name| name.chars().count().abs_diff(length) <= allowed(name, length))
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&given, &name.to_lowercase());
            (distance, name)
        })
        .filter(|(distance, name)| *distance <= allowed(name, length))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many slips of the pen still leave a name recognisable.
fn allowed(name: &str, given: usize) -> usize {
    1 + name.chars().count().min(given) / 4
}
