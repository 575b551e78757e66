//! What can go wrong at a boundary. The names that the state machine catches come from
//! [`HandlerError`].

use tidegate_domain::effect::{Refusal, RefusalKind};
use tidegate_domain::id::IdError;
use tidegate_domain::observation::Answer;

/// The table did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did not answer, or throttled: try again.
    #[error("the table is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An item is not what this version can read.
    #[error("item {item} cannot be read: {message}")]
    Corrupt {
        /// `pk / sk`.
        item: String,
        /// What is wrong.
        message: String,
    },
}

/// A read of AWS failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// MGN is not initialized in this account and Region.
    #[error("MGN is not initialized")]
    Uninitialized,
    /// The role lacks a right.
    #[error("not allowed: {0}")]
    Denied(String),
    /// It does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// It failed, throttled or timed out: try again.
    #[error("failed: {0}")]
    Failed(String),
}

/// A call that changes something in AWS failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It was refused: nothing was done.
    #[error("refused: {}", .0.message)]
    Refused(Refusal),
    /// Nobody knows whether it was done: look before calling again.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// How a handler fails. Lambda reports the variant's name as the error's type, and the state
/// machine retries `Retryable` alone.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Try again.
    #[error("{context}")]
    Retryable {
        /// What was being done.
        context: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Trying again would fail again.
    #[error("{context}")]
    Permanent {
        /// What was being done.
        context: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HandlerError {
    /// The name under which the state machine knows this error.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retryable { .. } => "Retryable",
            Self::Permanent { .. } => "Permanent",
        }
    }
}

/// An error with everything that caused it, on one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Transparent errors repeat their source's words.
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// Say what was being done when an error came.
pub trait Context<T> {
    /// `context` completes "could not": `read the wave`.
    fn context(self, context: impl Into<String>) -> Result<T, HandlerError>;
}

impl<T> Context<T> for Result<T, StoreError> {
    fn context(self, context: impl Into<String>) -> Result<T, HandlerError> {
        self.map_err(|source| {
            let context = context.into();
            match source {
                StoreError::Unavailable(_) => HandlerError::Retryable {
                    context,
                    source: source.into(),
                },
                StoreError::Corrupt { .. } => HandlerError::Permanent {
                    context,
                    source: source.into(),
                },
            }
        })
    }
}

impl<T> Context<T> for Result<T, ReadError> {
    fn context(self, context: impl Into<String>) -> Result<T, HandlerError> {
        self.map_err(|source| HandlerError::Retryable {
            context: context.into(),
            source: source.into(),
        })
    }
}

impl<T> Context<T> for Result<T, CallError> {
    fn context(self, context: impl Into<String>) -> Result<T, HandlerError> {
        self.map_err(|source| HandlerError::Retryable {
            context: context.into(),
            source: source.into(),
        })
    }
}

impl<T> Context<T> for Result<T, IdError> {
    fn context(self, context: impl Into<String>) -> Result<T, HandlerError> {
        self.map_err(|source| HandlerError::Permanent {
            context: context.into(),
            source: source.into(),
        })
    }
}

impl From<&ReadError> for Answer {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::Uninitialized => Self::Uninitialized,
            ReadError::Denied(message) => Self::Denied(message.clone()),
            ReadError::NotFound(message) | ReadError::Failed(message) => {
                Self::Failed(message.clone())
            }
        }
    }
}

impl CallError {
    /// A refusal of that kind.
    pub fn refused(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self::Refused(Refusal {
            kind,
            message: message.into(),
        })
    }
}
