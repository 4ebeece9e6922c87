//! Sessions as they begin and end, for a reader that stays.

use std::collections::BTreeSet;

use super::{Filter, Listed, Reader};
use crate::session::State;
use crate::store::StoreError;

/// Sees what changes in a store. Between two looks it holds nothing open.
#[derive(Debug)]
pub struct Follow<'r> {
    reader: &'r Reader,
    filter: Filter,
    /// SQLite's count of commits by other connections.
    version: i64,
    /// The newest row that was seen.
    top: i64,
    /// Rows that were open when they were seen.
    open: BTreeSet<i64>,
}

impl<'r> Follow<'r> {
    pub(super) fn from_now(reader: &'r Reader, filter: Filter) -> Result<Self, StoreError> {
        let version = version(reader)?;
        let top = reader.opened.connection.query_row(
            "SELECT coalesce(max(row), 0) FROM sessions",
            [],
            |row| row.get(0),
        )?;
        let open = reader
            .list(&Filter { state: Some(State::Open), ..Filter::default() })?
            .iter()
            .map(|listed| listed.row)
            .collect();
        Ok(Self { reader, filter, version, top, open })
    }

    /// Sessions that fit and began or ended since the last look; those that began and ended are
    /// there once. Costs next to nothing when nothing was committed.
    pub fn look(&mut self) -> Result<Vec<Listed>, StoreError> {
        let version = version(self.reader)?;
        if version == self.version {
            return Ok(Vec::new());
        }
        self.version = version;
        let mut changed = Vec::new();
        for row in self.open.clone() {
            let one = Filter { row: Some(row), ..Filter::default() };
            let ended = self.reader.list(&one)?.pop().is_none_or(|l| l.state != State::Open);
            if ended {
                self.open.remove(&row);
                changed
                    .extend(self.reader.list(&Filter { row: Some(row), ..self.filter.clone() })?);
            }
        }
        let begun = Filter { rows_after: Some(self.top), ..Filter::default() };
        for listed in self.reader.list(&begun)? {
            self.top = self.top.max(listed.row);
            if listed.state == State::Open {
                self.open.insert(listed.row);
            }
        }
        let begun = Filter { rows_after: begun.rows_after, ..self.filter.clone() };
        changed.extend(self.reader.list(&begun)?);
        Ok(changed)
    }
}

fn version(reader: &Reader) -> Result<i64, StoreError> {
    Ok(reader.opened.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
}
