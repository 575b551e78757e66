//! Who may decide: a mail address, a Slack user or an IAM principal.
//!
//! An address goes into the header of a mail and an ARN is compared with what AWS proves of the
//! caller, so both have to be exactly one of what they claim to be.

use super::errors::{Errors, shown};
use super::field::Field;
use super::scalar;
use crate::plan::Approver;

const WHAT: &str = "an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…";

/// Read one approver.
pub(super) fn approver(field: Field<'_>, errors: &mut Errors) -> Option<Approver> {
    let given = scalar::text(field, WHAT, errors)?;
    if let Some(user) = given.strip_prefix("slack:") {
        return slack_approver(field, user, errors);
    }
    if let Some(arn) = given.strip_prefix("iam:") {
        return iam_approver(field, arn, errors);
    }
    if given.starts_with("arn:") {
        field.wrong(
            format!(
                "write {} for an IAM principal",
                shown(&format!("iam:{given}"))
            ),
            errors,
        );
    } else if mail_address(given) {
        return Some(Approver::Mail(given.to_owned()));
    } else {
        field.expected(WHAT, errors);
    }
    None
}

/// Read a mail address.
pub(super) fn mail(field: Field<'_>, errors: &mut Errors) -> Option<Approver> {
    const WHAT: &str = "a mail address, such as name@example.com";
    let given = scalar::text(field, WHAT, errors)?;
    if mail_address(given) {
        return Some(Approver::Mail(given.to_owned()));
    }
    field.expected(WHAT, errors);
    None
}

/// Read a Slack user ID.
pub(super) fn slack(field: Field<'_>, errors: &mut Errors) -> Option<Approver> {
    let given = scalar::text(field, "a Slack user ID, such as U024BE7LH", errors)?;
    slack_approver(field, given.strip_prefix("slack:").unwrap_or(given), errors)
}

/// Read an IAM principal.
pub(super) fn iam(field: Field<'_>, errors: &mut Errors) -> Option<Approver> {
    let given = scalar::text(field, "an ARN, such as arn:aws:iam::…", errors)?;
    iam_approver(field, given.strip_prefix("iam:").unwrap_or(given), errors)
}

fn slack_approver(field: Field<'_>, user: &str, errors: &mut Errors) -> Option<Approver> {
    if slack_user(user) {
        return Some(Approver::Slack(user.to_owned()));
    }
    field.expected("a Slack user ID, such as slack:U024BE7LH", errors);
    None
}

fn iam_approver(field: Field<'_>, arn: &str, errors: &mut Errors) -> Option<Approver> {
    match principal(arn) {
        Ok(()) => Some(Approver::Iam(arn.to_owned())),
        Err(why) => {
            field.wrong(format!("{} {why}", shown(arn)), errors);
            None
        }
    }
}

/// `U` or `W` and capital letters or digits (Slack's reference of user types).
fn slack_user(user: &str) -> bool {
    user.starts_with(['U', 'W'])
        && (3..=32).contains(&user.len())
        && user
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// One plain address: a dot-atom (RFC 5322, 3.2.3), `@`, a domain name; no display name, quotes,
/// comments or lists, and nothing that could end a header line.
fn mail_address(address: &str) -> bool {
    let Some((name, domain)) = address.split_once('@') else {
        return false;
    };
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    address.len() <= 254
        && name.len() <= 64
        && name.split('.').all(atom)
        && domain.contains('.')
        && domain.split('.').all(label)
}

/// Whether the ARN is one that the API's IAM authorization can show as the caller
/// (`requestContext.authorizer.iam.userArn`; a role shows as its session: IAM user guide, IAM
/// identifiers). A `*` at the end stands for anything.
fn principal(arn: &str) -> Result<(), String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, service, "", account, resource] = parts.as_slice() else {
        return Err("is not an ARN such as arn:aws:iam::111122223333:user/anna".to_owned());
    };
    if !partition.starts_with("aws")
        || !partition
            .chars()
            .all(|c| c.is_ascii_lowercase() || c == '-')
    {
        return Err("has no partition such as aws".to_owned());
    }
    if account.len() != 12 || !account.chars().all(|c| c.is_ascii_digit()) {
        return Err("has no account of 12 digits".to_owned());
    }
    let stem = resource.strip_suffix('*').unwrap_or(resource);
    if resource.is_empty()
        || resource.len() > 600
        || !stem
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
    {
        return Err(
            "does not end in a principal such as user/anna; a * may stand only at the end"
                .to_owned(),
        );
    }
    match service {
        "iam" if resource.starts_with("role/") => {
            let name = resource
                .rsplit('/')
                .next()
                .unwrap_or(resource)
                .trim_end_matches('*');
            Err(format!(
                "is a role, and a role never calls as itself but as a session: write \
                 iam:arn:{partition}:sts::{account}:assumed-role/{name}/*"
            ))
        }
        "iam" | "sts" => Ok(()),
        _ => Err("is neither of IAM nor of STS".to_owned()),
    }
}
