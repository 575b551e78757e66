//! The schema for editors says what the parser says.
//!
//! A small validator of its own knows just the keywords that the schema uses, and refuses others.

use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value, json};

use super::good::EVERY_KEY;
use super::{BASE, errors};

const SCHEMA: &str = include_str!("../../../../infra/schema/plan.schema.json");

#[test]
fn good_plans_fit_the_schema() {
    fits("the base", BASE);
    fits("every key", EVERY_KEY);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for entry in std::fs::read_dir(examples).into_iter().flatten() {
        let path = entry.expect("an example").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).expect("an example");
            fits(&path.display().to_string(), &text);
        }
    }
}

#[test]
fn the_examples_are_good_plans() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for entry in std::fs::read_dir(examples).into_iter().flatten() {
        let path = entry.expect("an example").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).expect("an example");
            assert_eq!(errors(&text), "nothing", "{}", path.display());
        }
    }
}

#[test]
fn the_schema_and_the_parser_know_the_same_keys() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema");
    let application = "/properties/applications/items/properties";
    for (anchor, pointer) in [
        ("wave:", "".to_owned()),
        ("{ on:", "/properties/start".to_owned()),
        ("{ opens:", "/properties/window".to_owned()),
        ("{ cutover:", "/properties/gates".to_owned()),
        (
            "{ automatic: true",
            "/properties/gates/properties/cutover".to_owned(),
        ),
        (
            "{ after_soak:",
            "/properties/gates/properties/finalize".to_owned(),
        ),
        (
            "{ before:",
            "/properties/gates/properties/finalize/properties/escalate".to_owned(),
        ),
        ("{ mail:", "/$defs/approvers/items/anyOf/1".to_owned()),
        ("{ max_lag:", "/properties/policy".to_owned()),
        ("{ name:", "/properties/applications/items".to_owned()),
        ("{ hostname:", format!("{application}/servers/items")),
        ("{ document: Stop", format!("{application}/quiesce")),
        (
            "{ document: Start",
            format!("{application}/quiesce/properties/undo"),
        ),
        ("{ document: Check", format!("{application}/validate/items")),
    ] {
        let text = r"wave: w
start: { on: manual }
window: { opens: 2026-12-05T22:00, lasts: 4h, time_zone: Europe/Berlin }
gates: { cutover: { automatic: true }, finalize: { after_soak: 1h, approvers: [{ mail: a@example.com }], escalate: { before: 1h, to: [b@example.com] } } }
policy: { max_lag: 1m }
applications:
  - { name: a, servers: [{ hostname: h }], quiesce: { document: Stop, undo: { document: Start } }, validate: [{ document: Check }] }
";
        assert_eq!(errors(text), "nothing");
        assert!(text.contains(anchor), "{anchor}");
        let with = match anchor.strip_prefix("{ ") {
            Some(rest) => format!("{{ zzzzzzzz: 1, {rest}"),
            None => format!("zzzzzzzz: 1\n{anchor}"),
        };
        let told = errors(&text.replacen(anchor, &with, 1));
        let (_, known) = told.split_once(" may have ").expect(&told);
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        let properties = schema
            .pointer(&format!("{pointer}/properties"))
            .expect(&pointer);
        let properties: Vec<&str> = properties
            .as_object()
            .expect("properties")
            .keys()
            .map(String::as_str)
            .collect();
        let mut properties = properties;
        properties.sort_unstable();
        assert_eq!(properties, known, "{pointer}");
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema");
    for (from, to) in [
        ("wave: orders", "wave: Orders"),
        ("lasts: 4h, ", ""),
        ("quorum: 2", "quorum: 0"),
        ("attempts: 3", "attempts: 11"),
        ("max_lag: 1m", "max_lag: 1"),
        ("hostname: db01", "hostnam: db01"),
        ("hostname: db01", "hostname: db01, id: s-0123456789abcdef1"),
        ("on: replication", "on: dawn"),
        ("failure_budget: 5%", "failure_budget: 5"),
    ] {
        let text = BASE.replace(from, to);
        assert!(
            !problems(&schema, &schema, &to_json(&text), "").is_empty(),
            "{to}"
        );
    }
}

fn fits(name: &str, text: &str) {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema");
    let problems = problems(&schema, &schema, &to_json(text), "");
    assert!(problems.is_empty(), "{name}: {problems:#?}");
}

/// What keeps a value from fitting a schema.
fn problems(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema") {
        let fine = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let pointer = rule
                    .as_str()
                    .and_then(|r| r.strip_prefix('#'))
                    .expect("a reference");
                let other = root.pointer(pointer).expect(pointer);
                found.extend(problems(root, other, value, path));
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|kind| is(kind, value)),
                kind => is(kind, value),
            },
            "enum" => rule.as_array().expect("enum").contains(value),
            "pattern" => value.as_str().is_none_or(|text| {
                regex_lite::Regex::new(rule.as_str().expect("pattern"))
                    .expect("regex")
                    .is_match(text)
            }),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().expect("number")),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().expect("number")),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() <= count(rule)),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() >= count(rule)),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() <= count(rule)),
            "minProperties" => value.as_object().is_none_or(|map| map.len() >= count(rule)),
            "maxProperties" => value.as_object().is_none_or(|map| map.len() <= count(rule)),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array()
                    .expect("required")
                    .iter()
                    .all(|key| map.contains_key(key.as_str().expect("key")))
            }),
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(problems(root, rule, item, &format!("{path}/{number}")));
                }
                true
            }
            "properties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        found.extend(problems(root, rule, item, &format!("{path}/{key}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let others = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
                for (key, item) in others {
                    match rule {
                        Value::Bool(false) => found.push(format!("{path}/{key} is not known")),
                        rule => found.extend(problems(root, rule, item, &format!("{path}/{key}"))),
                    }
                }
                true
            }
            "anyOf" => fitting(root, rule, value, path) >= 1,
            "oneOf" => fitting(root, rule, value, path) == 1,
            other => panic!("the schema uses {other}, which this test does not know"),
        };
        if !fine {
            found.push(format!("{path}: {keyword} {rule}, found {value}"));
        }
    }
    found
}

fn fitting(root: &Value, rules: &Value, value: &Value, path: &str) -> usize {
    let rules = rules.as_array().expect("a list of schemas");
    rules
        .iter()
        .filter(|rule| problems(root, rule, value, path).is_empty())
        .count()
}

fn count(rule: &Value) -> usize {
    usize::try_from(rule.as_u64().expect("a count")).expect("a count")
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("type {other}"),
    }
}

/// YAML as an editor reads it before it applies a schema.
fn to_json(text: &str) -> Value {
    let mut open: Vec<(Value, Option<String>)> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let done = match event.expect("YAML").0 {
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceStart(..) => {
                open.push((json!([]), None));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((Value::Object(Map::new()), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().expect("open").0,
            Event::StreamEnd => break,
            _ => continue,
        };
        match open.last_mut() {
            None => return done,
            Some((Value::Array(items), _)) => items.push(done),
            Some((Value::Object(map), key)) => match key.take() {
                None => *key = Some(done.as_str().expect("a key").to_owned()),
                Some(key) => {
                    map.insert(key, done);
                }
            },
            Some(_) => unreachable!("only lists and mappings are open"),
        }
    }
    panic!("no document")
}

fn plain(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        "" | "null" | "~" => Value::Null,
        text => text
            .parse::<i64>()
            .map(|number| json!(number))
            .unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}
