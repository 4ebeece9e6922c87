//! The sessions of a time in short, for commands that look at all of them.

use std::mem;
use std::num::NonZero;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::judging::Judging;
use super::when::moment;
use crate::findings::Brief;
use crate::session::{SessionId, Wall};
use crate::store::{FindError, Reader, StoreError};

/// Which sessions are looked at.
#[derive(Debug, clap::Args)]
pub(super) struct Period {
    /// Sessions that started at this time or later: 10m for ten minutes ago, or
    /// 2026-11-20T04:46:56Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(super) since: Option<Wall>,
    /// Sessions that started before this time.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(super) until: Option<Wall>,
}

impl Period {
    /// All of them; those that were not judged yet are judged now.
    pub(super) fn briefs(
        &self,
        reader: &Reader,
        judging: &Judging,
    ) -> Result<Vec<Brief>, StoreError> {
        self.read(reader, judging, None)
    }

    /// The same, but sessions that were not judged yet are left out after a while.
    pub(super) fn briefs_within(
        &self,
        reader: &Reader,
        time: Duration,
    ) -> Result<Vec<Brief>, StoreError> {
        self.read(reader, &Judging::default(), Some(Instant::now() + time))
    }

    fn read(
        &self,
        reader: &Reader,
        judging: &Judging,
        deadline: Option<Instant>,
    ) -> Result<Vec<Brief>, StoreError> {
        let (mut briefs, left) = self.stored(reader, judging.believes_the_store())?;
        for id in left {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                break;
            }
            match judging.again(reader, id) {
                Ok(record) => {
                    briefs.extend(record.verdict.as_ref().map(|v| Brief::of(&record, v)));
                }
                // Retention took it meanwhile.
                Err(FindError::NotFound { .. } | FindError::Ambiguous { .. }) => {}
                Err(FindError::Store(error)) => return Err(error),
            }
        }
        Ok(briefs)
    }

    /// The briefs that are in the store, and the sessions that have none. Reading a hundred
    /// thousand texts takes longer than getting them from the file: all cores do it.
    fn stored(&self, reader: &Reader, believed: bool) -> Result<Stored, StoreError> {
        let (texts, waiting) = mpsc::sync_channel(CHUNKS);
        let waiting = Mutex::new(waiting);
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            let readers: Vec<_> =
                (0..cores.min(CHUNKS)).map(|_| scope.spawn(|| read_all(&waiting))).collect();
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = reader.briefs(self.since, self.until, |id, text| {
                let text = text.filter(|_| believed).unwrap_or_default();
                chunk.push((id, text.to_owned()));
                if chunk.len() == CHUNK {
                    let full = mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
                    // The readers outlive the channel.
                    drop(texts.send(full));
                }
            });
            drop(texts.send(chunk));
            drop(texts);
            let mut all = Stored::default();
            for reader in readers {
                let (briefs, left) = reader.join().unwrap_or_default();
                all.0.extend(briefs);
                all.1.extend(left);
            }
            read.map(|()| all)
        })
    }
}

/// Briefs, and sessions that have none.
type Stored = (Vec<Brief>, Vec<SessionId>);

/// Texts that are handed over together, and how many such heaps may wait.
const CHUNK: usize = 512;
const CHUNKS: usize = 8;

type Texts = Vec<(SessionId, String)>;

fn read_all(waiting: &Mutex<Receiver<Texts>>) -> Stored {
    let (mut briefs, mut left) = Stored::default();
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(texts) = next() {
        for (id, text) in texts {
            match Brief::read(&text) {
                Some(brief) => briefs.push(brief),
                None => left.push(id),
            }
        }
    }
    (briefs, left)
}

pub(super) fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
