//! The tables, their version, and how a file becomes a store.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::StoreError;

/// `wstp`, so that `file` and we can tell a store from any other database.
const APPLICATION_ID: i64 = 0x7773_7470;

/// How long one tap waits for another one's commit.
const BUSY: Duration = Duration::from_secs(2);

/// Pages that the writer holds, in KiB and negative as SQLite wants it: about what it changes
/// in one commit. New rows go to the end of their tables, so few pages are looked at twice.
const CACHE: i64 = -512;

/// The same for connections that write little or nothing; the kernel holds what they read.
pub(super) const SMALL_CACHE: i64 = -128;

/// Each step makes the schema one version newer. A step that was released never changes.
const STEPS: &[&str] = &[V1];

/// How rows of `events` and `frames` belong to sessions: see `place`.
const V1: &str = "
CREATE TABLE taps (
    tap INTEGER PRIMARY KEY,
    host TEXT,
    boot TEXT,
    pid_space TEXT,
    pid INTEGER NOT NULL,
    pid_started INTEGER,
    started_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    ended_us INTEGER,
    info TEXT NOT NULL
) STRICT;
CREATE TABLE sessions (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tap INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    listener TEXT,
    client TEXT,
    upstream TEXT,
    path TEXT,
    origin TEXT,
    status INTEGER,
    close_code INTEGER,
    close_from TEXT,
    ending TEXT,
    well INTEGER,
    first_slot INTEGER NOT NULL,
    last_slot INTEGER,
    upstream_local TEXT,
    upstream_peer TEXT,
    conn TEXT
) STRICT;
CREATE INDEX sessions_started ON sessions (started_us);
CREATE INDEX sessions_open ON sessions (tap) WHERE state = 'open';
CREATE TABLE events (row INTEGER PRIMARY KEY, lines BLOB NOT NULL) STRICT;
CREATE TABLE frames (row INTEGER PRIMARY KEY, groups BLOB NOT NULL) STRICT;
CREATE TABLE verdicts (
    row INTEGER PRIMARY KEY,
    rules INTEGER NOT NULL,
    layer TEXT NOT NULL,
    cause TEXT NOT NULL,
    who TEXT NOT NULL,
    confidence TEXT NOT NULL,
    failed INTEGER NOT NULL,
    brief TEXT NOT NULL,
    verdict TEXT NOT NULL
) STRICT;
CREATE TABLE gaps (
    gap INTEGER PRIMARY KEY,
    tap INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    events INTEGER NOT NULL,
    frames INTEGER NOT NULL
) STRICT;
CREATE TABLE log_lines (
    line INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    source TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    conn TEXT,
    port INTEGER,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX log_lines_at ON log_lines (at_us);
CREATE INDEX log_lines_conn ON log_lines (conn) WHERE conn IS NOT NULL;
CREATE INDEX log_lines_port ON log_lines (port, at_us) WHERE port IS NOT NULL;
";

/// The version that this program writes and reads.
pub(super) fn version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Opens for writing; makes folder, file and tables when they are not there.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    create(path).map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    check(path, &connection)?;
    // Both have an effect only before the first table. A short session takes half a page.
    connection.pragma_update(None, "page_size", 8192)?;
    // Without it retention would never shrink the file.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    patiently(|| connection.pragma_update(None, "journal_mode", "wal"))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    // 128 MiB of 4 KiB pages: only when checkpoints on their own thread could not help.
    connection.pragma_update(None, "wal_autocheckpoint", 32_768)?;
    connection.pragma_update(None, "journal_size_limit", 32 << 20)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    connection.set_prepared_statement_cache_capacity(32);
    migrate(path, &mut connection)?;
    Ok(connection)
}

/// Says whether this is a store that this program understands.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let found = pragma(connection, "user_version")?;
    let application = pragma(connection, "application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (tables > 0 || application != 0) {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    if found > version() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: version() });
    }
    Ok(())
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    // Several taps may start at once: the version is read again under the lock.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    check(path, &transaction)?;
    let found = usize::try_from(pragma(&transaction, "user_version")?).unwrap_or_default();
    for step in STEPS.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    if found < STEPS.len() {
        transaction.pragma_update(None, "user_version", version())?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// SQLite does not wait by itself for the lock that the first change to WAL mode takes.
fn patiently(mut attempt: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    for _ in 0..100 {
        match attempt() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
    attempt()
}

/// The file is made before SQLite sees it, so that no one else can ever read it; SQLite gives its
/// `-wal` and `-shm` the same mode.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests;
