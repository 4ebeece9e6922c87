//! Sessions one per row: a table of those that are there, lines of those that come.

use std::fmt;

use super::clean::clean;
use super::clock::Clock;
use super::outcome::how_it_ended;
use super::quantity::number;
use super::rows::Rows;
use crate::session::Record;

/// Heads and, for lines that cannot know what comes after them, widths.
const COLUMNS: [(&str, usize); 10] = [
    ("ID", 8),
    ("STARTED", 20),
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

/// The columns that share what a narrow terminal leaves.
const WRAPPED: [usize; 3] = [3, 4, 9];

/// Sessions as rows, in the order in which they were added.
#[derive(Debug)]
pub struct SessionTable {
    rows: Rows,
    clock: Clock,
}

impl SessionTable {
    /// `width` is that of the terminal; without one no cell is wrapped.
    pub fn new(clock: Clock, width: Option<u16>) -> Self {
        let rows = Rows::new(&COLUMNS.map(|(name, _)| name), &RIGHT, width).wrapping_only(&WRAPPED);
        Self { rows, clock }
    }

    pub fn add(&mut self, record: &Record) {
        self.rows.add(cells(record, &self.clock));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for SessionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.fmt(f)
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
        clock.short(record.started_at),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Event, Kind, Leg, Offset, OwnAnswer, SessionId, Started, Timed, Wall};

    #[test]
    fn a_narrow_terminal_wraps_words_only() {
        let mut record = Record::new(SessionId::from_bits(7), Wall(1_795_146_416_640_500));
        let started = Started {
            kind: Kind::Websocket,
            client: "127.0.0.1:50100".to_owned(),
            ..Started::default()
        };
        let why = "127.0.0.1:9 refused the connection, nothing listens there".to_owned();
        let answer = OwnAnswer { status: 502, leg: Leg::Upstream, why };
        for event in [Event::Started(started), Event::OwnAnswer(answer)] {
            record.apply(&Timed { at: Offset(500), event });
        }
        let mut table = SessionTable::new(Clock::utc(), Some(110));
        table.add(&record);
        insta::assert_snapshot!(table, @r"
        ID        STARTED               KIND       FROM             PATH  STATUS  DURATION  C2S  S2C  HOW IT ENDED
        70000000  2026-11-20T03:46:56Z  websocket  127.0.0.1:50100  -        502    0.5 ms    0    0  502 by wstap:
                                                                                                      127.0.0.1:9
                                                                                                      refused the
                                                                                                      connection,
                                                                                                      nothing
                                                                                                      listens there
        ");
        assert!(table.to_string().lines().all(|line| line.len() <= 110));
    }
}
