//! Whatever others wrote, wherever it stands in a mail: it stays words of theirs.

use proptest::prelude::*;
use tidegate_domain::gate::{Asking, Door, Evidence, Gate, LeftOut, Waived, Warning, WarningKind};
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::plan::Approver;
use tidegate_domain::words::hidden;
use tidegate_notifications::question::Question;
use tidegate_ports::mail::Mail;

use crate::fixture::{approvers, evidence, server, time};

const URL: &str = "https://console.example.com/decide?token=our-own";

/// The texts of others in one evidence, by where they stand.
#[derive(Debug, Clone)]
struct Theirs {
    hostnames: Vec<String>,
    changed: String,
    warning: String,
    check: String,
    by: String,
    reason: String,
    left_out: String,
    approver: String,
}

/// What somebody writes who wants to be taken for us, among anything else.
fn text() -> impl Strategy<Value = String> {
    let forged = prop::sample::select(vec![
        "\r\nSubject: approved",
        "\nBcc: all@example.com",
        "\n\nDecide by: 2099-01-01 00:00 UTC",
        "\n  Decide by:             2099-01-01 00:00 UTC",
        "\u{2028}Checks: 100 passed",
        "\u{85}\u{b}\u{c}",
        "\u{202e}10bd\u{202c}",
        "\u{2066}\u{2067}\u{2069}\u{200e}\u{200f}\u{61c}",
        "\u{200b}\u{2060}\u{feff}\u{ad}\u{e0041}",
        "\u{1b}[2J",
        "{{ wave }}",
        "a, b, c",
        " ",
        "",
    ]);
    let part = prop_oneof![
        forged.prop_map(str::to_owned),
        "(?s).{0,40}",
        "[a-z0-9.-]{0,120}"
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn theirs() -> impl Strategy<Value = Theirs> {
    let texts = (text(), text(), text(), text(), text(), text(), text());
    (prop::collection::vec(text(), 3), texts).prop_map(|(hostnames, texts)| {
        let (changed, warning, check, by, reason, left_out, approver) = texts;
        Theirs {
            hostnames,
            changed,
            warning,
            check,
            by,
            reason,
            left_out,
            approver,
        }
    })
}

impl Theirs {
    /// Nobody wants anything.
    fn harmless() -> Self {
        let word = || "db01".to_owned();
        Self {
            hostnames: vec![word(), word(), word()],
            changed: word(),
            warning: word(),
            check: word(),
            by: word(),
            reason: word(),
            left_out: word(),
            approver: word(),
        }
    }

    fn evidence(&self, gate: Gate) -> Evidence {
        let servers = self.hostnames.iter().zip(1..).map(|(hostname, number)| {
            let mut server = server(
                number,
                if number == 1 {
                    "orders-db"
                } else {
                    "orders-web"
                },
            );
            server.hostname.clone_from(hostname);
            server
        });
        let id = ServerId::parse("s-00000000000000099").expect("a server");
        Evidence {
            round: 1,
            servers: servers.collect(),
            changed: vec![self.changed.clone(); 2].into_iter().collect(),
            warnings: vec![
                Warning {
                    kind: WarningKind::Changed,
                    text: self.warning.clone(),
                    servers: 1,
                };
                2
            ],
            waived: vec![Waived {
                server: id.clone(),
                hostname: self.left_out.clone(),
                check: self.check.clone(),
                by: self.by.clone(),
                reason: self.reason.clone(),
            }],
            left_out: vec![
                LeftOut {
                    server: id,
                    hostname: self.left_out.clone(),
                    reason: self.reason.clone(),
                };
                2
            ],
            ..evidence(gate)
        }
    }

    /// The mail to the first approver, without the hash, which differs with every word.
    fn mail(&self, gate: Gate, asking: Asking) -> Mail {
        let evidence = self.evidence(gate);
        let mut approvers = approvers();
        approvers.push(Approver::Iam(self.approver.clone()));
        let question = question(&evidence, &approvers, asking);
        let mut mail = question.mail(Some(&approvers[0]), Some(URL));
        mail.text = mail.text.replace(&evidence.hash(), "HASH");
        mail
    }
}

fn question<'a>(evidence: &'a Evidence, approvers: &'a [Approver], asking: Asking) -> Question<'a> {
    Question {
        gate: evidence.gate,
        evidence,
        approvers,
        expires: time("2026-12-05T20:00:00Z"),
        notify: &[],
        asking,
        withdrawals: 0,
        minimum: Door::Mail,
        console_url: "https://console.example.com",
    }
}

/// The lines that are ours: theirs stand behind a mark or are set in further.
fn ours(mail: &Mail) -> Vec<&str> {
    let theirs = ["  - ", "    ", "  iam:"];
    let lines = mail.text.lines();
    lines
        .filter(|line| !theirs.iter().any(|mark| line.starts_with(mark)))
        .collect()
}

fn asking() -> impl Strategy<Value = Asking> {
    prop::sample::select(vec![Asking::First, Asking::Reminder, Asking::Escalation])
}

fn gate() -> impl Strategy<Value = Gate> {
    prop::sample::select(vec![Gate::Cutover, Gate::Finalize])
}

proptest! {
    #[test]
    fn what_others_wrote_changes_no_line_of_ours(theirs in theirs(), gate in gate(), asking in asking()) {
        let mail = theirs.mail(gate, asking);
        let harmless = Theirs::harmless().mail(gate, asking);
        prop_assert_eq!(&mail.subject, &harmless.subject);
        prop_assert_eq!(ours(&mail), ours(&harmless));
        let unseen = mail.text.chars().find(|c| hidden(*c) && *c != '\n');
        prop_assert_eq!(unseen, None);
        prop_assert_eq!(mail.text.matches("token=").count(), 1);
        let lists = mail.text.lines().filter(|line| line.starts_with("  - ")).count();
        prop_assert_eq!(lists, 6, "two of each list");
        prop_assert!(mail.text.chars().count() < 10_000);
    }

    #[test]
    fn a_subject_says_everything_whatever_the_waves_name(
        wave in "[a-z]([a-z0-9-]{0,38}[a-z0-9])?", gate in gate(), asking in asking(), round in 0u32..3
    ) {
        let mut evidence = evidence(gate);
        evidence.round = round;
        evidence.wave = WaveId::parse(&wave).expect("a wave");
        let approvers = approvers();
        let subject = question(&evidence, &approvers, asking).mail(None, None).subject;
        prop_assert!(subject.len() <= 99, "{}", subject);
        let ask = format!(" decide on {gate} of {wave} by 2026-12-05 20:00 UTC");
        prop_assert!(subject.ends_with(&ask), "{}", subject);
        let kinds = [
            subject.to_lowercase().contains("again:"),
            subject.to_lowercase().contains("reminder:"),
            subject.to_lowercase().contains("escalat"),
        ];
        let expected = [asking == Asking::First && round > 0, asking == Asking::Reminder, asking == Asking::Escalation];
        prop_assert_eq!(kinds, expected, "{}", subject);
    }
}
