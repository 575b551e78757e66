//! The message that asks, in Block Kit: what, by when, on which evidence, and the buttons; and the
//! same message once people have answered.
//!
//! **Invariant**: whatever the evidence holds, a message keeps Slack's limits (docs.slack.dev,
//! "Blocks": 50 blocks, 3,000 characters a text, 2,000 a field, 150 a header), and other people's
//! words in it are words: no mention, no link, no line of ours.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_domain::gate::{Asking, Evidence, Gate, Verdict};
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::Approver;
use tidegate_domain::words::{self, one_line};

use crate::app::is_id;
use crate::click::{APPROVE, LOOK, REJECT};

/// The longest text of a section that is written, in characters; Slack takes 3,000.
const LONGEST_SECTION: usize = 2_800;

/// The most servers of one application that are named.
const MOST_NAMED: usize = 10;

/// The most warnings, waivers and servers left out that are listed, each.
const MOST_LISTED: usize = 10;

/// The most lines on who decided.
const MOST_LINES: usize = 12;

/// The longest hostname, reason and sentence, in characters.
const LONGEST_NAME: usize = 80;
const LONGEST_REASON: usize = 150;
const LONGEST_SENTENCE: usize = 400;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// What a notification says, and a screen reader.
    pub text: String,
    /// What is shown.
    pub blocks: Vec<Value>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the approvers are shown.
    pub evidence: &'a Evidence,
    /// Who may answer.
    pub approvers: &'a [Approver],
    /// Until when.
    pub expires: Timestamp,
    /// Why they are asked.
    pub asking: Asking,
}

/// How far the question is answered.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Who said what, and what came of it; in our own words, escaped.
    pub lines: &'a [String],
    /// What the buttons carry; None once nobody is asked any more.
    pub value: Option<&'a str>,
}

