//! Sessions as they begin and end, for a reader that stays.

use std::collections::BTreeSet;

use super::filter::Among;
use super::{Filter, Listed, Reader};
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
        let transaction = reader.opened.connection.unchecked_transaction()?;
        let version = version(reader)?;
        let (top, open) = (newest(reader)?, reader.open_rows()?);
        transaction.finish()?;
        Ok(Self { reader, filter: Filter { limit: None, ..filter }, version, top, open })
    }

    /// Sessions that fit and began or ended since the last look; those that began and ended are
    /// there once. Costs next to nothing when nothing was committed.
    pub fn look(&mut self) -> Result<Vec<Listed>, StoreError> {
        let version = version(self.reader)?;
        if version == self.version {
            return Ok(Vec::new());
        }
        // One view of the file, or a session could end between two questions and be told twice.
        let transaction = self.reader.opened.connection.unchecked_transaction()?;
        let open = self.reader.open_rows()?;
        let mut changed = Vec::new();
        for row in self.open.difference(&open) {
            changed.extend(self.reader.list_among(Among::One(*row), &self.filter)?);
        }
        changed.extend(self.reader.list_among(Among::After(self.top), &self.filter)?);
        let top = newest(self.reader)?;
        transaction.finish()?;
        self.open = open;
        self.top = top;
        self.version = version;
        Ok(changed)
    }
}

fn newest(reader: &Reader) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(row), 0) FROM sessions";
    Ok(reader.opened.connection.query_row(sql, [], |row| row.get(0))?)
}

fn version(reader: &Reader) -> Result<i64, StoreError> {
    Ok(reader.opened.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
}
