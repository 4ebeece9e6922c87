//! The lines that are appended to a file, across renaming, replacing and truncating.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A longer line is cut in two.
const LINE: usize = 1 << 20;
/// Bytes that are taken in at one look.
const LOOK: u64 = 4 << 20;

/// A file that is read as it grows. Between two looks only its handle is held.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    open: Option<Open>,
    /// The beginning of a line whose end was not written yet.
    begun: Vec<u8>,
    /// What was there before is not of interest.
    skip: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    read: u64,
}

/// Whether there is a file of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    Yes,
    NotYet,
}

impl Tail {
    /// Of a file that is there, only what comes from now on; of one that appears later, all.
    pub(super) fn from_end(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, begun: Vec::new(), skip: true }
    }

    /// Gives every line that was finished since the last look.
    pub(super) fn read(&mut self, mut line: impl FnMut(&[u8])) -> io::Result<There> {
        loop {
            if self.open.is_none() && self.open()? == There::NotYet {
                return Ok(There::NotYet);
            }
            self.take(&mut line)?;
            let there = match std::fs::metadata(&self.path) {
                Ok(metadata) => metadata,
                // Renamed, and its writer may go on; or removed, and then nothing comes.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Yes),
                Err(error) => return Err(error),
            };
            let Some(open) = &mut self.open else { continue };
            if identity(&there) == open.identity {
                if there.len() >= open.read {
                    return Ok(There::Yes);
                }
                open.read = open.file.seek(SeekFrom::Start(0))?;
                self.begun.clear();
            } else {
                // What its writer appended before it turned to the new file.
                while self.take(&mut line)? > 0 {}
                self.finish(&mut line);
                self.open = None;
            }
        }
    }

    fn open(&mut self) -> io::Result<There> {
        // Only what was there at the first look is old.
        let skip = std::mem::take(&mut self.skip);
        let mut file = match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => File::open(&self.path)?,
            // Opening a pipe would wait for its writer.
            Ok(_) => return Err(io::Error::other("it is not a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::NotYet),
            Err(error) => return Err(error),
        };
        let identity = identity(&file.metadata()?);
        let read = if skip { file.seek(SeekFrom::End(0))? } else { 0 };
        self.open = Some(Open { file, identity, read });
        Ok(There::Yes)
    }

    fn take(&mut self, line: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        let Some(open) = &mut self.open else { return Ok(0) };
        let before = self.begun.len();
        let read = (&open.file).take(LOOK).read_to_end(&mut self.begun)?;
        open.read += read as u64;
        let mut given = 0;
        for end in memchr::memchr_iter(b'\n', &self.begun[before..]) {
            line(&self.begun[given..before + end]);
            given = before + end + 1;
        }
        self.begun.drain(..given);
        if self.begun.len() > LINE {
            self.finish(line);
        }
        Ok(read)
    }

    fn finish(&mut self, line: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            line(&self.begun);
        }
        self.begun = Vec::new();
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests;
