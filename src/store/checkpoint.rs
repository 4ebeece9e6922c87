//! Moves pages from the write-ahead log to the file, on a thread of its own: syncing a disk can
//! take longer than an ended session may wait for its commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use super::StoreError;

/// Bytes written to the log, about, before it is used again from its beginning.
const LOG: usize = 24 << 20;

/// Asks for checkpoints. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    ask: SyncSender<()>,
    done: Arc<AtomicBool>,
    asked: bool,
    written: usize,
}

impl Checkpoints {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let (ask, asked) = mpsc::sync_channel(1);
        let done = Arc::new(AtomicBool::new(false));
        let (path, tell) = (path.to_owned(), Arc::clone(&done));
        thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || {
                while asked.recv().is_ok() {
                    if let Err(reason) = apart(&path) {
                        warn!(%reason, "the log of the store could not be moved into it");
                    }
                    tell.store(true, Ordering::Release);
                }
            })
            .map_err(StoreError::Thread)?;
        Ok(Self { ask, done, asked: false, written: 0 })
    }

    /// Call after each commit with about the number of bytes it took.
    pub(super) fn committed(
        &mut self,
        connection: &Connection,
        bytes: usize,
    ) -> rusqlite::Result<()> {
        self.written += bytes;
        if !self.asked && self.written > LOG {
            self.asked = self.ask.try_send(()).is_ok();
        }
        if self.done.swap(false, Ordering::Acquire) {
            self.asked = false;
            self.written = 0;
            // What was committed meanwhile is little. Only when that is moved too, which needs
            // that nobody commits, is the log used again.
            checkpoint(connection)?;
        }
        Ok(())
    }
}

fn apart(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    checkpoint(&Connection::open_with_flags(path, flags)?)
}

/// Never waits for readers or writers.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
