//! The errors of the API: which status, which name, which members.
//!
//! | error | status | when |
//! |---|---|---|
//! | `UninitializedAccountException` | 400 | InitializeService was never called |
//! | `ValidationException` | 400 | a limit of the service model, or an unknown operation |
//! | `AccessDeniedException` | 403 | another account; rights taken away by a fault |
//! | `ResourceNotFoundException` | 404 | no such server, job, wave, … |
//! | `ServiceQuotaExceededException` | 402 | a quota is used up |
//! | `ConflictException` | 409 | the wrong state, or a job has the server |
//! | `ThrottlingException` | 429 | a fault; carries `Retry-After` |
//! | `InternalServerException` | 500 | a fault |
//! | [`ApiError::is_lost`] | none | a fault: the connection ends without an answer |
//!
//! **Invariant:** a body holds the members that the model gives its error, and no others.

use serde_json::{Value, json};

/// The answer to a call that was not accepted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code} ({status}): {}", .body["message"].as_str().unwrap_or(""))]
pub struct ApiError {
    /// The HTTP status; 0 when no answer came at all.
    pub status: u16,
    /// The error's name, as in the header `x-amzn-errortype`.
    pub code: &'static str,
    /// The body.
    pub body: Value,
    /// The header `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl ApiError {
    /// Whether the connection ended without an answer (the call may have taken effect).
    pub fn is_lost(&self) -> bool {
        self.status == 0
    }

    /// The body's message.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    fn new(status: u16, code: &'static str, body: Value) -> Self {
        Self {
            status,
            code,
            body,
            retry_after: None,
        }
    }
}

pub(crate) fn uninitialized() -> ApiError {
    ApiError::new(
        400,
        "UninitializedAccountException",
        json!({
            "code": "UninitializedAccountException",
            "message": "The account has not been initialized for Application Migration Service. Call InitializeService first.",
        }),
    )
}

/// A limit of the model was broken: `fields` is a list of `{name, message}`.
pub(crate) fn invalid_fields(fields: Vec<(String, String)>) -> ApiError {
    let count = fields.len();
    let messages: Vec<&str> = fields.iter().map(|(_, message)| message.as_str()).collect();
    let message = format!(
        "{count} validation error{} detected. {}",
        if count == 1 { "" } else { "s" },
        messages.join("; "),
    );
    let list: Vec<Value> = fields
        .iter()
        .map(|(name, message)| json!({"name": name, "message": message}))
        .collect();
    validation("fieldValidationFailed", &message, list)
}

/// A ValidationException with one of the model's reasons (`unknownOperation`,
/// `cannotParse`, `fieldValidationFailed`, `other`).
pub(crate) fn validation(reason: &str, message: &str, fields: Vec<Value>) -> ApiError {
    let mut body = json!({
        "code": "ValidationException",
        "message": message,
        "reason": reason,
    });
    if !fields.is_empty() {
        body["fieldList"] = Value::Array(fields);
    }
    ApiError::new(400, "ValidationException", body)
}

pub(crate) fn access_denied(message: &str) -> ApiError {
    ApiError::new(
        403,
        "AccessDeniedException",
        json!({"code": "AccessDeniedException", "message": message}),
    )
}

pub(crate) fn not_found(kind: &str, id: &str) -> ApiError {
    ApiError::new(
        404,
        "ResourceNotFoundException",
        json!({
            "code": "ResourceNotFoundException",
            "message": format!("{kind} {id} does not exist."),
            "resourceId": id,
            "resourceType": kind,
        }),
    )
}

pub(crate) fn quota(quota: &str, value: usize, kind: &str, id: &str) -> ApiError {
    ApiError::new(
        402,
        "ServiceQuotaExceededException",
        json!({
            "code": "ServiceQuotaExceededException",
            "message": format!("The quota {quota} ({value}) is exceeded."),
            "resourceId": id,
            "resourceType": kind,
            "serviceCode": "mgn",
            "quotaValue": value.max(1),
        }),
    )
}

pub(crate) fn conflict(message: &str, kind: &str, id: &str) -> ApiError {
    ApiError::new(
        409,
        "ConflictException",
        json!({
            "code": "ConflictException",
            "message": message,
            "resourceId": id,
            "resourceType": kind,
        }),
    )
}

/// A conflict about several servers of one call, listed one by one in `errors`.
pub(crate) fn batch_conflict(message: &str, errors: &[(String, String)]) -> ApiError {
    let list: Vec<Value> = errors
        .iter()
        .map(|(server, message)| {
            json!({
                "code": "ConflictException",
                "message": message,
                "resourceId": server,
                "resourceType": "SourceServer",
            })
        })
        .collect();
    ApiError::new(
        409,
        "ConflictException",
        json!({"code": "ConflictException", "message": message, "errors": list}),
    )
}

pub(crate) fn throttled(retry_after: u32) -> ApiError {
    ApiError {
        retry_after: Some(retry_after),
        ..ApiError::new(
            429,
            "ThrottlingException",
            json!({"message": "Rate exceeded", "serviceCode": "mgn"}),
        )
    }
}

pub(crate) fn internal() -> ApiError {
    ApiError::new(
        500,
        "InternalServerException",
        json!({"message": "An internal error occurred."}),
    )
}

/// The call took effect, and its answer never came.
pub(crate) fn lost() -> ApiError {
    ApiError::new(0, "AnswerLost", Value::Null)
}

pub(crate) fn unknown_operation(operation: &str) -> ApiError {
    validation(
        "unknownOperation",
        &format!("{operation} is not an operation of Application Migration Service."),
        Vec::new(),
    )
}

/// An operation of MGN that this simulator does not know.
pub(crate) fn not_simulated(operation: &str) -> ApiError {
    ApiError::new(
        501,
        "NotSimulatedException",
        json!({
            "code": "NotSimulatedException",
            "message": format!("{operation} is an operation of MGN, but not of this simulator."),
        }),
    )
}
