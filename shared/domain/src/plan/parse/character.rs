//! Characters that cannot be seen: refused, so that a plan is what it looks like.
//!
//! What an approver reads and what is carried out must not differ by a mark that turns the
//! direction of writing, and nothing may end a header line of a mail.

use super::errors::{At, Errors};
use crate::words::hidden;

/// Whether every character can be seen or is white space; each other one is told.
pub(super) fn all_seen(text: &str, errors: &mut Errors) -> bool {
    let mut fine = true;
    for (index, line) in text.split('\n').enumerate() {
        for (position, character) in line.strip_suffix('\r').unwrap_or(line).chars().enumerate() {
            if hidden(character) && character != '\t' {
                fine = false;
                errors.push(
                    At {
                        line: index + 1,
                        column: position + 1,
                    },
                    format!(
                        "the character U+{:04X} cannot be seen and may not stand in a plan",
                        u32::from(character)
                    ),
                );
            }
        }
    }
    fine
}
