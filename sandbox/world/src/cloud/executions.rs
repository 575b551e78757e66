//! Step Functions: executions of the driver.
//!
//! **Invariant**: an execution that is stopped leaves the functions that it invoked running, as
//! on AWS.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate_domain::id::WaveId;

use super::Cloud;
use super::functions::Function;
use super::invocation::invoke;
use crate::asl::machine::{Host, Run, TaskError};
use crate::invariants::{covered, violated};
use crate::runtime::{Slot, TaskId};

/// An execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its name, used once.
    pub name: String,
    /// The wave that it drives.
    pub wave: WaveId,
    /// The state it is in.
    pub state: String,
    /// How it stands.
    pub status: Status,
    /// How many events its history holds; known when it has ended.
    pub history: u32,
    task: Option<TaskId>,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It ended by itself.
    Succeeded,
    /// It failed.
    Failed(String),
    /// It was stopped.
    Stopped,
}

/// Start an execution; false if the name was used.
pub(super) fn start(cloud: &Rc<Cloud>, wave: &WaveId, generation: u64) -> bool {
    let name = format!("{wave}-g{generation}");
    if cloud.executions.borrow().contains_key(&name) {
        return false;
    }
    cloud.note(|| format!("execution {name} starts"));
    let execution = Execution {
        name: name.clone(),
        wave: wave.clone(),
        state: String::new(),
        status: Status::Running,
        history: 0,
        task: None,
    };
    cloud
        .executions
        .borrow_mut()
        .insert(name.clone(), execution);
    let input = json!({"wave": wave, "generation": generation});
    let host = Driver {
        cloud: Rc::clone(cloud),
        name: name.clone(),
        wave: wave.clone(),
    };
    let definition = Rc::clone(&cloud.definition);
    let task = cloud.runtime.spawn(async move {
        let run = Run::new(&host, &host.name, &input);
        let result = run.run(&definition, input.clone()).await;
        host.ended(result, run.history());
    });
    if let Some(execution) = cloud.executions.borrow_mut().get_mut(&name) {
        execution.task = Some(task);
    }
    true
}

/// StopExecution.
pub(super) fn stop(cloud: &Cloud, name: &str) {
    let mut executions = cloud.executions.borrow_mut();
    if let Some(execution) = executions.get_mut(name)
        && execution.status == Status::Running
    {
        execution.status = Status::Stopped;
        covered(cloud, format!("execution stopped in {}", execution.state));
        cloud.note(|| format!("execution {name} is stopped in {}", execution.state));
        if let Some(task) = execution.task {
            cloud.runtime.kill(task);
        }
    }
}

/// SendTaskSuccess; false if nobody waits with this token.
pub(super) fn wake(cloud: &Cloud, token: &str) -> bool {
    cloud
        .tokens
        .borrow_mut()
        .remove(token)
        .is_some_and(|slot| slot.give(()))
}

struct Driver {
    cloud: Rc<Cloud>,
    name: String,
    wave: WaveId,
}

impl Driver {
    fn ended(&self, result: Result<Value, TaskError>, history: u32) {
        let status = match result {
            Ok(_) => Status::Succeeded,
            Err(error) => Status::Failed(error.to_string()),
        };
        self.cloud
            .note(|| format!("execution {} ended: {status:?}", self.name));
        match &status {
            Status::Failed(error) => {
                let name = error.split(':').next().unwrap_or_default();
                covered(&self.cloud, format!("execution failed {name}"));
                // Step Functions' own limits: 25,000 events, 256 KiB.
                if matches!(name, "States.Runtime" | "States.DataLimitExceeded") {
                    violated(&self.cloud, 11, format!("{}: {error}", self.name));
                }
            }
            Status::Running | Status::Succeeded | Status::Stopped => {
                covered(&self.cloud, format!("execution {status:?}"));
            }
        }
        if let Some(execution) = self.cloud.executions.borrow_mut().get_mut(&self.name) {
            execution.status = status;
            execution.history = history;
        }
    }

