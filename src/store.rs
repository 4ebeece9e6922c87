//! One SQLite file that holds every session: written by one thread behind a bounded queue,
//! readable while taps write and after they were killed.
//!
//! ```text
//! relay ── Recorder ── queue, blocks ── writer thread ── file ── Reader ── sessions, show
//!          never waits  counts losses    owns the connection     short transactions
//! ```
//!
//! Everything that comes in is redacted already.

mod batch;
mod blocks;
mod checkpoint;
mod columns;
mod commit;
mod intake;
mod keys;
mod lines;
mod log;
mod place;
mod query;
mod records;
mod retention;
mod schema;
mod tap;
mod verdicts;
mod wake;
mod weight;
mod writer;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub use intake::{Recorder, SessionKey};
pub use log::LogWriter;
pub use query::{
    Filter, FindError, Follow, Frames, Judged, JudgedAs, Listed, Reader, TapGap, TapRow,
};
pub use records::{Group, GroupEncoder, GroupHead, Groups, Runs};
pub use tap::TapInfo;
pub use verdicts::Verdicts;
pub use writer::Writer;

/// What the store keeps, and how much may wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub retention: Retention,
    pub limits: Limits,
}

/// Which finished sessions are deleted, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Sessions that started longer ago than this.
    pub max_age: Option<Duration>,
    /// Sessions beyond this size of the file.
    pub max_bytes: Option<u64>,
}

/// Bytes that may wait for the writer; what is beyond them is counted and recorded as a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Starts, heads, control frames and endings.
    pub facts: usize,
    /// Envelopes and other events that may be missed.
    pub bulk: usize,
    /// Headers of frames.
    pub frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { facts: 64 << 20, bulk: 32 << 20, frames: 32 << 20 }
    }
}

/// Why a store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot create {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not a store of wstap", path.display())]
    NotAStore { path: PathBuf },
    #[error(
        "{} was written by a newer wstap: its schema is {found}, this one knows {known}",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("cannot start the writer of the store")]
    Thread(#[source] io::Error),
    #[error("the writer did not finish in time: what it still held is not in the store")]
    Unfinished,
    #[error("the store")]
    Sqlite(#[from] rusqlite::Error),
}