impl Question<'_> {
    /// The message.
    #[must_use]
    pub fn message(&self, standing: Standing<'_>) -> Message {
        let evidence = self.evidence;
        let wave = &evidence.wave;
        let servers = words::count(evidence.servers.len(), "server");
        let (headline, what) = match evidence.gate {
            Gate::Cutover => (
                format!("Wave {wave}: approve the cutover?"),
                format!(
                    "Each of the {servers} was launched for a test from its latest data and passed \
                     the plan's checks. On approval, and when the window is open, the applications \
                     are stopped on their sources and start in AWS."
                ),
            ),
            Gate::Finalize => (
                format!("Wave {wave}: approve to finalize?"),
                format!(
                    "This is the one step without a way back: replication of {servers} ends and \
                     MGN gives up the sources."
                ),
            ),
        };
        let headline = match self.asking {
            Asking::First => headline,
            Asking::Reminder => format!("Reminder: {headline}"),
            Asking::Escalation => format!("Escalated: {headline}"),
        };
        let by = words::time(self.expires, self.zone());
        let text = match (standing.value, standing.lines.last()) {
            (None, Some(line)) => format!("Wave {wave}, {} gate: {line}", evidence.gate),
            _ => format!("{headline} {servers}, to be decided by {by}"),
        };
        let mut blocks = vec![
            json!({"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": false}}),
            section(&what),
            json!({"type": "section", "fields": self.fields(by, &servers)}),
        ];
        blocks.extend(self.warnings());
        blocks.push(section(&self.applications()));
        if !standing.lines.is_empty() {
            let from = standing.lines.len().saturating_sub(MOST_LINES);
            blocks.push(section(&bounded(&standing.lines[from..])));
        }
        if let Some(value) = standing.value {
            let buttons = self.buttons(value);
            blocks
                .push(json!({"type": "actions", "block_id": "tidegate_gate", "elements": buttons}));
        }
        let evidence = format!("Evidence `{}`", evidence.hash());
        blocks.push(json!({"type": "context", "elements": [mrkdwn(&evidence)]}));
        Message { text, blocks }
    }

    fn zone(&self) -> Option<&str> {
        let window = self.evidence.window.as_ref();
        window.map(|window| window.time_zone.as_str())
    }

    fn fields(&self, by: String, servers: &str) -> Vec<Value> {
        let evidence = self.evidence;
        let mut fields = vec![
            ("Wave", evidence.wave.to_string()),
            ("Gate", evidence.gate.to_string()),
            ("Decide by", by),
            ("Servers", servers.to_owned()),
        ];
        if evidence.gate == Gate::Cutover {
            let window = evidence.window.as_ref().map_or_else(
                || "none: the cutover begins at once".to_owned(),
                |window| {
                    let time = |at| words::time(at, self.zone());
                    format!("{} to {}", time(window.opens), time(window.closes))
                },
            );
            fields.push(("Window", window));
        }
        if let Some(downtime) = evidence.projected_downtime {
            let downtime = words::duration(downtime);
            fields.push((
                "Projected downtime",
                format!("{downtime} for an application, as its tests went"),
            ));
        }
        if evidence.waited.instances > 0 {
            let instances = words::count(evidence.waited.instances as usize, "test instance");
            let hours = evidence.waited.instance_hours;
            fields.push((
                "Waiting has cost",
                format!("{hours} instance hours: {instances} kept running"),
            ));
        }
        if evidence.round > 0 {
            let times = words::count(evidence.round as usize, "time");
            fields.push(("Asked before", format!("{times}; only this message counts")));
        }
        let people: Vec<String> = self.approvers.iter().take(MOST_NAMED).map(person).collect();
        let more = self.approvers.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        fields.push(("Approvers", format!("{}{more}", people.join(", "))));
        fields
            .into_iter()
            .map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", cut(&value, 1_800))))
            .collect()
    }

    /// What an approver should not overlook, a section each.
    fn warnings(&self) -> Vec<Value> {
        let Evidence {
            changed,
            warnings,
            waived,
            left_out,
            ..
        } = self.evidence;
        let waived = waived.iter().map(|waived| {
            let words = [&waived.hostname, &waived.check, &waived.by, &waived.reason];
            let [host, check, by, why] = words.map(|word| theirs(word, LONGEST_REASON));
            format!("{host}: {check}, waived by {by}: {why}")
        });
        let left_out = left_out.iter().map(|left| {
            let name = theirs(&left.hostname, LONGEST_NAME);
            format!("{name}: {}", theirs(&left.reason, LONGEST_REASON))
        });
        let parts: [(&str, Vec<String>); 4] = [
            ("Changed since it was asked", sentences(changed.iter())),
            ("Warnings", sentences(warnings.iter().map(|w| &w.text))),
            ("Checks that failed and were waived", waived.collect()),
            ("Left out, they stay as they are", left_out.collect()),
        ];
        parts
            .iter()
            .filter(|(_, lines)| !lines.is_empty())
            .map(|(title, lines)| {
                let mut shown = vec![format!("*{title}*")];
                let first = lines.iter().take(MOST_LISTED);
                shown.extend(first.map(|line| format!("• {line}")));
                more(&mut shown, lines.len(), MOST_LISTED);
                section(&bounded(&shown))
            })
            .collect()
    }

    /// The servers by application, in the order of the evidence.
    fn applications(&self) -> String {
        let mut applications: Vec<(&str, Vec<&str>)> = Vec::new();
        for server in &self.evidence.servers {
            let name = server.application.as_str();
            match applications.iter_mut().find(|(known, _)| *known == name) {
                Some((_, servers)) => servers.push(&server.hostname),
                None => applications.push((name, vec![&server.hostname])),
            }
        }
        let lines: Vec<String> = applications
            .iter()
            .map(|(name, servers)| {
                let named: Vec<String> = servers
                    .iter()
                    .take(MOST_NAMED)
                    .map(|hostname| theirs(hostname, LONGEST_NAME))
                    .collect();
                let mut parts = vec![named.join(", ")];
                more(&mut parts, servers.len(), MOST_NAMED);
                format!("• *{name}* ({}): {}", servers.len(), parts.join(" "))
            })
            .collect();
        bounded(&lines)
    }

    fn buttons(&self, value: &str) -> [Value; 3] {
        let wave = &self.evidence.wave;
        let servers = words::count(self.evidence.servers.len(), "server");
        let (approve, question) = match self.evidence.gate {
            Gate::Cutover => (
                "Approve cutover",
                format!("Cut over {servers} of wave {wave}?"),
            ),
            Gate::Finalize => (
                "Approve finalize",
                format!("Finalize {servers} of wave {wave}? There is no way back."),
            ),
        };
        let held = format!("Reject? Wave {wave} is then held.");
        [
            button(APPROVE, approve, "primary", value, &question),
            button(REJECT, "Reject", "danger", value, &held),
            json!({
                "type": "button", "action_id": LOOK, "value": value,
                "text": plain("Look at the evidence"),
            }),
        ]
    }
}

/// The message in place of a question that is over; `end` says what became of it.
#[must_use]
pub fn ended(wave: &WaveId, gate: Gate, end: &str) -> Message {
    let end = mentioned(&theirs(end, 2_000));
    let text = format!("Wave {wave}, {gate} gate: {end}");
    let line = cut(&text, LONGEST_SECTION);
    Message {
        text: cut(&text, 1_000),
        blocks: vec![section(&line)],
    }
}

