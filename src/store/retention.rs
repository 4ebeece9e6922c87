//! Deletes the oldest finished sessions when they are too old or too many, in steps so small that
//! the writer takes in what comes between them.

use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::checkpoint::checkpoint;
use super::place::{Rows, Table};
use super::{Retention, tap};

/// Sessions deleted in one transaction.
const SESSIONS: i64 = 64;
/// Rows of theirs deleted in one transaction.
const PARTS: u32 = 256;
/// Pages given back to the file system in one step.
const PAGES: i64 = 512;
/// Between two steps of one round.
const PAUSE: Duration = Duration::from_millis(5);

/// What the writer does when it has nothing more urgent.
#[derive(Debug)]
pub(super) struct Upkeep {
    retention: Retention,
    next: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Beat,
    Delete,
    Shrink,
}

impl Upkeep {
    pub(super) fn new(retention: Retention) -> Self {
        Self { retention, next: Instant::now(), stage: Stage::Beat }
    }

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Does a little. After an error the round begins anew a minute later.
    pub(super) fn step(&mut self, connection: &mut Connection, tap: i64) -> rusqlite::Result<()> {
        let stage = self.stage;
        self.stage = Stage::Beat;
        self.next = Instant::now() + tap::HEARTBEAT;
        let then = match stage {
            Stage::Beat => {
                tap::beat(connection, tap)?;
                tap::bury(connection)?;
                Some(Stage::Delete)
            }
            Stage::Delete => {
                let deleted = self.delete(connection)?;
                Some(if deleted { Stage::Delete } else { Stage::Shrink })
            }
            Stage::Shrink => shrink(connection)?.then_some(Stage::Shrink),
        };
        if let Some(stage) = then {
            self.stage = stage;
            self.next = Instant::now() + PAUSE;
        }
        Ok(())
    }

    /// Whether there may be more to delete.
    fn delete(&self, connection: &mut Connection) -> rusqlite::Result<bool> {
        let before = self.retention.max_age.map(|age| tap::now().0 - tap::micros(age));
        let too_large = match self.retention.max_bytes {
            Some(max) => used_bytes(connection)? > i64::try_from(max).unwrap_or(i64::MAX),
            None => false,
        };
        let lines_before = if too_large { before.max(oldest(connection)?) } else { before };
        let lines = delete_lines(connection, lines_before.unwrap_or(i64::MIN))?;
        let before = if too_large { i64::MAX } else { before.unwrap_or(i64::MIN) };
        let sessions = delete_oldest(connection, before)?;
        // With no session left to delete, it is the lines that are too many.
        Ok(lines || sessions || (too_large && delete_lines(connection, i64::MAX)?))
    }
}

/// When the oldest session started.
fn oldest(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT min(started_us) FROM sessions", [], |row| row.get(0))
}

/// Lines of logs go when they are too old, and when the sessions they could belong to went.
fn delete_lines(connection: &Connection, before: i64) -> rusqlite::Result<bool> {
    let deleted = connection
        .prepare_cached(
            "DELETE FROM log_lines WHERE line IN
                (SELECT line FROM log_lines WHERE at_us < ?1 ORDER BY at_us LIMIT ?2)",
        )?
        .execute([before, i64::from(PARTS)])?;
    Ok(deleted > 0)
}

fn delete_oldest(connection: &mut Connection, before: i64) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The newest row stays, so that its number is never given to another session while a reader
    // follows by numbers.
    let rows: Vec<(i64, [i64; 2])> = transaction
        .prepare_cached(
            "SELECT row, first_slot, last_slot FROM sessions
             WHERE started_us < ?1 AND state <> 'open' AND last_slot IS NOT NULL
                AND row < (SELECT max(row) FROM sessions) ORDER BY started_us LIMIT ?2",
        )?
        .query_map([before, SESSIONS], |row| Ok((row.get(0)?, [row.get(1)?, row.get(2)?])))?
        .collect::<rusqlite::Result<_>>()?;
    let mut left = PARTS;
    for (row, slots) in &rows {
        for (table, sql) in [
            (Table::Frames, "DELETE FROM frames WHERE row = ?1"),
            (Table::Events, "DELETE FROM events WHERE row = ?1"),
        ] {
            let mut parts = Rows::of(*row, *slots, table);
            let mut statement = transaction.prepare_cached(sql)?;
            while left > 0
                && let Some(part) = parts.next(&transaction)?
            {
                statement.execute([part])?;
                left -= 1;
            }
        }
        // A long session goes in several steps, its own row with the last of them.
        if left == 0 {
            break;
        }
        transaction.prepare_cached("DELETE FROM verdicts WHERE row = ?1")?.execute([row])?;
        transaction.prepare_cached("DELETE FROM sessions WHERE row = ?1")?.execute([row])?;
    }
    transaction.commit()?;
    Ok(!rows.is_empty())
}

/// Gives free pages back. Whether there are more.
fn shrink(connection: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free == 0 {
        return Ok(false);
    }
    // Each step of the statement frees one page.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    if free <= PAGES {
        // The file shrinks when the pages leave the write-ahead log.
        checkpoint(connection)?;
    }
    Ok(free > PAGES)
}

/// Bytes in pages that hold something.
fn used_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

#[cfg(test)]
mod tests;
