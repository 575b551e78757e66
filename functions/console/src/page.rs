//! The pages: what is asked, that it is recorded, and refusals.
//!
//! **Invariant**: what others wrote is escaped (askama, by the template's extension), no page
//! runs a script or loads anything, and none tells its address, which carries the token, to
//! anybody.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tidegate_domain::gate::{Evidence, Gate, OpenGate, Verdict};
use tidegate_domain::link::Link;
use tidegate_domain::wave::Wave;
use tidegate_domain::words;

use crate::decide::gate_plan;
use crate::payload::Response;
use crate::refused::{Refused, Status};

/// The one stylesheet; it stands in each page, and the policy names its hash.
const STYLE: &str = include_str!("../templates/style.css");

/// The most servers that the page lists.
const MOST_SERVERS: usize = 500;

/// What the browser may do with a page: show it, with this style, and send its form back.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

#[derive(Template)]
#[template(path = "question.html")]
struct Question<'a> {
    style: &'a str,
    title: String,
    wave: &'a str,
    finalize: bool,
    approver: String,
    by: String,
    asked_before: Option<String>,
    held: Option<String>,
    window: Option<(String, String)>,
    downtime: Option<String>,
    approved_by: Vec<String>,
    quorum: u32,
    servers_in_all: String,
    servers: Vec<ServerRow<'a>>,
    more_servers: usize,
    left_out: Vec<(&'a str, &'a str)>,
    more_left_out: usize,
    evidence: &'a str,
    token: &'a str,
    nonce: &'a str,
}

/// One server's line.
struct ServerRow<'a> {
    application: &'a str,
    hostname: &'a str,
    server: &'a str,
    checks: String,
    validated: String,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    style: &'a str,
    title: &'a str,
    tone: &'a str,
    text: &'a str,
}

/// What is asked, with the form. Shows what the gate froze when it opened: the evidence.
pub(crate) fn question(
    wave: &Wave,
    open: &OpenGate,
    link: &Link,
    token: &str,
    nonce: &str,
) -> Response {
    let evidence = &open.evidence;
    let zone = evidence
        .window
        .as_ref()
        .map(|window| window.time_zone.as_str());
    let finalize = link.gate == Gate::Finalize;
    let page = Question {
        style: STYLE,
        title: format!(
            "{} {}?",
            if finalize { "Finalize" } else { "Cut over" },
            wave.id
        ),
        wave: wave.id.as_str(),
        finalize,
        approver: link.approver.to_string(),
        by: words::time(open.expires.min(link.expires), zone),
        asked_before: (evidence.round > 0).then(|| words::count(evidence.round as usize, "time")),
        held: wave.hold.as_ref().map(|hold| hold.reason.sentence()),
        window: evidence
            .window
            .as_ref()
            .filter(|_| !finalize)
            .map(|window| {
                (
                    words::time(window.opens, zone),
                    words::time(window.closes, zone),
                )
            }),
        downtime: evidence.projected_downtime.map(words::duration),
        approved_by: open
            .approvals
            .iter()
            .map(|approval| approval.by.to_string())
            .collect(),
        quorum: gate_plan(wave, link.gate).quorum,
        servers_in_all: words::count(evidence.servers.len(), "server"),
        servers: rows(evidence, zone),
        more_servers: evidence.servers.len().saturating_sub(MOST_SERVERS),
        left_out: evidence
            .left_out
            .iter()
            .take(MOST_SERVERS)
            .map(|left| (left.hostname.as_str(), left.reason.as_str()))
            .collect(),
        more_left_out: evidence.left_out.len().saturating_sub(MOST_SERVERS),
        evidence: &link.evidence,
        token,
        nonce,
    };
    html(200, &page)
}

/// That the decision is recorded.
pub(crate) fn recorded(link: &Link, verdict: Verdict) -> Response {
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
                "{approver} approves the {gate} gate of wave {wave}. It counts once; the wave goes \
                 on when enough people have approved. You can close this page."
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
            style: STYLE,
            title,
            tone: "good",
            text: &text,
        },
    )
}

/// What this is, for those who come without a link. Says nothing about any wave.
pub(crate) fn home() -> Response {
    let text = "This console takes decisions through the links that Tidegate mails to approvers, \
                and requests of the tidegate command. There is nothing to see here without either.";
    html(
        200,
        &Notice {
            style: STYLE,
            title: "Tidegate",
            tone: "plain",
            text,
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
    let text = &refused.message;
    html(
        refused.status.code(),
        &Notice {
            style: STYLE,
            title,
            tone: "bad",
            text,
        },
    )
}

fn rows<'a>(evidence: &'a Evidence, zone: Option<&str>) -> Vec<ServerRow<'a>> {
    let servers = evidence.servers.iter().take(MOST_SERVERS);
    servers
        .map(|server| ServerRow {
            application: server.application.as_str(),
            hostname: &server.hostname,
            server: server.server.as_str(),
            checks: match server.checks {
                0 => "started; the plan names no checks".to_owned(),
                checks => format!("{} passed", words::count(checks as usize, "check")),
            },
            validated: words::time(server.validated_at, zone),
        })
        .collect()
}

fn html(status: u16, page: &impl Template) -> Response {
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY.as_str()),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
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
