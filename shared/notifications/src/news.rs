//! What people are told: a subject that says which wave, what and by when, and a text from a template
//! of its own for each kind of news; by mail, and in Slack where a wave asks there.

mod texts;

use askama::Template;
use jiff::Timestamp;
use tidegate_domain::gate::Changes;
use tidegate_domain::id::{SnapshotId, WaveId};
use tidegate_domain::news::{Affected, News};
use tidegate_domain::plan::Window;
use tidegate_domain::words::{self, one_line};
use tidegate_ports::mail::Mail;
use tidegate_slack::message::{Message, told};

use self::texts::{
    ApproversUnreached, GateApprovedInPart, GateAsksAgain, Listed, MessagesSetAside, PlanChanged,
    ReplicationStalled, RollbackStarted, ServerFailed, TerminationRefused, WaveAborted,
    WaveCompleted, WaveHeld, WaveRolledBack, WaveStarted,
};
use crate::LONGEST_NAME;
use crate::subject::{LONGEST_SUBJECT, subject};

/// How much of what others write is repeated.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The longest reason, in characters.
    reason: usize,
    /// The most servers that are listed.
    servers: usize,
    /// The most changes.
    changes: usize,
    /// The most approvers.
    approvers: usize,
}

const IN_A_MAIL: Limits = Limits {
    reason: 2_000,
    servers: usize::MAX,
    changes: 50,
    approvers: 20,
};

/// So that what there is to do stands below it, however much is told.
const IN_SLACK: Limits = Limits {
    reason: 250,
    servers: 4,
    changes: 4,
    approvers: 4,
};

/// What is told: what it is about, by when to act, in one line; the same shorter, for wherever that is
/// too long; and the text.
struct Written {
    about: String,
    short: String,
    text: String,
}

