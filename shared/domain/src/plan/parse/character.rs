//! Characters that cannot be seen: refused, so that a plan is what it looks like.
//!
//! What an approver reads and what is carried out must not differ by a mark that turns the
//! direction of writing, and nothing may end a header line of a mail.

use super::errors::{At, Errors};

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

/// Control characters, and those that make a text look like another one (separators that break
/// lines, marks that change the direction of writing, characters without width).
pub(super) fn hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}
