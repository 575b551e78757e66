//! A turn as one transaction.
//!
//! **Invariant 4**: saved whole or not at all, and only on what it was made from. The token is the
//! hash of everything that is written; it stands in the wave's item, so that a turn whose answer
//! was lost is recognised as saved, however much later it is repeated.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tidegate_domain::effect::{Effect, EffectStatus, Outcome};
use tidegate_domain::server::Server;
use tidegate_ports::error::StoreError;
use tidegate_ports::turns::{SaveError, Turn};

use super::DynamoStore;
use super::effects::StoredTask;
use super::errors::unavailable;
use super::item::{Attributes, Item, Key, count, names, number, text, time, to_json, values};
use super::parts::{cut, further_parts, parts};
use super::query::size;
use super::stored_wave::Chunks;

/// DynamoDB's limits on a transaction (developer guide, "Service, account, and table quotas").
const MOST_ITEMS: usize = 100;
const MOST_BYTES: usize = 4_000_000;
/// How long a drained message is remembered, so that a double is known, and an answered effect, so
/// that people can see what became of it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// The length of a request token.
const TOKEN: usize = 36;

/// The time to live of what was over then, as the table's attribute `expires` wants it.
pub(super) fn forgotten(over: Timestamp) -> AttributeValue {
    let expires = over.saturating_add(REMEMBERED).unwrap_or(Timestamp::MAX);
    number(u64::try_from(expires.as_second()).unwrap_or_default())
}

impl DynamoStore {
    /// Save a turn.
    pub(super) async fn save_turn(&self, turn: &Turn<'_>) -> Result<(), SaveError> {
        let key = Key::wave(&turn.wave.id);
        let mut transaction = Transaction::new(&self.table);
        transaction.everything_but_the_wave(turn, &self.place)?;

        let stored = self.get(&key).await?;
        let chunks = match &stored {
            Some(item) => Chunks::of(item)?,
            None => Chunks::default(),
        };
        let chunks = transaction.servers(turn, &chunks)?;
        let token = transaction.wave(turn, &chunks)?;
        if let Some(item) = &stored
            && item.text_if("token") == Some(&token)
        {
            return Ok(());
        }
        // The chunks were compared with what was loaded, which must be what is stored.
        let stored_turn = stored
            .as_ref()
            .map(|item| item.number("turn"))
            .transpose()?;
        if stored_turn != turn.loaded.wave.as_ref().map(|wave| wave.turn) {
            return Err(SaveError::Changed);
        }

        transaction.check(&key)?;
        let result = self
            .client
            .transact_write_items()
            .set_transact_items(Some(transaction.items))
            .client_request_token(&token)
            .send()
            .await;
        let Err(error) = result else { return Ok(()) };
        let failure = meaning(error, &key);
        if matches!(failure, SaveError::Changed)
            && let Some(item) = self.get(&key).await?
            && item.text_if("token") == Some(&token)
        {
            return Ok(());
        }
        Err(failure)
    }
}

/// The items of a transaction, and the hash of what they hold.
struct Transaction<'a> {
    table: &'a str,
    items: Vec<TransactWriteItem>,
    bytes: usize,
    hash: Sha256,
}

impl<'a> Transaction<'a> {
    fn new(table: &'a str) -> Self {
        let mut transaction = Self {
            table,
            items: Vec::new(),
            bytes: 0,
            hash: Sha256::new(),
        };
        // Request tokens are the account's, not the table's.
        transaction.hash(table);
        transaction
    }

    fn everything_but_the_wave(&mut self, turn: &Turn<'_>, place: &str) -> Result<(), StoreError> {
        for effect in turn.effects {
            self.effect(turn, effect)?;
        }
        for (effect, outcome) in turn.ended {
            let loaded = turn.loaded.effects.iter().find(|e| e.id == *effect);
            if let Some(loaded) = loaded {
                self.ended(loaded, outcome, turn.now)?;
            }
        }
        if let Some(record) = turn.audit {
            let key = Key::audit(&turn.wave.id, record.number);
            let body = to_json(&key, record)?;
            self.hash(&body);
            self.put_new(&key, &body, turn.wave.turn, Item::new());
        }
        for message in turn.drained {
            let key = Key::message(&turn.wave.id, message);
            self.hash(message.as_str());
            self.drained(&key, turn.now);
        }
        if let Some(slots) = turn.slots {
            let key = Key::slots(place);
            let mut item = key.item();
            let body = to_json(&key, slots)?;
            self.hash(&body);
            item.insert("body".to_owned(), text(body));
            let version = turn.loaded.slots_version;
            item.insert("version".to_owned(), number(version + 1));
            if version == 0 {
                self.put(item, "attribute_not_exists(#pk)", &["pk"], None);
            } else {
                let version = values([("version", number(version))]);
                self.put(item, "#version = :version", &["version"], version);
            }
        }
        self.progress(turn);
        Ok(())
    }

