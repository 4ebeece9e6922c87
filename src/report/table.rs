//! Sessions one per row: a table of those that are there, lines of those that come.

use std::fmt;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::clean::clean;
use super::clock::Clock;
use super::outcome::how_it_ended;
use super::quantity::number;
use crate::session::Record;

/// Heads and, for lines that cannot know what comes after them, widths.
const COLUMNS: [(&str, usize); 10] = [
    ("ID", 8),
    ("STARTED", 25),
    ("KIND", 9),
    ("FROM", 24),
    ("PATH", 16),
    ("STATUS", 6),
    ("DURATION", 9),
    ("C2S", 6),
    ("S2C", 6),
    ("HOW IT ENDED", 0),
];

/// The columns of numbers.
const RIGHT: [usize; 4] = [5, 6, 7, 8];

/// Sessions as rows, in the order in which they were added.
#[derive(Debug)]
pub struct SessionTable {
    table: Table,
    clock: Clock,
}

impl SessionTable {
    /// `width` is that of the terminal; without one no cell is wrapped.
    pub fn new(clock: Clock, width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(COLUMNS.map(|(name, _)| name));
        match width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if RIGHT.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table, clock }
    }

    pub fn add(&mut self, record: &Record) {
        self.table.add_row(cells(record, &self.clock));
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl fmt::Display for SessionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The heads over the lines of [`follow_line`].
pub fn follow_header() -> String {
    spread(&COLUMNS.map(|(name, _)| name.to_owned()))
}

/// One session as a line of its own.
pub fn follow_line(record: &Record, clock: &Clock) -> String {
    spread(&cells(record, clock))
}

fn spread(cells: &[String; COLUMNS.len()]) -> String {
    let mut line = String::new();
    for (at, (cell, (_, width))) in cells.iter().zip(COLUMNS).enumerate() {
        let cell = if RIGHT.contains(&at) {
            format!("{cell:>width$}  ")
        } else {
            format!("{cell:<width$}  ")
        };
        line.push_str(&cell);
    }
    line.truncate(line.trim_end().len());
    line
}

fn cells(record: &Record, clock: &Clock) -> [String; COLUMNS.len()] {
    let request = record.request.as_ref();
    let origin = request.and_then(|request| request.origin.as_deref());
    let status = record.own_answer.as_ref().map(|answer| answer.status);
    let status = status.or_else(|| record.response.as_ref().and_then(|response| response.status));
    [
        record.id.short().to_owned(),
        clock.seconds(record.started_at),
        record.kind.name().to_owned(),
        or_dash(origin.unwrap_or(&record.client.addr)),
        or_dash(request.map_or("", |request| request.path())),
        status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        record.duration_ms.to_string(),
        number(record.frames.c2s.frames),
        number(record.frames.s2c.frames),
        how_it_ended(record),
    ]
}

/// The beginning of a text, as far as a column goes.
fn or_dash(text: &str) -> String {
    const LONGEST: usize = 48;
    if text.is_empty() {
        "-".to_owned()
    } else if text.chars().count() <= LONGEST {
        clean(text).into_owned()
    } else {
        let beginning: String = text.chars().take(LONGEST - 3).collect();
        format!("{}...", clean(&beginning))
    }
}
