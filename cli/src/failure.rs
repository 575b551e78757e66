//! What can go wrong, in one sentence that says what to do, with the exit code that it ends in.

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something did not work out (exit code 1).
    #[error("{0}")]
    Failed(String),
    /// The input is wrong: arguments, settings, a file (2).
    #[error("{0}")]
    Input(String),
    /// There is no such wave, gate or server (3).
    #[error("{0}")]
    NotFound(String),
    /// Not allowed, or it does not fit how the wave stands; nothing was changed (4).
    #[error("{0}")]
    Refused(String),
    /// The console gave no answer (5).
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    /// The process's exit code, as `--help` tells.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Input(_) => 2,
            Self::NotFound(_) => 3,
            Self::Refused(_) => 4,
            Self::Unreachable(_) => 5,
        }
    }
}