    /// A new effect, planned.
    fn effect(&mut self, turn: &Turn<'_>, effect: &Effect) -> Result<(), StoreError> {
        let key = Key::effect(&turn.wave.id, &effect.id);
        let body = to_json(&key, &StoredTask::of(effect))?;
        self.hash(&body);
        debug_assert_eq!(
            effect.status,
            EffectStatus::Planned,
            "new effects are planned"
        );
        let attributes = Item::from([
            ("status".to_owned(), text("planned")),
            ("claims".to_owned(), number(0u64)),
        ]);
        self.put_new(&key, &body, turn.wave.turn, attributes);
        Ok(())
    }

    /// The effect becomes answered, if its status is still the one that was loaded.
    fn ended(
        &mut self,
        loaded: &Effect,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = Key::effect(&loaded.wave, &loaded.id);
        let outcome = to_json(&key, outcome)?;
        self.hash(&key.sk);
        self.hash(&outcome);
        let update =
            "SET #status = :answered, #outcome = :outcome, #answered_at = :at, #expires = :expires";
        let (answered, at, expires) = (text("answered"), time(now), forgotten(now));
        match &loaded.status {
            EffectStatus::Planned => self.update(
                &key,
                update,
                Some("#status = :planned"),
                &["status", "outcome", "answered_at", "expires"],
                values([
                    ("planned", text("planned")),
                    ("answered", answered),
                    ("outcome", text(outcome)),
                    ("at", at),
                    ("expires", expires),
                ]),
            ),
            EffectStatus::Claimed { generation, until } => self.update(
                &key,
                update,
                Some("#status = :claimed AND #generation = :generation AND #until = :until"),
                &[
                    "status",
                    "outcome",
                    "answered_at",
                    "expires",
                    "generation",
                    "until",
                ],
                values([
                    ("claimed", text("claimed")),
                    ("generation", number(*generation)),
                    ("until", time(*until)),
                    ("answered", answered),
                    ("outcome", text(outcome)),
                    ("at", at),
                    ("expires", expires),
                ]),
            ),
            EffectStatus::Answered { .. } => return Ok(()),
        }
        let parts = parts(&to_json(&key, &StoredTask::of(loaded))?);
        for part in further_parts(&key, parts) {
            let expires = values([("expires", forgotten(now))]);
            self.update(
                &part,
                "SET #expires = :expires",
                None,
                &["expires"],
                expires,
            );
        }
        Ok(())
    }

    /// The message is remembered for a while.
    fn drained(&mut self, key: &Key, now: Timestamp) {
        self.update(
            key,
            "SET #drained = :true, #expires = :expires",
            Some("attribute_exists(#pk) AND attribute_not_exists(#drained)"),
            &["pk", "drained", "expires"],
            values([
                ("true", AttributeValue::Bool(true)),
                ("expires", forgotten(now)),
            ]),
        );
    }

    /// The driver made progress; once the wave has ended, nobody need look any more.
    fn progress(&mut self, turn: &Turn<'_>) {
        let ended = turn.wave.phase.terminal() && turn.wave.open.is_empty();
        let set = "SET #restarts = :zero, #turn = :turn";
        let (update, used): (String, &[&str]) = if ended {
            (
                format!("{set} REMOVE #reading, #list, #at"),
                &["restarts", "turn", "reading", "list", "at"],
            )
        } else {
            (
                format!("{set} REMOVE #reading"),
                &["restarts", "turn", "reading"],
            )
        };
        let zero_and_turn = values([("zero", number(0u64)), ("turn", number(turn.wave.turn))]);
        let key = Key::driver(&turn.wave.id);
        self.update(&key, &update, None, used, zero_and_turn);
    }

    /// The chunks whose servers changed, or which lie otherwise now; gives how all of them lie.
    fn servers(&mut self, turn: &Turn<'_>, stored: &Chunks) -> Result<Chunks, StoreError> {
        let size = Chunks::size_for(turn.servers.len());
        let before: Vec<&[Server]> = turn.loaded.servers.chunks(size).collect();
        let mut turns = Vec::new();
        for (index, servers) in turn.servers.chunks(size).enumerate() {
            let changed = before.get(index) != Some(&servers);
            let lies_there = stored.turns.get(index).filter(|_| stored.size == size);
            if !changed && let Some(written) = lies_there {
                turns.push(*written);
                continue;
            }
            let key = Key::servers(&turn.wave.id, index);
            let body = to_json(&key, &servers)?;
            if changed {
                self.hash(&body);
            }
            for item in cut(&key, &body, turn.wave.turn, Item::new()) {
                self.put(item, "", &[], None);
            }
            turns.push(turn.wave.turn);
        }
        Ok(Chunks { size, turns })
    }

