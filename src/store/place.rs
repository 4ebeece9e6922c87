//! Where the blobs of a session lie in `events` and `frames`.
//!
//! ```text
//! row = slot (30 bits, a second of commits) | session (29 bits) | part (4 bits)
//! ```
//!
//! By session alone, a commit of many sessions would write to a page of its own for each of them.
//! By slot first it writes to the end of the table, and a session is still found without an index:
//! one look per second of its life, or fewer where the store was quiet. The number of a session is
//! cut to 29 bits; two that are equal then are half a billion sessions apart and share no slot.

use rusqlite::{Connection, OptionalExtension};

use super::tap;

const SESSION_BITS: u32 = 29;
const PART_BITS: u32 = 4;
const SLOT_SHIFT: u32 = SESSION_BITS + PART_BITS;
const SESSION_MASK: i64 = (1 << SESSION_BITS) - 1;

/// 2026-01-01 in seconds since 1970.
const EPOCH: i64 = 1_767_225_600;

/// One commit of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: i64,
    part: i64,
}

impl Place {
    /// The place after this one, in the slot of now or later.
    pub(super) fn next(last: Option<Self>, now: i64) -> Self {
        match last {
            Some(last) if last.slot >= now && last.part + 1 < 1 << PART_BITS => {
                Self { slot: last.slot, part: last.part + 1 }
            }
            Some(last) if last.slot >= now => Self { slot: last.slot + 1, part: 0 },
            Some(_) | None => Self { slot: now, part: 0 },
        }
    }

    pub(super) const fn row(self, session: i64) -> i64 {
        first_row(self.slot, session) + self.part
    }
}

/// The slot of this second.
pub(super) fn slot_now() -> i64 {
    (tap::now().0 / 1_000_000 - EPOCH).clamp(0, (1 << 30) - 1)
}

const fn first_row(slot: i64, session: i64) -> i64 {
    (slot << SLOT_SHIFT) + ((session & SESSION_MASK) << PART_BITS)
}

const fn slot_of(row: i64) -> i64 {
    row >> SLOT_SHIFT
}

/// The last slot that anything is in.
pub(super) fn last_slot(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT max(coalesce((SELECT max(row) FROM events), 0),
        coalesce((SELECT max(row) FROM frames), 0))";
    connection.query_row(sql, [], |row| row.get(0)).map(slot_of)
}

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Events,
    Frames,
}

/// The rows of one session in one table, found one at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    table: Table,
    session: i64,
    /// Where to look next.
    from: i64,
    last_slot: i64,
}

impl Rows {
    pub(super) const fn of(session: i64, slots: [i64; 2], table: Table) -> Self {
        let [first, last_slot] = slots;
        Self { table, session, from: first_row(first, session), last_slot }
    }

    pub(super) fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let mut statement = connection.prepare_cached(match self.table {
            Table::Events => "SELECT min(row) FROM events WHERE row >= ?1",
            Table::Frames => "SELECT min(row) FROM frames WHERE row >= ?1",
        })?;
        loop {
            let found: Option<Option<i64>> =
                statement.query_row([self.from], |row| row.get(0)).optional()?;
            let Some(row) = found.flatten().filter(|row| slot_of(*row) <= self.last_slot) else {
                return Ok(None);
            };
            let here = first_row(slot_of(row), self.session);
            if row < here {
                self.from = here;
            } else if row < here + (1 << PART_BITS) {
                self.from = row + 1;
                return Ok(Some(row));
            } else {
                self.from = first_row(slot_of(row) + 1, self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_only_grow() {
        let mut last = None;
        let mut row = 0;
        for now in [5, 5, 6, 4].into_iter().chain([6; 40]) {
            let place = Place::next(last, now);
            assert!(place.row(7) > row);
            row = place.row(7);
            last = Some(place);
        }
        assert_eq!(last.unwrap().slot, 8);
    }

    #[test]
    fn rows_of_a_session_are_found_among_others() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE events (row INTEGER PRIMARY KEY);
                 CREATE TABLE frames (row INTEGER PRIMARY KEY)",
            )
            .unwrap();
        let mut mine = Vec::new();
        for slot in [1, 2, 50, 51] {
            for session in [3, 7, 9] {
                for part in 0..if slot == 2 { 16 } else { 1 } {
                    let row = Place { slot, part }.row(session);
                    connection.execute("INSERT INTO events VALUES (?1)", [row]).unwrap();
                    mine.extend((session == 7 && slot < 51).then_some(row));
                }
            }
        }
        let mut rows = Rows::of(7, [1, 50], Table::Events);
        let mut found = Vec::new();
        while let Some(row) = rows.next(&connection).unwrap() {
            found.push(row);
        }
        assert_eq!(found, mine);
        assert_eq!(last_slot(&connection).unwrap(), 51);
    }
}
