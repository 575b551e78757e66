//! What happened in a world, line by line: the log of a run that failed.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;

/// The log; a clone is another handle on the same one.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    lines: Option<Rc<RefCell<Vec<String>>>>,
}

impl Journal {
    /// A log that keeps nothing, for the thousands of runs that nobody reads.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// A log that keeps every line.
    #[must_use]
    pub fn kept() -> Self {
        Self {
            lines: Some(Rc::default()),
        }
    }

    /// Whether lines are kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// Write a line; it is not made if nothing is kept.
    pub fn note(&self, at: Timestamp, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            lines.borrow_mut().push(format!("{at:.3} {}", line()));
        }
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines
            .as_ref()
            .map(|lines| lines.borrow().clone())
            .unwrap_or_default()
    }
}
