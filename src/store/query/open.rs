//! Three ways to open a store for reading: as it is written, as it lies on a read-only medium, and
//! from a copy when such a medium also holds a write-ahead log.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::{StoreError, schema};

const BUSY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Dropped after the connection.
    _copy: Option<Copied>,
}

impl Opened {
    pub(super) fn at(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        match open(path, path, "mode=ro") {
            Ok(connection) => Ok(Self { connection, _copy: None }),
            Err(StoreError::Sqlite(error)) if is_read_only(&error) => Self::on_read_only(path),
            Err(error) => Err(error),
        }
    }

    /// SQLite needs to write beside a file in WAL mode unless it is told that nobody does; then
    /// it does not look at the log either.
    fn on_read_only(path: &Path) -> Result<Self, StoreError> {
        if fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0) {
            let copy = Copied::of(path)
                .map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
            let connection = open(path, &copy.store(), "mode=rw")?;
            return Ok(Self { connection, _copy: Some(copy) });
        }
        Ok(Self { connection: open(path, path, "mode=ro&immutable=1")?, _copy: None })
    }
}

fn open(named: &Path, path: &Path, how: &str) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path, how), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", schema::SMALL_CACHE)?;
    schema::check(named, &connection)?;
    Ok(connection)
}

fn is_read_only(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

/// A `file:` URI, every byte but the plainest written in percent.
fn uri(path: &Path, how: &str) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let escaped: String = bytes
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02x}"),
        })
        .collect();
    format!("file:{escaped}?{how}")
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// A private copy of a store and its log, gone when it is dropped.
#[derive(Debug)]
struct Copied {
    folder: PathBuf,
}

impl Copied {
    fn of(path: &Path) -> io::Result<Self> {
        let name = format!("wstap-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let folder = std::env::temp_dir().join(name);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        let copied = Self { folder };
        for (from, to) in [(path, copied.store()), (&log_of(path), log_of(&copied.store()))] {
            io::copy(&mut fs::File::open(from)?, &mut fs::File::create(to)?)?;
        }
        Ok(copied)
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "a copy of the store is left");
        }
    }
}

#[cfg(test)]
mod tests;
