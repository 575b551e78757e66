//! Effects: what is wanted never changes; how far it is stands in attributes beside it.

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidegate_domain::effect::{CLAIM_GRACE, Effect, EffectStatus, Outcome, Task};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_ports::effects::{Claim, Effects};
use tidegate_ports::error::StoreError;
use uuid::Uuid;

use super::DynamoStore;
use super::errors::{Written, written};
use super::item::{Attributes, Item, Key, names, number, text, time, to_json, values};
use super::parts::{Joined, further_parts, part_count};
use super::save::forgotten;

/// The part of an effect that never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredTask {
    id: EffectId,
    wave: WaveId,
    task: Task,
}

impl StoredTask {
    pub(super) fn of(effect: &Effect) -> Self {
        Self {
            id: effect.id.clone(),
            wave: effect.wave.clone(),
            task: effect.task.clone(),
        }
    }
}

impl Effects for DynamoStore {
    async fn claim(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let key = Key::effect(wave, effect);
        let nonce = Uuid::new_v4().to_string();
        let lapsed = now.saturating_sub(CLAIM_GRACE).unwrap_or(Timestamp::MIN);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .update_expression(
                "SET #status = :claimed, #generation = :generation, #until = :until, \
                 #claim = :claim ADD #claims :one",
            )
            .condition_expression(
                "#status = :planned OR (#status = :claimed AND #generation <= :generation \
                 AND #until <= :lapsed)",
            )
            .set_expression_attribute_names(names(&[
                "status",
                "generation",
                "until",
                "claim",
                "claims",
            ]))
            .set_expression_attribute_values(values([
                ("planned", text("planned")),
                ("claimed", text("claimed")),
                ("generation", number(generation)),
                ("until", time(until)),
                ("lapsed", time(lapsed)),
                ("claim", text(&nonce)),
                ("one", number(1u64)),
            ]))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let item = match written(update)? {
            Written::Done(output) => output.attributes,
            // Our own claim, whose answer was lost.
            Written::Unmet(item) => item.filter(|item| item.text_if("claim") == Some(&nonce)),
        };
        let Some(item) = item else {
            return Ok(Claim::NotOurs);
        };
        Ok(Claim::Ours {
            effect: self.read_effect(&item).await?,
            again: item.number("claims")? > 1,
        })
    }

    async fn answer(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        until: Timestamp,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = Key::effect(wave, effect);
        let outcome = to_json(&key, outcome)?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .update_expression(
                "SET #status = :answered, #outcome = :outcome, #answered_at = :now, \
                 #expires = :expires",
            )
            .condition_expression(
                "#status = :claimed AND #generation = :generation AND #until = :until",
            )
            .set_expression_attribute_names(names(&[
                "status",
                "outcome",
                "answered_at",
                "expires",
                "generation",
                "until",
            ]))
            .set_expression_attribute_values(values([
                ("answered", text("answered")),
                ("claimed", text("claimed")),
                ("generation", number(generation)),
                ("until", time(until)),
                ("outcome", text(outcome)),
                ("now", time(now)),
                ("expires", forgotten(now)),
            ]))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match written(update)? {
            Written::Done(output) => {
                let parts = output.attributes.as_ref().map_or(1, part_count);
                self.forget_parts(&key, parts, now).await;
            }
            Written::Unmet(_) => {
                tracing::warn!(%wave, %effect, generation, "the claim of an answer stood no more");
            }
        }
        Ok(())
    }
}

impl DynamoStore {
    /// Let the further parts of an answered effect pass away with it. Nothing depends on that but
    /// what the table costs.
    async fn forget_parts(&self, key: &Key, parts: usize, answered: Timestamp) {
        for part in further_parts(key, parts) {
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(part.item()))
                .update_expression("SET #expires = :expires")
                .set_expression_attribute_names(names(&["expires"]))
                .set_expression_attribute_values(values([("expires", forgotten(answered))]));
            if let Err(error) = update.send().await {
                tracing::warn!(sk = %part.sk, %error, "a part of an effect stays for good");
            }
        }
    }

    /// An effect, if it exists. A consistent read.
    pub(super) async fn effect(&self, key: &Key) -> Result<Option<Effect>, StoreError> {
        match self.get(key).await? {
            Some(item) => Ok(Some(self.read_effect(&item).await?)),
            None => Ok(None),
        }
    }

    /// The effect of an item.
    async fn read_effect(&self, item: &Item) -> Result<Effect, StoreError> {
        // All parts are written with the first, in one transaction, and never again.
        let Joined::Whole(body) = self.body(item).await? else {
            return Err(item.corrupt("a part of its body is missing"));
        };
        let StoredTask { id, wave, task } = item.parse("body", &body)?;
        Ok(Effect {
            id,
            wave,
            task,
            status: status(item)?,
        })
    }
}

fn status(item: &Item) -> Result<EffectStatus, StoreError> {
    let when = |name| {
        item.time_if(name)?
            .ok_or_else(|| item.corrupt(format!("the time {name} is missing")))
    };
    match item.text("status")? {
        "planned" => Ok(EffectStatus::Planned),
        "claimed" => Ok(EffectStatus::Claimed {
            generation: item.number("generation")?,
            until: when("until")?,
        }),
        "answered" => Ok(EffectStatus::Answered {
            outcome: item.json("outcome")?,
            at: when("answered_at")?,
        }),
        other => Err(item.corrupt(format!("{other:?} is no status"))),
    }
}
