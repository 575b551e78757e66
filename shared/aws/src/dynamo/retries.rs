//! A conflict with somebody else's transaction passes by itself: try again at once, as often as
//! the client's retries allow. A condition that is not met stays so and is not retried.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::{delete_item::DeleteItemError, put_item::PutItemError};
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};

/// Retries writes that met a transaction under way on the same item.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransactionConflicts;

impl ClassifyRetry for TransactionConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let conflict = match context.output_or_error() {
            Some(Err(error)) => error.as_operation_error().is_some_and(is_conflict),
            Some(Ok(_)) | None => false,
        };
        if conflict {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "DynamoDB transaction conflicts"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

fn is_conflict(error: &Error) -> bool {
    if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        error.downcast_ref()
    {
        return only_conflicts(
            canceled
                .cancellation_reasons()
                .iter()
                .map(|reason| reason.code().unwrap_or("None")),
        );
    }
    let code = None
        .or_else(|| {
            error
                .downcast_ref::<UpdateItemError>()
                .and_then(|e| e.code())
        })
        .or_else(|| error.downcast_ref::<PutItemError>().and_then(|e| e.code()))
        .or_else(|| {
            error
                .downcast_ref::<DeleteItemError>()
                .and_then(|e| e.code())
        })
        .or_else(|| {
            error
                .downcast_ref::<TransactWriteItemsError>()
                .and_then(|e| e.code())
        });
    matches!(
        code,
        Some("TransactionConflictException" | "TransactionInProgressException")
    )
}

/// Whether a transaction was cancelled for conflicts alone.
fn only_conflicts<'a>(mut codes: impl Iterator<Item = &'a str>) -> bool {
    let mut conflicts = 0;
    codes.all(|code| {
        conflicts += usize::from(code == "TransactionConflict");
        matches!(code, "None" | "TransactionConflict")
    }) && conflicts > 0
}

#[cfg(test)]
mod tests {
    use super::only_conflicts;

    #[test]
    fn conditions_that_are_not_met_are_no_conflicts() {
        let check = |codes: &[&str], expected| {
            assert_eq!(only_conflicts(codes.iter().copied()), expected, "{codes:?}");
        };
        check(&["None", "TransactionConflict"], true);
        check(&["ConditionalCheckFailed", "TransactionConflict"], false);
        check(&["None", "ConditionalCheckFailed"], false);
        check(&["TransactionConflict", "ThrottlingError"], false);
        check(&["None", "None"], false);
        check(&[], false);
    }
}
