//! Observations: `observe` alone writes them, the later round wins.
//!
//! **Invariant**: the round is written last and says how many chunks it has, so that it is never
//! newer than what was seen. A chunk that is newer than the round (a save that broke off) is still
//! something that was seen.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::observation::{AccountJobs, ServerSeen, WaveSeen};
use tidegate_ports::error::StoreError;
use tidegate_ports::observations::{Known, Observations};

use super::DynamoStore;
use super::errors::{Written, written};
use super::item::{Attributes, Item, Key, count, names, text, time, to_json, values};
use super::turns::AT_ONCE;

/// The most observations in an item.
const MOST_SERVERS: usize = 50;
/// The most bytes of observations in an item of at most 400 KB.
const MOST_BYTES: usize = 300_000;

/// A round, and what was seen of each server.
pub(super) type Seen = (Option<WaveSeen>, BTreeMap<ServerId, ServerSeen>);

impl Observations for DynamoStore {
    async fn known(&self, wave: &WaveId) -> Result<Known, StoreError> {
        let (stored, (_, seen)) = futures::try_join!(self.stored_wave(wave), self.seen(wave))?;
        Ok(match stored {
            Some(stored) => Known {
                wave: Some(stored.wave),
                servers: stored.servers,
                seen,
            },
            None => Known {
                wave: None,
                servers: Vec::new(),
                seen,
            },
        })
    }

    async fn save(
        &self,
        wave: &WaveId,
        round: &WaveSeen,
        servers: &BTreeMap<ServerId, ServerSeen>,
    ) -> Result<(), StoreError> {
        let chunks = chunks(wave, servers)?;
        let how_many = chunks.len();
        let newest = stream::iter(chunks.into_iter().enumerate())
            .map(|(index, body)| {
                let mut item = Key::seen(wave, index).item();
                item.insert("body".to_owned(), text(body));
                self.put_unless_newer(item, "seen_at", round.at)
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<Vec<bool>, _>>()?;
        if newest.contains(&false) {
            tracing::info!(%wave, "a later round of observations was there already");
            return Ok(());
        }
        let key = Key::round(wave);
        let mut item = key.item();
        item.insert("body".to_owned(), text(to_json(&key, round)?));
        item.insert("chunks".to_owned(), count(how_many));
        self.put_unless_newer(item, "seen_at", round.at).await?;
        Ok(())
    }

    async fn save_jobs(&self, jobs: &AccountJobs) -> Result<(), StoreError> {
        let key = Key::jobs(&self.place);
        let mut item = key.item();
        item.insert("body".to_owned(), text(to_json(&key, jobs)?));
        self.put_unless_newer(item, "listed_at", jobs.at).await?;
        Ok(())
    }
}

impl DynamoStore {
    /// The latest round, and what was seen of each server. Consistent reads.
    pub(super) async fn seen(&self, wave: &WaveId) -> Result<Seen, StoreError> {
        let key = Key::round(wave);
        let items = self.between(&key.pk, &key.sk, "SERVERS~").await?;
        let Some((round, chunks)) = items.split_first() else {
            return Ok((None, BTreeMap::new()));
        };
        if round.text("sk")? != key.sk {
            // The first save broke off before its round.
            return Ok((None, BTreeMap::new()));
        }
        let how_many = usize::try_from(round.number("chunks")?).unwrap_or(usize::MAX);
        let mut seen: BTreeMap<ServerId, ServerSeen> = BTreeMap::new();
        for chunk in chunks.iter().take(how_many) {
            let servers: Vec<ServerSeen> = chunk.json("body")?;
            for server in servers {
                match seen.get(&server.id) {
                    Some(other) if other.at > server.at => {}
                    Some(_) | None => {
                        seen.insert(server.id.clone(), server);
                    }
                }
            }
        }
        Ok((Some(round.json("body")?), seen))
    }

    /// Put an item unless the one that is there is newer; gives whether it was put.
    async fn put_unless_newer(
        &self,
        mut item: Item,
        name: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        item.insert(name.to_owned(), time(at));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(format!("attribute_not_exists(#pk) OR #{name} <= :at"))
            .set_expression_attribute_names(names(&["pk", name]))
            .set_expression_attribute_values(values([("at", time(at))]))
            .send()
            .await;
        Ok(matches!(written(put)?, Written::Done(_)))
    }
}

/// The observations as bodies of items, by server, each within the bounds of an item.
fn chunks(
    wave: &WaveId,
    servers: &BTreeMap<ServerId, ServerSeen>,
) -> Result<Vec<String>, StoreError> {
    let key = Key::seen(wave, 0);
    let mut chunks: Vec<(usize, String)> = Vec::new();
    for server in servers.values() {
        let json = to_json(&key, server)?;
        match chunks.last_mut() {
            Some((servers, body))
                if *servers < MOST_SERVERS && body.len() + json.len() < MOST_BYTES =>
            {
                body.push(',');
                body.push_str(&json);
                *servers += 1;
            }
            Some(_) | None => chunks.push((1, format!("[{json}"))),
        }
    }
    Ok(chunks.into_iter().map(|(_, body)| body + "]").collect())
}
