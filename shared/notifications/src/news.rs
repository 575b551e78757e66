//! What people are told: a subject that says which wave, what and by when, and a text from a template
//! of its own for each kind of news; by mail, and in Slack where a wave asks there.

use askama::Template;
use tidegate_domain::gate::Changes;
use tidegate_domain::id::{SnapshotId, WaveId};
use tidegate_domain::news::{Affected, AffectedServer, News};
use tidegate_domain::plan::Window;
use tidegate_domain::words::{self, one_line};
use tidegate_ports::mail::Mail;
use tidegate_slack::message::{Message, told};

use crate::LONGEST_NAME;
use crate::subject::subject;

/// The longest reason that is repeated, in characters.
const LONGEST_REASON: usize = 2_000;

/// The most changes and the most approvers that are listed.
const MOST_CHANGES: usize = 50;
const MOST_APPROVERS: usize = 20;

#[derive(Template)]
#[template(path = "news/wave_started.txt")]
struct WaveStarted<'a> {
    wave: &'a WaveId,
    servers: String,
}

#[derive(Template)]
#[template(path = "news/wave_held.txt")]
struct WaveHeld<'a> {
    wave: &'a WaveId,
    reason: String,
    window: Option<(String, String)>,
    commands: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "news/server_failed.txt")]
struct ServerFailed<'a> {
    wave: &'a WaveId,
    purpose: String,
    first: Listed<'a>,
    others: Vec<Listed<'a>>,
    more: u32,
}

#[derive(Template)]
#[template(path = "news/replication_stalled.txt")]
struct ReplicationStalled<'a> {
    wave: &'a WaveId,
    first: Listed<'a>,
    others: Vec<Listed<'a>>,
    more: u32,
    window: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "news/termination_refused.txt")]
struct TerminationRefused<'a> {
    wave: &'a WaveId,
    servers: Vec<Listed<'a>>,
    more: u32,
}

#[derive(Template)]
#[template(path = "news/gate_asks_again.txt")]
struct GateAsksAgain<'a> {
    wave: &'a WaveId,
    gate: &'a str,
    changes: Vec<String>,
    more: usize,
}

#[derive(Template)]
#[template(path = "news/plan_changed.txt")]
struct PlanChanged<'a> {
    wave: &'a WaveId,
    by: String,
    changes: Vec<String>,
    more: usize,
}

#[derive(Template)]
#[template(path = "news/approvers_unreached.txt")]
struct ApproversUnreached<'a> {
    wave: &'a WaveId,
    gate: &'a str,
    approvers: Vec<String>,
    more: usize,
    refused: Option<String>,
    expires: String,
}

#[derive(Template)]
#[template(path = "news/gate_approved_in_part.txt")]
struct GateApprovedInPart<'a> {
    wave: &'a WaveId,
    gate: &'a str,
    text: String,
}

#[derive(Template)]
#[template(path = "news/wave_completed.txt")]
struct WaveCompleted<'a> {
    wave: &'a WaveId,
}

#[derive(Template)]
#[template(path = "news/wave_aborted.txt")]
struct WaveAborted<'a> {
    wave: &'a WaveId,
}

#[derive(Template)]
#[template(path = "news/rollback_started.txt")]
struct RollbackStarted<'a> {
    wave: &'a WaveId,
    why: String,
}

#[derive(Template)]
#[template(path = "news/wave_rolled_back.txt")]
struct WaveRolledBack<'a> {
    wave: &'a WaveId,
    kept: Vec<(String, String)>,
}

/// A server that something befell, for people.
struct Listed<'a> {
    hostname: String,
    server: &'a str,
    reason: String,
}

/// The mail to everybody who subscribed to news.
#[must_use]
pub fn mail(wave: &WaveId, news: &News) -> Mail {
    let (about, text) = written(wave, news);
    Mail {
        subject: subject(&format!("Tidegate: {about}")),
        text,
        wave: wave.to_string(),
        to: None,
        kind: news.kind(),
        action_required: news.action_required(),
    }
}

