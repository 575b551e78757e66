//! An HTTP that gives answers written by hand, one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use tidegate_aws::mgn::SdkMgn;

/// An answer: its status, its `x-amzn-errortype`, and its body.
pub(crate) type Answer<'a> = (u16, Option<&'a str>, &'a str);

/// MGN as it would answer so. Requests beyond the last answer fail.
pub(crate) fn mgn(answers: &[Answer<'_>]) -> SdkMgn {
    let queue = Arc::new(Mutex::new(answers.iter().map(response).collect()));
    let http = http_client_fn(move |_, _| {
        SharedHttpConnector::new(Answers {
            queue: Arc::clone(&queue),
        })
    });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .http_client(http)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "tests",
        )))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    SdkMgn::new(&config)
}

#[derive(Debug)]
struct Answers {
    queue: Arc<Mutex<VecDeque<HttpResponse>>>,
}

impl HttpConnector for Answers {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let answer = self.queue.lock().expect("no panic before").pop_front();
        HttpConnectorFuture::ready(
            answer.ok_or_else(|| ConnectorError::io("the connection was closed".into())),
        )
    }
}

fn response((status, error, body): &Answer<'_>) -> HttpResponse {
    let status = (*status).try_into().expect("a status");
    let mut response = HttpResponse::new(status, SdkBody::from(*body));
    if let Some(error) = error {
        response
            .headers_mut()
            .insert("x-amzn-errortype", (*error).to_owned());
    }
    response
}
