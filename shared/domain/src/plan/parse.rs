//! Reading a plan file: every error at once, each with its line and column and what would be
//! right.
//!
//! **Invariant 11**: what is read is bounded in size, depth, servers and errors. **Invariant 3**:
//! the time is an argument, and time zones come from the database that is compiled in, so that a
//! file means the same on every machine.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::id::WaveId;

mod errors;

mod character;
mod node;

mod field;
mod scalar;
mod time;

mod start;

mod approver;
mod gates;

mod policy;

mod application;
mod document;
mod order;
mod selector;

mod named;

pub use named::{Named, named};

use errors::{At, Errors};
use field::Fields;

/// The most bytes that a plan file may have.
const MOST_FILE_BYTES: usize = 1024 * 1024;

/// The most bytes that a checked plan may have as JSON: it has to fit a message and an item of
/// the table beside other things (invariant 11).
const MOST_PLAN_BYTES: usize = 256 * 1024;

/// The keys of a plan.
const KEYS: &[&str] = &["wave", "start", "window", "gates", "policy", "applications"];

/// One thing that is wrong in a plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct PlanError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything that is wrong in a plan file, in the file's order; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the plan has {}", if .0.len() == 1 { "1 error".to_owned() } else { format!("{} errors", .0.len()) })]
pub struct PlanErrors(pub Vec<PlanError>);

/// Read a plan from YAML or JSON text; `now` tells whether its window is over.
///
/// # Errors
/// Everything that is wrong at once. A text that is not YAML has one error, where it stops being
/// YAML.
pub fn parse(text: &str, now: Timestamp) -> Result<Plan, PlanErrors> {
    let mut errors = Errors::default();
    let plan = read(text, now, OverWindow::IsWrong, &mut errors);
    errors.into_result(plan)
}

/// Read the plan of a wave that may be under way already: such a wave keeps its window when that is
/// over, so that the rest of its plan can still be changed. Whoever calls this sees to it that a
/// window that is over is that wave's own ([`Window::is_over`](super::Window::is_over)).
///
/// # Errors
/// As [`parse`].
pub fn parse_change(text: &str, now: Timestamp) -> Result<Plan, PlanErrors> {
    let mut errors = Errors::default();
    let plan = read(text, now, OverWindow::IsFine, &mut errors);
    errors.into_result(plan)
}

/// What a window is that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OverWindow {
    IsWrong,
    IsFine,
}

fn read(text: &str, now: Timestamp, over: OverWindow, errors: &mut Errors) -> Option<Plan> {
    if text.len() > MOST_FILE_BYTES {
        errors.push(
            At::START,
            format!(
                "the file has {} bytes; a plan has at most 1 MiB",
                text.len()
            ),
        );
        return None;
    }
    let root = node::read(text, errors)?;
    let fields = Fields::of("a plan", &root, KEYS, &[], errors)?;

    let wave = fields
        .required("wave", errors)
        .and_then(|field| scalar::identifier(field, WaveId::parse, errors));
    let window = fields
        .optional("window")
        .map(|field| start::window(field, now, over, errors));
    let start = fields
        .required("start", errors)
        .and_then(|field| start::start(field, window.as_ref(), now, errors));
    let gates = fields
        .required("gates", errors)
        .and_then(|field| gates::gates(field, errors));
    let policy = policy::policy(fields.optional("policy"), errors);
    let applications = fields
        .required("applications", errors)
        .and_then(|field| application::applications(field, errors));

    let plan = Plan {
        wave: wave?,
        start: start?,
        window: match window {
            Some(parts) => Some(parts.window?),
            None => None,
        },
        gates: gates?,
        policy: policy?,
        applications: applications?,
    };
    let bytes = serde_json::to_vec(&plan).map_or(usize::MAX, |json| json.len());
    if bytes > MOST_PLAN_BYTES {
        errors.push(
            At::START,
            format!(
                "the plan takes {bytes} bytes to store, and at most {MOST_PLAN_BYTES} fit: select \
                 servers by tag instead of naming each, or make it two waves"
            ),
        );
    }
    Some(plan)
}
