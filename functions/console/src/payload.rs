//! Requests and responses as API Gateway carries them: payload format 2.0 (API Gateway developer
//! guide, "Working with AWS Lambda proxy integrations for HTTP APIs").
//!
//! The envelope is API Gateway's, everything in it is the caller's. `rawPath` comes decoded,
//! `rawQueryString` as the caller wrote it; a body is text for `application/json` and base64 for
//! a form.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::refused::{Refused, Status};

/// A request; what is not needed is not read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// The path, decoded.
    pub raw_path: String,
    /// What follows the `?`, as it was sent.
    pub raw_query_string: String,
    /// The headers; API Gateway makes their names lower-case, others may not.
    pub headers: BTreeMap<String, String>,
    /// The body, if there is one.
    pub body: Option<String>,
    /// Whether the body is base64.
    pub is_base64_encoded: bool,
    /// What API Gateway says of the request.
    pub request_context: RequestContext,
}

/// What API Gateway says of a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestContext {
    /// The request line.
    pub http: HttpContext,
    /// Who the caller is, where the route has an authorizer.
    pub authorizer: Option<Authorizer>,
}

/// The request line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpContext {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where the request came from.
    #[serde(rename = "sourceIp")]
    pub source_ip: String,
}

/// What an authorizer proved.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Authorizer {
    /// An AWS principal, proved by SigV4.
    pub iam: Option<IamCaller>,
}

/// An AWS principal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IamCaller {
    /// Its ARN; for an assumed role with the session's name.
    pub user_arn: Option<String>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// Always false: bodies are text.
    pub is_base64_encoded: bool,
}

impl Request {
    /// The header of that lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as bytes, at most `most` of them.
    pub(crate) fn body(&self, most: usize) -> Result<Vec<u8>, Refused> {
        let too_large = || {
            let message = format!("The body is too large: send at most {most} bytes.");
            Refused::new(Status::TooLarge, message)
        };
        let text = self.body.as_deref().unwrap_or_default();
        let encoded = if self.is_base64_encoded {
            most / 3 * 4 + 4
        } else {
            most
        };
        if text.len() > encoded {
            return Err(too_large());
        }
        if !self.is_base64_encoded {
            return Ok(text.as_bytes().to_vec());
        }
        let bytes = STANDARD.decode(text).map_err(|_| {
            Refused::new(
                Status::BadRequest,
                "The body cannot be read: send it again.",
            )
        })?;
        if bytes.len() > most {
            Err(too_large())
        } else {
            Ok(bytes)
        }
    }
}