    /// The wave itself; gives the token of the whole.
    fn wave(&mut self, turn: &Turn<'_>, chunks: &Chunks) -> Result<String, StoreError> {
        let key = Key::wave(&turn.wave.id);
        let body = to_json(&key, turn.wave)?;
        self.hash(&body);
        self.hash(&turn.now.to_string());
        let token = hex::encode(self.hash.clone().finalize())[..TOKEN].to_owned();
        let attributes = Item::from([
            ("generation".to_owned(), number(turn.wave.generation)),
            ("token".to_owned(), text(&token)),
            ("chunk_size".to_owned(), count(chunks.size)),
            ("chunks".to_owned(), text(to_json(&key, &chunks.turns)?)),
            ("servers".to_owned(), count(turn.servers.len())),
            ("list".to_owned(), text("wave")),
            ("at".to_owned(), time(turn.now)),
        ]);
        let mut parts = cut(&key, &body, turn.wave.turn, attributes).into_iter();
        if let Some(first) = parts.next() {
            match &turn.loaded.wave {
                None => self.put(first, "attribute_not_exists(#pk)", &["pk"], None),
                Some(loaded) => self.put(
                    first,
                    "#turn = :turn AND #generation <= :generation",
                    &["turn", "generation"],
                    values([
                        ("turn", number(loaded.turn)),
                        ("generation", number(turn.wave.generation)),
                    ]),
                ),
            }
        }
        for part in parts {
            self.put(part, "", &[], None);
        }
        Ok(token)
    }

    /// A body that must not be there yet.
    fn put_new(&mut self, key: &Key, body: &str, turn: u64, attributes: Item) {
        for item in cut(key, body, turn, attributes) {
            self.put(item, "attribute_not_exists(#pk)", &["pk"], None);
        }
    }

    fn put(&mut self, item: Item, condition: &str, used: &[&str], named: Option<Item>) {
        self.bytes += size(&item);
        let mut put = Put::builder().table_name(self.table).set_item(Some(item));
        if !condition.is_empty() {
            put = put
                .condition_expression(condition)
                .set_expression_attribute_names(names(used))
                .set_expression_attribute_values(named);
        }
        let put = put.build().expect("a put has a table and an item");
        self.items
            .push(TransactWriteItem::builder().put(put).build());
    }

    fn update(
        &mut self,
        key: &Key,
        update: &str,
        condition: Option<&str>,
        used: &[&str],
        named: Option<Item>,
    ) {
        self.bytes += size(&key.item()) + named.as_ref().map_or(0, size);
        let update = Update::builder()
            .table_name(self.table)
            .set_key(Some(key.item()))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(names(used))
            .set_expression_attribute_values(named)
            .build()
            .expect("an update has a table, a key and an expression");
        self.items
            .push(TransactWriteItem::builder().update(update).build());
    }

    /// Make a piece of what is decided part of the token.
    fn hash(&mut self, piece: &str) {
        self.hash.update((piece.len() as u64).to_be_bytes());
        self.hash.update(piece);
    }

    /// Refuse what DynamoDB would refuse, with the reason.
    fn check(&self, key: &Key) -> Result<(), StoreError> {
        if self.items.len() <= MOST_ITEMS && self.bytes <= MOST_BYTES {
            return Ok(());
        }
        Err(StoreError::Corrupt {
            item: format!("{} / {}", key.pk, key.sk),
            message: format!(
                "a turn of {} items and {} bytes is more than a transaction takes ({MOST_ITEMS} \
                 items, {MOST_BYTES} bytes)",
                self.items.len(),
                self.bytes
            ),
        })
    }
}

/// What a failed transaction means.
fn meaning<R>(error: SdkError<TransactWriteItemsError, R>, key: &Key) -> SaveError
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        error.as_service_error()
    else {
        return unavailable(error).into();
    };
    let reasons = canceled.cancellation_reasons();
    let has = |code| reasons.iter().any(|reason| reason.code() == Some(code));
    if has("ConditionalCheckFailed") || has("TransactionConflict") {
        return SaveError::Changed;
    }
    if has("ValidationError") || has("ItemCollectionSizeLimitExceeded") {
        let messages: Vec<_> = reasons
            .iter()
            .filter_map(|reason| reason.message())
            .collect();
        return StoreError::Corrupt {
            item: format!("{} / {}", key.pk, key.sk),
            message: format!("DynamoDB refuses the turn: {}", messages.join("; ")),
        }
        .into();
    }
    unavailable(error).into()
}
