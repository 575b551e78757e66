//! The sample payloads in `events/` are what the function understands, or lets go.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use events::{Concern, Place, read};
use proptest::prelude::*;

fn place() -> Place {
    Place {
        account: "111122223333".to_owned(),
        region: "us-west-2".to_owned(),
    }
}

fn samples() -> BTreeMap<String, Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events");
    fs::read_dir(folder)
        .expect("the folder of samples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(path).expect("a sample"))
        })
        .collect()
}

/// What becomes of a sample: `servers …`, `command …` or `ignored …`.
fn outcome(sample: &[u8]) -> String {
    match read(sample, &place()) {
        Ok((_, concern)) => concern.to_string(),
        Err(ignored) => format!("ignored {}: {}", ignored.event, ignored.reason),
    }
}

#[test]
fn every_sample_has_its_outcome() {
    let server = "servers s-12345678901234567";
    let command = "command e8d3c0e4-71f7-4491-898f-c9b35bee5f3b";
    let expected = [
        ("mgn-launch-result.json", server),
        ("mgn-lifecycle-state-change.json", server),
        ("mgn-replication-stalled.json", server),
        ("ssm-command.json", command),
        ("ssm-command-invocation.json", command),
        (
            "ignored-mgn-undocumented.json",
            "ignored f1d7a6de-0d0b-4b8c-a6b0-5a3c1de2b9a1: \
             MGN does not document the detail-type MGN Data Replication State Change",
        ),
        (
            "ignored-foreign-account.json",
            "ignored 0c6ff9d5-41b4-4a55-8c35-4b1b2c7a0ef2: it is of account 999988887777 in us-west-2",
        ),
        (
            "ignored-foreign-resource.json",
            "ignored b8f5b1ce-9c36-4c4e-8b4b-7f0a4f0d2a31: \
             it names no source server of this account and Region",
        ),
        (
            "ignored-malformed.json",
            "ignored : no EventBridge envelope: invalid type: sequence, expected a string",
        ),
        (
            "ignored-no-command.json",
            "ignored c0b7e6b1-6a65-41c6-9d5e-0a9d4d2c7e55: it names no command",
        ),
        (
            "schedule.json",
            "ignored 53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa: its source is aws.scheduler",
        ),
    ];
    let samples = samples();
    for (name, outcome_expected) in &expected {
        assert_eq!(outcome(&samples[*name]), *outcome_expected, "{name}");
    }
    for name in samples.keys().filter(|name| !name.starts_with("console-")) {
        assert!(
            expected.iter().any(|(known, _)| known == name),
            "{name} has no expectation"
        );
    }
}

#[test]
fn the_last_of_many_resources_are_left_out() {
    let arn = "arn:aws:mgn:us-west-2:111122223333:source-server/s-12345678901234567";
    let event = serde_json::json!({
        "id": "1", "source": "aws.mgn", "detail-type": "MGN Source Server Launch Result",
        "account": "111122223333", "region": "us-west-2", "resources": vec![arn; 5_000], "detail": {},
    });
    let (_, concern) = read(event.to_string().as_bytes(), &place()).expect("it is understood");
    assert!(matches!(concern, Concern::Servers(servers) if servers.len() == 20));
}

/// Any JSON value, a few levels deep.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_crash_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, &place());
    }

    #[test]
    fn no_altered_sample_crashes_it(
        field in prop::sample::select(vec![
            "id", "source", "detail-type", "account", "region", "resources", "detail", "time",
        ]),
        value in json(),
        which in any::<prop::sample::Index>(),
        resources in prop::collection::vec("arn:aws:mgn:us-west-2:111122223333:.{0,40}", 0..3),
    ) {
        let samples: Vec<_> = samples().into_values().collect();
        let sample: &Vec<u8> = which.get(&samples);
        let mut event: serde_json::Value = serde_json::from_slice(sample).expect("samples are JSON");
        event[field] = value;
        let _ = read(event.to_string().as_bytes(), &place());
        event["resources"] = resources.into();
        let _ = read(event.to_string().as_bytes(), &place());
    }
}
