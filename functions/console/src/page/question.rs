//! The page of a link: what is asked, the short part first, the form, then the evidence by
//! application and server.
//!
//! Shows what the gate froze when it opened, whatever happened since.

use std::collections::BTreeMap;

use askama::Template;
use tidegate_domain::gate::{Evidence, Gate, OpenGate, ServerEvidence, Waived};
use tidegate_domain::id::ApplicationName;
use tidegate_domain::link::Link;
use tidegate_domain::wave::Wave;
use tidegate_domain::words::{self, one_line};

use super::filter::{Filter, Sheet};
use super::{Frame, LONGEST_NAME, LONGEST_TEXT, MOST_NAMED, MOST_SERVERS, html, warnings};
use crate::decide::gate_plan;
use crate::payload::Response;

/// The longest reason that the form takes, in characters.
pub(crate) const LONGEST_REASON: usize = 500;

/// The most applications that the page lists and that its form offers one by one.
const MOST_APPLICATIONS: usize = 200;

/// What is asked, of whom, and what of it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The wave.
    pub(crate) wave: &'a Wave,
    /// Its gate.
    pub(crate) open: &'a OpenGate,
    /// The link.
    pub(crate) link: &'a Link,
    /// The code that the form carries.
    pub(crate) nonce: &'a str,
    /// The address of the wave's page.
    pub(crate) wave_page: &'a str,
}

#[derive(Template)]
#[template(path = "question.html")]
struct Page<'a> {
    frame: Frame<'a>,
    wave: &'a str,
    finalize: bool,
    approver: String,
    by: String,
    asked_before: Option<String>,
    held: Option<String>,
    may_not_approve: Option<String>,
    warnings: Vec<(&'static str, String)>,
    changed: Vec<String>,
    more_changed: usize,
    facts: Vec<(&'static str, String)>,
    approved_by: Vec<String>,
    quorum: u32,
    servers_in_all: String,
    longest_reason: usize,
    parts: Vec<&'a str>,
    more_parts: usize,
    applications: Vec<Application<'a>>,
    more_applications: usize,
    all_address: Option<String>,
    shown: usize,
    servers: Vec<Row<'a>>,
    sheet: Sheet,
    waived: Vec<&'a Waived>,
    more_waived: usize,
    may_fail: Vec<&'a Waived>,
    more_may_fail: usize,
    left_out: Vec<(String, String)>,
    more_left_out: usize,
    evidence: &'a str,
    token: &'a str,
    nonce: &'a str,
    wave_page: &'a str,
}

/// One application's line.
struct Application<'a> {
    name: &'a str,
    servers: usize,
    address: String,
    chosen: bool,
}

/// One server's line.
struct Row<'a> {
    application: &'a str,
    hostname: String,
    server: &'a str,
    instance: &'a str,
    job: &'a str,
    checks: String,
    validated: String,
    seen: Option<String>,
    facts: Vec<String>,
    took: Option<String>,
    template: Option<(&'a str, u64)>,
    differences: Vec<String>,
    ran: Vec<(&'a str, &'a str, bool)>,
}

