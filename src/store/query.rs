//! Reads a store while taps write to it, after they were killed, and on a read-only medium.
//!
//! Every call is one short transaction or several: a reader that kept one open would stop the
//! write-ahead log from being used again.

pub(super) mod filter;
mod follow;
mod frames;
mod log;
mod open;
mod totals;

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;
use thiserror::Error;

pub use filter::{Filter, Judged, JudgedAs, Listed};
pub use follow::Follow;
pub use frames::Frames;

use self::filter::Among;
use self::open::Opened;
use super::place::{Rows, Table};
use super::tap::{Life, Tap};
use super::{StoreError, lines};
use crate::session::{
    Direction, Envelope, Event, Note, Offset, Record, SessionId, State, Timed, Wall,
};

/// A store that is read.
#[derive(Debug)]
pub struct Reader {
    opened: Opened,
}

/// No session is meant, or more than one.
#[derive(Debug, Error)]
pub enum FindError {
    #[error("no session starts with {prefix:?}")]
    NotFound { prefix: String },
    #[error("{prefix:?} may be {}", .ids.iter().map(SessionId::as_str).collect::<Vec<_>>().join(", "))]
    Ambiguous { prefix: String, ids: Vec<SessionId> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for FindError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// One run of `wstap proxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapRow {
    pub tap: i64,
    pub pid: u32,
    pub started_at: Wall,
    pub ended_at: Option<Wall>,
    pub alive: bool,
    /// What it said of its settings and its place.
    pub info: Value,
}

/// What a tap lost and no session tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapGap {
    pub tap: i64,
    /// When it could be recorded; the loss is older.
    pub until: Wall,
    /// Sessions of which nothing is in the store.
    pub sessions: u64,
    pub events: u64,
    pub frames: u64,
}

/// Where a session lies in the file.
#[derive(Clone, Copy, Debug)]
struct Found {
    row: i64,
    /// The first and the last slot in which something of it can be.
    slots: [i64; 2],
}

