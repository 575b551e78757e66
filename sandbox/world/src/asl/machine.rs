//! Running a state machine: one execution, as Step Functions runs it.
//!
//! **Invariant**: quotas hold here as there: 25,000 history events, 256 KiB between states.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;

use futures::StreamExt;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::definition::{Catch, Definition, Jitter, Retry, State};
use super::expression::{ExpressionError, fill, holds};

/// The most events in the history of one execution (AWS quota).
pub const MOST_HISTORY: u32 = 25_000;
/// The most bytes between states (AWS quota).
pub const MOST_PAYLOAD: usize = 256 * 1024;

/// What an execution reaches.
#[expect(async_fn_in_trait, reason = "everything runs on one thread")]
pub trait Host {
    /// Invoke a function and wait for what it returns. At most `timeout`.
    async fn invoke(
        &self,
        function: &str,
        payload: Value,
        timeout: Option<SignedDuration>,
    ) -> Result<Value, TaskError>;

    /// Invoke a function with a token in its payload, and wait until the token comes back. At
    /// most `timeout`.
    async fn invoke_and_wait(
        &self,
        function: &str,
        payload: Value,
        token: &str,
        timeout: Option<SignedDuration>,
    ) -> Result<Value, TaskError>;

    /// StartExecution of the same machine.
    async fn start(&self, name: &str, input: Value) -> Result<Value, TaskError>;

    /// Wait.
    async fn sleep(&self, duration: SignedDuration);

    /// A number between 0 and 1.
    fn fraction(&self) -> f64;

    /// A new token.
    fn token(&self) -> String;

    /// A state was entered.
    fn entered(&self, state: &str);
}

/// How a Task fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct TaskError {
    /// The error's name, which Retry and Catch compare.
    pub error: String,
    /// What happened.
    pub cause: String,
}

impl TaskError {
    /// An error of that name.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            cause: cause.into(),
        }
    }
}

impl From<ExpressionError> for TaskError {
    fn from(error: ExpressionError) -> Self {
        Self::new("States.QueryEvaluationError", error.to_string())
    }
}

/// One execution.
#[derive(Debug)]
pub struct Run<'a, H> {
    host: &'a H,
    context: Value,
    history: Cell<u32>,
}

impl<'a, H: Host> Run<'a, H> {
    /// An execution with this name and input.
    pub fn new(host: &'a H, name: &str, input: &Value) -> Self {
        let context = json!({
            "Execution": {"Id": format!("arn:aws:states:::execution:driver:{name}"),
                "Name": name, "Input": input},
            "StateMachine": {"Id": "arn:aws:states:::stateMachine:driver", "Name": "driver"},
        });
        Self {
            host,
            context,
            history: Cell::new(1),
        }
    }

    /// How many events its history holds.
    #[must_use]
    pub fn history(&self) -> u32 {
        self.history.get()
    }