impl Question<'_> {
    /// The page, of the servers that the filter asks for.
    pub(crate) fn page(&self, mut filter: Filter) -> Response {
        let Self {
            wave,
            open,
            link,
            nonce,
            wave_page,
        } = *self;
        let evidence = &open.evidence;
        let counts = counts(evidence);
        filter.only(|name| counts.iter().any(|(a, _)| *a == name), |_| false);
        let zone = evidence
            .window
            .as_ref()
            .map(|window| window.time_zone.as_str());
        let mut chosen: Vec<_> = evidence
            .servers
            .iter()
            .filter(|server| {
                filter
                    .application
                    .as_ref()
                    .is_none_or(|name| *name == server.application)
            })
            .collect();
        let place = |name| counts.iter().position(|(a, _)| *a == name);
        chosen.sort_by_cached_key(|s| (place(&s.application), &s.hostname));
        let address = |filter: &Filter| filter.address("decide", "token");
        let sheet = Sheet::of(filter.page, chosen.len(), MOST_SERVERS, |page| {
            address(&Filter {
                page,
                ..filter.clone()
            })
        });
        let (changed, more_changed) = evidence.changed.first(MOST_NAMED);
        let finalize = link.gate == Gate::Finalize;
        let what = if finalize { "Finalize" } else { "Cut over" };
        let listed = counts.iter().take(MOST_APPLICATIONS);
        let page = Page {
            frame: Frame {
                place: Some(wave.id.as_str()),
                ..Frame::new(format!("{what} {}?", wave.id))
            },
            wave: wave.id.as_str(),
            finalize,
            approver: link.approver.to_string(),
            by: words::time(open.expires.min(link.expires), zone),
            asked_before: (evidence.round > 0)
                .then(|| words::count(evidence.round as usize, "time")),
            held: wave
                .hold
                .as_ref()
                .map(|hold| one_line(&hold.reason.sentence(), LONGEST_TEXT)),
            may_not_approve: wave
                .may_approve(link.gate, &link.approver)
                .err()
                .map(|why| one_line(&why, LONGEST_TEXT)),
            warnings: warnings(&evidence.warnings),
            changed: changed
                .iter()
                .map(|text| one_line(text, LONGEST_TEXT))
                .collect(),
            more_changed,
            facts: evidence.facts(),
            approved_by: open.approvals.iter().map(|a| a.by.to_string()).collect(),
            quorum: gate_plan(wave, link.gate).quorum,
            servers_in_all: words::count(evidence.servers.len(), "server"),
            longest_reason: LONGEST_REASON,
            parts: listed.clone().map(|(name, _)| name.as_str()).collect(),
            more_parts: counts.len().saturating_sub(MOST_APPLICATIONS),
            applications: listed
                .map(|(name, servers)| Application {
                    name: name.as_str(),
                    servers: *servers,
                    address: address(&filter.of_application(Some(name))),
                    chosen: filter.application.as_ref() == Some(*name),
                })
                .collect(),
            more_applications: counts.len().saturating_sub(MOST_APPLICATIONS),
            all_address: filter
                .application
                .is_some()
                .then(|| address(&filter.of_application(None))),
            shown: chosen.len(),
            servers: chosen
                .iter()
                .skip(sheet.first)
                .take(MOST_SERVERS)
                .map(|server| row(evidence, server, zone))
                .collect(),
            sheet,
            waived: evidence.waived.iter().take(MOST_NAMED).collect(),
            more_waived: evidence.waived.len().saturating_sub(MOST_NAMED),
            may_fail: evidence.may_fail.iter().take(MOST_NAMED).collect(),
            more_may_fail: evidence.may_fail.len().saturating_sub(MOST_NAMED),
            left_out: evidence
                .left_out
                .iter()
                .take(MOST_NAMED)
                .map(|left| {
                    (
                        one_line(&left.hostname, LONGEST_NAME),
                        one_line(&left.reason, LONGEST_TEXT),
                    )
                })
                .collect(),
            more_left_out: evidence.left_out.len().saturating_sub(MOST_NAMED),
            evidence: &link.evidence,
            token: &filter.token,
            nonce,
            wave_page,
        };
        html(200, &page)
    }
}

/// The applications in the order of the evidence, each with its number of servers.
fn counts(evidence: &Evidence) -> Vec<(&ApplicationName, usize)> {
    let mut places: BTreeMap<&ApplicationName, usize> = BTreeMap::new();
    let mut counts: Vec<(&ApplicationName, usize)> = Vec::new();
    for server in &evidence.servers {
        let place = *places.entry(&server.application).or_insert_with(|| {
            counts.push((&server.application, 0));
            counts.len() - 1
        });
        counts[place].1 += 1;
    }
    counts
}

fn row<'a>(evidence: &'a Evidence, server: &'a ServerEvidence, zone: Option<&str>) -> Row<'a> {
    let mut facts = Vec::new();
    if let Some(trouble) = &server.trouble {
        facts.push(one_line(trouble, LONGEST_TEXT));
    }
    if let Some(life_cycle) = server.life_cycle {
        facts.push(life_cycle.to_string());
    }
    if let Some(replication) = server.replication {
        facts.push(replication.to_string());
    }
    if let Some(lag) = server.lag {
        facts.push(format!("lag {}", words::duration(lag)));
    }
    if let Some(snapshot) = server.last_snapshot {
        facts.push(format!("snapshot of {}", words::time(snapshot, zone)));
    }
    if !server.differences.is_empty() {
        let settings = words::count(server.differences.len(), "launch setting");
        let than = match evidence.gate {
            Gate::Cutover => "changed since its test",
            Gate::Finalize => "not as at its test",
        };
        facts.push(format!("{settings} {than}"));
    }
    let took = server.took;
    let whole = took.launch + took.boot + took.checks;
    let seconds = |seconds: u32| words::duration(jiff::SignedDuration::from_secs(seconds.into()));
    Row {
        application: server.application.as_str(),
        hostname: one_line(&server.hostname, LONGEST_NAME),
        server: server.server.as_str(),
        instance: server.instance.as_str(),
        job: server.job.as_str(),
        checks: match server.checks {
            0 => "started; the plan names no checks".to_owned(),
            checks => format!("{} passed", words::count(checks as usize, "check")),
        },
        validated: words::time(server.validated_at, zone),
        seen: server.seen_at.map(|at| words::time(at, zone)),
        facts,
        took: (whole > 0).then(|| {
            format!(
                "launched in {}, booted in {}, checked in {}",
                seconds(took.launch),
                seconds(took.boot),
                seconds(took.checks)
            )
        }),
        template: server
            .settings
            .as_ref()
            .map(|settings| (settings.template.as_str(), settings.version)),
        differences: server
            .differences
            .iter()
            .map(|difference| one_line(&difference.to_string(), LONGEST_TEXT))
            .collect(),
        ran: evidence
            .checks_of(server)
            .map(|check| {
                (
                    check.document.as_str(),
                    check.command.as_str(),
                    check.waived,
                )
            })
            .collect(),
    }
}
