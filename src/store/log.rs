//! Writes lines of the gateway's log into a store, beside the taps that write sessions to it.

use std::path::Path;

use ring::digest;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{StoreError, schema};
use crate::timeline::{Conn, LogLine};

/// Lines of one transaction: a tap that wants to commit never waits long.
const LINES: usize = 128;

/// A connection of its own to a store.
#[derive(Debug)]
pub struct LogWriter {
    connection: Connection,
    /// When the last line with a time was written, for those without.
    last: i64,
}

impl LogWriter {
    /// Opens a store, and makes one where there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open(path)?, last: 0 })
    }

    /// Keeps the lines of `source` that are not there yet, and says how many that were. Lines
    /// are told apart by what they say and when they said it, so a file that was renamed and is
    /// read again adds nothing.
    pub fn add(&mut self, source: &str, lines: &[LogLine]) -> Result<usize, StoreError> {
        let mut added = 0;
        for lines in lines.chunks(LINES) {
            added += self.add_some(source, lines)?;
        }
        Ok(added)
    }

    fn add_some(&mut self, source: &str, lines: &[LogLine]) -> rusqlite::Result<usize> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut added = 0;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO log_lines (hash, source, at_us, conn, port, kind, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for line in lines {
                self.last = line.at.map_or(self.last, |at| at.0);
                let body = serde_json::to_string(line)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                let hash = digest::digest(&digest::SHA256, body.as_bytes());
                added += insert.execute(params![
                    &hash.as_ref()[..16],
                    source,
                    self.last,
                    line.conn.as_ref().map(Conn::as_str),
                    line.port(),
                    line.what.name(),
                    body,
                ])?;
            }
        }
        transaction.commit()?;
        Ok(added)
    }
}

#[cfg(test)]
mod tests;
