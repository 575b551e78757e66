//! The message that asks, in Block Kit: what, by when, on which evidence, and the buttons; and the
//! same message once people have answered. And what is only told.
//!
//! **Invariant**: whatever the evidence holds, a message keeps Slack's limits (docs.slack.dev,
//! "Blocks": 50 blocks, 3,000 characters a text, 2,000 a field, 150 a header), and other people's
//! words in it are words: no mention, no link, no line of ours. Only who may decide and who did is
//! mentioned.

mod blocks;
mod shown;
mod text;
mod told;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_domain::gate::{Asking, Door, Evidence, Gate, Verdict};
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::Approver;
use tidegate_domain::words;

use self::blocks::{button, mrkdwn, plain, section};
use self::text::{LONGEST_SECTION, bounded, cut, mentioned, person};
use crate::click::{APPROVE, LOOK, REJECT};

pub use self::text::theirs;
pub use self::told::told;

/// The most lines on who decided.
const MOST_LINES: usize = 12;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// What a notification says, and a screen reader.
    pub text: String,
    /// What is shown.
    pub blocks: Vec<Value>,
}

impl Message {
    /// Whether there is something to press in it.
    #[must_use]
    pub fn has_buttons(&self) -> bool {
        self.blocks.iter().any(|block| block["type"] == "actions")
    }
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
    /// The least proof that the gate takes.
    pub minimum: Door,
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
                    "Each of the {servers} was launched for a test from its latest data and was checked as \
                     the plan says. On approval, and when the window is open, the applications \
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
        let what = match self.asking.sentence(&by) {
            Some(why) => format!("{why}\n{what}"),
            None => what,
        };
        let text = match (standing.value, standing.lines.last()) {
            (None, Some(line)) => format!("Wave {wave}, {} gate: {line}", evidence.gate),
            _ => format!("{headline} {servers}, to be decided by {by}"),
        };
        let mut blocks = vec![
            json!({"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": false}}),
            section(&what),
            json!({"type": "section", "fields": self.asked(by, &servers)}),
            json!({"type": "section", "fields": self.facts()}),
        ];
        blocks.extend(self.warnings());
        blocks.push(section(&self.applications()));
        if !standing.lines.is_empty() {
            let from = standing.lines.len().saturating_sub(MOST_LINES);
            blocks.push(section(&bounded(&standing.lines[from..])));
        }
        if let Some(value) = standing.value {
            if self.minimum > Door::Slack {
                let door = self.minimum.name();
                blocks.push(section(&format!(
                    "No click decides at this gate, whose plan wants more: decide by {door}, \
                     `tidegate approve {wave} {gate}`.",
                    gate = evidence.gate
                )));
            }
            let buttons = self.buttons(value);
            blocks
                .push(json!({"type": "actions", "block_id": "tidegate_gate", "elements": buttons}));
        }
        let evidence = format!("Evidence `{}`", evidence.hash());
        blocks.push(json!({"type": "context", "elements": [mrkdwn(&evidence)]}));
        Message { text, blocks }
    }

    /// Those that decide, if a click does, and the one that shows the wave.
    fn buttons(&self, value: &str) -> Vec<Value> {
        let look = json!({
            "type": "button", "action_id": LOOK, "value": value,
            "text": plain("Look at the evidence"),
        });
        if self.minimum > Door::Slack {
            return vec![look];
        }
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
        vec![
            button(APPROVE, approve, "primary", value, &question),
            button(REJECT, "Reject", "danger", value, &held),
            look,
        ]
    }
}

/// The message in place of a question that is over; `end` says what became of it. Of those whom it
/// names in Slack `by` are mentioned; whom a reason or a hostname names is not.
#[must_use]
pub fn ended(wave: &WaveId, gate: Gate, end: &str, by: &[Approver]) -> Message {
    let end = mentioned(&theirs(end, 2_000), by);
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
