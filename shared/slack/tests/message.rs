//! Messages keep the limits of Slack, and show whose words are whose.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use tidegate_domain::gate::{
    Asking, Evidence, Gate, LeftOut, ServerEvidence, Verdict, Waived, Warning, WarningKind,
};
use tidegate_domain::id::{ApplicationName, InstanceId, JobId, ServerId, WaveId};
use tidegate_domain::plan::Approver;
use tidegate_slack::message::{Message, Question, Standing, ended, said};

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
    assert!(!message.has_buttons());
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
