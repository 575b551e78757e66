//! Tables without lines, as wide as the terminal at most.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use crate::terminal::Look;

/// A table with these headings.
pub(super) fn table(headings: &[&str], look: &Look) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width);
    if look.paint.colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(
        headings
            .iter()
            .map(|heading| Cell::new(heading).add_attribute(comfy_table::Attribute::Bold)),
    );
    table
}

/// The table as text; the first column begins where the line does.
pub(super) fn text(mut table: Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Busy,
    Ask,
    Bad,
}

/// A cell in a tone.
pub(super) fn cell(text: impl ToString, tone: Tone) -> Cell {
    let cell = Cell::new(text.to_string());
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Busy => cell.fg(Color::Cyan),
        Tone::Ask => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}
