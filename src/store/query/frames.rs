//! The frames of one session, one blob in memory at a time.

use std::collections::VecDeque;
use std::vec;

use rusqlite::{Connection, OptionalExtension};

use crate::session::{FrameFact, FrameRun};
use crate::store::StoreError;
use crate::store::place::Rows;
use crate::store::records::{Group, GroupHead, Groups};

/// The header facts of every frame of a session, both directions in the order of their reads.
#[derive(Debug)]
pub struct Frames<'r> {
    connection: &'r Connection,
    /// The rows that are still to be read; nothing after an error.
    rest: Option<Rows>,
    /// Groups in their final order.
    ready: VecDeque<Stored>,
    /// Groups that one of the next row may precede.
    held: Vec<Stored>,
    current: Option<Expanding>,
}

/// A group that outlives its blob.
#[derive(Debug)]
struct Stored {
    head: GroupHead,
    items: Vec<u8>,
}

impl Stored {
    fn order(&self) -> (u64, usize, u64) {
        (self.head.at.0, self.head.direction.index(), self.head.first_frame)
    }
}

impl<'r> Frames<'r> {
    pub(super) fn new(connection: &'r Connection, rows: Rows) -> Self {
        Self {
            connection,
            rest: Some(rows),
            ready: VecDeque::new(),
            held: Vec::new(),
            current: None,
        }
    }

    /// The next group and its runs, when frames are not wanted one by one.
    pub(super) fn next_group(&mut self) -> Result<Option<(GroupHead, Vec<FrameRun>)>, StoreError> {
        while self.ready.is_empty() && self.rest.is_some() {
            self.read_row()?;
        }
        Ok(self
            .ready
            .pop_front()
            .map(|stored| (stored.head, Group::of(stored.head, &stored.items).runs().collect())))
    }

    /// A session that changes workers can leave a group for the next commit that is older than
    /// one in this commit, but not older than any in the commit before: so one row is held.
    fn read_row(&mut self) -> Result<(), StoreError> {
        let Some(mut rows) = self.rest.take() else { return Ok(()) };
        let settled = self.held.last().map(Stored::order);
        let Some(row) = rows.next(self.connection)? else {
            self.ready.extend(self.held.drain(..));
            return Ok(());
        };
        let mut statement =
            self.connection.prepare_cached("SELECT groups FROM frames WHERE row = ?1")?;
        let found = statement
            .query_row([row], |row| {
                let blob = row.get_ref(0)?.as_blob().unwrap_or_default();
                let stored = Groups::of(blob)
                    .map(|group| Stored { head: group.head, items: group.items().to_vec() });
                Ok(stored.collect::<Vec<_>>())
            })
            .optional()?;
        self.held.append(&mut found.unwrap_or_default());
        self.held.sort_by_key(Stored::order);
        let until = self.held.partition_point(|group| Some(group.order()) <= settled);
        self.ready.extend(self.held.drain(..until));
        self.rest = Some(rows);
        Ok(())
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<FrameFact, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(fact) = self.current.as_mut().and_then(Expanding::next) {
                return Some(Ok(fact));
            }
            match self.next_group() {
                Ok(Some((head, runs))) => self.current = Some(Expanding::of(head, runs)),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A group whose frames are being listed.
#[derive(Debug)]
struct Expanding {
    head: GroupHead,
    number: u64,
    run: Option<FrameRun>,
    runs: vec::IntoIter<FrameRun>,
}

impl Expanding {
    fn of(head: GroupHead, runs: Vec<FrameRun>) -> Self {
        Self { head, number: head.first_frame, run: None, runs: runs.into_iter() }
    }

    fn next(&mut self) -> Option<FrameFact> {
        let mut run = match self.run {
            Some(run) if run.count > 0 => run,
            Some(_) | None => self.runs.next()?,
        };
        run.count = run.count.saturating_sub(1);
        self.run = Some(run);
        let number = self.number;
        self.number = number.saturating_add(1);
        Some(FrameFact {
            at: self.head.at,
            direction: self.head.direction,
            number,
            first: run.shape.first,
            masked: run.shape.masked,
            minimal: run.shape.minimal,
            len: run.len,
        })
    }
}
