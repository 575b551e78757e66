//! A state machine file, read. JSONata only; every field that is not named here is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A state machine, or the part of it that a Map runs for each item.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Definition {
    /// For people.
    #[serde(default)]
    pub comment: String,
    /// Must be `JSONata` at the top.
    pub query_language: Option<String>,
    /// Only in a Map: must be INLINE.
    pub processor_config: Option<Processor>,
    /// The first state.
    pub start_at: String,
    /// The states.
    pub states: BTreeMap<String, State>,
}

/// How a Map runs its items.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Processor {
    /// Must be INLINE.
    pub mode: String,
}

/// A state.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "Type", deny_unknown_fields)]
pub enum State {
    /// Calls a service.
    #[serde(rename_all = "PascalCase")]
    Task {
        /// For people.
        #[serde(default)]
        comment: String,
        /// Which integration.
        resource: String,
        /// What it is called with.
        arguments: Value,
        /// How long it may take.
        timeout_seconds: Option<u64>,
        /// What it gives on; the result if absent.
        output: Option<Value>,
        /// When it is tried again.
        #[serde(default)]
        retry: Vec<Retry>,
        /// Where errors lead.
        #[serde(default)]
        catch: Vec<Catch>,
        /// The next state.
        next: Option<String>,
        /// Whether it is the last.
        #[serde(default)]
        end: bool,
    },
    /// Branches.
    #[serde(rename_all = "PascalCase")]
    Choice {
        /// For people.
        #[serde(default)]
        comment: String,
        /// The branches, in order.
        choices: Vec<Choice>,
        /// Where it goes otherwise.
        default: Option<String>,
    },
    /// Runs a part for each item.
    #[serde(rename_all = "PascalCase")]
    Map {
        /// For people.
        #[serde(default)]
        comment: String,
        /// The items.
        items: Value,
        /// How many at once.
        max_concurrency: usize,
        /// The part.
        item_processor: Box<Definition>,
        /// What it gives on; the results if absent.
        output: Option<Value>,
        /// The next state.
        next: Option<String>,
        /// Whether it is the last.
        #[serde(default)]
        end: bool,
    },
    /// Waits.
    #[serde(rename_all = "PascalCase")]
    Wait {
        /// For people.
        #[serde(default)]
        comment: String,
        /// How long: a number or an expression.
        seconds: Value,
        /// What it gives on; its input if absent.
        output: Option<Value>,
        /// The next state.
        next: Option<String>,
        /// Whether it is the last.
        #[serde(default)]
        end: bool,
    },
    /// Does nothing.
    #[serde(rename_all = "PascalCase")]
    Pass {
        /// For people.
        #[serde(default)]
        comment: String,
        /// What it gives on; its input if absent.
        output: Option<Value>,
        /// The next state.
        next: Option<String>,
        /// Whether it is the last.
        #[serde(default)]
        end: bool,
    },
    /// Ends well.
    #[serde(rename_all = "PascalCase")]
    Succeed {
        /// For people.
        #[serde(default)]
        comment: String,
        /// What the machine gives; its input if absent.
        output: Option<Value>,
    },
    /// Ends badly.
    #[serde(rename_all = "PascalCase")]
    Fail {
        /// For people.
        #[serde(default)]
        comment: String,
        /// The error's name.
        error: String,
        /// What is wrong.
        cause: Option<String>,
    },
}

/// A branch of a Choice.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Choice {
    /// An expression that gives true or false.
    pub condition: String,
    /// Where it leads.
    pub next: String,
}

/// When a Task is tried again.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Retry {
    /// For which errors.
    pub error_equals: Vec<String>,
    /// The first wait.
    #[serde(default = "one")]
    pub interval_seconds: f64,
    /// How much longer each next wait is.
    #[serde(default = "two")]
    pub backoff_rate: f64,
    /// How often at most.
    #[serde(default = "three")]
    pub max_attempts: u32,
    /// The longest wait.
    pub max_delay_seconds: Option<f64>,
    /// FULL: anything between nothing and the wait.
    pub jitter_strategy: Option<Jitter>,
}

/// How waits are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Jitter {
    /// Over the whole wait.
    Full,
    /// Not at all.
    None,
}

/// Where errors of a Task lead.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Catch {
    /// Which errors.
    pub error_equals: Vec<String>,
    /// What is given on; the error if absent.
    pub output: Option<Value>,
    /// Where it leads.
    pub next: String,
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn three() -> u32 {
    3
}

/// A file that cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It is not JSON, or holds something that is not understood.
    #[error("the state machine holds something that the world does not understand")]
    Unknown(#[from] serde_json::Error),
    /// A state or an integration that is not there.
    #[error("{0}")]
    Wrong(String),
}

/// The services that a Task may call.
pub const RESOURCES: [&str; 3] = [
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "arn:aws:states:::states:startExecution",
];

impl Definition {
    /// Read a file, and check that everything in it can be run here.
    ///
    /// # Errors
    /// Says what cannot.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let definition: Self = serde_json::from_str(text)?;
        if definition.query_language.as_deref() != Some("JSONata") {
            return Err(DefinitionError::Wrong(
                "QueryLanguage must be JSONata".to_owned(),
            ));
        }
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), DefinitionError> {
        let wrong = |text: String| Err(DefinitionError::Wrong(text));
        let known = |name: &str| self.states.contains_key(name);
        if !known(&self.start_at) {
            return wrong(format!(
                "StartAt names {}, which is no state",
                self.start_at
            ));
        }
        if let Some(processor) = &self.processor_config
            && processor.mode != "INLINE"
        {
            return wrong(format!(
                "a Map of mode {} is not understood",
                processor.mode
            ));
        }
        for (name, state) in &self.states {
            for target in state.targets() {
                if !known(target) {
                    return wrong(format!("{name} leads to {target}, which is no state"));
                }
            }
            match state {
                State::Task {
                    resource,
                    next,
                    end,
                    ..
                } => {
                    if !RESOURCES.contains(&resource.as_str()) {
                        return wrong(format!("{name} calls {resource}, which is not understood"));
                    }
                    one_way(name, next.as_ref(), *end)?;
                }
                State::Map {
                    item_processor,
                    next,
                    end,
                    ..
                } => {
                    item_processor.check()?;
                    one_way(name, next.as_ref(), *end)?;
                }
                State::Wait { next, end, .. } | State::Pass { next, end, .. } => {
                    one_way(name, next.as_ref(), *end)?;
                }
                State::Choice { .. } | State::Succeed { .. } | State::Fail { .. } => {}
            }
        }
        Ok(())
    }
}

fn one_way(name: &str, next: Option<&String>, end: bool) -> Result<(), DefinitionError> {
    if next.is_some() == end {
        return Err(DefinitionError::Wrong(format!(
            "{name} needs either Next or End"
        )));
    }
    Ok(())
}

impl State {
    fn targets(&self) -> Vec<&str> {
        match self {
            Self::Task { next, catch, .. } => {
                let caught = catch.iter().map(|c| c.next.as_str());
                next.as_deref().into_iter().chain(caught).collect()
            }
            Self::Choice {
                choices, default, ..
            } => {
                let chosen = choices.iter().map(|c| c.next.as_str());
                default.as_deref().into_iter().chain(chosen).collect()
            }
            Self::Map { next, .. } | Self::Wait { next, .. } | Self::Pass { next, .. } => {
                next.as_deref().into_iter().collect()
            }
            Self::Succeed { .. } | Self::Fail { .. } => Vec::new(),
        }
    }
}
