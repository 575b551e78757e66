//! What the contract does not see: times to live, the sparse index, items that cannot be read and
//! bodies that are too large for one item.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_aws::clients;
use tidegate_aws::dynamo::{DynamoStore, INDEX};
use tidegate_domain::effect::Outcome;
use tidegate_domain::gate::{Evidence, Gate, GateState, LeftOut, OpenGate};
use tidegate_domain::id::WaveId;
use tidegate_domain::wave::Phase;
use tidegate_ports::driver::Drivers;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::StoreError;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::references::References;
use tidegate_ports::turns::{MOST_MESSAGES, SaveError, Turns};
use tidegate_ports::waves::Waves;
use tidegate_world::contract::fixtures::{
    Draft, at, command_id, message, message_id, server_id, servers, wave_id,
};
use tokio::sync::OnceCell;

const TABLE: &str = "items";

async fn store() -> (DynamoStore, Client) {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let client = clients::dynamo(&crate::ministack::config());
    MADE.get_or_init(|| crate::table::create(&client, TABLE))
        .await;
    let store = DynamoStore::new(client.clone(), TABLE, "000000000000", "us-east-1");
    (store, client)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

async fn item(client: &Client, pk: &str, sk: &str) -> HashMap<String, AttributeValue> {
    let output = client
        .get_item()
        .table_name(TABLE)
        .key("pk", text(pk))
        .key("sk", text(sk))
        .send()
        .await
        .expect("an answer");
    output.item.unwrap_or_default()
}

async fn put(client: &Client, pk: &str, sk: &str, body: &str) {
    client
        .put_item()
        .table_name(TABLE)
        .item("pk", text(pk))
        .item("sk", text(sk))
        .item("body", text(body))
        .send()
        .await
        .expect("an item");
}

async fn next(store: &DynamoStore, wave: &WaveId, change: impl Fn(&mut Draft)) -> Draft {
    let loaded = store.load(wave).await.expect("the wave");
    let mut draft = Draft::next(wave, loaded, at(1));
    change(&mut draft);
    store.save(&draft.turn()).await.expect("saved");
    draft
}

fn expires(item: &HashMap<String, AttributeValue>) -> i64 {
    let seconds = item.get("expires").and_then(|value| value.as_n().ok());
    seconds
        .and_then(|seconds| seconds.parse().ok())
        .expect("a time to live")
}

#[tokio::test]
async fn drained_messages_and_references_pass_away() {
    let (store, client) = store().await;
    let wave = wave_id("pass-away");
    store
        .append(&wave, &message("m-1", at(0)))
        .await
        .expect("appended");
    let fresh = item(&client, "INBOX#pass-away", "m-1").await;
    assert!(
        !fresh.contains_key("expires"),
        "only what is drained passes away"
    );
    next(&store, &wave, |draft| {
        draft.drained = vec![message_id("m-1")]
    })
    .await;
    let drained = item(&client, "INBOX#pass-away", "m-1").await;
    assert_eq!(expires(&drained), at(1).as_second() + 90 * 86_400);

    let command = command_id("5e9a2c1e-0000-4000-8000-000000000001");
    store.remember(&command, &wave).await.expect("remembered");
    let reference = item(&client, &format!("REF#{command}"), "REF").await;
    let days = (expires(&reference) - jiff::Timestamp::now().as_second()) / 86_400;
    assert!((29..=30).contains(&days), "{days} days");
}

#[tokio::test]
async fn answered_and_ended_effects_pass_away() {
    let (store, client) = store().await;
    let wave = wave_id("effects-away");
    let servers: Vec<_> = (0..20_000).map(|n| server_id("effects-away", n)).collect();
    let draft = next(&store, &wave, |draft| {
        for servers in [&servers[..1], &servers[..1], &servers, &servers] {
            draft.plan(servers);
        }
    })
    .await;
    let [small, ended, large, large_ended] = [0, 1, 2, 3].map(|n| {
        let effect = draft.effects[n].id.clone();
        (
            effect.clone(),
            effect.as_str().to_owned(),
            format!("{effect}#part-01"),
        )
    });
    let item = async |sk: &str| item(&client, "EFFECTS#effects-away", sk).await;
    for (id, first, _) in [&small, &large] {
        let claim = store.claim(&wave, id, 1, at(2), at(60)).await;
        claim.expect("claimed");
        assert!(!item(first).await.contains_key("expires"), "it is open");
        let answer = store.answer(&wave, id, 1, at(60), &Outcome::Done, at(5));
        answer.await.expect("answered");
    }
    next(&store, &wave, |draft| {
        for (id, ..) in [&ended, &large_ended] {
            draft.ended.insert(id.clone(), Outcome::Done);
        }
    })
    .await;
    let kept = 90 * 86_400;
    for (sk, over) in [
        (&small.1, at(5)),
        (&large.1, at(5)),
        (&large.2, at(5)),
        (&ended.1, at(1)),
        (&large_ended.1, at(1)),
        (&large_ended.2, at(1)),
    ] {
        let item = item(sk).await;
        assert!(item.contains_key("body"), "{sk}");
        assert_eq!(expires(&item), over.as_second() + kept, "{sk}");
    }
}

#[tokio::test]
async fn only_what_is_due_and_waves_are_in_the_index() {
    let (store, client) = store().await;
    let wave = wave_id("sparse");
    store.create(&wave, at(5)).await.expect("created");
    store
        .append(&wave, &message("m-1", at(0)))
        .await
        .expect("appended");
    next(&store, &wave, |draft| {
        draft.servers = servers("sparse", 60);
        draft.plan(&[server_id("sparse", 0)]);
        draft.record("It began.");
    })
    .await;
    let listed = async |list: &str| {
        let output = client
            .query()
            .table_name(TABLE)
            .index_name(INDEX)
            .key_condition_expression("#list = :list")
            .expression_attribute_names("#list", "list")
            .expression_attribute_values(":list", text(list))
            .send()
            .await
            .expect("the index");
        output
            .items()
            .iter()
            .filter(|item| item["pk"].as_s().is_ok_and(|pk| pk.ends_with("#sparse")))
            .map(|item| (item["sk"].clone(), item["at"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed("due").await,
        [(text("DRIVER"), text("2026-11-18T11:06:45.000250Z"))]
    );
    assert_eq!(
        listed("wave").await,
        [(text("WAVE"), text("2026-11-18T11:06:41.000250Z"))]
    );
    next(&store, &wave, |draft| {
        draft.wave.phase = Phase::Completed;
        draft.wave.open.clear();
    })
    .await;
    assert_eq!(listed("due").await, []);
    let driver = item(&client, "DRIVER#sparse", "DRIVER").await;
    assert!(driver.contains_key("wakes") && !driver.contains_key("list"));
}

#[tokio::test]
async fn messages_that_cannot_be_read_are_named_and_set_aside() {
    let (store, client) = store().await;
    let wave = wave_id("unreadable");
    store
        .append(&wave, &message("m-1", at(0)))
        .await
        .expect("appended");
    put(&client, "INBOX#unreadable", "m-2", "{not json").await;
    put(
        &client,
        "INBOX#unreadable",
        "m-3",
        r#"{"id":"m-3","from":"a newer version"}"#,
    )
    .await;
    let loaded = store.load(&wave).await.expect("the wave");
    assert_eq!(loaded.inbox, [message("m-1", at(0))]);
    assert_eq!(loaded.unreadable, [message_id("m-2"), message_id("m-3")]);
    next(&store, &wave, |draft| {
        draft.drained = draft.loaded.unreadable.clone()
    })
    .await;
    let loaded = store.load(&wave).await.expect("the wave");
    assert_eq!((loaded.inbox.len(), loaded.unreadable.len()), (1, 0));

    // However many there are, a turn takes a bounded number.
    for number in 0..2 * MOST_MESSAGES {
        put(&client, "INBOX#unreadable", &format!("n-{number:02}"), "").await;
    }
    let loaded = store.load(&wave).await.expect("the wave");
    assert_eq!(
        (loaded.inbox.len(), loaded.unreadable.len()),
        (0, MOST_MESSAGES)
    );
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_named() {
    let (store, client) = store().await;
    let wave = wave_id("corrupt");
    next(&store, &wave, |draft| draft.servers = servers("corrupt", 3)).await;
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", text("WAVE#corrupt"))
        .key("sk", text("SERVERS#0000"))
        .update_expression("SET #body = :body")
        .expression_attribute_names("#body", "body")
        .expression_attribute_values(":body", text("[{}]"))
        .send()
        .await
        .expect("changed by hand");
    match store.load(&wave).await {
        Err(StoreError::Corrupt { item, .. }) => {
            assert_eq!(item, "WAVE#corrupt / SERVERS#0000");
        }
        other => panic!("should be corrupt: {other:?}"),
    }
}

fn evidence(wave: &WaveId, servers: usize) -> Evidence {
    let left_out = (0..servers).map(|number| LeftOut {
        server: server_id("large", number),
        hostname: format!("db{number:04}.corp.example.com"),
        reason: "ä".repeat(100),
    });
    Evidence {
        left_out: left_out.collect(),
        ..Evidence::new(wave.clone(), Gate::Cutover, 1)
    }
}

#[tokio::test]
async fn a_wave_that_is_too_large_for_one_item_is_kept_in_several() {
    let (store, client) = store().await;
    let wave = wave_id("large");
    let large = next(&store, &wave, |draft| {
        let open = OpenGate::new(evidence(&draft.wave.id, 3_000), at(1), at(9));
        draft
            .wave
            .gates
            .insert(Gate::Cutover, GateState::Open(open));
        draft.record(&"It is long. ".repeat(50_000));
    })
    .await;
    let loaded = store.load(&wave).await.expect("the wave");
    assert_eq!(loaded.wave.as_ref(), Some(&large.wave));
    let alone = store.wave(&wave).await.expect("the wave");
    assert_eq!(alone.as_ref(), Some(&large.wave));
    let audit = store.audit(&wave).await.expect("the chain");
    assert_eq!(audit.as_slice(), large.audit.as_slice());
    assert!(
        item(&client, "WAVE#large", "WAVE#part-01")
            .await
            .contains_key("body")
    );

    // Small again: the further parts of an earlier turn are no longer looked at.
    let small = next(&store, &wave, |draft| draft.wave.gates.clear()).await;
    let loaded = store.load(&wave).await.expect("the wave");
    assert_eq!(loaded.wave, Some(small.wave));
}

#[tokio::test]
async fn a_turn_that_no_transaction_can_take_is_refused_for_good() {
    let (store, _) = store().await;
    let wave = wave_id("too-much");
    let loaded = store.load(&wave).await.expect("the wave");
    let mut draft = Draft::next(&wave, loaded, at(1));
    for number in 0..120 {
        draft.plan(&[server_id("too-much", number)]);
    }
    match store.save(&draft.turn()).await {
        Err(SaveError::Store(StoreError::Corrupt { message, .. })) => {
            assert!(message.contains("122 items"), "{message}");
        }
        other => panic!("should be refused: {other:?}"),
    }
    assert_eq!(store.load(&wave).await.expect("the wave").wave, None);
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_unavailable() {
    let config = crate::ministack::config()
        .to_builder()
        .endpoint_url("http://127.0.0.1:9")
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    let store = DynamoStore::new(Client::new(&config), TABLE, "000000000000", "us-east-1");
    match store.driver(&wave_id("nobody")).await {
        Err(StoreError::Unavailable(_)) => {}
        other => panic!("should be unavailable: {other:?}"),
    }
}
