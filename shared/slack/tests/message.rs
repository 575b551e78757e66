//! Messages keep the limits of Slack, and show whose words are whose.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use tidegate_domain::gate::{
    Asking, Door, Evidence, Gate, LeftOut, ServerEvidence, Verdict, Waived, Warning, WarningKind,
};
use tidegate_domain::id::{ApplicationName, InstanceId, JobId, ServerId, WaveId};
use tidegate_domain::plan::Approver;
use tidegate_domain::words::hidden;
use tidegate_slack::message::{Message, Question, Standing, ended, said, theirs, told};

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
        minimum: Door::Mail,
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

/// What Slack would take for a mention, a link or an entity, told apart by where it stands.
fn hostile(place: &str) -> String {
    format!("<!channel> <#C1|x> @here & &lt;{place}>")
}

/// The same, as words.
fn harmless(place: &str) -> String {
    format!("&lt;!channel&gt; &lt;#C1|x&gt; @here &amp; &amp;lt;{place}&gt;")
}

#[test]
fn what_others_wrote_is_escaped_wherever_it_stands() {
    let mut evidence = evidence(1, 1, "db01");
    evidence.servers[0].hostname = hostile("server");
    evidence.changed.told[0] = hostile("changed");
    evidence.warnings[0].text = hostile("warning");
    let waived = &mut evidence.waived[0];
    waived.hostname = hostile("waived");
    waived.check = hostile("check");
    waived.by = hostile("by");
    waived.reason = hostile("reason");
    evidence.left_out[0].hostname = hostile("left out");
    evidence.left_out[0].reason = hostile("why");
    let approver = Approver::Iam(hostile("approver"));
    let decided = Approver::Mail(hostile("decided"));
    let lines = [said(
        &decided,
        Verdict::Approve,
        time("2026-12-01T12:00:00Z"),
    )];
    let message = message(&evidence, &[approver], &lines);
    let all: Vec<String> = texts(&message).into_iter().map(|(text, _)| text).collect();
    for place in [
        "server", "changed", "warning", "waived", "check", "by", "reason", "left out", "why",
        "approver", "decided",
    ] {
        let found = all.iter().filter(|text| text.contains(&harmless(place)));
        assert_eq!(found.count(), 1, "{place}: {all:#?}");
    }
    let wave = WaveId::parse("orders").expect("a wave");
    let over = ended(&wave, Gate::Cutover, &hostile("end"), &[]);
    for text in [&over.text, &texts(&over)[0].0] {
        assert!(text.ends_with(&harmless("end")), "{text}");
    }
}

/// Whether Slack shows every character as it is.
fn is_escaped(text: &str) -> bool {
    let entities = ["&amp;", "&lt;", "&gt;"];
    let plain = entities
        .iter()
        .fold(text.to_owned(), |text, entity| text.replace(entity, ""));
    !plain.contains(['&', '<', '>'])
}

#[test]
fn why_people_are_asked_comes_first() {
    let mut evidence = evidence(3, 1, "db01");
    evidence.wave = WaveId::parse("orders").expect("a wave");
    let told = |asking| {
        let question = Question {
            evidence: &evidence,
            approvers: &[],
            expires: time("2026-12-05T20:00:00Z"),
            asking,
            minimum: Door::Mail,
        };
        let message = question.message(Standing {
            lines: &[],
            value: Some("v"),
        });
        let first: Vec<String> = texts(&message)
            .into_iter()
            .take(2)
            .map(|(t, _)| t)
            .collect();
        format!("{}\n{}", message.text, first.join("\n"))
    };
    let all = [Asking::First, Asking::Reminder, Asking::Escalation].map(told);
    insta::assert_snapshot!(all.join("\n----\n"));
}

