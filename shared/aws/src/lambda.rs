//! The entry that all functions share: logs as JSON, errors by name, the deadline as a time.
//!
//! An error is logged once, here, with its whole chain. Lambda reports it under the name that the
//! state machine knows ([`HandlerError::name`]): `Retryable` or `Permanent`, and nothing else.

use std::error::Error;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_ports::error::{HandlerError, chain};
use tracing::Instrument;
use tracing_subscriber::EnvFilter;

/// Write log lines as JSON to the standard output, which Lambda takes to CloudWatch; `RUST_LOG`
/// says which, `info` if it is not set.
pub fn start_tracing() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second subscriber is no error: the first stays.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_env_filter(filter)
        .try_init();
}

/// Serve invocations until Lambda ends the process. `handle` gets the request and the time at
/// which Lambda kills the invocation.
pub async fn run<Request, Response, Handle>(handle: Handle) -> Result<(), lambda_runtime::Error>
where
    Request: DeserializeOwned,
    Response: Serialize,
    Handle: AsyncFn(Request, Timestamp) -> Result<Response, HandlerError>,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let until = deadline(event.context.deadline);
        serve(event.payload, until, handle).await.map_err(Failure)
    }))
    .await
}

/// The settings are wrong, or the process cannot begin: log why, once, and give the error to
/// `main`.
pub fn refuse_to_start(error: impl Error + Send + Sync + 'static) -> lambda_runtime::Error {
    tracing::error!(error = chain(&error), "the function cannot start");
    Box::new(error)
}

/// One invocation.
async fn serve<Request, Response>(
    payload: Value,
    until: Timestamp,
    handle: &impl AsyncFn(Request, Timestamp) -> Result<Response, HandlerError>,
) -> Result<Response, HandlerError>
where
    Request: DeserializeOwned,
{
    let field = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    let generation = payload.get("generation").and_then(Value::as_u64);
    let span = tracing::info_span!(
        "invocation",
        wave = field("wave"),
        effect = field("effect"),
        generation,
    );
    async move {
        let answer = match serde_json::from_value(payload) {
            // Boxed, or the runtime's future grows too deep for the compiler to lay out.
            Ok(request) => Box::pin(handle(request, until)).await,
            Err(error) => Err(HandlerError::Permanent {
                context: "could not read the request".to_owned(),
                source: error.into(),
            }),
        };
        if let Err(error) = &answer {
            tracing::error!(
                kind = error.name(),
                error = chain(error),
                "the invocation failed"
            );
        }
        answer
    }
    .instrument(span)
    .await
}

/// Lambda's deadline, in milliseconds since 1970.
fn deadline(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A handler's error on its way to Lambda.
#[derive(Debug)]
struct Failure(HandlerError);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self {
            error_type: error.name().to_owned(),
            error_message: chain(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_ports::error::{Context, StoreError};

    #[derive(serde::Deserialize)]
    struct Request {
        wave: String,
    }

    fn failure(error: StoreError) -> Diagnostic {
        let failed: Result<(), StoreError> = Err(error);
        Failure(failed.context("could not park").expect_err("it failed")).into()
    }

    #[test]
    fn errors_go_by_the_names_that_the_state_machine_catches() {
        let away = failure(StoreError::Unavailable("connection reset".into()));
        assert_eq!(away.error_type, "Retryable");
        assert_eq!(
            away.error_message,
            "could not park: the table is unavailable: connection reset"
        );
        let corrupt = failure(StoreError::Corrupt {
            item: "DRIVER#orders / DRIVER".to_owned(),
            message: "no wakes".to_owned(),
        });
        assert_eq!(corrupt.error_type, "Permanent");
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_read_is_a_permanent_error() {
        let handle = async |request: Request, _until: Timestamp| Ok(request.wave);
        let wrong = serve(
            serde_json::json!({"wave": 7}),
            Timestamp::UNIX_EPOCH,
            &handle,
        )
        .await;
        let error = wrong.expect_err("7 is no wave");
        assert_eq!(error.name(), "Permanent");
        assert!(
            chain(&error).starts_with("could not read the request: invalid type"),
            "{error}"
        );
        let right = serve(
            serde_json::json!({"wave": "orders", "more": 1}),
            Timestamp::UNIX_EPOCH,
            &handle,
        )
        .await;
        assert_eq!(right.expect("unknown fields are tolerated"), "orders");
    }

    #[test]
    fn the_deadline_is_a_time() {
        assert_eq!(
            deadline(1_764_972_000_000).to_string(),
            "2025-12-05T22:00:00Z"
        );
        assert_eq!(deadline(u64::MAX), Timestamp::MAX);
    }
}
