//! The errors of SSM, in the form of AWS JSON 1.1: `__type` and `Message`, status 400.
//!
//! **Invariant:** an error's name is one that the operation declares, or one common to AWS.

use serde_json::json;

use crate::core::ApiError;

pub(super) fn error(status: u16, code: &'static str, message: &str) -> ApiError {
    ApiError {
        status,
        code,
        body: json!({"__type": code, "Message": message, "message": message}),
        retry_after: None,
    }
}

pub(super) fn invalid(message: &str) -> ApiError {
    error(400, "ValidationException", message)
}

pub(super) fn throttled() -> ApiError {
    error(400, "ThrottlingException", "Rate exceeded")
}

pub(super) fn internal() -> ApiError {
    error(
        500,
        "InternalServerError",
        "An error occurred on the server side.",
    )
}

pub(super) fn access_denied(operation: &str) -> ApiError {
    let message = format!("User is not authorized to perform: ssm:{operation}");
    error(400, "AccessDeniedException", &message)
}

pub(super) fn unknown_operation(operation: &str) -> ApiError {
    let message = format!("{operation} is not an operation of this simulator.");
    error(400, "UnknownOperationException", &message)
}

/// What SSM answers for nodes that do not exist, are terminated or not registered yet.
pub(super) fn invalid_instances(ids: &[&str], account: &str) -> ApiError {
    let message = format!(
        "Instances [[{}]] not in a valid state for account {account}",
        ids.join(", ")
    );
    error(400, "InvalidInstanceId", &message)
}

pub(super) fn invalid_document(name: &str) -> ApiError {
    let message = format!("Document with name {name} does not exist.");
    error(400, "InvalidDocument", &message)
}

pub(super) fn no_invocation() -> ApiError {
    error(400, "InvocationDoesNotExist", "")
}

pub(super) fn invalid_command(id: &str) -> ApiError {
    error(
        400,
        "InvalidCommandId",
        &format!("The command {id} does not exist."),
    )
}

pub(super) fn invalid_filter(key: &str) -> ApiError {
    error(
        400,
        "InvalidFilterKey",
        &format!("{key} is not a filter of this operation."),
    )
}

pub(super) fn invalid_token() -> ApiError {
    error(400, "InvalidNextToken", "The specified token is not valid.")
}