    /// Run to the end.
    ///
    /// # Errors
    /// The execution failed.
    pub fn run<'r>(
        &'r self,
        definition: &'r Definition,
        input: Value,
    ) -> Pin<Box<dyn Future<Output = Result<Value, TaskError>> + 'r>> {
        Box::pin(self.states(definition, input))
    }

    async fn states(&self, definition: &Definition, mut input: Value) -> Result<Value, TaskError> {
        let mut name = definition.start_at.as_str();
        loop {
            self.host.entered(name);
            self.event(2)?;
            let state = definition
                .states
                .get(name)
                .ok_or_else(|| TaskError::new("States.Runtime", format!("no state {name}")))?;
            let (output, next) = self.state(state, &input).await?;
            if output.to_string().len() > MOST_PAYLOAD {
                return Err(TaskError::new(
                    "States.DataLimitExceeded",
                    format!("{name} gives on more than 256 KiB"),
                ));
            }
            match next {
                Some(next) => (name, input) = (next, output),
                None => return Ok(output),
            }
        }
    }

    /// The state's output and the next state.
    async fn state<'s>(
        &self,
        state: &'s State,
        input: &Value,
    ) -> Result<(Value, Option<&'s str>), TaskError> {
        let states = json!({"input": input, "context": self.context});
        let filled = |output: &Option<Value>| match output {
            Some(template) => fill(template, &states),
            None => Ok(input.clone()),
        };
        match state {
            State::Task {
                catch,
                output,
                next,
                ..
            } => match self.task(state, input).await {
                Ok(result) => Ok((
                    self.output(output, input, "result", result)?,
                    next.as_deref(),
                )),
                Err(error) => self.caught(catch, input, error),
            },
            State::Choice {
                choices, default, ..
            } => {
                for choice in choices {
                    if holds(&choice.condition, &states)? {
                        return Ok((input.clone(), Some(&choice.next)));
                    }
                }
                let default = default.as_deref().ok_or_else(|| {
                    TaskError::new("States.NoChoiceMatched", "no condition holds")
                })?;
                Ok((input.clone(), Some(default)))
            }
            State::Map {
                items,
                max_concurrency,
                item_processor,
                output,
                next,
                ..
            } => {
                let items = fill(items, &states)?;
                let Value::Array(items) = items else {
                    return Err(TaskError::new("States.Runtime", "Items is no array"));
                };
                let at_once = (*max_concurrency).clamp(1, 40);
                let runs: Vec<Result<Value, TaskError>> = futures::stream::iter(items)
                    .map(|item| self.run(item_processor, item))
                    .buffered(at_once)
                    .collect()
                    .await;
                let results = runs.into_iter().collect::<Result<Vec<_>, _>>()?;
                let output = self.output(output, input, "result", Value::Array(results))?;
                Ok((output, next.as_deref()))
            }
            State::Wait {
                seconds,
                output,
                next,
                ..
            } => {
                let seconds = fill(seconds, &states)?.as_u64().ok_or_else(|| {
                    TaskError::new("States.QueryEvaluationError", "Seconds is no whole number")
                })?;
                let output = filled(output)?;
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                self.host.sleep(SignedDuration::from_secs(seconds)).await;
                Ok((output, next.as_deref()))
            }
            State::Pass { output, next, .. } => Ok((filled(output)?, next.as_deref())),
            State::Succeed { output, .. } => Ok((filled(output)?, None)),
            State::Fail { error, cause, .. } => {
                Err(TaskError::new(error, cause.clone().unwrap_or_default()))
            }
        }
    }

    fn output(
        &self,
        template: &Option<Value>,
        input: &Value,
        name: &str,
        value: Value,
    ) -> Result<Value, TaskError> {
        match template {
            Some(template) => {
                let states = json!({"input": input, "context": self.context, name: value});
                Ok(fill(template, &states)?)
            }
            None => Ok(value),
        }
    }

    fn caught<'s>(
        &self,
        catch: &'s [Catch],
        input: &Value,
        error: TaskError,
    ) -> Result<(Value, Option<&'s str>), TaskError> {
        let Some(catch) = catch
            .iter()
            .find(|c| matches(&c.error_equals, &error.error))
        else {
            return Err(error);
        };
        let value = json!({"Error": error.error, "Cause": error.cause});
        let output = self.output(&catch.output, input, "errorOutput", value)?;
        Ok((output, Some(&catch.next)))
    }

    async fn task(&self, state: &State, input: &Value) -> Result<Value, TaskError> {
        let State::Task {
            resource,
            arguments,
            timeout_seconds,
            retry,
            ..
        } = state
        else {
            return Err(TaskError::new("States.Runtime", "not a Task"));
        };
        let timeout = timeout_seconds
            .map(|s| SignedDuration::from_secs(i64::try_from(s).unwrap_or(i64::MAX)));
        let mut tried = vec![0_u32; retry.len()];
        loop {
            self.event(3)?;
            let error = match self.attempt(resource, arguments, timeout, input).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let found = retry
                .iter()
                .position(|r| matches(&r.error_equals, &error.error));
            let Some((retry, tried)) = found.and_then(|i| Some((retry.get(i)?, tried.get_mut(i)?)))
            else {
                return Err(error);
            };
            if *tried >= retry.max_attempts {
                return Err(error);
            }
            self.host
                .sleep(wait(retry, *tried, self.host.fraction()))
                .await;
            *tried += 1;
        }
    }

    async fn attempt(
        &self,
        resource: &str,
        arguments: &Value,
        timeout: Option<SignedDuration>,
        input: &Value,
    ) -> Result<Value, TaskError> {
        let mut context = self.context.clone();
        let waits = resource.ends_with(".waitForTaskToken");
        let token = self.host.token();
        if waits {
            context["Task"] = json!({ "Token": token });
        }
        let filled = fill(arguments, &json!({"input": input, "context": context}))?;
        let text = |key: &str| {
            filled
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| TaskError::new("States.Runtime", format!("Arguments have no {key}")))
        };
        if resource.ends_with(":startExecution") {
            let input = filled.get("Input").cloned().unwrap_or(Value::Null);
            return self.host.start(&text("Name")?, input).await;
        }
        let function = text("FunctionName")?;
        let payload = filled.get("Payload").cloned().unwrap_or(Value::Null);
        if waits {
            return self
                .host
                .invoke_and_wait(&function, payload, &token, timeout)
                .await;
        }
        let payload = self.host.invoke(&function, payload, timeout).await?;
        Ok(json!({"ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": payload}))
    }

    fn event(&self, count: u32) -> Result<(), TaskError> {
        self.history.set(self.history.get() + count);
        if self.history.get() > MOST_HISTORY {
            return Err(TaskError::new(
                "States.Runtime",
                "the history holds 25,000 events",
            ));
        }
        Ok(())
    }
}

/// Whether a Retry or a Catch names the error.
fn matches(names: &[String], error: &str) -> bool {
    names.iter().any(|name| match name.as_str() {
        "States.ALL" => !matches!(error, "States.DataLimitExceeded" | "States.Runtime"),
        "States.TaskFailed" => error != "States.Timeout" && error != "States.DataLimitExceeded",
        name => name == error,
    })
}

fn wait(retry: &Retry, tried: u32, fraction: f64) -> SignedDuration {
    let tried = i32::try_from(tried).unwrap_or(i32::MAX);
    let longest = retry.max_delay_seconds.unwrap_or(f64::from(u32::MAX));
    let wait = (retry.interval_seconds * retry.backoff_rate.powi(tried)).min(longest);
    let share = match retry.jitter_strategy {
        Some(Jitter::Full) => fraction,
        Some(Jitter::None) | None => 1.0,
    };
    SignedDuration::from_secs_f64(wait * share)
}