impl Reader {
    /// Opens for reading only. The file is never changed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { opened: Opened::at(path)? })
    }

    /// The sessions that fit, newest last.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Listed>, StoreError> {
        self.list_among(Among::All, filter)
    }

    /// The session whose id starts with `prefix`, in any case.
    pub fn find(&self, prefix: &str) -> Result<SessionId, FindError> {
        let prefix = prefix.to_ascii_lowercase();
        let mut statement = self.opened.connection.prepare_cached(
            "SELECT id FROM sessions WHERE id >= ?1 AND id < ?1 || '~' ORDER BY id LIMIT 5",
        )?;
        let ids: Vec<SessionId> = statement
            .query_map([&prefix], |row| filter::id(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        match ids.as_slice() {
            [] => Err(FindError::NotFound { prefix }),
            [id] => Ok(*id),
            _ => Err(FindError::Ambiguous { prefix, ids }),
        }
    }

    /// The newest session that did not end well.
    pub fn latest_not_well(&self) -> Result<Option<SessionId>, StoreError> {
        // Until a session is judged its columns say how it looks.
        let sql = format!(
            "SELECT id FROM sessions LEFT JOIN verdicts USING (row)
             WHERE coalesce(failed, well = 0) OR {} = 'interrupted'
             ORDER BY started_us DESC, row DESC LIMIT 1",
            filter::state_sql(&self.silent_taps()?)
        );
        let mut statement = self.opened.connection.prepare(&sql)?;
        Ok(statement.query_row([], |row| filter::id(row, 0)).optional()?)
    }

    /// Everything known of one session.
    pub fn record(&self, id: SessionId) -> Result<Record, FindError> {
        let found = self.locate(id)?;
        let mut listed = self.list_among(Among::One(found.row), &Filter::default())?;
        let Some(listed) = listed.pop() else { return Err(not_found(id)) };
        let mut record = Record::new(id, listed.started_at);
        let mut counted = [false; 2];
        self.each_event(found, |timed| {
            if let Event::Traffic { direction, .. } = &timed.event {
                counted[direction.index()] = true;
            }
            record.apply(&timed);
        })?;
        // Also when the events of its start were lost.
        record.kind = listed.kind;
        record.state = listed.state;
        record.duration_ms = record.duration_ms.max(listed.duration);
        if counted != [true; 2] && listed.state != State::Ended {
            let totals = totals::of(self.frames_at(found))?;
            for direction in Direction::BOTH.into_iter().filter(|d| !counted[d.index()]) {
                let last = totals.of(direction).last_byte.unwrap_or_default();
                record.duration_ms = record.duration_ms.max(last);
                let live = record.frames.of_mut(direction);
                let not_websocket_from = live.not_websocket_from;
                live.clone_from(totals.of(direction));
                live.not_websocket_from = not_websocket_from;
            }
        }
        record.notes.extend(self.said_of(found, &record.client.listener)?);
        record.conclude();
        Ok(record)
    }

    /// What the session's tap said of the listener: the same for all of its sessions, so it
    /// stands once, with the tap.
    fn said_of(&self, found: Found, listener: &str) -> Result<Option<Note>, StoreError> {
        let info: Option<String> = self
            .opened
            .connection
            .prepare_cached("SELECT info FROM taps JOIN sessions USING (tap) WHERE row = ?1")?
            .query_row([found.row], |row| row.get(0))
            .optional()?;
        let info: Value =
            info.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let routes = info["routes"].as_array().into_iter().flatten();
        let text = routes
            .filter(|route| route["listener"] == listener)
            .find_map(|route| route["place"].as_str());
        Ok(text.map(|text| Note { slug: "place".to_owned(), text: text.to_owned() }))
    }

    /// Everything that was seen of a session except its frames, in order.
    pub fn events(&self, id: SessionId) -> Result<Vec<Timed>, FindError> {
        let mut events = Vec::new();
        self.each_event(self.locate(id)?, |timed| events.push(timed))?;
        Ok(events)
    }

    /// The outsides of the JSON frames of an OpenClaw session.
    pub fn envelopes(&self, id: SessionId) -> Result<Vec<(Offset, Envelope)>, FindError> {
        let mut envelopes = Vec::new();
        self.each_event(self.locate(id)?, |timed| {
            if let Event::Envelope(envelope) = timed.event {
                envelopes.push((timed.at, envelope));
            }
        })?;
        Ok(envelopes)
    }

    /// The header facts of every frame of a session, both directions in the order of their reads.
    pub fn frames(&self, id: SessionId) -> Result<Frames<'_>, FindError> {
        Ok(self.frames_at(self.locate(id)?))
    }

    /// What taps lost and no session tells of, oldest first.
    pub fn gaps(&self) -> Result<Vec<TapGap>, StoreError> {
        let count = |row: &Row<'_>, at| row.get(at).map(i64::unsigned_abs);
        let mut statement = self.opened.connection.prepare_cached(
            "SELECT tap, until_us, sessions, events, frames FROM gaps ORDER BY gap",
        )?;
        let gaps = statement.query_map([], |row| {
            Ok(TapGap {
                tap: row.get(0)?,
                until: Wall(row.get(1)?),
                sessions: count(row, 2)?,
                events: count(row, 3)?,
                frames: count(row, 4)?,
            })
        })?;
        Ok(gaps.collect::<rusqlite::Result<_>>()?)
    }

    /// Every run of the proxy that wrote here, oldest first.
    pub fn taps(&self) -> Result<Vec<TapRow>, StoreError> {
        let sql = format!(
            "SELECT {}, pid, started_us, ended_us, info FROM taps ORDER BY tap",
            Tap::COLUMNS
        );
        let mut statement = self.opened.connection.prepare_cached(&sql)?;
        let taps = statement.query_map([], |row| {
            let tap = Tap::of(row)?;
            let info: String = row.get(11)?;
            Ok(TapRow {
                alive: tap.life() == Life::Alive,
                tap: tap.number,
                pid: row.get(8)?,
                started_at: Wall(row.get(9)?),
                ended_at: row.get::<_, Option<i64>>(10)?.map(Wall),
                info: serde_json::from_str(&info).unwrap_or_default(),
            })
        })?;
        Ok(taps.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.opened.connection
    }

    /// Looks for sessions that begin or end from now on.
    pub fn follow(&self, filter: Filter) -> Result<Follow<'_>, StoreError> {
        Follow::from_now(self, filter)
    }

    fn locate(&self, id: SessionId) -> Result<Found, FindError> {
        self.opened
            .connection
            .prepare_cached("SELECT row, first_slot, last_slot FROM sessions WHERE id = ?1")?
            .query_row([id.as_str()], |row| {
                let last: Option<i64> = row.get(2)?;
                let slots = [row.get(1)?, last.unwrap_or(i64::MAX)];
                Ok(Found { row: row.get(0)?, slots })
            })
            .optional()?
            .ok_or_else(|| not_found(id))
    }

    fn list_among(&self, among: Among, filter: &Filter) -> Result<Vec<Listed>, StoreError> {
        filter.run(&self.opened.connection, &self.silent_taps()?, among)
    }

    /// The rows of sessions that are open and may still end.
    fn open_rows(&self) -> Result<BTreeSet<i64>, StoreError> {
        let silent = self.silent_taps()?;
        let mut statement = self
            .opened
            .connection
            .prepare_cached("SELECT row, tap FROM sessions WHERE state = 'open'")?;
        let rows: Vec<(i64, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows.iter().filter(|(_, tap)| !silent.contains(tap)).map(|(row, _)| *row).collect())
    }

    fn frames_at(&self, found: Found) -> Frames<'_> {
        let rows = Rows::of(found.row, found.slots, Table::Frames);
        Frames::new(&self.opened.connection, rows)
    }

    fn each_event(&self, found: Found, mut see: impl FnMut(Timed)) -> Result<(), StoreError> {
        let connection = &self.opened.connection;
        let mut rows = Rows::of(found.row, found.slots, Table::Events);
        let mut statement = connection.prepare_cached("SELECT lines FROM events WHERE row = ?1")?;
        while let Some(row) = rows.next(connection)? {
            let read = statement.query_row([row], |row| {
                let blob = row.get_ref(0)?.as_blob().unwrap_or_default();
                lines::events(blob).for_each(&mut see);
                Ok(())
            });
            read.optional()?;
        }
        Ok(())
    }

    /// Taps whose open sessions nobody will ever end.
    pub(super) fn silent_taps(&self) -> Result<Vec<i64>, StoreError> {
        Ok(Tap::with_open_sessions(&self.opened.connection)?
            .iter()
            .filter(|tap| match tap.life() {
                Life::Alive => false,
                Life::Dead | Life::Elsewhere => true,
            })
            .map(|tap| tap.number)
            .collect())
    }
}

fn not_found(id: SessionId) -> FindError {
    FindError::NotFound { prefix: id.to_string() }
}
