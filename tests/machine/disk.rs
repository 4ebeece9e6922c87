//! A small disk of its own that can be filled and emptied again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    pub(crate) fn mount(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m,mode=777");
        as_root(&["mount", "-t", "tmpfs", "-o", &size, "wstap-test"], folder.path());
        Self { folder }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// Takes all space that is left.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        for piece in [64 << 10, 4 << 10] {
            let bytes = vec![0; piece];
            let refused = std::iter::repeat_with(|| file.write_all(&bytes)).find_map(Result::err);
            assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::StorageFull));
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.filler()).expect("a file");
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a test that failed may have left a file open.
        as_root(&["umount", "-l"], self.folder.path());
    }
}

fn as_root(words: &[&str], folder: &Path) {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let sudo: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
    let line = [sudo, words].concat();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).arg(folder);
    let status = command.status().expect("mount runs");
    assert!(status.success(), "{command:?}: {status}; this test needs root or sudo");
}
