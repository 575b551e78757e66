//! The mail that asks: what, by when, on which evidence, and how to answer.

use std::collections::BTreeMap;

use askama::Template;
use jiff::Timestamp;
use tidegate_domain::gate::{Asking, Door, Evidence, Gate};
use tidegate_domain::id::ApplicationName;
use tidegate_domain::link::Link;
use tidegate_domain::plan::{Approver, Channel};
use tidegate_domain::words::{self, one_line};
use tidegate_ports::mail::Mail;

use crate::LONGEST_NAME;
use crate::subject::{LONGEST_SUBJECT, subject};

/// The most servers of one application, and the most left-out servers, that a mail names.
const MOST_NAMED: usize = 20;

/// The most applications that a mail lists.
const MOST_APPLICATIONS: usize = 50;

/// The longest reason that a mail repeats, in characters.
const LONGEST_REASON: usize = 200;

/// The most changes, and the most warnings, that a mail tells, and the longest of them.
const MOST_SENTENCES: usize = 10;
const LONGEST_SENTENCE: usize = 400;

/// The longest approver that a mail repeats, in characters: an ARN with a long path fits.
const LONGEST_APPROVER: usize = 1_000;

/// The width of a fact's name and of what sets it apart from its value.
const WIDEST_FACT: usize = 23;

/// The width of a line of names.
const WIDEST: usize = 90;

/// What is asked, of whom.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Which gate.
    pub gate: Gate,
    /// What the approvers are shown.
    pub evidence: &'a Evidence,
    /// Who may answer.
    pub approvers: &'a [Approver],
    /// Until when.
    pub expires: Timestamp,
    /// By which ways.
    pub notify: &'a [Channel],
    /// Why they are asked.
    pub asking: Asking,
    /// How many approvals of this question were taken back.
    pub withdrawals: u32,
    /// The least proof that the gate takes.
    pub minimum: Door,
    /// Where the links lead, without a slash at the end.
    pub console_url: &'a str,
}

/// The text of the mail.
#[derive(Template)]
#[template(path = "question.txt")]
struct Text<'a> {
    wave: &'a str,
    gate: Gate,
    finalize: bool,
    why: Option<String>,
    asked_before: Option<String>,
    facts: Vec<String>,
    changed: Vec<String>,
    more_changed: usize,
    warnings: Vec<String>,
    more_warnings: usize,
    servers: String,
    applications: Vec<ApplicationText>,
    more_applications: usize,
    left_out: Vec<(String, String)>,
    more_left_out: usize,
    url: Option<&'a str>,
    door: Option<&'static str>,
    others: Vec<String>,
    evidence: String,
}

/// One application's servers.
struct ApplicationText {
    name: String,
    count: usize,
    named: String,
    more: usize,
}

impl<'a> Question<'a> {
    /// Whether it is asked in Slack: the plan says so, or somebody decides there.
    #[must_use]
    pub fn in_slack(&self) -> bool {
        let there = |approver: &Approver| matches!(approver, Approver::Slack(_));
        self.notify.contains(&Channel::Slack) || self.approvers.iter().any(there)
    }

