//! Messages to queues in the SQS of a local AWS.
//!
//! SendMessage is all that is needed of SQS: one request in its JSON protocol, signed here.
//!
//! **Invariant:** it goes to the endpoint that was given, whatever the queue's ARN says.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Map, Value, json};

/// How long a queue may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The queues of a local AWS.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    client: reqwest::Client,
    config: SdkConfig,
    endpoint: String,
}

impl Queues {
    pub(super) fn new(config: &SdkConfig, endpoint: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            config: config.clone(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
        }
    }

    /// Puts a message with string attributes into the queue of this ARN.
    pub(super) async fn send(
        &self,
        queue: &str,
        body: &str,
        attributes: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let attributes: Map<String, Value> = attributes
            .iter()
            .map(|(name, value)| {
                let value = json!({"DataType": "String", "StringValue": value});
                ((*name).to_owned(), value)
            })
            .collect();
        let message = json!({
            "QueueUrl": self.url(queue)?,
            "MessageBody": body,
            "MessageAttributes": attributes,
        });
        let request = self.signed("SendMessage", message.to_string()).await?;
        let answer = request.send().await.context("SQS did not answer")?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            bail!("SQS answered {status}: {text}");
        }
        Ok(())
    }

    /// The address of a queue: `arn:aws:sqs:REGION:ACCOUNT:NAME`.
    fn url(&self, queue: &str) -> anyhow::Result<String> {
        let parts: Vec<&str> = queue.split(':').collect();
        match parts[..] {
            ["arn", _, "sqs", _, account, name] => {
                Ok(format!("{}/{account}/{name}", self.endpoint))
            }
            _ => Err(anyhow!("{queue:?} is not the ARN of a queue")),
        }
    }

    async fn signed(
        &self,
        operation: &str,
        body: String,
    ) -> anyhow::Result<reqwest::RequestBuilder> {
        let region = self.config.region().context("there is no Region")?;
        let credentials = self
            .config
            .credentials_provider()
            .context("there are no credentials")?
            .provide_credentials()
            .await?;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("sqs")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let url = format!("{}/", self.endpoint);
        let target = format!("AmazonSQS.{operation}");
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target.as_str()),
        ];
        let signable = SignableRequest::new(
            "POST",
            url.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (signature, _) = sign(signable, &parameters)?.into_parts();
        let mut request = self.client.post(&url).timeout(PATIENCE);
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        Ok(request.body(body))
    }
}
