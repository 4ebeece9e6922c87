//! Verdicts beside the sessions they are about. They are judgements: made after the fact by
//! whoever knows the rules, and made again when the rules have changed.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::query::filter::{id, state_sql};
use super::query::{FindError, Reader};
use super::{StoreError, schema};
use crate::session::{Record, SessionId, Verdict, Wall};

const WRITE: &str = "
INSERT INTO verdicts (row, rules, layer, cause, who, confidence, failed, brief, verdict)
SELECT row, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM sessions WHERE id = ?1
ON CONFLICT (row) DO UPDATE SET rules = ?2, layer = ?3, cause = ?4, who = ?5, confidence = ?6,
    failed = ?7, brief = ?8, verdict = ?9";

/// Writes verdicts, in short transactions of its own.
#[derive(Debug)]
pub struct Verdicts {
    connection: Connection,
    /// Rows up to here were given out by [`Verdicts::ended`], or wait for their end.
    seen: i64,
    waiting: BTreeSet<i64>,
    /// SQLite's own mark of the last change by somebody else.
    version: Option<i64>,
}

impl Verdicts {
    /// Opens a store that is there already.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let connection = schema::open(path)?;
        connection.pragma_update(None, "cache_size", schema::SMALL_CACHE)?;
        Ok(Self { connection, seen: 0, waiting: BTreeSet::new(), version: None })
    }

    /// Sessions without a verdict that have ended since the last call, each given out once, at
    /// most about `limit` of them. Costs next to nothing while nothing happens.
    pub fn ended(&mut self, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.version == Some(version) {
            return Ok(Vec::new());
        }
        let mut rows = self.no_longer_open()?;
        rows.truncate(limit);
        let mut statement = self.connection.prepare_cached(
            "SELECT row, state = 'open' FROM sessions LEFT JOIN verdicts USING (row)
             WHERE row > ?1 AND rules IS NULL ORDER BY row LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found =
            statement.query_map([self.seen, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found: Vec<(i64, bool)> = found.collect::<rusqlite::Result<_>>()?;
        // Only when everything was seen may the next call be spared.
        let all = found.is_empty() && rows.is_empty();
        self.version = all.then_some(version);
        for (row, open) in found {
            self.seen = row;
            if open {
                self.waiting.insert(row);
            } else {
                rows.push(row);
            }
        }
        for row in &rows {
            self.waiting.remove(row);
        }
        self.ids(&rows)
    }

    /// Those that waited for their end, and need not any more.
    fn no_longer_open(&self) -> rusqlite::Result<Vec<i64>> {
        let mut statement =
            self.connection.prepare_cached("SELECT row FROM sessions WHERE state = 'open'")?;
        let open: BTreeSet<i64> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(self.waiting.difference(&open).copied().collect())
    }

    fn ids(&self, rows: &[i64]) -> Result<Vec<SessionId>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT id FROM sessions WHERE row = ?1")?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            // One that retention took meanwhile is no loss.
            ids.extend(statement.query_row([row], |row| id(row, 0)).optional()?);
        }
        Ok(ids)
    }

    /// Writes verdicts, each with a text in which the judge keeps the session in short, replacing
    /// older ones. Sessions that are gone meanwhile are passed over.
    pub fn write(&mut self, verdicts: &[(SessionId, Verdict, String)]) -> Result<(), StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, verdict, brief) in verdicts {
            let Ok(text) = serde_json::to_string(verdict) else { continue };
            transaction.prepare_cached(WRITE)?.execute(params![
                id.as_str(),
                verdict.rules_version,
                verdict.layer.name(),
                verdict.cause,
                verdict.who.name(),
                verdict.confidence.name(),
                verdict.failed,
                brief,
                text,
            ])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Reader {
    /// The record of a session with the verdict that is in the store, if there is one.
    pub fn judged(&self, id: SessionId) -> Result<Record, FindError> {
        let mut record = self.record(id)?;
        record.verdict = self.verdict(id)?;
        Ok(record)
    }

    /// Every session that is over and was not judged by these rules, oldest first.
    pub fn outdated(&self, rules: u32) -> Result<Vec<SessionId>, StoreError> {
        let sql = format!(
            "SELECT id FROM sessions LEFT JOIN verdicts USING (row)
             WHERE {} <> 'open' AND rules IS NOT ?1 ORDER BY row",
            state_sql(&self.silent_taps()?)
        );
        let mut statement = self.connection().prepare(&sql)?;
        let ids = statement.query_map([rules], |row| id(row, 0))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    /// What the judge kept of every session that started in this time, oldest first; `None` for
    /// sessions that were not judged yet.
    pub fn briefs(
        &self,
        since: Option<Wall>,
        until: Option<Wall>,
        mut see: impl FnMut(SessionId, Option<&str>),
    ) -> Result<(), StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT id, brief FROM sessions LEFT JOIN verdicts USING (row)
             WHERE started_us >= ?1 AND started_us < ?2 ORDER BY started_us, row",
        )?;
        let since = since.map_or(i64::MIN, Wall::micros);
        let mut rows = statement.query([since, until.map_or(i64::MAX, Wall::micros)])?;
        while let Some(row) = rows.next()? {
            see(id(row, 0)?, row.get_ref(1)?.as_str_or_null().ok().flatten());
        }
        Ok(())
    }

    /// The verdict that is in the store.
    pub fn verdict(&self, id: SessionId) -> Result<Option<Verdict>, StoreError> {
        let text: Option<String> = self
            .connection()
            .prepare_cached("SELECT verdict FROM verdicts JOIN sessions USING (row) WHERE id = ?1")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}