    /// To whom mails go: each approver who has an address, and the topic as a whole (None) if
    /// some decide on the command line.
    #[must_use]
    pub fn recipients(&self) -> Vec<Option<&'a Approver>> {
        let has_address = |approver: &&Approver| matches!(approver, Approver::Mail(_));
        let mut recipients: Vec<_> = self
            .approvers
            .iter()
            .filter(has_address)
            .map(Some)
            .collect();
        let principal = |approver: &Approver| matches!(approver, Approver::Iam(_));
        if self.approvers.iter().any(principal) {
            recipients.push(None);
        }
        recipients
    }

    /// Whom the mail to that recipient asks.
    pub fn asked_by(&self, to: Option<&'a Approver>) -> impl Iterator<Item = &'a Approver> {
        let on_the_command_line = |approver: &&Approver| matches!(approver, Approver::Iam(_));
        let others = self.approvers.iter().filter(on_the_command_line);
        let others = others.filter(move |_| to.is_none());
        to.into_iter().chain(others)
    }

    /// Whether a link in a mail is proof enough.
    #[must_use]
    pub fn takes_links(&self) -> bool {
        self.minimum <= Door::Mail
    }

    /// The link of that approver.
    #[must_use]
    pub fn link(&self, approver: &Approver) -> Link {
        Link {
            wave: self.evidence.wave.clone(),
            gate: self.gate,
            evidence: self.evidence.hash(),
            approver: approver.clone(),
            expires: self.expires,
            door: Door::Mail,
            withdrawals: self.withdrawals,
        }
    }

    /// The mail to one approver with their link, if the gate takes links, or to all without one.
    #[must_use]
    pub fn mail(&self, to: Option<&Approver>, url: Option<&str>) -> Mail {
        let evidence = self.evidence;
        let zone = evidence
            .window
            .as_ref()
            .map(|window| window.time_zone.as_str());
        let by = words::time(self.expires, zone);
        Mail {
            subject: self.subject(),
            text: self.text(by, to, url),
            wave: evidence.wave.to_string(),
            to: to.cloned(),
            kind: match self.asking {
                Asking::First => "gate_opened",
                Asking::Reminder => "gate_reminder",
                Asking::Escalation => "gate_escalation",
            },
            action_required: true,
        }
    }

    /// What it is about, until when: both as a whole, however long the wave's name is.
    fn subject(&self) -> String {
        let ask = format!(
            "decide on {} of {} by {}",
            self.gate,
            self.evidence.wave,
            self.expires.strftime("%Y-%m-%d %H:%M UTC")
        );
        let (why, short) = match self.asking {
            Asking::First if self.evidence.round > 0 => ("Tidegate asks again", "Again"),
            Asking::First => ("Tidegate", "Tidegate"),
            Asking::Reminder => ("Tidegate reminder", "Reminder"),
            Asking::Escalation => ("Tidegate escalation", "Escalated"),
        };
        let whole = format!("{why}: {ask}");
        if whole.len() <= LONGEST_SUBJECT {
            subject(&whole)
        } else {
            subject(&format!("{short}: {ask}"))
        }
    }

    fn text(&self, by: String, to: Option<&Approver>, url: Option<&str>) -> String {
        let evidence = self.evidence;
        let finalize = self.gate == Gate::Finalize;
        let (applications, more_applications) = applications(evidence);
        let (changed, more_changed) = evidence.changed.first(MOST_SENTENCES);
        let others = self
            .approvers
            .iter()
            .filter(|a| matches!(a, Approver::Iam(_)));
        let text = Text {
            wave: evidence.wave.as_str(),
            gate: self.gate,
            finalize,
            why: self.asking.sentence(&by),
            asked_before: match evidence.round {
                0 => None,
                1 => Some("once".to_owned()),
                times => Some(words::count(times as usize, "time")),
            },
            facts: facts(by, evidence),
            changed: sentences(changed.iter()),
            more_changed,
            warnings: sentences(evidence.warnings.iter().map(|warning| &warning.text)),
            more_warnings: evidence.warnings.len().saturating_sub(MOST_SENTENCES),
            servers: words::count(evidence.servers.len(), "server"),
            applications,
            more_applications,
            left_out: evidence
                .left_out
                .iter()
                .take(MOST_NAMED)
                .map(|left| {
                    (
                        one_line(&left.hostname, LONGEST_NAME),
                        one_line(&left.reason, LONGEST_REASON),
                    )
                })
                .collect(),
            more_left_out: evidence.left_out.len().saturating_sub(MOST_NAMED),
            url,
            door: to
                .filter(|_| !self.takes_links())
                .map(|_| self.minimum.name()),
            others: others
                .map(|other| one_line(&other.to_string(), LONGEST_APPROVER))
                .collect(),
            evidence: evidence.hash(),
        };
        // Writing to a String cannot fail, and the template calls nothing that can.
        text.render().unwrap_or_default()
    }
}

/// By when to decide and on what, a line each, the values below one another.
fn facts(by: String, evidence: &Evidence) -> Vec<String> {
    let by = [("Decide by", by)].into_iter();
    by.chain(evidence.facts())
        .map(|(name, value)| format!("{:<WIDEST_FACT$}{value}", format!("{name}:")))
        .collect()
}

/// The first sentences, each on its line.
fn sentences<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let first = texts.take(MOST_SENTENCES);
    first.map(|text| one_line(text, LONGEST_SENTENCE)).collect()
}

/// The servers by application, in the order of the evidence, and how many applications are left.
fn applications(evidence: &Evidence) -> (Vec<ApplicationText>, usize) {
    let mut order: Vec<&ApplicationName> = Vec::new();
    let mut names: BTreeMap<&ApplicationName, Vec<&str>> = BTreeMap::new();
    for server in &evidence.servers {
        let of_application = names.entry(&server.application).or_default();
        if of_application.is_empty() {
            order.push(&server.application);
        }
        of_application.push(&server.hostname);
    }
    let texts = order
        .iter()
        .take(MOST_APPLICATIONS)
        .map(|name| {
            let servers = &names[*name];
            ApplicationText {
                name: name.to_string(),
                count: servers.len(),
                named: wrapped(&servers[..servers.len().min(MOST_NAMED)]),
                more: servers.len().saturating_sub(MOST_NAMED),
            }
        })
        .collect();
    (texts, order.len().saturating_sub(MOST_APPLICATIONS))
}

/// The names, with commas, in indented lines that every mail reader leaves alone.
fn wrapped(names: &[&str]) -> String {
    let mut text = String::new();
    let mut column = WIDEST;
    for (number, name) in names.iter().enumerate() {
        let mut name = one_line(name, LONGEST_NAME);
        if number + 1 < names.len() {
            name.push(',');
        }
        let width = name.chars().count() + 1;
        if column + width > WIDEST {
            text.push_str("\n   ");
            column = 3;
        }
        text.push(' ');
        text.push_str(&name);
        column += width;
    }
    text
}
