//! What the SDK's errors mean to the ports: refused for certain, or nobody knows.
//!
//! **Invariant 4**: a call counts as refused only if the service itself said no. Time-outs, broken
//! connections, unreadable answers and the service's own failures (5xx) leave it unknown, and so
//! does what may not have been sent at all: looking before calling again costs little.

use std::error::Error;
use std::fmt::Write;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tidegate_domain::effect::{Refusal, RefusalKind};
use tidegate_ports::error::{CallError, ReadError};

/// The most bytes of a message that is kept.
const MOST_BYTES: usize = 500;

/// What a failed call that changes something means.
#[must_use]
pub fn call_error<E>(error: SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match refusal(&error) {
        Some(kind) => CallError::Refused(Refusal {
            kind,
            message: said(&error),
        }),
        None => CallError::Unknown(said(&error)),
    }
}

/// What a failed read means.
#[must_use]
pub fn read_error<E>(error: SdkError<E, HttpResponse>) -> ReadError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let message = said(&error);
    match refusal(&error) {
        Some(RefusalKind::Uninitialized) => ReadError::Uninitialized,
        Some(RefusalKind::Denied) => ReadError::Denied(message),
        Some(RefusalKind::NotFound) => ReadError::NotFound(message),
        Some(
            RefusalKind::Quota
            | RefusalKind::Conflict
            | RefusalKind::Throttled
            | RefusalKind::Invalid
            | RefusalKind::Guard,
        )
        | None => ReadError::Failed(message),
    }
}

/// The kind of refusal, if the service itself refused.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<RefusalKind> {
    let SdkError::ServiceError(answer) = error else {
        return None;
    };
    let kind = kind(answer.err().code(), answer.raw().status().as_u16())?;
    Some(match kind {
        RefusalKind::Conflict => {
            RefusalKind::of_conflict(answer.err().message().unwrap_or_default())
        }
        other => other,
    })
}

/// By the error's code first: SSM, SNS and KMS answer most refusals with 400, and MGN declares
/// throttling and access errors on few operations but may answer them on any.
fn kind(code: Option<&str>, status: u16) -> Option<RefusalKind> {
    if status >= 500 {
        return None;
    }
    let by_code = match code.unwrap_or_default() {
        "UninitializedAccountException" => Some(RefusalKind::Uninitialized),
        "ServiceQuotaExceededException" | "ExecutionLimitExceeded" => Some(RefusalKind::Quota),
        // SSM: an instance that its agent has not registered yet, which passes.
        "ConflictException" | "InvalidInstanceId" => Some(RefusalKind::Conflict),
        "ResourceNotFoundException"
        | "NotFoundException"
        | "NotFound"
        | "ParameterNotFound"
        | "InvalidDocument"
        | "StateMachineDoesNotExist" => Some(RefusalKind::NotFound),
        "ValidationException" => Some(RefusalKind::Invalid),
        "InternalServerException" | "InternalServerError" | "InternalFailure" => return None,
        code if THROTTLED.contains(&code) => Some(RefusalKind::Throttled),
        code if DENIED.contains(&code) => Some(RefusalKind::Denied),
        _ => None,
    };
    by_code.or(match status {
        402 => Some(RefusalKind::Quota),
        409 => Some(RefusalKind::Conflict),
        429 => Some(RefusalKind::Throttled),
        404 => Some(RefusalKind::NotFound),
        401 | 403 => Some(RefusalKind::Denied),
        400 | 413 => Some(RefusalKind::Invalid),
        _ => None,
    })
}

/// Codes of "too many requests", of all services.
const THROTTLED: [&str; 10] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "Throttled",
    "TooManyRequestsException",
    "TooManyRequests",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "SlowDown",
];

/// Codes of "not allowed", of all services.
const DENIED: [&str; 11] = [
    "AccessDeniedException",
    "AccessDenied",
    "UnauthorizedOperation",
    "AuthorizationError",
    "AuthorizationErrorException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredTokenException",
    "OptInRequired",
];

/// What the service said, or what went wrong on the way to it.
pub(crate) fn said<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut text = match error {
        SdkError::ServiceError(answer) => {
            let error = answer.err();
            let status = answer.raw().status().as_u16();
            match (error.code(), error.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => format!("{code} (HTTP {status})"),
                (None, Some(message)) => format!("HTTP {status}: {message}"),
                (None, None) => format!("HTTP {status}"),
            }
        }
        other => {
            let mut text = other.to_string();
            let mut source = other.source();
            while let Some(error) = source {
                // Writing to a string does not fail.
                let _ = write!(text, ": {error}");
                source = error.source();
            }
            text
        }
    };
    shorten(&mut text, MOST_BYTES);
    text
}

/// Cut a text at the end of a character.
pub(crate) fn shorten(text: &mut String, most: usize) {
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_code_and_by_status() {
        let check = |code: Option<&str>, status, expected| {
            assert_eq!(kind(code, status), expected, "{code:?} {status}");
        };
        check(
            Some("ServiceQuotaExceededException"),
            402,
            Some(RefusalKind::Quota),
        );
        check(None, 402, Some(RefusalKind::Quota));
        check(Some("ConflictException"), 409, Some(RefusalKind::Conflict));
        check(Some("SomethingNew"), 409, Some(RefusalKind::Conflict));
        check(
            Some("ThrottlingException"),
            429,
            Some(RefusalKind::Throttled),
        );
        check(
            Some("ThrottlingException"),
            400,
            Some(RefusalKind::Throttled),
        );
        check(
            Some("ResourceNotFoundException"),
            404,
            Some(RefusalKind::NotFound),
        );
        check(Some("ValidationException"), 400, Some(RefusalKind::Invalid));
        check(
            Some("UninitializedAccountException"),
            400,
            Some(RefusalKind::Uninitialized),
        );
        check(
            Some("AccessDeniedException"),
            403,
            Some(RefusalKind::Denied),
        );
        check(
            Some("AccessDeniedException"),
            400,
            Some(RefusalKind::Denied),
        );
    }

    #[test]
    fn what_the_service_did_not_refuse_is_unknown() {
        for (code, status) in [
            (Some("InternalServerException"), 500),
            (Some("InternalServerException"), 400),
            (Some("ConflictException"), 503),
            (None, 502),
            (None, 200),
            (None, 302),
        ] {
            assert_eq!(kind(code, status), None, "{code:?} {status}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let mut text = "aäää".to_owned();
        shorten(&mut text, 4);
        assert_eq!(text, "aä…");
        let mut text = "short".to_owned();
        shorten(&mut text, 5);
        assert_eq!(text, "short");
    }
}
