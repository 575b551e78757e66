//! HTTP in and out: which request is for MGN, for SSM or for the control.
//!
//! MGN: `POST /Operation`, `GET|POST|DELETE /tags/{arn}`, any signature accepted; errors
//! carry `x-amzn-errortype`, which clients need to tell them apart. SSM: `POST /` with
//! `X-Amz-Target: AmazonSSM.Operation`.
//!
//! **Invariant:** an answer that a fault loses is not answered at all: the connection ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Shared, control};
use crate::core::{ApiError, Reply};
use crate::ssm::SsmSimulator;

/// More than any request of either protocol.
const MOST_BYTES: usize = 4 << 20;

/// The content type of MGN's protocol.
const REST_JSON: &str = "application/json";
/// The content type of SSM's protocol.
const JSON_1_1: &str = "application/x-amz-json-1.1";

pub(super) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        let error = control::refused("the request's body is too long or did not come");
        return plain(StatusCode::PAYLOAD_TOO_LARGE, REST_JSON, &error);
    };
    let path = parts.uri.path().to_owned();
    if let Some(what) = path.strip_prefix("/_sim/") {
        let (status, reply) = control::answer(&shared, &parts.method, what, &body);
        shared.changed();
        return plain(status, REST_JSON, &reply);
    }
    let target = parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .map(str::to_owned);
    match target {
        Some(target) => {
            let operation = target.strip_prefix("AmazonSSM.").unwrap_or_default();
            let here = SsmSimulator::knows(operation)
                && (operation != "DescribeDocument" || shared.forward.is_none());
            match &shared.forward {
                Some(forward) if !here => forward.send(&parts, body).await,
                _ => {
                    if let (Some(documents), "SendCommand") = (&shared.documents, operation) {
                        documents.learn(&shared, &body).await;
                    }
                    call_ssm(&shared, operation, &body).await
                }
            }
        }
        None => {
            let query = parts.uri.query().unwrap_or_default();
            call_mgn(&shared, &parts.method, &path, query, &body).await
        }
    }
}

async fn call_mgn(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    body: &Bytes,
) -> Response<Body> {
    let (operation, input) = match read_mgn(method, path, query, body) {
        Ok(read) => read,
        Err(error) => return failed(&error, REST_JSON),
    };
    let (result, slow) = {
        let mut region = shared.region();
        let result = region.call_mgn(&operation, &input, Timestamp::now());
        (result, region.mgn.take_slowness())
    };
    finish(shared, &operation, result, slow, REST_JSON).await
}

async fn call_ssm(shared: &Shared, operation: &str, body: &Bytes) -> Response<Body> {
    let Ok(input) = serde_json::from_slice::<Value>(body) else {
        let error = ApiError {
            status: 400,
            code: "SerializationException",
            body: json!({"__type": "SerializationException", "Message": "The body is not JSON."}),
            retry_after: None,
        };
        return failed(&error, JSON_1_1);
    };
    let (result, slow) = {
        let mut region = shared.region();
        let result = region.call_ssm(operation, &input, Timestamp::now());
        (result, region.ssm.take_slowness())
    };
    finish(shared, operation, result, slow, JSON_1_1).await
}

async fn finish(
    shared: &Shared,
    operation: &str,
    result: Result<Reply, ApiError>,
    slow: Option<SignedDuration>,
    content_type: &'static str,
) -> Response<Body> {
    shared.changed();
    if let Some(delay) = slow {
        tokio::time::sleep(delay.unsigned_abs()).await;
    }
    match result {
        Ok(reply) => {
            tracing::debug!(operation, status = reply.status, "answered");
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
            plain(status, content_type, &reply.body)
        }
        Err(error) => {
            tracing::info!(
                operation,
                status = error.status,
                code = error.code,
                message = error.message(),
                "refused"
            );
            failed(&error, content_type)
        }
    }
}

