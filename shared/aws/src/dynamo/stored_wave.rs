//! The partition of a wave as it is read: the wave, and its servers in chunks.
//!
//! **Invariant**: what is read belongs to one turn. A query is no snapshot, so the wave's item
//! says at which turn each chunk was written; what does not fit together is read again.

use std::collections::BTreeMap;

use tidegate_domain::id::WaveId;
use tidegate_domain::server::Server;
use tidegate_domain::wave::Wave;
use tidegate_ports::error::StoreError;

use super::DynamoStore;
use super::item::{Attributes, Item, Key};
use super::parts::{Joined, join};

/// How often torn reads are repeated before somebody else may try later.
const MOST_READS: u32 = 8;

/// A wave with its servers.
#[derive(Debug)]
pub(super) struct StoredWave {
    pub(super) wave: Wave,
    pub(super) servers: Vec<Server>,
}

/// How the servers of a wave lie in chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Servers in a chunk.
    pub(super) size: usize,
    /// The turn that wrote each chunk.
    pub(super) turns: Vec<u64>,
}

impl Chunks {
    /// What a wave's item says.
    pub(super) fn of(item: &Item) -> Result<Self, StoreError> {
        Ok(Self {
            size: usize::try_from(item.number("chunk_size")?).unwrap_or(usize::MAX),
            turns: item.json("chunks")?,
        })
    }

    /// The servers in a chunk of a wave of so many: such that a turn that changes all of them
    /// fits one transaction (100 items) beside 40 effects, new and ended, 10 messages and the rest.
    pub(super) fn size_for(servers: usize) -> usize {
        if servers <= 2_000 { 50 } else { 100 }
    }
}

impl DynamoStore {
    /// A wave with its servers, all of one turn. Consistent reads.
    pub(super) async fn stored_wave(&self, id: &WaveId) -> Result<Option<StoredWave>, StoreError> {
        self.until_whole(id, async || {
            let pk = Key::wave(id).pk;
            // Beyond `WAVE` itself, its further parts.
            let items = self.between(&pk, "SERVERS#", "WAVE~").await?;
            put_together(items)
        })
        .await
    }

    /// A wave alone.
    pub(super) async fn stored_wave_alone(&self, id: &WaveId) -> Result<Option<Wave>, StoreError> {
        Ok(self.wave_and_count(id).await?.map(|(wave, _)| wave))
    }

    /// A wave alone, with the number of its servers.
    pub(super) async fn wave_and_count(
        &self,
        id: &WaveId,
    ) -> Result<Option<(Wave, u32)>, StoreError> {
        self.until_whole(id, async || {
            let Some(item) = self.get(&Key::wave(id)).await? else {
                return Ok(Read::Whole(None));
            };
            let servers = u32::try_from(item.number("servers")?).unwrap_or(u32::MAX);
            match self.body(&item).await? {
                Joined::Whole(body) => Ok(Read::Whole(Some((item.parse("body", &body)?, servers)))),
                Joined::Torn => Ok(Read::Torn),
            }
        })
        .await
    }

    /// Read until nobody writes in between.
    async fn until_whole<T>(
        &self,
        id: &WaveId,
        read: impl AsyncFn() -> Result<Read<T>, StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..MOST_READS {
            if let Read::Whole(value) = read().await? {
                return Ok(value);
            }
        }
        let message = format!("wave {id} was written each time it was read, {MOST_READS} times");
        Err(StoreError::Unavailable(message.into()))
    }
}

enum Read<T> {
    Whole(T),
    Torn,
}

fn put_together(items: Vec<Item>) -> Result<Read<Option<StoredWave>>, StoreError> {
    let mut by_sk = BTreeMap::new();
    for item in items {
        by_sk.insert(item.text("sk")?.to_owned(), item);
    }
    let Some(item) = by_sk.get("WAVE") else {
        return Ok(Read::Whole(None));
    };
    let Joined::Whole(body) = join(item, &by_sk)? else {
        return Ok(Read::Torn);
    };
    let wave: Wave = item.parse("body", &body)?;
    let mut servers = Vec::new();
    for (chunk, turn) in Chunks::of(item)?.turns.into_iter().enumerate() {
        let Some(item) = by_sk.get(&Key::servers(&wave.id, chunk).sk) else {
            return Ok(Read::Torn);
        };
        if item.number("turn")? != turn {
            return Ok(Read::Torn);
        }
        let Joined::Whole(body) = join(item, &by_sk)? else {
            return Ok(Read::Torn);
        };
        let chunk: Vec<Server> = item.parse("body", &body)?;
        servers.extend(chunk);
    }
    Ok(Read::Whole(Some(StoredWave { wave, servers })))
}
