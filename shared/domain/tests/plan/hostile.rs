//! Whatever the text, reading it ends with a plan or with errors, soon.

use proptest::prelude::*;
use tidegate_domain::plan::parse;

use super::good::EVERY_KEY;
use super::{BASE, check, now};

#[test]
fn a_file_that_is_too_long_is_told() {
    check(
        &"#".repeat(1024 * 1024 + 1),
        "1:1: the file has 1048577 bytes; a plan has at most 1 MiB",
    );
}

#[test]
fn depth_is_bounded() {
    check(
        &"[".repeat(100_000),
        "1:256: this is neither YAML nor JSON: recursion limit exceeded",
    );
    check(
        &"- ".repeat(100_000),
        "1:65: lists and mappings stand more than 32 deep in each other",
    );
    check(
        &"a: [".repeat(50),
        "1:65: lists and mappings stand more than 32 deep in each other",
    );
    check(
        &(0..5_000)
            .map(|n| format!("{}a:\n", " ".repeat(n.min(200))))
            .collect::<String>(),
        "33:33: lists and mappings stand more than 32 deep in each other",
    );
}

#[test]
fn nothing_unfolds() {
    let mut text = "a: &a [1, 2]\n".to_owned();
    for n in 0..30 {
        text.push_str(&format!("b{n}: &b{n} [*a, *a]\n"));
    }
    let errors = parse(&text, now()).expect_err("anchors");
    assert!(errors.0.len() <= 201, "{}", errors.0.len());
}

#[test]
fn errors_are_bounded() {
    let keys: String = (0..50_000).map(|n| format!("k{n}: 1\n")).collect();
    let errors = parse(&keys, now()).expect_err("unknown keys");
    assert_eq!(errors.0.len(), 201);
    assert_eq!(errors.0[200].message, "and 49804 more errors");
}

#[test]
fn long_lists_are_refused_without_reading_each_against_each() {
    let names =
        |prefix: &str| -> String { (0..60_000).map(|n| format!("{prefix}{n}, ")).collect() };
    for (from, to) in [
        ("[orders-db]", format!("[{}]", names("a"))),
        ("[ops@example.com,", format!("[{}", names("a@example.c"))),
        (
            "{ role: web }",
            format!("{{ {} }}", names("k").replace(',', ": v,")),
        ),
        ("[postgresql]", format!("[{}]", names("s"))),
        (
            "{ hostname: db01 }",
            names("x").trim_end_matches(", ").to_owned(),
        ),
    ] {
        let text = BASE.replace(from, &to);
        assert!(text.len() > 100_000);
        let errors = parse(&text, now()).expect_err("too long");
        assert!(errors.0.len() <= 201, "{}", errors.0.len());
    }
}

/// Places in a good plan, cut, doubled, swapped or replaced.
#[derive(Debug, Clone)]
enum Damage {
    Cut(usize, usize),
    Double(usize, usize),
    Insert(usize, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0..20_usize)
            .prop_map(|(at, length)| Damage::Cut(at.index(4_096), length)),
        (any::<prop::sample::Index>(), 0..60_usize)
            .prop_map(|(at, length)| Damage::Double(at.index(4_096), length)),
        (
            any::<prop::sample::Index>(),
            prop_oneof![
                "[-:{}\\[\\],&*!|>'\"%@`#?~ \n\t0-9a-z]{1,6}",
                "\\PC{1,3}",
                Just("9999999999999999999".to_owned()),
                Just("2027-03-28T02:30".to_owned()),
                Just("null".to_owned()),
            ]
        )
            .prop_map(|(at, text)| Damage::Insert(at.index(4_096), text)),
    ]
}

fn apply(text: &str, damages: &[Damage]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for damage in damages {
        let length = characters.len().max(1);
        match damage {
            Damage::Cut(at, count) => {
                let at = at % length;
                characters.drain(at.min(characters.len())..(at + count).min(characters.len()));
            }
            Damage::Double(at, count) => {
                let at = at % length;
                let part = characters[at.min(characters.len())..(at + count).min(characters.len())]
                    .to_vec();
                let at = at.min(characters.len());
                characters.splice(at..at, part);
            }
            Damage::Insert(at, text) => {
                let at = (at % length).min(characters.len());
                characters.splice(at..at, text.chars());
            }
        }
    }
    characters.into_iter().collect()
}

/// A plan, or errors whose places are in the file.
fn ends_well(text: &str) -> Result<(), TestCaseError> {
    match parse(text, now()) {
        Ok(plan) => {
            let json = serde_json::to_string(&plan).expect("to JSON");
            prop_assert_eq!(
                serde_json::from_str::<tidegate_domain::plan::Plan>(&json).expect("from JSON"),
                plan
            );
        }
        Err(errors) => {
            prop_assert!(!errors.0.is_empty());
            let lines = text.split('\n').count();
            for error in errors.0 {
                prop_assert!(
                    error.line >= 1 && error.column >= 1 && error.line <= lines + 1,
                    "{} of {}",
                    error,
                    lines
                );
                prop_assert!(
                    error.message != "the plan cannot be read",
                    "an error without its reason"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        ends_well(&text)?;
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "[-:{}\\[\\],&*!|>'\"%@`#?~ \n\tab01]{0,80}") {
        ends_well(&text)?;
    }

    #[test]
    fn a_damaged_plan_is_read_or_refused(
        every in any::<bool>(),
        damages in prop::collection::vec(damage(), 1..5),
    ) {
        ends_well(&apply(if every { EVERY_KEY } else { BASE }, &damages))?;
    }
}
