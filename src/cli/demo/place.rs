//! Which file the demo records into when none is named.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::cli::store_path::state_folder;
use crate::store::Reader;

/// A fresh file: in the state folder where the last run's is replaced, else in a folder of its
/// own for temporary files.
pub(super) fn fresh_store() -> io::Result<PathBuf> {
    if let Ok(folder) = state_folder() {
        let path = folder.join("demo.db");
        if !is_in_use(&path) && replace(&path).is_ok() {
            return Ok(path);
        }
    }
    let folder = std::env::temp_dir().join(format!("wstap-demo-{:016x}", fastrand::u64(..)));
    let path = folder.join("demo.db");
    replace(&path)?;
    Ok(path)
}

/// Whether another demo writes to it now.
fn is_in_use(path: &Path) -> bool {
    let taps = Reader::open(path).and_then(|reader| reader.taps());
    taps.is_ok_and(|taps| taps.iter().any(|tap| tap.alive))
}

fn replace(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}
