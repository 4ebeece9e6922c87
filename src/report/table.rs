//! Sessions one per row: a table of those that are there, lines of those that come.

use std::fmt;

use super::clean::clean;
use super::clock::Clock;
use super::outcome::how_it_ended;
use super::rows::Rows;
use super::words::cause;
use crate::session::Record;

/// One column: its head, its width in lines that cannot know what comes after them, its text.
struct Column {
    head: &'static str,
    width: usize,
    layout: Layout,
    cell: fn(&Record, &Clock) -> String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As wide as its text.
    Left,
    /// The same, for numbers.
    Right,
    /// Shares what a narrow terminal leaves.
    Wrapped,
}

use Layout::{Left, Right, Wrapped};

const ID: Column = Column { head: "ID", width: 8, layout: Left, cell: id };
const STARTED: Column = Column { head: "STARTED", width: 20, layout: Left, cell: started };
const DAY_AND_TIME: Column =
    Column { head: "STARTED", width: 14, layout: Left, cell: day_and_time };
const LAYER: Column = Column { head: "LAYER", width: 9, layout: Left, cell: layer };
const CAUSE: Column = Column { head: "CAUSE", width: 26, layout: Left, cell: |r, _| cause(r) };
const CAUSE_CUT: Column = Column { layout: Wrapped, ..CAUSE };
const WHO: Column = Column { head: "WHO", width: 11, layout: Left, cell: who };
const FROM: Column = Column { head: "FROM", width: 24, layout: Wrapped, cell: from };
const PATH: Column = Column { head: "PATH", width: 12, layout: Wrapped, cell: path };
const STATUS: Column = Column { head: "STATUS", width: 6, layout: Right, cell: status };
const DURATION: Column =
    Column { head: "DURATION", width: 9, layout: Right, cell: |r, _| r.duration_ms.to_string() };
const ENDED: Column =
    Column { head: "HOW IT ENDED", width: 0, layout: Wrapped, cell: |r, _| how_it_ended(r) };

const ENDED_CUT: Column = Column { cell: |r, _| shortened(&how_it_ended(r), 56), ..ENDED };

/// What went wrong, and with whom, is for every terminal; the rest is in `wstap show`.
const NARROW: &[Column] = &[ID, DAY_AND_TIME, LAYER, CAUSE_CUT, WHO];
const MEDIUM: &[Column] = &[ID, DAY_AND_TIME, LAYER, CAUSE, WHO, ENDED_CUT];
const WIDE: &[Column] = &[ID, DAY_AND_TIME, LAYER, CAUSE, WHO, FROM, PATH, DURATION, ENDED_CUT];

/// For lines that no terminal bounds.
const FULL: &[Column] = &[ID, STARTED, LAYER, CAUSE, WHO, FROM, PATH, STATUS, DURATION, ENDED];

/// Columns of a terminal from which on these tables can be read.
const MEDIUM_FROM: u16 = 108;
const WIDE_FROM: u16 = 150;

/// Sessions as rows, in the order in which they were added.
#[derive(Debug)]
pub struct SessionTable {
    rows: Rows,
    columns: &'static [Column],
    clock: Clock,
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.head)
    }
}

