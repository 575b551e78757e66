//! Refusals: what the caller did that cannot be, each with a status and one clear sentence that
//! says what to do.

use serde::Serialize;
use tidegate_domain::plan::PlanError;

/// The HTTP statuses of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// 400: the request cannot be understood.
    BadRequest,
    /// 403: the caller may not do this.
    Forbidden,
    /// 404: it does not exist.
    NotFound,
    /// 405: the path knows other methods.
    WrongMethod,
    /// 409: it does not fit what is now.
    Conflict,
    /// 410: it was good once.
    Gone,
    /// 413: the body is too large.
    TooLarge,
    /// 415: the body is of another type.
    WrongType,
    /// 422: the plan has errors.
    Unprocessable,
    /// 503: something else did not answer.
    Unavailable,
    /// 500: something stored cannot be read.
    Broken,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its status.
    pub(crate) status: Status,
    /// One sentence for people.
    pub(crate) message: String,
    /// What is wrong in a plan.
    pub(crate) problems: Vec<PlanError>,
    /// The address of the wave's page, for whom may look at it.
    pub(crate) wave_page: Option<String>,
    /// How an approval that stands in the way is taken back, for whom may.
    pub(crate) withdraw: Option<Box<Withdraw>>,
    /// Whether Slack's signature, a link or a pass was verified before.
    pub(crate) signed: bool,
}

/// The form that takes an approval back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withdraw {
    /// The link that it was given with.
    pub(crate) token: String,
    /// The form's code.
    pub(crate) nonce: String,
}

/// A refusal as JSON.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "<[PlanError]>::is_empty")]
    problems: &'a [PlanError],
}

impl Status {
    /// The number.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::WrongMethod => 405,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::TooLarge => 413,
            Self::WrongType => 415,
            Self::Unprocessable => 422,
            Self::Broken => 500,
            Self::Unavailable => 503,
        }
    }
}

impl Refused {
    /// A refusal with its sentence.
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            problems: Vec::new(),
            wave_page: None,
            withdraw: None,
            signed: false,
        }
    }

    /// The same, with the address of the wave's page.
    pub(crate) fn with_wave_page(mut self, address: String) -> Self {
        self.wave_page = Some(address);
        self
    }

    /// The refusal as JSON.
    pub(crate) fn body(&self) -> Body<'_> {
        Body {
            error: &self.message,
            problems: &self.problems,
        }
    }
}

/// Why a request was not served: refused, or something failed on our side.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller's doing.
    Refused(Refused),
    /// Ours.
    Failed(tidegate_ports::error::HandlerError),
}

impl Failure {
    /// The same, of a request that came with something signed: so it is logged.
    pub(crate) fn signed(self) -> Self {
        match self {
            Self::Refused(refused) => Self::Refused(Refused {
                signed: true,
                ..refused
            }),
            Self::Failed(_) => self,
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<tidegate_ports::error::HandlerError> for Failure {
    fn from(error: tidegate_ports::error::HandlerError) -> Self {
        Self::Failed(error)
    }
}

/// Somebody's text, short enough to be repeated to them.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        format!("{short:?}…")
    } else {
        format!("{short:?}")
    }
}
