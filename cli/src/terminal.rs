//! The terminal, or what stands in its place: colours, width, questions.
//!
//! Everything is written through here, and a reader that went away (`| head`) is no error.

use std::io::{self, BufRead, IsTerminal, Write};

use jiff::tz::TimeZone;

use crate::arguments::Color;
use crate::failure::Failure;

/// The width where none can be found out, as in a file.
const WIDTH_OF_FILES: u16 = 160;

/// The narrowest that anything is laid out for.
const LEAST_WIDTH: u16 = 40;

/// Where a command speaks and asks.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Whether somebody is there to be asked: input and messages are on a terminal.
    pub interactive: bool,
    /// Whether standard output is a terminal, so that it can be drawn on.
    pub drawable: bool,
    /// How to draw.
    pub look: Look,
    complaints: Paint,
}

/// How things are drawn.
#[derive(Debug, Clone)]
pub struct Look {
    /// Colours of standard output.
    pub paint: Paint,
    /// Columns of the terminal.
    pub width: u16,
    /// The time zone that people here read.
    pub zone: TimeZone,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Whether there are any.
    pub colours: bool,
}

impl Terminal {
    /// Find out what there is.
    #[must_use]
    pub fn detect(color: Color) -> Self {
        let drawable = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let colours = |terminal: bool| match color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Self {
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            drawable,
            look: Look {
                paint: Paint {
                    colours: colours(drawable),
                },
                width: comfy_table::Table::new()
                    .width()
                    .unwrap_or(WIDTH_OF_FILES)
                    .max(LEAST_WIDTH),
                zone: TimeZone::system(),
            },
            complaints: Paint {
                colours: colours(io::stderr().is_terminal()),
            },
        }
    }

    /// Say something that was asked for, on standard output.
    pub fn say(&self, text: &str) {
        // A reader that went away wants no more, and there is nobody to tell.
        let _ = writeln!(io::stdout(), "{}", text.trim_end_matches('\n'));
    }

    /// Say something beside what was asked for, on standard error.
    pub fn remark(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Say why a command failed.
    pub fn complain(&self, failure: &Failure) {
        let label = self.complaints.bad("error:");
        let _ = writeln!(io::stderr(), "{label} {failure}");
    }

    /// Ask; only a `yes` is one.
    ///
    /// # Errors
    /// Nobody is there to be asked; `instead` says how to do without.
    pub fn confirm(&self, question: &str, instead: &str) -> Result<bool, Failure> {
        if !self.interactive {
            return Err(Failure::Input(format!(
                "this asks before it acts, and nobody can answer here: add {instead}"
            )));
        }
        let mut messages = io::stderr();
        let _ = write!(messages, "{question} [yes/no] ");
        let _ = messages.flush();
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::Failed(format!("the answer could not be read: {error}")))?;
        Ok(matches!(
            answer.trim().to_ascii_lowercase().as_str(),
            "y" | "yes"
        ))
    }
}

impl Look {
    /// Without colours, of a fixed width, in UTC: for tests and files.
    #[must_use]
    pub fn plain(width: u16) -> Self {
        Self {
            paint: Paint { colours: false },
            width,
            zone: TimeZone::UTC,
        }
    }
}

impl Paint {
    /// A heading.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Something beside the point.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// Something that went well.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Something that a person should look at.
    #[must_use]
    pub fn ask(self, text: &str) -> String {
        self.with("1;33", text)
    }

    /// Something that went wrong.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
