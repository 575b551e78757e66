//! A DynamoDB whose writes succeed and whose first answer to each of them is lost: the SDK sees a
//! 500 and tries again.
//!
//! Counting a wake is left out: it is counted at least once, not once.

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// Loses the first answer to each write.
#[derive(Debug)]
pub(crate) struct LostAnswers;

/// The answer to this attempt gets lost.
#[derive(Debug)]
struct Lost(bool);

impl Storable for Lost {
    type Storer = StoreReplace<Self>;
}

impl Intercept for LostAnswers {
    fn name(&self) -> &'static str {
        "lost answers"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let header = |name| request.headers().get(name).unwrap_or_default();
        let target = header("x-amz-target");
        let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]
            .iter()
            .any(|write| target.ends_with(&format!(".{write}")));
        let body = request.body().bytes().unwrap_or_default();
        let wake = String::from_utf8_lossy(body).contains("ADD #wakes");
        let first = header("amz-sdk-request").contains("attempt=1");
        config
            .interceptor_state()
            .store_put(Lost(writes && first && !wake));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Lost>().is_some_and(|lost| lost.0) {
            let response = context.response_mut();
            *response.status_mut() = 500.try_into()?;
            *response.body_mut() = SdkBody::from(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#,
            );
        }
        Ok(())
    }
}