/// Who said what, when.
#[must_use]
pub fn said(by: &Approver, verdict: Verdict, at: Timestamp) -> String {
    let did = match verdict {
        Verdict::Approve => "approved",
        Verdict::Reject => "rejected",
    };
    format!("{} {did}, {}", person(by), words::time(at, None))
}

/// Somebody's words as text of ours: one line, of at most that many characters, in which nothing
/// is a mention, a link or an entity (docs.slack.dev, "Formatting message text").
#[must_use]
pub fn theirs(text: &str, longest: usize) -> String {
    escaped(&one_line(text, longest))
}

fn person(approver: &Approver) -> String {
    match approver {
        // A user ID is letters and digits: see the plan's parser.
        Approver::Slack(user) => format!("<@{user}>"),
        Approver::Mail(_) | Approver::Iam(_) => theirs(&approver.to_string(), LONGEST_REASON),
    }
}

/// `slack:U…` as a mention of that user, which Slack shows by name.
fn mentioned(text: &str) -> String {
    let mut parts = text.split("slack:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(part.len());
        let (user, rest) = part.split_at(end);
        if is_id(user, &['U', 'W']) {
            shown.push_str(&format!("<@{user}>{rest}"));
        } else {
            shown.push_str("slack:");
            shown.push_str(part);
        }
    }
    shown
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Lines that fit one section; what does not is counted.
fn bounded(lines: &[String]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for (number, line) in lines.iter().enumerate() {
        let line = cut(line, LONGEST_SECTION);
        length += line.chars().count() + 1;
        if length > LONGEST_SECTION {
            text.push_str(&format!("\n… and {} lines more", lines.len() - number));
            break;
        }
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

fn sentences<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    texts.map(|text| theirs(text, LONGEST_SENTENCE)).collect()
}

fn more(lines: &mut Vec<String>, all: usize, shown: usize) {
    if all > shown {
        lines.push(format!("and {} more", all - shown));
    }
}

/// The beginning of an escaped text; an entity is never cut in two.
fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest - 1).collect();
    if let Some(at) = short.rfind('&')
        && !short[at..].contains(';')
    {
        short.truncate(at);
    }
    short.push('…');
    short
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

/// Marked-up text, in which Slack makes no links of its own.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// A button that asks again before it decides.
fn button(action: &str, label: &str, style: &str, value: &str, question: &str) -> Value {
    json!({
        "type": "button", "action_id": action, "style": style, "value": value, "text": plain(label),
        "confirm": {
            "title": plain("Are you sure?"), "text": plain(question), "style": style,
            "confirm": plain(label), "deny": plain("Not now"),
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_domain::gate::{LeftOut, ServerEvidence, Waived, Warning, WarningKind};
    use tidegate_domain::id::{ApplicationName, InstanceId, JobId, ServerId};

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// Evidence on so many servers of so many applications, in which every text of others is this.
    fn evidence(servers: usize, applications: usize, text: &str) -> Evidence {
        let wave = WaveId::parse("w".repeat(40)).expect("a wave");
        let mut evidence = Evidence::new(wave, Gate::Cutover, 3);
        let id = |number: usize| ServerId::parse(format!("s-{number:017}")).expect("a server");
        evidence.servers = (0..servers)
            .map(|number| {
                let application = format!("a{}{}", "b".repeat(50), number % applications);
                ServerEvidence::new(
                    id(number),
                    text.to_owned(),
                    ApplicationName::parse(application).expect("an application"),
                    JobId::parse(format!("mgnjob-{number:017}")).expect("a job"),
                    InstanceId::parse(format!("i-{number:017x}")).expect("an instance"),
                    time("2026-12-01T10:00:00Z"),
                )
            })
            .collect();
        for number in 0..30 {
            let text = text.to_owned();
            evidence.changed.push(text.clone());
            evidence.warnings.push(Warning {
                kind: WarningKind::Behind,
                text: text.clone(),
                servers: 1,
            });
            evidence.waived.push(Waived {
                server: id(number),
                hostname: text.clone(),
                check: text.clone(),
                by: text.clone(),
                reason: text.clone(),
            });
            evidence.left_out.push(LeftOut {
                server: id(number),
                hostname: text.clone(),
                reason: text,
            });
        }
        evidence.waited.instances = 30;
        evidence
    }

    fn message(evidence: &Evidence, approvers: &[Approver], lines: &[String]) -> Message {
        let question = Question {
            evidence,
            approvers,
            expires: time("2026-12-05T20:00:00Z"),
            asking: Asking::Escalation,
        };
        let value = "v".repeat(2_000);
        question.message(Standing {
            lines,
            value: Some(&value),
        })
    }

    /// Every text in it, with its limit.
    fn texts(message: &Message) -> Vec<(String, usize)> {
        let mut texts = Vec::new();
        let mut add = |text: &Value, most: usize| {
            texts.push((text["text"].as_str().expect("a text").to_owned(), most));
        };
        for block in &message.blocks {
            match block["type"].as_str().expect("a type") {
                "header" => add(&block["text"], 150),
                "section" => match block["fields"].as_array() {
                    Some(fields) => fields.iter().for_each(|field| add(field, 2_000)),
                    None => add(&block["text"], 3_000),
                },
                "context" => add(&block["elements"][0], 3_000),
                "actions" => {
                    for button in block["elements"].as_array().expect("buttons") {
                        add(&button["text"], 75);
                        if let Some(confirm) = button.get("confirm") {
                            add(&confirm["title"], 100);
                            add(&confirm["text"], 300);
                            add(&confirm["confirm"], 30);
                            add(&confirm["deny"], 30);
                        }
                    }
                }
                other => panic!("{other}"),
            }
        }
        texts
    }

    fn assert_within_limits(message: &Message) {
        assert!(message.blocks.len() <= 50);
        assert!(message.text.chars().count() <= 4_000);
        for (text, most) in texts(message) {
            let length = text.chars().count();
            assert!((1..=most).contains(&length), "{length} of {most}: {text}");
        }
        for block in &message.blocks {
            let fields = block["fields"].as_array().map_or(0, Vec::len);
            assert!(fields <= 10, "{fields} fields");
        }
    }

    #[test]
    fn the_largest_wave_keeps_the_limits() {
        let approvers: Vec<Approver> = (0..50)
            .map(|number| {
                let arn = format!("arn:aws:sts::111122223333:assumed-role/{}", "x".repeat(500));
                Approver::Iam(format!("{arn}{number}"))
            })
            .collect();
        let lines: Vec<String> = approvers
            .iter()
            .map(|by| said(by, Verdict::Approve, time("2026-12-01T12:00:00Z")))
            .collect();
        for text in ["", "a", &"&".repeat(1_000), &"ü<".repeat(1_000), "\r\n\n"] {
            for (servers, applications) in [(1, 1), (3_000, 3_000), (3_000, 2)] {
                let evidence = evidence(servers, applications, text);
                assert_within_limits(&message(&evidence, &approvers, &lines));
            }
        }
    }

    #[test]
    fn what_others_wrote_mentions_nobody_and_is_no_line_of_ours() {
        let hostile = "<!channel> <@U024BE7LH> <https://evil.example|Approve>\n*Approved*";
        let message = message(&evidence(1, 1, hostile), &[], &[]);
        for (text, _) in texts(&message) {
            assert!(!text.contains('<'), "{text}");
            assert!(
                !text.lines().any(|line| line.starts_with("*Approved")),
                "{text}"
            );
        }
        let blocks = Value::from(message.blocks).to_string();
        assert_eq!(
            blocks.matches("\"mrkdwn\"").count(),
            blocks.matches("\"verbatim\":true").count(),
            "Slack makes no links of its own"
        );
    }

    #[test]
    fn once_decided_there_is_nothing_left_to_press() {
        let evidence = evidence(1, 1, "db01");
        let question = Question {
            evidence: &evidence,
            approvers: &[],
            expires: time("2026-12-05T20:00:00Z"),
            asking: Asking::First,
        };
        let by = Approver::Slack("U024BE7LH".to_owned());
        let lines = [said(&by, Verdict::Reject, time("2026-12-01T12:00:00Z"))];
        let message = question.message(Standing {
            lines: &lines,
            value: None,
        });
        assert!(
            message
                .text
                .ends_with("<@U024BE7LH> rejected, 2026-12-01 12:00 UTC")
        );
        let blocks = Value::from(message.blocks).to_string();
        assert!(!blocks.contains("actions"), "{blocks}");
    }

    #[test]
    fn a_question_that_is_over_says_how() {
        let wave = WaveId::parse("orders").expect("a wave");
        let end = "It was approved by slack:U024BE7LH, ops@example.com & slack:x <!here>.";
        let message = ended(&wave, Gate::Finalize, end);
        assert_eq!(
            message.text,
            "Wave orders, finalize gate: It was approved by <@U024BE7LH>, ops@example.com &amp; \
             slack:x &lt;!here&gt;."
        );
        assert_within_limits(&ended(&wave, Gate::Cutover, &"&".repeat(10_000)));
    }

    proptest! {
        #[test]
        fn any_text_keeps_the_limits(text in ".{0,600}", servers in 1usize..200, applications in 1usize..50) {
            let message = message(&evidence(servers, applications, &text), &[], &[]);
            assert_within_limits(&message);
        }
    }
}
