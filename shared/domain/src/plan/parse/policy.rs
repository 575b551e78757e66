//! Limits, and what to do when they are passed; each has a default.

use jiff::SignedDuration;

use super::errors::Errors;
use super::field::{Field, Fields};
use super::scalar::{self, Bounds};
use crate::plan::{OnFailure, Policy};

/// The keys of a policy.
const KEYS: &[&str] = &[
    "max_lag",
    "attempts",
    "failure_budget",
    "on_failure",
    "keep_test_instances",
    "launch_timeout",
    "boot_timeout",
    "observe_every",
];

/// Keys that the design has and this version does not.
const LATER: &[(&str, &str)] = &[(
    "on_alarm",
    "this version does not watch alarms or roll back by itself yet: leave `on_alarm` out",
)];

const LAG: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(24),
    text: "1s to 24h",
};
const KEPT: Bounds = Bounds {
    least: SignedDuration::ZERO,
    most: SignedDuration::from_hours(90 * 24),
    text: "0s to 90d",
};
const TIMEOUT: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(24),
    text: "1s to 24h",
};
const OBSERVE: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(1),
    text: "1s to 1h",
};

/// Read `policy`, which may be left out.
pub(super) fn policy(field: Option<Field<'_>>, errors: &mut Errors) -> Option<Policy> {
    let mut policy = defaults();
    let Some(field) = field else {
        return Some(policy);
    };
    let fields = Fields::of("a policy", field.node, KEYS, LATER, errors)?;
    let mut whole = true;
    for (name, bounds, value) in [
        ("max_lag", LAG, &mut policy.max_lag),
        ("keep_test_instances", KEPT, &mut policy.keep_test_instances),
        ("launch_timeout", TIMEOUT, &mut policy.launch_timeout),
        ("boot_timeout", TIMEOUT, &mut policy.boot_timeout),
        ("observe_every", OBSERVE, &mut policy.observe_every),
    ] {
        let read = |field| scalar::duration(field, bounds, errors);
        whole &= set(value, fields.optional(name).map(read));
    }
    let attempts = |field| scalar::whole(field, 1, 10, errors);
    whole &= set(
        &mut policy.attempts,
        fields.optional("attempts").map(attempts),
    );
    let budget = |field| scalar::percent(field, errors);
    whole &= set(
        &mut policy.failure_budget,
        fields.optional("failure_budget").map(budget),
    );
    let failure = |field| {
        scalar::choice(
            field,
            &[("hold", OnFailure::Hold), ("skip", OnFailure::Skip)],
            errors,
        )
    };
    whole &= set(
        &mut policy.on_failure,
        fields.optional("on_failure").map(failure),
    );
    whole.then_some(policy)
}

/// What holds where a plan says nothing.
fn defaults() -> Policy {
    Policy {
        max_lag: SignedDuration::from_mins(1),
        attempts: 3,
        failure_budget: 5,
        on_failure: OnFailure::Hold,
        keep_test_instances: SignedDuration::from_hours(4),
        observe_every: SignedDuration::from_secs(15),
        launch_timeout: SignedDuration::from_hours(2),
        boot_timeout: SignedDuration::from_mins(30),
    }
}

/// Take what was read, if anything was; whether nothing was wrong with it.
fn set<T>(value: &mut T, read: Option<Option<T>>) -> bool {
    match read {
        Some(Some(read)) => *value = read,
        Some(None) => return false,
        None => {}
    }
    true
}
