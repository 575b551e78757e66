//! Turns: what `advance` loads; how it is saved stands in `save.rs`.

use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use tidegate_domain::effect::Effect;
use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::message::{Message, Reading};
use tidegate_domain::slots::Slots;
use tidegate_domain::wave::Wave;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::StoreError;
use tidegate_ports::turns::{Loaded, MOST_MESSAGES, SaveError, Turn, Turns};

use super::DynamoStore;
use super::item::{Attributes, Item, Key, names, text, values};

/// Reads and writes at once, where one call needs many.
pub(super) const AT_ONCE: usize = 16;

impl Turns for DynamoStore {
    async fn load(&self, wave: &WaveId) -> Result<Loaded, StoreError> {
        let slots_key = Key::slots(&self.place);
        let jobs_key = Key::jobs(&self.place);
        let (stored, (round, seen), (inbox, unreadable), slots, jobs, driver) = futures::try_join!(
            self.stored_wave(wave),
            self.seen(wave),
            self.undrained(wave),
            self.get(&slots_key),
            self.get(&jobs_key),
            self.driver(wave),
        )?;
        // Later than the wave: an effect that it names as open was saved with it.
        let effects = match &stored {
            Some(stored) => self.open_effects(&stored.wave).await?,
            None => Vec::new(),
        };
        let (slots, slots_version) = match slots {
            Some(item) => (item.json("body")?, item.number("version")?),
            None => (Slots::default(), 0),
        };
        let jobs = jobs.map(|item| item.json("body")).transpose()?;
        let (wave, servers) = match stored {
            Some(stored) => (Some(stored.wave), stored.servers),
            None => (None, Vec::new()),
        };
        Ok(Loaded {
            wave,
            servers,
            round,
            seen,
            effects,
            inbox,
            unreadable,
            slots,
            slots_version,
            jobs,
            restarts: driver.as_ref().map_or(0, |driver| driver.restarts),
            reading: driver.and_then(|driver| driver.reading),
        })
    }

    async fn note_reading(&self, wave: &WaveId, reading: &Reading) -> Result<(), StoreError> {
        self.note_driver_reads(wave, reading).await
    }

    async fn save(&self, turn: &Turn<'_>) -> Result<(), SaveError> {
        self.save_turn(turn).await
    }

    async fn make_due(&self, waves: &[WaveId], now: Timestamp) -> Result<(), StoreError> {
        stream::iter(waves)
            .map(|wave| self.make_one_due(wave, now))
            .buffer_unordered(AT_ONCE)
            // All are tried; then the first failure is told.
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect()
    }
}

impl DynamoStore {
    /// The effects that a wave names as open.
    async fn open_effects(&self, wave: &Wave) -> Result<Vec<Effect>, StoreError> {
        let read = stream::iter(wave.open.keys())
            .map(|effect| async { self.effect(&Key::effect(&wave.id, effect)).await })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        read.into_iter().filter_map(Result::transpose).collect()
    }

    /// The oldest messages that are not drained, and those that cannot be read.
    async fn undrained(&self, wave: &WaveId) -> Result<(Vec<Message>, Vec<MessageId>), StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("#pk = :pk")
            .filter_expression("attribute_not_exists(#drained)")
            .set_expression_attribute_names(names(&["pk", "drained"]))
            .set_expression_attribute_values(values([("pk", text(format!("INBOX#{wave}")))]))
            .consistent_read(true);
        let items = self.all(query, usize::MAX).await?;
        Ok(oldest(&items))
    }
}

/// The messages that one turn takes: those that cannot be read first, so that they are set aside.
fn oldest(items: &[Item]) -> (Vec<Message>, Vec<MessageId>) {
    let mut inbox: Vec<Message> = Vec::new();
    let mut unreadable = Vec::new();
    for item in items {
        match item.json("body") {
            Ok(message) => inbox.push(message),
            Err(error) => {
                let id = item.text_if("sk").map(MessageId::parse);
                tracing::error!(%error, "a message cannot be read");
                unreadable.extend(id.and_then(Result::ok));
            }
        }
    }
    inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    unreadable.truncate(MOST_MESSAGES);
    inbox.truncate(MOST_MESSAGES - unreadable.len());
    (inbox, unreadable)
}
