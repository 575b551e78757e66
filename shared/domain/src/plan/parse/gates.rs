//! The two gates: who decides, how many, and how long they have.

use jiff::SignedDuration;

use super::approver;
use super::errors::{At, Errors, shown};
use super::field::{Field, Fields};
use super::scalar::{self, Bounds};
use crate::plan::{Approver, GatePlan, Gates};

/// The keys of `gates`.
const KEYS: &[&str] = &["cutover", "finalize"];

/// The keys of the cutover gate.
const CUTOVER_KEYS: &[&str] = &["automatic", "approvers", "quorum", "expires", "notify"];

/// The keys of the finalize gate.
const FINALIZE_KEYS: &[&str] = &[
    "after_soak",
    "automatic",
    "approvers",
    "quorum",
    "expires",
    "notify",
];

/// The most approvers of one gate.
const MOST_APPROVERS: u32 = 50;

const EXPIRES_DEFAULT: SignedDuration = SignedDuration::from_hours(7 * 24);
const EXPIRES: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(90 * 24),
    text: "1s to 90d",
};

const SOAK_DEFAULT: SignedDuration = SignedDuration::from_hours(24);
const SOAK: Bounds = Bounds {
    least: SignedDuration::ZERO,
    most: SignedDuration::from_hours(90 * 24),
    text: "0s to 90d",
};

/// Read `gates`.
pub(super) fn gates(field: Field<'_>, errors: &mut Errors) -> Option<Gates> {
    let fields = Fields::of("the gates", field.node, KEYS, &[], errors)?;
    let cutover = fields.required("cutover", errors).and_then(|field| {
        let fields = Fields::of("the cutover gate", field.node, CUTOVER_KEYS, &[], errors)?;
        gate(&fields, errors)
    });
    let finalize = fields.required("finalize", errors).and_then(|field| {
        let fields = Fields::of("the finalize gate", field.node, FINALIZE_KEYS, &[], errors)?;
        let soak = match fields.optional("after_soak") {
            Some(field) => scalar::duration(field, SOAK, errors),
            None => Some(SOAK_DEFAULT),
        };
        gate(&fields, errors).zip(soak)
    });
    let (finalize, soak) = finalize?;
    Some(Gates {
        cutover: cutover?,
        finalize,
        soak,
    })
}

fn gate(fields: &Fields<'_>, errors: &mut Errors) -> Option<GatePlan> {
    let expires = match fields.optional("expires") {
        Some(field) => scalar::duration(field, EXPIRES, errors),
        None => Some(EXPIRES_DEFAULT),
    };
    if let Some(field) = fields.optional("notify") {
        notify(field, errors);
    }
    let automatic = match fields.optional("automatic") {
        Some(field) => scalar::boolean(field, errors)?,
        None => false,
    };
    if automatic {
        for name in ["approvers", "quorum"] {
            if let Some(at) = fields.key_at(name) {
                errors.push(
                    at,
                    format!(
                        "`{name}` contradicts `automatic: true`, with which nobody is asked: leave \
                         one of them out"
                    ),
                );
            }
        }
        return Some(GatePlan {
            automatic,
            approvers: Vec::new(),
            quorum: 1,
            expires: expires?,
        });
    }
    let quorum = fields.optional("quorum");
    let Some(field) = fields.optional("approvers") else {
        errors.push(
            fields.at,
            "nobody can decide at this gate: write `approvers`, or `automatic: true`",
        );
        return None;
    };
    let approvers = approvers(field, errors)?;
    let quorum = match quorum {
        Some(field) => reachable(field, &approvers, errors),
        None => reachable_by_one(field, &approvers, errors),
    };
    Some(GatePlan {
        automatic,
        approvers,
        quorum: quorum?,
        expires: expires?,
    })
}

fn approvers(field: Field<'_>, errors: &mut Errors) -> Option<Vec<Approver>> {
    let items = field.list("a list of approvers", errors)?;
    if items.is_empty() || items.len() > MOST_APPROVERS as usize {
        field.wrong(
            format!(
                "a gate has 1 to {MOST_APPROVERS} approvers; this one has {}",
                items.len()
            ),
            errors,
        );
        return None;
    }
    let mut approvers: Vec<(Approver, At)> = Vec::new();
    let mut whole = true;
    for item in items {
        let Some(approver) = approver::approver(item, errors) else {
            whole = false;
            continue;
        };
        match approvers.iter().find(|(other, _)| same(other, &approver)) {
            Some((_, first)) => {
                whole = false;
                item.wrong(
                    format!(
                        "{} stands here twice; the first is in line {}",
                        shown(&approver.to_string()),
                        first.line
                    ),
                    errors,
                );
            }
            None => approvers.push((approver, item.node.at)),
        }
    }
    whole.then(|| {
        approvers
            .into_iter()
            .map(|(approver, _)| approver)
            .collect()
    })
}

fn same(a: &Approver, b: &Approver) -> bool {
    match (a, b) {
        (Approver::Mail(a), Approver::Mail(b)) => a.eq_ignore_ascii_case(b),
        (Approver::Mail(_) | Approver::Slack(_) | Approver::Iam(_), _) => a == b,
    }
}

/// How many of the approvers can decide in this version: Slack buttons are not built yet.
fn able(approvers: &[Approver]) -> u32 {
    let able = approvers.iter().filter(|approver| match approver {
        Approver::Mail(_) | Approver::Iam(_) => true,
        Approver::Slack(_) => false,
    });
    u32::try_from(able.count()).unwrap_or(u32::MAX)
}

fn reachable(field: Field<'_>, approvers: &[Approver], errors: &mut Errors) -> Option<u32> {
    let most = u32::try_from(approvers.len()).unwrap_or(u32::MAX);
    let quorum = scalar::whole(field, 1, MOST_APPROVERS, errors)?;
    if quorum > most {
        field.wrong(
            format!("{quorum} must approve, but there are only {most} approvers"),
            errors,
        );
        return None;
    }
    if quorum > able(approvers) {
        field.wrong(
            format!(
                "{quorum} must approve, but only {} can: this version does not take decisions from \
                 Slack yet",
                able(approvers)
            ),
            errors,
        );
        return None;
    }
    Some(quorum)
}

fn reachable_by_one(field: Field<'_>, approvers: &[Approver], errors: &mut Errors) -> Option<u32> {
    if able(approvers) == 0 {
        field.wrong(
            "nobody here can decide: this version does not take decisions from Slack yet, so name \
             somebody by mail or IAM as well",
            errors,
        );
        return None;
    }
    Some(1)
}

/// `notify: [sns]` is what happens anyway; anything else is told.
fn notify(field: Field<'_>, errors: &mut Errors) {
    for item in field
        .list("a list of ways, such as [sns]", errors)
        .unwrap_or_default()
    {
        match scalar::text(item, "`sns`", errors) {
            Some("sns") | None => {}
            Some("slack") => item.wrong(
                "this version does not write to Slack yet; `sns` sends mail",
                errors,
            ),
            Some(_) => item.expected("`sns`", errors),
        }
    }
}