    fn until(&self, timeout: Option<SignedDuration>) -> Timestamp {
        timeout
            .and_then(|t| self.cloud.now().checked_add(t).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

/// `${ObserveFunctionArn}` is substituted when the template is deployed.
fn function(name: &str) -> Result<Function, TaskError> {
    let plain = name
        .strip_prefix("${")
        .and_then(|n| n.strip_suffix("FunctionArn}"));
    plain
        .and_then(|plain| Function::named(&plain.to_ascii_lowercase()))
        .ok_or_else(|| TaskError::new("States.Runtime", format!("no function {name}")))
}

fn timed_out() -> TaskError {
    TaskError::new("States.Timeout", "the state timed out")
}

impl Host for Driver {
    async fn invoke(
        &self,
        name: &str,
        payload: Value,
        timeout: Option<SignedDuration>,
    ) -> Result<Value, TaskError> {
        let function = function(name)?;
        let cloud = &self.cloud;
        let (throttled, double, lost) = {
            let faults = cloud.faults.borrow();
            let mut random = cloud.random.borrow_mut();
            let mut chance = |odds| random.chance(odds);
            (
                chance(faults.invoke_throttled),
                chance(faults.invoke_doubled),
                chance(faults.invoke_lost),
            )
        };
        if throttled {
            covered(
                cloud,
                format!("invocation of {} is refused", function.name()),
            );
            return Err(TaskError::new(
                "Lambda.TooManyRequestsException",
                "throttled",
            ));
        }
        if double {
            covered(
                cloud,
                format!("invocation of {} is doubled", function.name()),
            );
            invoke(cloud, function, payload.clone());
        }
        let answer = invoke(cloud, function, payload);
        if lost {
            covered(cloud, format!("invocation of {} is lost", function.name()));
            cloud.runtime.sleep(SignedDuration::from_secs(2)).await;
            return Err(TaskError::new(
                "Lambda.SdkClientException",
                "the connection broke",
            ));
        }
        let until = self.until(timeout);
        cloud
            .runtime
            .within(until, answer.take())
            .await
            .unwrap_or_else(|| Err(timed_out()))
    }

    async fn invoke_and_wait(
        &self,
        name: &str,
        payload: Value,
        token: &str,
        timeout: Option<SignedDuration>,
    ) -> Result<Value, TaskError> {
        let until = self.until(timeout);
        let slot = Slot::default();
        self.cloud
            .tokens
            .borrow_mut()
            .insert(token.to_owned(), slot.clone());
        let result = self
            .cloud
            .runtime
            .within(until, async {
                // The token may come back before the function has answered; a function that fails
                // fails the task.
                let invoked = self.invoke(name, payload, None);
                let woken = slot.take();
                futures::pin_mut!(invoked, woken);
                match futures::future::select(woken, invoked).await {
                    futures::future::Either::Left(((), _)) => Ok(json!({})),
                    futures::future::Either::Right((Ok(_), woken)) => {
                        woken.await;
                        Ok(json!({}))
                    }
                    futures::future::Either::Right((Err(error), _)) => Err(error),
                }
            })
            .await;
        self.cloud.tokens.borrow_mut().remove(token);
        result.unwrap_or_else(|| Err(timed_out()))
    }

    async fn start(&self, name: &str, input: Value) -> Result<Value, TaskError> {
        let generation = input["generation"].as_u64().unwrap_or(0);
        if *name != format!("{}-g{generation}", self.wave) {
            return Err(TaskError::new("StepFunctions.InvalidName", name));
        }
        if start(&self.cloud, &self.wave, generation) {
            return Ok(json!({}));
        }
        Err(TaskError::new(
            "StepFunctions.ExecutionAlreadyExistsException",
            name,
        ))
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.cloud.runtime.sleep(duration).await;
    }

    fn fraction(&self) -> f64 {
        self.cloud.random.borrow_mut().fraction()
    }

    fn token(&self) -> String {
        format!("token-{}", self.cloud.number())
    }

    fn entered(&self, state: &str) {
        if let Some(execution) = self.cloud.executions.borrow_mut().get_mut(&self.name) {
            state.clone_into(&mut execution.state);
        }
        covered(&self.cloud, format!("state {state}"));
        let odds = self.cloud.faults.borrow().execution_stopped / 30.0;
        if self.cloud.random.borrow_mut().chance(odds) {
            stop(&self.cloud, &self.name);
        }
    }
}
