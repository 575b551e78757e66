//! The pages: what is asked, the wave at a glance, that a decision is recorded, and refusals.
//!
//! **Invariant**: what others wrote is escaped (askama, by the template's extension), no page
//! runs a script or loads anything, and none tells its address, which carries the token, to
//! anybody. A page with a form never loads itself again.

pub(crate) mod filter;

mod chart;
mod question;
mod wave;

use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tidegate_domain::gate::{Verdict, Warning, WarningKind};
use tidegate_domain::link::Link;
use tidegate_domain::words::one_line;

use crate::payload::Response;
use crate::refused::{Refused, Status, Withdraw};

pub(crate) use question::{LONGEST_REASON, Question};
pub(crate) use wave::Glance;

/// The one stylesheet; it stands in each page, and the policy names its hash.
const STYLE: &str = include_str!("../templates/style.css");

/// The most servers that a page lists; the rest is on the next.
const MOST_SERVERS: usize = 100;

/// The most waived checks, and the most left-out servers, that a page lists.
const MOST_NAMED: usize = 50;

/// The longest name of a server, in characters, that a page repeats.
const LONGEST_NAME: usize = 80;

/// The longest sentence of somebody else, in characters, that a page repeats.
const LONGEST_TEXT: usize = 600;

/// What the browser may do with a page: show it, with this style, and send its form back.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// What every page has.
struct Frame<'a> {
    style: &'static str,
    title: String,
    /// What stands beside the name at the top.
    place: Option<&'a str>,
    /// After how many seconds the page loads itself again.
    refresh: Option<u32>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    frame: Frame<'a>,
    tone: &'a str,
    text: &'a str,
    withdraw: Option<&'a Withdraw>,
    wave_page: Option<&'a str>,
}

impl<'a> Frame<'a> {
    fn new(title: impl Into<String>) -> Self {
        Self {
            style: STYLE,
            title: title.into(),
            place: None,
            refresh: None,
        }
    }
}

/// That the decision is recorded. `about` says what part of the gate it is about, if not all.
pub(crate) fn recorded(
    link: &Link,
    verdict: Verdict,
    about: Option<&str>,
    wave_page: &str,
) -> Response {
    let Link {
        wave,
        gate,
        approver,
        ..
    } = link;
    let (title, text) = match verdict {
        Verdict::Approve => (
            "Approval recorded",
            format!(
                "{approver} approves the {gate} gate of wave {wave}{}. It counts once; the wave goes \
                 on when enough people have approved. You can close this page.",
                about
                    .map(|part| format!(", for {part} alone"))
                    .unwrap_or_default()
            ),
        ),
        Verdict::Reject => (
            "Rejection recorded",
            format!(
                "{approver} rejects the {gate} gate of wave {wave}. The wave is held until \
                 somebody resumes or aborts it. You can close this page."
            ),
        ),
    };
    html(
        200,
        &Notice {
            frame: Frame::new(title),
            tone: "good",
            text: &text,
            withdraw: None,
            wave_page: Some(wave_page),
        },
    )
}

/// That an approval is taken back.
pub(crate) fn withdrawn(link: &Link, wave_page: &str) -> Response {
    let Link {
        wave,
        gate,
        approver,
        ..
    } = link;
    let text = format!(
        "{approver} takes back the approval of the {gate} gate of wave {wave}, unless it was acted on \
         before. The link was used: to decide again, have the question sent once more (tidegate ask \
         {wave} {gate}), or use another door."
    );
    html(
        200,
        &Notice {
            frame: Frame::new("Withdrawal recorded"),
            tone: "good",
            text: &text,
            withdraw: None,
            wave_page: Some(wave_page),
        },
    )
}

/// What this is, for those who come without a link. Says nothing about any wave.
pub(crate) fn home() -> Response {
    let text = "This console shows waves and takes decisions through the links that Tidegate mails \
                to approvers, and serves requests of the tidegate command. There is nothing to see \
                here without either: `tidegate page WAVE` gives the address of a wave's page.";
    html(
        200,
        &Notice {
            frame: Frame::new("Waves of servers, moved into AWS"),
            tone: "plain",
            text,
            withdraw: None,
            wave_page: None,
        },
    )
}

/// A refusal.
pub(crate) fn refused(refused: &Refused) -> Response {
    let title = match refused.status {
        Status::BadRequest | Status::TooLarge | Status::WrongType => "That did not work",
        Status::Forbidden => "Not allowed",
        Status::NotFound => "Not found",
        Status::WrongMethod => "Not this way",
        Status::Conflict | Status::Unprocessable => "Nothing was changed",
        Status::Gone => "Too late",
        Status::Unavailable => "Try again",
        Status::Broken => "Something is broken",
    };
    html(
        refused.status.code(),
        &Notice {
            frame: Frame::new(title),
            tone: "bad",
            text: &refused.message,
            withdraw: refused.withdraw.as_deref(),
            wave_page: refused.wave_page.as_deref(),
        },
    )
}

/// The warnings, each with its kind.
fn warnings(warnings: &[Warning]) -> Vec<(&'static str, String)> {
    warnings
        .iter()
        .take(MOST_NAMED)
        .map(|warning| {
            let kind = match warning.kind {
                WarningKind::Stalled => "Replication stalls",
                WarningKind::Behind => "Not in step",
                WarningKind::StaleData => "Not known for sure",
                WarningKind::PreviousSnapshot => "Previous snapshot",
                WarningKind::WaivedCheck => "Waived check",
                WarningKind::Unhealthy => "Not healthy",
                WarningKind::Changed => "Changed since the test",
            };
            (kind, one_line(&warning.text, LONGEST_TEXT))
        })
        .collect()
}

fn html(status: u16, page: &impl Template) -> Response {
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY.as_str()),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex, nofollow"),
        ("strict-transport-security", "max-age=31536000"),
    ];
    Response {
        status_code: status,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        // Writing to a String cannot fail, and no template calls anything that can.
        body: page.render().unwrap_or_default(),
        is_base64_encoded: false,
    }
}
