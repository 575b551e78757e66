//! What the simulators answer, as the ports' errors.

use mgn_sim::ApiError;
use tidegate_domain::effect::{Refusal, RefusalKind};
use tidegate_ports::error::{CallError, ReadError};

/// A call that changes something was not accepted.
pub(super) fn call_error(error: &ApiError) -> CallError {
    let kind = match (error.status, error.code) {
        _ if error.is_lost() => return CallError::Unknown(error.to_string()),
        (_, "UninitializedAccountException") => RefusalKind::Uninitialized,
        (_, "ThrottlingException") | (429, _) => RefusalKind::Throttled,
        (_, "AccessDeniedException") | (403, _) => RefusalKind::Denied,
        (402, _) => RefusalKind::Quota,
        (404, _) => RefusalKind::NotFound,
        (409, _) => RefusalKind::of_conflict(&error.to_string()),
        (400, _) => RefusalKind::Invalid,
        _ => return CallError::Unknown(error.to_string()),
    };
    CallError::Refused(Refusal {
        kind,
        message: error.to_string(),
    })
}

/// A read was not accepted.
pub(super) fn read_error(error: &ApiError) -> ReadError {
    match call_error(error) {
        CallError::Refused(Refusal {
            kind: RefusalKind::Uninitialized,
            ..
        }) => ReadError::Uninitialized,
        CallError::Refused(Refusal {
            kind: RefusalKind::Denied,
            message,
        }) => ReadError::Denied(message),
        CallError::Refused(Refusal {
            kind: RefusalKind::NotFound,
            message,
        }) => ReadError::NotFound(message),
        CallError::Refused(Refusal { message, .. }) | CallError::Unknown(message) => {
            ReadError::Failed(message)
        }
    }
}