#[test]
fn the_evidence_is_shown_in_a_few_facts() {
    let mut evidence = evidence(3, 1, "db01");
    evidence.summary.checks_passed = 5;
    evidence.summary.checks_waived = 1;
    evidence.summary.longest_lag = Some(SignedDuration::from_secs(12));
    evidence.summary.oldest_snapshot = Some(time("2026-12-01T11:40:00Z"));
    evidence.max_lag = SignedDuration::from_secs(60);
    let fields: Vec<String> = texts(&message(&evidence, &[], &[]))
        .into_iter()
        .filter(|(_, most)| *most == 2_000)
        .map(|(text, _)| text)
        .collect();
    for fact in [
        "*Checks*\n5 passed, 1 failed and was waived",
        "*Longest lag*\n12 s; the plan allows 1 min",
        "*Oldest last snapshot*\n2026-12-01 11:40 UTC",
        "*Cost of waiting*\n30 test instances kept, less than an instance hour so far",
    ] {
        assert!(
            fields.iter().any(|field| field == fact),
            "{fact}: {fields:#?}"
        );
    }
}

#[test]
fn once_decided_there_is_nothing_left_to_press() {
    let evidence = evidence(1, 1, "db01");
    let question = Question {
        evidence: &evidence,
        approvers: &[],
        expires: time("2026-12-05T20:00:00Z"),
        asking: Asking::First,
        minimum: Door::Mail,
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
    let by = [Approver::Slack("U024BE7LH".to_owned())];
    let message = ended(&wave, Gate::Finalize, end, &by);
    assert_eq!(
        message.text,
        "Wave orders, finalize gate: It was approved by <@U024BE7LH>, ops@example.com &amp; \
         slack:x &lt;!here&gt;."
    );
    for long in ["&".repeat(10_000), "slack:U024BE7LH".repeat(700)] {
        let message = ended(&wave, Gate::Cutover, &long, &by);
        assert_within_limits(&message);
        assert!(mentions_nobody_but(&message, &by), "{}", message.text);
    }
}

#[test]
fn whom_a_reason_names_is_not_mentioned() {
    let wave = WaveId::parse("orders").expect("a wave");
    let told = "slack:U024BE7LH: approved by slack:U0THECEO1 and <@U0THECEO1>, slack:U024BE7LHX";
    let by: Vec<Approver> = Approver::in_slack(told).into_iter().collect();
    let end = format!("It was rejected by {told}.");
    assert_eq!(
        ended(&wave, Gate::Cutover, &end, &by).text,
        "Wave orders, cutover gate: It was rejected by <@U024BE7LH>: approved by slack:U0THECEO1 \
         and &lt;@U0THECEO1&gt;, slack:U024BE7LHX."
    );
    let by_mail = "ops@example.com: slack:U0THECEO1 said so";
    assert_eq!(Approver::in_slack(by_mail), None);
}

proptest! {
    #[test]
    fn any_text_keeps_the_limits_and_stays_words(
        text in text(), servers in 1usize..200, applications in 1usize..50
    ) {
        let by = Approver::Iam(text.clone());
        let lines = [said(&by, Verdict::Reject, time("2026-12-01T12:00:00Z"))];
        let message = message(&evidence(servers, applications, &text), &[by], &lines);
        assert_within_limits(&message);
        let all = texts(&message).into_iter().map(|(text, _)| text);
        for text in all.chain([message.text.clone()]) {
            prop_assert!(is_escaped(&text), "{}", text);
            let unseen = text.chars().find(|c| hidden(*c) && *c != '\n');
            prop_assert_eq!(unseen, None, "{}", text);
        }
    }

    #[test]
    fn any_text_in_any_place_mentions_only_who_decides(
        text in text(), user in text(), decided: bool, longest in 1usize..500
    ) {
        let wave = WaveId::parse("orders").expect("a wave");
        let decider = Approver::Slack("U024BE7LH".to_owned());
        let by = if decided { vec![decider] } else { Vec::new() };
        let over = ended(&wave, Gate::Cutover, &text, &by);
        assert_within_limits(&over);
        prop_assert!(mentions_nobody_but(&over, &by), "{:?}", over);

        prop_assert!(is_escaped(&theirs(&text, longest)));
        // What is no ID is no mention, wherever it came from.
        let nobody = Approver::Slack(format!("{user}!"));
        let said = said(&nobody, Verdict::Approve, time("2026-12-01T12:00:00Z"));
        prop_assert!(is_escaped(&said), "{}", said);
        let message = message(&evidence(1, 1, &text), &[nobody], &[said]);
        prop_assert!(mentions_nobody_but(&message, &[]), "{:?}", message);
    }
}

/// Whether everything in it is shown as it is, but for mentions of these.
fn mentions_nobody_but(message: &Message, people: &[Approver]) -> bool {
    let all = texts(message).into_iter().map(|(text, _)| text);
    all.chain([message.text.clone()]).all(|text| {
        let mentions = people.iter().filter_map(|one| match one {
            Approver::Slack(user) => Some(format!("<@{user}>")),
            Approver::Mail(_) | Approver::Iam(_) => None,
        });
        is_escaped(&mentions.fold(text, |text, mention| text.replace(&mention, "")))
    })
}

/// Anything, and much of what means something to Slack or cannot be seen.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "&",
        "<",
        ">",
        "&lt;",
        "<!channel>",
        "<@U024BE7LH>",
        "<@U0THECEO1>",
        "<!here>",
        "slack:",
        "slack:U024BE7LH",
        "slack:U0THECEO1",
        "slack:U0THECEO1<!here>",
        "<https://evil.example|Approve>",
        "\n",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{1b}[2J",
    ]);
    let part = prop_oneof![special.prop_map(str::to_owned), ".{0,100}"];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// Each part of a text, with its kind.