impl SessionTable {
    /// `width` is that of the terminal; without one no cell is wrapped.
    pub fn new(clock: Clock, width: Option<u16>) -> Self {
        let columns = match width {
            Some(0..MEDIUM_FROM) => NARROW,
            Some(MEDIUM_FROM..WIDE_FROM) => MEDIUM,
            Some(WIDE_FROM..) => WIDE,
            None => FULL,
        };
        let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
        let all = |layout| {
            let places = columns.iter().enumerate().filter(move |(_, c)| c.layout == layout);
            places.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let rows = Rows::new(&heads, &all(Right), width).wrapping_only(&all(Wrapped));
        Self { rows, columns, clock }
    }

    pub fn add(&mut self, record: &Record) {
        self.rows.add(self.columns.iter().map(|column| (column.cell)(record, &self.clock)));
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
    spread(|column| column.head.to_owned())
}

/// One session as a line of its own.
pub fn follow_line(record: &Record, clock: &Clock) -> String {
    spread(|column| (column.cell)(record, clock))
}

fn spread(cell: impl Fn(&Column) -> String) -> String {
    let mut line = String::new();
    for column in FULL {
        let (cell, width) = (cell(column), column.width);
        let cell = match column.layout {
            Right => format!("{cell:>width$}  "),
            Left | Wrapped => format!("{cell:<width$}  "),
        };
        line.push_str(&cell);
    }
    line.truncate(line.trim_end().len());
    line
}

fn id(record: &Record, _: &Clock) -> String {
    record.id.short().to_owned()
}

fn started(record: &Record, clock: &Clock) -> String {
    clock.short(record.started_at)
}

fn day_and_time(record: &Record, clock: &Clock) -> String {
    clock.day_and_time(record.started_at)
}

fn layer(record: &Record, _: &Clock) -> String {
    or_dash(record.verdict.as_ref().map_or("", |verdict| verdict.layer.name()))
}

fn who(record: &Record, _: &Clock) -> String {
    or_dash(record.verdict.as_ref().map_or("", |verdict| verdict.who.name()))
}

fn from(record: &Record, _: &Clock) -> String {
    let origin = record.request.as_ref().and_then(|request| request.origin.as_deref());
    or_dash(origin.unwrap_or(&record.client.addr))
}

fn path(record: &Record, _: &Clock) -> String {
    or_dash(record.request.as_ref().map_or("", |request| request.path()))
}

fn status(record: &Record, _: &Clock) -> String {
    let own = record.own_answer.as_ref().map(|answer| answer.status);
    let status = own.or_else(|| record.response.as_ref().and_then(|response| response.status));
    status.map_or_else(|| "-".to_owned(), |status| status.to_string())
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { clean(&shortened(text, 48)).into_owned() }
}

/// The beginning of a text, as far as a column goes.
fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(longest - 3).collect();
    format!("{}...", beginning.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{
        Confidence, Event, Kind, Layer, Leg, Offset, OwnAnswer, SessionId, Started, State, Timed,
        Verdict, Wall, Who,
    };

    fn record() -> Record {
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
        record
    }

    fn judged(cause: &str, confidence: Confidence) -> Record {
        let verdict = Verdict {
            layer: Layer::Transport,
            cause: cause.to_owned(),
            who: Who::FrontProxy,
            leg: None,
            confidence,
            reasons: Vec::new(),
            summary: String::new(),
            evidence: Vec::new(),
            next: Vec::new(),
            warnings: Vec::new(),
            culprits: Vec::new(),
            failed: true,
            rules_version: 1,
        };
        Record { verdict: Some(verdict), ..record() }
    }

    fn table(width: u16) -> String {
        let mut table = SessionTable::new(Clock::utc(), Some(width));
        let ended = State::Ended;
        table.add(&Record { state: ended, ..judged("upstream_refused", Confidence::Certain) });
        table.add(&Record {
            state: ended,
            ..judged("proxy_attribution_required", Confidence::Likely)
        });
        table.add(&judged("too_many_unauthenticated_sockets", Confidence::Possible));
        let table = table.to_string();
        assert!(table.lines().all(|line| line.len() <= width.into()), "{table}");
        table
    }

    #[test]
    fn a_narrow_terminal_has_the_cause() {
        insta::assert_snapshot!(table(80), @r"
        ID        STARTED         LAYER      CAUSE                         WHO
        70000000  11-20 03:46:56  transport  upstream_refused              front_proxy
        70000000  11-20 03:46:56  transport  proxy_attribution_required    front_proxy
        70000000  11-20 03:46:56  transport  too_many_unauthenticated_soc  front_proxy
                                             kets?, so far
        ");
    }

    #[test]
    fn a_wide_terminal_wraps_words_only() {
        insta::assert_snapshot!(table(160), @r"
        ID        STARTED         LAYER      CAUSE                                      WHO          FROM             PATH  DURATION  HOW IT ENDED
        70000000  11-20 03:46:56  transport  upstream_refused                           front_proxy  127.0.0.1:50100  -       0.5 ms  502 by wstap: 127.0.0.1:9
                                                                                                                                      refused the connection, not...
        70000000  11-20 03:46:56  transport  proxy_attribution_required                 front_proxy  127.0.0.1:50100  -       0.5 ms  502 by wstap: 127.0.0.1:9
                                                                                                                                      refused the connection, not...
        70000000  11-20 03:46:56  transport  too_many_unauthenticated_sockets?, so far  front_proxy  127.0.0.1:50100  -       0.5 ms  502 by wstap: 127.0.0.1:9
                                                                                                                                      refused the connection, not...
        ");
    }

    #[test]
    fn a_middling_terminal_has_the_end_too() {
        let table = table(120);
        assert!(table.contains("upstream_refused") && table.contains("HOW IT ENDED"), "{table}");
        assert!(!table.contains("PATH"), "{table}");
    }

    #[test]
    fn a_record_that_nobody_judged_has_dashes() {
        assert!(follow_line(&record(), &Clock::utc()).contains("  -          -      "));
    }
}