/// The mail to everybody who subscribed to news.
#[must_use]
pub fn mail(wave: &WaveId, news: &News) -> Mail {
    let Written { about, short, text } = written(wave, news, IN_A_MAIL);
    let whole = format!("Tidegate: {about}");
    Mail {
        subject: if whole.chars().count() <= LONGEST_SUBJECT {
            subject(&whole)
        } else {
            subject(&short)
        },
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
    let Written { about, text, .. } = written(wave, news, IN_SLACK);
    told(&about, &text)
}

fn written(wave: &WaveId, news: &News, limits: Limits) -> Written {
    let mut short = None;
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
                Some(window) => format!("wave {wave} is held: {}", before(window.closes)),
                None => format!("wave {wave} is held: act now"),
            },
            WaveHeld {
                wave,
                reason: one_line(reason, limits.reason),
                window: window.as_ref().map(times),
                commands: commands
                    .iter()
                    .map(|(command, what)| {
                        (
                            one_line(command, limits.reason),
                            one_line(what, limits.reason),
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
            let many = words::count(servers.besides() + 1, "server");
            let purpose = one_line(purpose, LONGEST_NAME);
            short = Some(format!("wave {wave}: {many} failed {whose} {purpose}"));
            let (listed, more) = listed(servers, limits);
            (
                format!("wave {wave}: {} failed {whose} {purpose}", names(servers)),
                ServerFailed {
                    wave,
                    purpose,
                    servers: listed,
                    more,
                }
                .render(),
            )
        }
        News::ReplicationStalled { servers, window } => {
            let by = window
                .as_ref()
                .map_or_else(|| "act now".to_owned(), |window| before(window.closes));
            short = Some(format!("wave {wave}: replication stalls, {by}"));
            let (listed, more) = listed(servers, limits);
            (
                format!("wave {wave}: {by}, replication stalls: {}", names(servers)),
                ReplicationStalled {
                    wave,
                    servers: listed,
                    more,
                    window: window.as_ref().map(times),
                }
                .render(),
            )
        }
        News::TerminationRefused { servers } => {
            short = Some(format!("wave {wave}: test instances run on, act now"));
            let (listed, more) = listed(servers, limits);
            (
                format!(
                    "wave {wave}: act now, a test instance runs on: {}",
                    names(servers)
                ),
                TerminationRefused {
                    wave,
                    servers: listed,
                    more,
                }
                .render(),
            )
        }
        News::MessagesSetAside { said } => (
            format!("wave {wave}: act now, messages were set aside unread"),
            MessagesSetAside {
                wave,
                said: said
                    .iter()
                    .map(|said| one_line(said, limits.reason))
                    .collect(),
            }
            .render(),
        ),
        News::GateAsksAgain {
            gate,
            changes,
            only,
        } => (
            format!("wave {wave}: the {gate} gate is asked again"),
            GateAsksAgain {
                wave,
                gate: gate.name(),
                only: only.map(|servers| words::count(servers as usize, "server")),
                changes: lines(changes, limits),
                more: changes.first(limits.changes).1,
            }
            .render(),
        ),
        News::PlanChanged { by, changes } => (
            format!("wave {wave}: the plan was changed"),
            PlanChanged {
                wave,
                by: one_line(&by.to_string(), limits.reason),
                changes: lines(changes, limits),
                more: changes.first(limits.changes).1,
            }
            .render(),
        ),
        News::ApproversUnreached {
            gate,
            approvers,
            refused,
            expires,
        } => {
            let by = before(*expires);
            short = Some(format!("wave {wave}: approvers unreached, {by}"));
            (
                format!("wave {wave}: {by}, approvers may get no mail"),
                ApproversUnreached {
                    wave,
                    gate: gate.name(),
                    approvers: approvers
                        .iter()
                        .take(limits.approvers)
                        .map(|approver| one_line(&approver.to_string(), limits.reason))
                        .collect(),
                    more: approvers.len().saturating_sub(limits.approvers),
                    refused: refused.as_ref().map(|said| one_line(said, limits.reason)),
                    expires: words::time(*expires, None),
                }
                .render(),
            )
        }
        News::GateApprovedInPart { gate, text } => (
            format!("wave {wave}: the {gate} gate is approved in part"),
            GateApprovedInPart {
                wave,
                gate: gate.name(),
                text: one_line(text, limits.reason),
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
                why: one_line(why, limits.reason),
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
    let short = short.unwrap_or_else(|| about.clone());
    Written { about, short, text }
}

/// By when to act.
fn before(at: Timestamp) -> String {
    format!("act before {}", at.strftime("%Y-%m-%d %H:%M UTC"))
}

/// The first changes, a line each.
fn lines(changes: &Changes, limits: Limits) -> Vec<String> {
    let (first, _) = changes.first(limits.changes);
    let lines = first.iter().map(|change| one_line(change, limits.reason));
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

/// The first servers, and how many more there are.
fn listed(servers: &Affected, limits: Limits) -> (Vec<Listed<'_>>, usize) {
    let first = servers.listed().take(limits.servers);
    let listed: Vec<_> = first
        .map(|server| Listed {
            hostname: one_line(&server.hostname, LONGEST_NAME),
            server: server.server.as_str(),
            reason: one_line(&server.reason, limits.reason),
        })
        .collect();
    let more = (servers.besides() + 1).saturating_sub(listed.len());
    (listed, more)
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
    use tidegate_domain::news::AffectedServer;

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

    /// However much is told, what there is to do is told below it.
    #[test]
    fn what_there_is_to_do_does_not_fall_off_in_slack() {
        let wave = WaveId::parse("w".repeat(40)).expect("a wave");
        let server = ServerId::parse("s-0123456789abcdef0").expect("a server");
        let many = || {
            let one = Affected::one(&"h".repeat(300), &server, &"r".repeat(3_000));
            Affected {
                others: vec![one.first.clone(); 19],
                more: 70,
                ..one
            }
        };
        let window = Some(Window {
            opens: Timestamp::UNIX_EPOCH,
            closes: Timestamp::UNIX_EPOCH,
            time_zone: "America/Argentina/ComodRivadavia".to_owned(),
        });
        let command = |command: &str| {
            (
                format!("tidegate {command} {wave}"),
                "what it does".to_owned(),
            )
        };
        let held = News::WaveHeld {
            reason: "r".repeat(5_000),
            commands: ["resume", "skip", "waive", "rollback", "abort"]
                .map(command)
                .into(),
            window: window.clone(),
        };
        let stalled = News::ReplicationStalled {
            servers: many(),
            window,
        };
        let unreached = News::ApproversUnreached {
            gate: tidegate_domain::gate::Gate::Finalize,
            approvers: vec![tidegate_domain::plan::Approver::Iam("a".repeat(1_000)); 50],
            refused: Some("r".repeat(5_000)),
            expires: Timestamp::UNIX_EPOCH,
        };
        let refused = News::TerminationRefused { servers: many() };
        for (news, last) in [
            (held, "tidegate status"),
            (stalled, "tidegate skip"),
            (unreached, "tidegate status"),
            (refused, "in EC2"),
        ] {
            let shown = serde_json::to_string(&message(&wave, &news)).expect("JSON");
            assert!(shown.contains(last), "{shown}");
        }
    }
}