/// The operation and input of a request in MGN's protocol.
fn read_mgn(
    method: &Method,
    path: &str,
    query: &str,
    body: &Bytes,
) -> Result<(String, Value), ApiError> {
    let name = path.trim_start_matches('/');
    if let Some(arn) = name.strip_prefix("tags/") {
        let arn = percent_decoded(arn);
        let mut input = parsed(body)?;
        input["resourceArn"] = json!(arn);
        let operation = match *method {
            Method::GET => "ListTagsForResource",
            Method::POST => "TagResource",
            Method::DELETE => {
                let keys: Vec<String> = pairs(query)
                    .filter(|(key, _)| key == "tagKeys")
                    .map(|(_, value)| value)
                    .collect();
                input["tagKeys"] = json!(keys);
                "UntagResource"
            }
            _ => "UnknownOperation",
        };
        return Ok((operation.to_owned(), input));
    }
    let right_method = if name == "DescribeVcenterClients" {
        Method::GET
    } else {
        Method::POST
    };
    if *method != right_method {
        return Ok((format!("{method} {path}"), json!({})));
    }
    let mut input = parsed(body)?;
    for (key, value) in pairs(query) {
        input[key] = value
            .parse::<i64>()
            .map_or(json!(value), |number| json!(number));
    }
    Ok((name.to_owned(), input))
}

fn parsed(body: &Bytes) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        crate::core::errors::validation(
            "cannotParse",
            &format!("The body is not JSON: {error}"),
            Vec::new(),
        )
    })?;
    if value.is_object() {
        Ok(value)
    } else {
        let message = "The body is not a JSON object.";
        Err(crate::core::errors::validation(
            "cannotParse",
            message,
            Vec::new(),
        ))
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                percent_decoded(key),
                percent_decoded(&value.replace('+', " ")),
            )
        })
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn plain(status: StatusCode, content_type: &'static str, body: &Value) -> Response<Body> {
    let mut response = if status == StatusCode::NO_CONTENT {
        Response::new(Body::empty())
    } else {
        let mut response = Response::new(Body::from(body.to_string()));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    };
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("x-amzn-requestid", request_id());
    response
}

/// An ID that tells requests apart in the logs of clients.
fn request_id() -> HeaderValue {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

fn failed(error: &ApiError, content_type: &'static str) -> Response<Body> {
    if error.is_lost() {
        // Ends the connection's task, and so the connection, without a word to anybody.
        std::panic::resume_unwind(Box::new("an answer is lost on purpose"));
    }
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = plain(status, content_type, &error.body);
    let headers = response.headers_mut();
    headers.insert("x-amzn-errortype", HeaderValue::from_static(error.code));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::Method;
    use serde_json::{Value, json};

    use super::read_mgn;

    fn check(
        method: &Method,
        path: &str,
        query: &str,
        body: &'static str,
        expected: (&str, Value),
    ) {
        let read = read_mgn(method, path, query, &Bytes::from_static(body.as_bytes()));
        let (operation, input) = read.expect(path);
        assert_eq!((operation.as_str(), input), expected);
    }

    #[test]
    fn requests_are_read() {
        check(
            &Method::POST,
            "/StartTest",
            "",
            r#"{"a":1}"#,
            ("StartTest", json!({"a": 1})),
        );
        check(
            &Method::POST,
            "/InitializeService",
            "",
            "",
            ("InitializeService", json!({})),
        );
        check(
            &Method::GET,
            "/tags/arn%3Aaws%3Amgn%3Ar%3A0%3Awave%2Fwave-1",
            "",
            "",
            (
                "ListTagsForResource",
                json!({"resourceArn": "arn:aws:mgn:r:0:wave/wave-1"}),
            ),
        );
        check(
            &Method::DELETE,
            "/tags/arn:x/y",
            "tagKeys=a%20b&tagKeys=c",
            "",
            (
                "UntagResource",
                json!({"resourceArn": "arn:x/y", "tagKeys": ["a b", "c"]}),
            ),
        );
        check(
            &Method::GET,
            "/DescribeVcenterClients",
            "maxResults=5",
            "",
            ("DescribeVcenterClients", json!({"maxResults": 5})),
        );
        check(
            &Method::GET,
            "/StartTest",
            "",
            "",
            ("GET /StartTest", json!({})),
        );
        assert!(read_mgn(&Method::POST, "/StartTest", "", &Bytes::from_static(b"{")).is_err());
        assert!(read_mgn(&Method::POST, "/StartTest", "", &Bytes::from_static(b"[]")).is_err());
    }
}
