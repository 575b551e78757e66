//! Inboxes: a message is put under its own ID, once.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::message::Message;
use tidegate_ports::error::StoreError;
use tidegate_ports::inbox::Inbox;
use uuid::Uuid;

use super::DynamoStore;
use super::errors::{Written, written};
use super::item::{Attributes, Key, names, text, time, to_json};

impl Inbox for DynamoStore {
    async fn append(&self, wave: &WaveId, message: &Message) -> Result<bool, StoreError> {
        let key = Key::message(wave, &message.id);
        let nonce = Uuid::new_v4().to_string();
        let mut item = key.item();
        item.insert("body".to_owned(), text(to_json(&key, message)?));
        item.insert("sent_at".to_owned(), time(message.at));
        item.insert("nonce".to_owned(), text(&nonce));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .set_expression_attribute_names(names(&["pk"]))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        Ok(match written(put)? {
            Written::Done(_) => true,
            // Our own put, whose answer was lost.
            Written::Unmet(item) => item.is_some_and(|item| item.text_if("nonce") == Some(&nonce)),
        })
    }

    async fn message(&self, wave: &WaveId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let item = self.get(&Key::message(wave, id)).await?;
        item.map(|item| item.parse("body", item.text("body")?))
            .transpose()
    }
}
