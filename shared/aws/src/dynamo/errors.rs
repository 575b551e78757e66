//! What DynamoDB's errors mean to the ports.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use tidegate_ports::error::StoreError;

use super::item::Item;

/// The call failed, after all of the SDK's retries.
pub(super) fn unavailable<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    StoreError::Unavailable(Box::new(error))
}

/// The error of a call with a condition.
pub(super) trait Conditional {
    /// Whether the condition was not met; if so, with the item as it is, where it was asked for
    /// and exists.
    fn unmet(&self) -> Option<Option<&Item>>;
}

macro_rules! conditional {
    ($($error:ident)*) => {$(
        impl Conditional for $error {
            fn unmet(&self) -> Option<Option<&Item>> {
                match self {
                    Self::ConditionalCheckFailedException(error) => Some(error.item()),
                    _ => None,
                }
            }
        }
    )*};
}

conditional! { PutItemError UpdateItemError DeleteItemError }

/// How a write with a condition went.
#[derive(Debug)]
pub(super) enum Written<T> {
    /// It was done.
    Done(T),
    /// The condition was not met; the item as it is, where it was asked for and exists.
    Unmet(Option<Item>),
}

/// Tell a condition that was not met from a failure.
pub(super) fn written<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<Written<T>, StoreError>
where
    E: Conditional + Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    match result {
        Ok(output) => Ok(Written::Done(output)),
        Err(error) => match error.as_service_error().and_then(Conditional::unmet) {
            Some(item) => Ok(Written::Unmet(item.cloned())),
            None => Err(unavailable(error)),
        },
    }
}
