//! Hands a request to the local AWS, untouched, and its answer back.
//!
//! **Invariant:** nothing of the request is read here but where it goes.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use serde_json::json;

/// Headers that belong to one connection, not to the request.
const OF_THE_CONNECTION: [&str; 4] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
];

/// Where requests go that the simulator does not answer.
#[derive(Debug)]
pub(crate) struct Forward {
    client: reqwest::Client,
    endpoint: String,
}

impl Forward {
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            client: reqwest::Client::new(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
        }
    }

    pub(super) async fn send(&self, parts: &Parts, body: Bytes) -> Response<Body> {
        match self.try_send(parts, body).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, endpoint = self.endpoint, "the local AWS did not answer");
                let text = json!({"__type": "InternalServerError", "Message": "the local AWS did not answer"});
                let mut response = Response::new(Body::from(text.to_string()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    async fn try_send(&self, parts: &Parts, body: Bytes) -> Result<Response<Body>, reqwest::Error> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = self
            .client
            .request(parts.method.clone(), format!("{}{path}", self.endpoint))
            .body(body);
        for (name, value) in &parts.headers {
            if !OF_THE_CONNECTION.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let mut response = Response::new(Body::from(answer.bytes().await?));
        *response.status_mut() = status;
        for (name, value) in &headers {
            if !OF_THE_CONNECTION.contains(&name.as_str()) {
                response.headers_mut().append(name, value.clone());
            }
        }
        Ok(response)
    }
}
