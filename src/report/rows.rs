//! Rows under heads, as every list of wstap looks: no lines, two blanks between columns.

use std::fmt;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

/// Rows, in the order in which they were added.
#[derive(Debug)]
pub struct Rows(Table);

impl Rows {
    /// Columns named in `right` are of numbers. `width` is that of the terminal; without one no
    /// cell is wrapped.
    pub fn new(heads: &[&str], right: &[usize], width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(heads);
        match width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if right.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self(table)
    }

    /// Columns that share what a narrow terminal leaves; all others keep the width they need.
    #[must_use]
    pub fn wrapping_only(mut self, wrapped: &[usize]) -> Self {
        for (at, column) in self.0.column_iter_mut().enumerate() {
            if !wrapped.contains(&at) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        self
    }

    pub fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells.into_iter().collect::<Vec<_>>());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