fn parts(message: &Message) -> Vec<(&str, &str)> {
    let parts = message.blocks[1]["elements"].as_array().expect("parts");
    parts
        .iter()
        .map(|part| {
            let text = &part["elements"][0];
            assert_eq!(text["type"], "text", "nothing in it is marked up");
            let kind = part["type"].as_str().expect("a kind");
            (kind, text["text"].as_str().expect("a text"))
        })
        .collect()
}

#[test]
fn news_are_paragraphs_and_what_is_set_in() {
    let text = [
        "Wave orders is held.",
        "Nothing starts.",
        "",
        "Why: <!channel>",
        "",
        "  tidegate resume orders",
        "      try again",
        "",
        "  tidegate abort orders",
        "",
        "To see it:  tidegate status orders",
    ]
    .join("\n");
    let message = told("wave orders is held: act now", &text);
    assert_eq!(message.text, "Wave orders is held: act now");
    assert_eq!(
        parts(&message),
        [
            (
                "rich_text_section",
                "Wave orders is held. Nothing starts.\n"
            ),
            ("rich_text_section", "Why: <!channel>\n"),
            (
                "rich_text_preformatted",
                "tidegate resume orders\n    try again\ntidegate abort orders"
            ),
            ("rich_text_section", "To see it:  tidegate status orders\n"),
        ]
    );
}

proptest! {
    #[test]
    fn news_keep_the_limits(about in "(?s).{0,300}", text in "(?s)( {0,2}[^ ]{0,90}\n{0,2}){0,80}") {
        let message = told(&format!("wave {about}"), &text);
        let header = message.blocks[0]["text"]["text"].as_str().expect("a headline");
        prop_assert!((1..=150).contains(&header.chars().count()), "{}", header);
        prop_assert!(!message.text.contains('<'));
        let parts = parts(&message);
        prop_assert!(parts.iter().all(|(_, text)| !text.is_empty()));
        let whole: usize = parts.iter().map(|(_, text)| text.chars().count()).sum();
        prop_assert!(whole <= 3_000 + parts.len(), "{}", whole);
    }
}

#[test]
fn where_no_click_decides_nothing_offers_one() {
    let evidence = evidence(1, 1, "db01");
    let question = Question {
        evidence: &evidence,
        approvers: &[],
        expires: time("2026-12-05T20:00:00Z"),
        asking: Asking::First,
        minimum: Door::Iam,
    };
    let message = question.message(Standing {
        lines: &[],
        value: Some("v"),
    });
    let shown = Value::from(message.blocks).to_string();
    assert!(
        !shown.contains("tidegate_approve") && !shown.contains("tidegate_reject"),
        "{shown}"
    );
    assert!(
        shown.contains("decide by AWS credentials, `tidegate approve"),
        "{shown}"
    );
}
