//! Messages to people, over SNS: at least once, so the client retries.
//!
//! A subscription's filter policy picks by the attributes `wave`, `kind`, `action_required` (`true`
//! or `false`) and `to`: an approver's own messages carry their name there, news for everybody carry
//! none.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, Subscription as Listed};
use futures::{StreamExt, stream};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mail::{Mail, Mails, Subscribers, Subscription};

use crate::failures::{call_error, read_error};

/// How many subscriptions are read at once (SNS: 30 calls a second).
const AT_ONCE: usize = 4;

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
        let attributes = mail.attributes().into_iter();
        let attributes = attributes
            .map(|(name, value)| (name.to_owned(), attribute(&value)))
            .collect();
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

impl Subscribers for SnsMails {
    async fn subscriptions(&self) -> Result<Vec<Subscription>, ReadError> {
        let pages = self
            .client
            .list_subscriptions_by_topic()
            .topic_arn(&self.topic)
            .into_paginator()
            .send();
        let found = pages.try_collect().await.map_err(read_error)?;
        let confirmed = found
            .iter()
            .flat_map(|page| page.subscriptions())
            // The others have a word in the place of an ARN, and get nothing.
            .filter(|one| {
                one.subscription_arn()
                    .unwrap_or_default()
                    .starts_with("arn:")
            });
        stream::iter(confirmed)
            .map(|one| self.subscription(one))
            .buffered(AT_ONCE)
            .filter_map(async |read| read.transpose())
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect()
    }
}

impl SnsMails {
    /// One subscription with its filter policy; none if it is gone by now.
    async fn subscription(&self, one: &Listed) -> Result<Option<Subscription>, ReadError> {
        let answer = self
            .client
            .get_subscription_attributes()
            .subscription_arn(one.subscription_arn().unwrap_or_default())
            .send()
            .await
            .map_err(read_error);
        let attributes = match answer {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(ReadError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let scope = attributes.get("FilterPolicyScope");
        Ok(Some(Subscription {
            endpoint: one.endpoint().unwrap_or_default().to_owned(),
            filter: attributes.get("FilterPolicy").cloned(),
            filters_body: scope.is_some_and(|scope| scope == "MessageBody"),
        }))
    }
}

fn attribute(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .expect("an attribute has a type")
}
