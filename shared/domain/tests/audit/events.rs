//! Every event has its name, its schema and an ID for all time.

use std::collections::BTreeSet;
use std::path::Path;

use tidegate_domain::audit::{About, AuditHead, Entry, hash};
use tidegate_domain::event::{DomainEvent, EVENTS, events};
use tidegate_domain::gate::{Gate, Verdict};
use tidegate_domain::id::{ServerId, WaveId};

fn entry(event: &str, about: About) -> Entry {
    Entry {
        event: event.to_owned(),
        text: "It happened.".to_owned(),
        by: None,
        reference: None,
        about,
    }
}

fn told(entries: Vec<Entry>) -> Vec<DomainEvent> {
    let wave = WaveId::parse("orders").expect("a wave");
    let at = "2026-12-05T21:00:00Z".parse().expect("a time");
    events(&AuditHead::default().append(&wave, 1, at, entries, Vec::new()))
}

#[test]
fn each_entry_is_one_event_with_an_id_of_its_own() {
    let phase = |name: &str| About {
        phase: Some(name.to_owned()),
        ..About::default()
    };
    let job = |purpose: &str| About {
        purpose: Some(purpose.to_owned()),
        ..About::default()
    };
    let decision = About {
        gate: Some(Gate::Cutover),
        verdict: Some(Verdict::Approve),
        ..About::default()
    };
    let told = told(vec![
        entry("PhaseEntered", phase("Preflight")),
        entry("PhaseEntered", phase("Completed")),
        entry("JobStarted", job("cutover")),
        entry("MessageCounted", decision),
        entry("MessageCounted", About::default()),
        entry("WaveHeld", About::default()),
    ]);
    let names: Vec<_> = told.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(
        names,
        [
            "WaveStarted",
            "WaveCompleted",
            "CutoverLaunched",
            "GateDecided",
            "MessageCounted",
            "WaveHeld"
        ]
    );
    assert_eq!(told[3].id, "orders/1/3");
    let ids: BTreeSet<_> = told.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), told.len());
    for event in &told {
        assert!(EVENTS.iter().any(|(name, _)| *name == event.event));
    }
}

#[test]
fn a_sentence_that_is_too_long_for_the_bus_is_cut() {
    let mut long = entry("WaveHeld", About::default());
    long.text = "ü".repeat(300_000);
    assert_eq!(told(vec![long])[0].text.chars().count(), 2_000);
}

#[test]
fn every_event_has_a_schema_and_every_schema_an_event() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/domain");
    let mut files = BTreeSet::new();
    for file in std::fs::read_dir(directory).expect("the schemas") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a schema");
        let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.and_then(|name| name.strip_suffix(".schema.json"));
        let name = name.expect("NAME.schema.json").to_owned();
        assert_eq!(schema["properties"]["event"]["const"], *name);
        let described = EVENTS.iter().find(|(event, _)| *event == name);
        assert_eq!(
            schema["description"].as_str(),
            described.map(|(_, what)| *what),
            "{name}"
        );
        files.insert(name);
    }
    let names: BTreeSet<_> = EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, names);
    assert_eq!(names.len(), EVENTS.len(), "no name stands twice");
}

fn server_id(number: usize) -> ServerId {
    ServerId::parse(format!("s-{number:017}")).expect("a server")
}

#[test]
fn an_event_lists_its_servers_or_proves_a_list_of_them() {
    let many: Vec<ServerId> = (0..3_000).rev().map(server_id).collect();
    let twice = many.iter().take(200).chain(&many[..200]);
    let few = About::default().with_servers(twice);
    assert_eq!((few.servers.len(), few.all), (200, None));

    let about = About::default().with_servers(&many);
    assert_eq!(about.servers, (0..200).map(server_id).collect::<Vec<_>>());
    let all = about.all.expect("more than are listed");
    let lines: String = (0..3_000).map(|n| format!("{}\n", server_id(n))).collect();
    assert_eq!((all.count, all.digest), (3_000, hash(lines.as_bytes())));
}

#[test]
fn what_people_decide_and_ask_has_its_servers_in_the_schema() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/domain");
    let entries = [
        "GateApproved",
        "GateDecided",
        "MessageCounted",
        "MessageRefused",
    ];
    let about = About::default().with_servers(&(0..201).map(server_id).collect::<Vec<_>>());
    let about = serde_json::to_value(about).expect("JSON");
    for name in entries {
        let text = std::fs::read_to_string(directory.join(format!("{name}.schema.json")));
        let schema: serde_json::Value =
            serde_json::from_str(&text.expect("a schema")).expect("JSON");
        for (field, value) in about.as_object().expect("an object") {
            let described = &schema["properties"][field];
            let of = if value.is_array() { "array" } else { "object" };
            assert_eq!(described["type"], of, "{name}: {field}");
        }
    }
}
