//! The form of a link's page, as it is sent back.

use tidegate_domain::gate::Verdict;
use tidegate_domain::id::ApplicationName;
use tidegate_domain::words::one_line;

use crate::page::LONGEST_REASON;
use crate::payload::Request;
use crate::refused::{Refused, Status};

/// The largest form, in bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// The form of a link's page.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) token: String,
    pub(super) nonce: String,
    pub(super) said: Option<Said>,
    pub(super) only: Vec<ApplicationName>,
    pub(super) reason: Option<String>,
}

/// What a form says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Decide(Verdict),
    Withdraw,
}

/// Read the form. A browser says where a form comes from; what it says is believed against the
/// sender alone, for other clients say nothing, and the form's code has to be right anyway.
pub(super) fn form(request: &Request) -> Result<Form, Refused> {
    let same_site = |site: &str| matches!(site, "same-origin" | "none");
    if request
        .header("sec-fetch-site")
        .is_some_and(|site| !same_site(site))
    {
        return Err(not_from_the_page());
    }
    // Under our own referrer policy a browser says `null`, for any origin.
    let host = request.header("host").unwrap_or_default();
    let ours = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        origin == "null" || authority.is_some_and(|a| a.eq_ignore_ascii_case(host))
    };
    if request.header("origin").is_some_and(|origin| !ours(origin)) {
        return Err(not_from_the_page());
    }
    let content_type = request
        .header("content-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !content_type
        .trim_start()
        .starts_with("application/x-www-form-urlencoded")
    {
        return Err(Refused::new(
            Status::WrongType,
            "Open the link and decide with its buttons.",
        ));
    }
    let body = request.body(LARGEST_FORM)?;
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_bytes(&body).map_err(|_| incomplete())?;
    let mut form = Form::default();
    for (name, value) in pairs {
        match name.as_str() {
            "token" => form.token = value,
            "nonce" => form.nonce = value,
            "verdict" => {
                form.said = Some(match value.as_str() {
                    "approve" => Said::Decide(Verdict::Approve),
                    "reject" => Said::Decide(Verdict::Reject),
                    "withdraw" => Said::Withdraw,
                    _ => return Err(incomplete()),
                });
            }
            "only" => form
                .only
                .push(ApplicationName::parse(value).map_err(|_| incomplete())?),
            "reason" => {
                let reason = one_line(value.trim(), LONGEST_REASON);
                form.reason = (!reason.is_empty()).then_some(reason);
            }
            _ => {}
        }
    }
    Ok(form)
}

pub(super) fn incomplete() -> Refused {
    let message = "The form is incomplete: open the link and decide with its buttons.";
    Refused::new(Status::BadRequest, message)
}

pub(super) fn not_from_the_page() -> Refused {
    let message = "This form did not come from the link's page: open the link and decide there.";
    Refused::new(Status::Forbidden, message)
}
