//! Messages to people, over SNS: at least once, so the client retries.
//!
//! A subscription's filter policy picks by the attributes `wave`, `to` and `action`: a person's own
//! messages carry their name in `to`, news for everybody carry none.

use aws_config::SdkConfig;
use std::collections::HashMap;

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use tidegate_ports::error::CallError;
use tidegate_ports::mail::{Mail, Mails};

use crate::failures::call_error;

/// One topic.
#[derive(Debug, Clone)]
pub struct SnsMails {
    client: Client,
    topic: String,
}

impl SnsMails {
    /// The topic with this ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, topic: &str) -> Self {
        Self {
            client: Client::new(config),
            topic: topic.to_owned(),
        }
    }
}

impl Mails for SnsMails {
    async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        let action = if mail.action_required {
            "required"
        } else {
            "none"
        };
        let mut attributes = HashMap::from([
            ("wave".to_owned(), attribute(&mail.wave)),
            ("action".to_owned(), attribute(action)),
        ]);
        if let Some(to) = &mail.to {
            attributes.insert("to".to_owned(), attribute(&to.to_string()));
        }
        self.client
            .publish()
            .topic_arn(&self.topic)
            .subject(&mail.subject)
            .message(&mail.text)
            .set_message_attributes(Some(attributes))
            .send()
            .await
            .map_err(call_error)?;
        Ok(())
    }
}

fn attribute(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .expect("an attribute has a type")
}