/// The message in Slack.
#[must_use]
pub fn message(wave: &WaveId, news: &News) -> Message {
    let (about, text) = written(wave, news);
    told(&about, &text)
}

/// What it is about, by when to act, in one line; and the text.
fn written(wave: &WaveId, news: &News) -> (String, String) {
    let (about, text) = match news {
        News::WaveStarted { servers } => {
            let servers = words::count(*servers as usize, "server");
            (
                format!("wave {wave} has started with {servers}"),
                WaveStarted { wave, servers }.render(),
            )
        }
        News::WaveHeld {
            reason,
            commands,
            window,
        } => (
            match window {
                Some(window) => format!(
                    "wave {wave} is held: act before {}",
                    window.closes.strftime("%Y-%m-%d %H:%M UTC")
                ),
                None => format!("wave {wave} is held: act now"),
            },
            WaveHeld {
                wave,
                reason: one_line(reason, LONGEST_REASON),
                window: window.as_ref().map(times),
                commands: commands
                    .iter()
                    .map(|(command, what)| {
                        (
                            one_line(command, LONGEST_REASON),
                            one_line(what, LONGEST_REASON),
                        )
                    })
                    .collect(),
            }
            .render(),
        ),
        News::ServerFailed { purpose, servers } => {
            let whose = if servers.besides() == 0 {
                "its"
            } else {
                "their"
            };
            (
                format!("wave {wave}: {} failed {whose} {purpose}", names(servers)),
                ServerFailed {
                    wave,
                    purpose: one_line(purpose, LONGEST_NAME),
                    first: listed(&servers.first),
                    others: servers.others.iter().map(listed).collect(),
                    more: servers.more,
                }
                .render(),
            )
        }
        News::ReplicationStalled { servers, window } => {
            let by = window.as_ref().map_or_else(
                || "act now".to_owned(),
                |window| {
                    format!(
                        "act before {}",
                        window.closes.strftime("%Y-%m-%d %H:%M UTC")
                    )
                },
            );
            (
                format!("wave {wave}: {by}, replication stalls: {}", names(servers)),
                ReplicationStalled {
                    wave,
                    first: listed(&servers.first),
                    others: servers.others.iter().map(listed).collect(),
                    more: servers.more,
                    window: window.as_ref().map(times),
                }
                .render(),
            )
        }
        News::TerminationRefused { servers } => (
            format!(
                "wave {wave}: act now, a test instance runs on: {}",
                names(servers)
            ),
            TerminationRefused {
                wave,
                servers: servers.listed().map(listed).collect(),
                more: servers.more,
            }
            .render(),
        ),
        News::GateAsksAgain { gate, changes } => (
            format!("wave {wave}: the {gate} gate is asked again"),
            GateAsksAgain {
                wave,
                gate: gate.name(),
                changes: lines(changes),
                more: changes.first(MOST_CHANGES).1,
            }
            .render(),
        ),
        News::PlanChanged { by, changes } => (
            format!("wave {wave}: the plan was changed"),
            PlanChanged {
                wave,
                by: one_line(&by.to_string(), LONGEST_REASON),
                changes: lines(changes),
                more: changes.first(MOST_CHANGES).1,
            }
            .render(),
        ),
        News::ApproversUnreached {
            gate,
            approvers,
            refused,
            expires,
        } => (
            format!(
                "wave {wave}: act before {}, approvers may get no mail",
                expires.strftime("%Y-%m-%d %H:%M UTC")
            ),
            ApproversUnreached {
                wave,
                gate: gate.name(),
                approvers: approvers
                    .iter()
                    .take(MOST_APPROVERS)
                    .map(|approver| one_line(&approver.to_string(), LONGEST_REASON))
                    .collect(),
                more: approvers.len().saturating_sub(MOST_APPROVERS),
                refused: refused.as_ref().map(|said| one_line(said, LONGEST_REASON)),
                expires: words::time(*expires, None),
            }
            .render(),
        ),
        News::GateApprovedInPart { gate, text } => (
            format!("wave {wave}: the {gate} gate is approved in part"),
            GateApprovedInPart {
                wave,
                gate: gate.name(),
                text: one_line(text, LONGEST_REASON),
            }
            .render(),
        ),
        News::WaveCompleted => (
            format!("wave {wave} is completed"),
            WaveCompleted { wave }.render(),
        ),
        News::RollbackStarted { why } => (
            format!("wave {wave} is being rolled back"),
            RollbackStarted {
                wave,
                why: one_line(why, LONGEST_REASON),
            }
            .render(),
        ),
        News::WaveRolledBack { kept } => (
            format!("wave {wave} is rolled back"),
            WaveRolledBack {
                wave,
                kept: kept
                    .iter()
                    .map(|(server, snapshots)| {
                        let snapshots: Vec<&str> =
                            snapshots.iter().map(SnapshotId::as_str).collect();
                        (one_line(server, LONGEST_NAME), snapshots.join(", "))
                    })
                    .collect(),
            }
            .render(),
        ),
        News::WaveAborted => (
            format!("wave {wave} was aborted"),
            WaveAborted { wave }.render(),
        ),
    };
    // Writing to a String cannot fail, and no template calls anything that can. Should one ever, what
    // it is about is still told.
    let text = text.unwrap_or_else(|_| about.clone());
    (about, text)
}

