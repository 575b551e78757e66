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
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The runtime repeats every handler's error at this target, which we have logged; so are panics.
const REPEATS: &str = "lambda_runtime::layers::panic";

/// Write log lines as JSON to the standard output, which Lambda takes to CloudWatch; `RUST_LOG`
/// says which (`warn`, `info,tidegate_aws=debug`), `info` if it does not. A panic is a log line too.
pub fn start_tracing() {
    let wanted = std::env::var("RUST_LOG")
        .ok()
        .and_then(|wanted| wanted.parse::<Targets>().ok());
    let filter = wanted
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
        .with_target(REPEATS, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_filter(filter);
    // A second subscriber is no error: the first stays.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    std::panic::set_hook(Box::new(
        |panic| tracing::error!(%panic, "the function panicked"),
    ));
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
        let LambdaEvent { payload, context } = event;
        let until = deadline(context.deadline);
        let span = span(&payload, &context.request_id);
        serve(payload, until, handle)
            .instrument(span)
            .await
            .map_err(Failure)
    }))
    .await
}

/// The settings are wrong, or the process cannot begin: log why, once. What is given to `main`
/// says no more than that.
pub fn refuse_to_start(error: impl Error + 'static) -> lambda_runtime::Error {
    tracing::error!(error = chain(&error), "the function cannot start");
    "the function cannot start: its log says why".into()
}

/// One invocation. Its error is logged here, and nowhere else.
async fn serve<Request, Response>(
    payload: Value,
    until: Timestamp,
    handle: &impl AsyncFn(Request, Timestamp) -> Result<Response, HandlerError>,
) -> Result<Response, HandlerError>
where
    Request: DeserializeOwned,
{
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

/// What every log line of an invocation carries.
fn span(payload: &Value, request: &str) -> tracing::Span {
    let field = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    let generation = payload.get("generation").and_then(Value::as_u64);
    tracing::info_span!(
        "invocation",
        request,
        wave = field("wave"),
        effect = field("effect"),
        generation,
    )
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
    use std::collections::BTreeSet;

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

    /// Every name that the state machine retries or catches.
    fn caught(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let ("ErrorEquals", Some(errors)) = (name.as_str(), value.as_array()) {
                        names.extend(errors.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    caught(value, names);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| caught(item, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_state_machine_knows_no_other_name_of_ours() {
        let definition = include_str!("../../../infra/statemachines/driver.asl.json");
        let definition = serde_json::from_str(definition).expect("the definition is JSON");
        let mut names = BTreeSet::new();
        caught(&definition, &mut names);
        // AWS's own names have a service before a dot, this one aside.
        let ours = names.iter().filter(|name| !name.contains('.'));
        let ours: Vec<_> = ours
            .filter(|name| *name != "ExecutionAlreadyExists")
            .collect();
        assert_eq!(ours, ["Retryable"], "what is Permanent is not tried again");
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
