//! One transaction: what waits of every session goes into the file, or nothing does.

use rusqlite::{CachedStatement, Connection, TransactionBehavior, params};

use super::SessionKey;
use super::batch::{Batch, Open, TapLoss};
use super::columns::Texts;
use super::place::{Place, slot_now};
use super::tap;
use crate::session::{Direction, State};

const INSERT_SESSION: &str = "
INSERT INTO sessions (id, tap, started_us, duration_us, kind, state, listener, client, upstream,
    path, origin, status, close_code, close_from, ending, well, first_slot, last_slot,
    upstream_local, upstream_peer, conn)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21)";

/// Text that is in the file already is not held in memory, hence `coalesce`.
const UPDATE_SESSION: &str = "
UPDATE sessions SET duration_us = ?2, kind = ?3, state = ?4, listener = coalesce(?5, listener),
    client = coalesce(?6, client), upstream = coalesce(?7, upstream), path = coalesce(?8, path),
    origin = coalesce(?9, origin), status = ?10, close_code = ?11, close_from = ?12, ending = ?13,
    well = ?14, last_slot = ?15, upstream_local = coalesce(?16, upstream_local),
    upstream_peer = coalesce(?17, upstream_peer), conn = coalesce(?18, conn)
WHERE row = ?1";

const INSERT_EVENTS: &str = "INSERT INTO events (row, lines) VALUES (?1, ?2)";
const INSERT_FRAMES: &str = "INSERT INTO frames (row, groups) VALUES (?1, ?2)";
const INSERT_GAP: &str = "
INSERT INTO gaps (tap, until_us, sessions, events, frames) VALUES (?1, ?2, ?3, ?4, ?5)";

/// What a row takes beside its blob, with its share of indexes and pages written again.
const ROW: usize = 1024;

/// Writes the sessions that are due, and says about how many bytes that took. The batch is as
/// before when this fails.
pub(super) fn commit(
    connection: &mut Connection,
    tap: i64,
    batch: &mut Batch,
    all: bool,
) -> rusqlite::Result<usize> {
    let before = batch.bytes();
    let keys = batch.seal(all);
    match write(connection, tap, batch, &keys) {
        Ok(rows) => {
            batch.written(&rows, all);
            Ok(before.saturating_sub(batch.bytes()) + rows.len() * ROW)
        }
        Err(error) => {
            batch.unwritten(&keys);
            Err(error)
        }
    }
}

fn write(
    connection: &mut Connection,
    tap: i64,
    batch: &Batch,
    keys: &[SessionKey],
) -> rusqlite::Result<Vec<(SessionKey, i64, Place)>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut rows = Vec::with_capacity(keys.len());
    let slot = slot_now();
    {
        let mut statements = Statements {
            insert: transaction.prepare_cached(INSERT_SESSION)?,
            update: transaction.prepare_cached(UPDATE_SESSION)?,
            events: transaction.prepare_cached(INSERT_EVENTS)?,
            frames: transaction.prepare_cached(INSERT_FRAMES)?,
        };
        for key in keys {
            if let Some(open) = batch.session(*key) {
                let place = Place::next(open.place, slot);
                rows.push((*key, statements.session(tap, open, place)?, place));
            }
        }
    }
    if batch.loss != TapLoss::default() {
        let TapLoss { sessions, events, frames } = batch.loss;
        transaction.prepare_cached(INSERT_GAP)?.execute(params![
            tap,
            tap::now().0,
            signed(sessions),
            signed(events),
            signed(frames)
        ])?;
    }
    transaction.commit()?;
    Ok(rows)
}

struct Statements<'c> {
    insert: CachedStatement<'c>,
    update: CachedStatement<'c>,
    events: CachedStatement<'c>,
    frames: CachedStatement<'c>,
}

impl Statements<'_> {
    fn session(&mut self, tap: i64, open: &Open, place: Place) -> rusqlite::Result<i64> {
        let row = match open.row {
            Some(row) => {
                // Frames alone change nothing but the duration, which is only of interest when
                // the end is never seen.
                let frames = !open.pending.groups.is_empty();
                if open.changed || (frames && place.slot % 8 == 0) {
                    self.update(row, open, place)?;
                }
                row
            }
            None => self.insert(tap, open, place)?,
        };
        if !open.pending.lines.is_empty() {
            self.events.execute(params![place.row(row), open.pending.lines])?;
        }
        if !open.pending.groups.is_empty() {
            self.frames.execute(params![place.row(row), open.pending.groups])?;
        }
        Ok(row)
    }

    fn insert(&mut self, tap: i64, open: &Open, place: Place) -> rusqlite::Result<i64> {
        let columns = &open.columns;
        let none = Texts::default();
        let texts = columns.texts.as_deref().unwrap_or(&none);
        self.insert.insert(params![
            open.id.as_str(),
            tap,
            open.started_at.0,
            signed(columns.duration.0),
            columns.kind.name(),
            columns.state.name(),
            texts.listener,
            texts.client,
            texts.upstream,
            texts.path,
            texts.origin,
            columns.status,
            columns.close.and_then(|close| close.code),
            columns.close.map(|close| from(close.from)),
            columns.ending,
            columns.well(),
            place.slot,
            ended(open, place),
            texts.upstream_local,
            texts.upstream_peer,
            texts.conn,
        ])
    }

    fn update(&mut self, row: i64, open: &Open, place: Place) -> rusqlite::Result<()> {
        let columns = &open.columns;
        let none = Texts::default();
        let texts = columns.texts.as_deref().unwrap_or(&none);
        self.update.execute(params![
            row,
            signed(columns.duration.0),
            columns.kind.name(),
            columns.state.name(),
            texts.listener,
            texts.client,
            texts.upstream,
            texts.path,
            texts.origin,
            columns.status,
            columns.close.and_then(|close| close.code),
            columns.close.map(|close| from(close.from)),
            columns.ending,
            columns.well(),
            ended(open, place),
            texts.upstream_local,
            texts.upstream_peer,
            texts.conn,
        ])?;
        Ok(())
    }
}

/// The slot after which nothing comes of a session.
fn ended(open: &Open, place: Place) -> Option<i64> {
    (open.columns.state == State::Ended).then_some(place.slot)
}

const fn from(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client",
        Direction::ServerToClient => "gateway",
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