/// The first changes, a line each.
fn lines(changes: &Changes) -> Vec<String> {
    let (first, _) = changes.first(MOST_CHANGES);
    let lines = first.iter().map(|change| one_line(change, LONGEST_REASON));
    lines.collect()
}

/// The first server, and how many more there are.
fn names(servers: &Affected) -> String {
    let first = one_line(&servers.first.hostname, LONGEST_NAME);
    match servers.besides() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn listed(server: &AffectedServer) -> Listed<'_> {
    Listed {
        hostname: one_line(&server.hostname, LONGEST_NAME),
        server: server.server.as_str(),
        reason: one_line(&server.reason, LONGEST_REASON),
    }
}

/// When a window opens and closes, for people.
fn times(window: &Window) -> (String, String) {
    let zone = Some(window.time_zone.as_str());
    (
        words::time(window.opens, zone),
        words::time(window.closes, zone),
    )
}

#[cfg(test)]
mod tests {
    use tidegate_domain::id::ServerId;

    use super::*;

    #[test]
    fn servers_are_listed_and_those_that_are_not_are_counted() {
        let wave = WaveId::parse("orders").expect("a wave");
        let server = ServerId::parse("s-0123456789abcdef0").expect("a server");
        let affected = AffectedServer {
            hostname: "db01".to_owned(),
            server,
            reason: "no answer".to_owned(),
        };
        let servers = Affected {
            first: affected.clone(),
            others: vec![affected; 2],
            more: 3,
        };
        let line = "  db01 (s-0123456789abcdef0): no answer\n";
        let list = format!("\n\n{}  and 3 more\n\n", line.repeat(3));
        let failed = mail(
            &wave,
            &News::ServerFailed {
                purpose: "test".to_owned(),
                servers: servers.clone(),
            },
        );
        assert_eq!(
            failed.subject,
            "Tidegate: wave orders: db01 and 5 more failed their test"
        );
        assert!(failed.text.contains(&list), "{}", failed.text);
        let window = None;
        let stalled = mail(&wave, &News::ReplicationStalled { servers, window });
        assert_eq!(
            stalled.subject,
            "Tidegate: wave orders: act now, replication stalls: db01 and 5 more"
        );
        assert!(stalled.text.contains(&list), "{}", stalled.text);
    }
}
