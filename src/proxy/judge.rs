//! Judges sessions after they have ended, on a thread of its own and a few at a time: a verdict
//! may come a moment later, traffic may not.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::findings::Brief;
use crate::store::{Reader, StoreError, Verdicts};
use crate::verdict::{Limits, judge_with};

/// Sessions judged in one go, and the time to the next ones: about one percent of one core.
const SOME: usize = 32;
const PAUSE: Duration = Duration::from_millis(250);

/// Verdicts that are written in one transaction: the ends of sessions wait behind it.
const AT_ONCE: usize = 8;

/// From a failure to the next attempt.
const RETRY: Duration = Duration::from_secs(2);

/// How long the last sessions may take when the proxy stops; a reader judges the others itself.
const LAST: Duration = Duration::from_secs(2);

/// The running judge.
#[derive(Debug)]
pub(super) struct Judge {
    /// Dropped to stop it.
    running: Sender<()>,
    thread: JoinHandle<()>,
}

impl Judge {
    pub(super) fn start(store: &Path, limits: Limits) -> std::io::Result<Self> {
        let (running, stopped) = mpsc::channel();
        let mut bench = Bench { store: store.to_owned(), limits, open: None, failing: false };
        let thread = std::thread::Builder::new().name("judge".to_owned());
        let thread = thread.spawn(move || {
            while stopped.recv_timeout(bench.pause()) == Err(RecvTimeoutError::Timeout) {
                bench.judge_some();
            }
            let deadline = Instant::now() + LAST;
            while Instant::now() < deadline && bench.judge_some() > 0 {}
        })?;
        Ok(Self { running, thread })
    }

    /// Judges what is left, within a bound. Call after the store's writer has closed.
    pub(super) fn finish(self) {
        drop(self.running);
        if self.thread.join().is_err() {
            warn!("the judge did not end well; verdicts are made when sessions are read");
        }
    }
}

#[derive(Debug)]
struct Bench {
    store: PathBuf,
    limits: Limits,
    /// What judging needs; opened at the first need and again after a failure.
    open: Option<(Verdicts, Reader)>,
    /// The last attempt failed, which was said.
    failing: bool,
}

impl Bench {
    const fn pause(&self) -> Duration {
        if self.failing { RETRY } else { PAUSE }
    }

    /// Judges a few sessions and says how many.
    fn judge_some(&mut self) -> usize {
        match self.judged() {
            Ok(count) => {
                self.failing = false;
                count
            }
            Err(reason) => {
                if !self.failing {
                    let reason =
                        reason.source().map_or_else(|| reason.to_string(), ToString::to_string);
                    warn!(%reason, "sessions could not be judged; that is done when they are read");
                }
                (self.open, self.failing) = (None, true);
                0
            }
        }
    }

    fn judged(&mut self) -> Result<usize, StoreError> {
        let (verdicts, reader) = match &mut self.open {
            Some(open) => open,
            None => self.open.insert((Verdicts::open(&self.store)?, Reader::open(&self.store)?)),
        };
        let ids = verdicts.ended(SOME)?;
        let mut made = Vec::with_capacity(ids.len());
        for id in ids {
            // One that retention took meanwhile needs no verdict.
            if let Ok(record) = reader.record(id) {
                let verdict = judge_with(&record, &self.limits);
                let brief = Brief::of(&record, &verdict).write();
                made.push((id, verdict, brief));
            }
        }
        for few in made.chunks(AT_ONCE) {
            verdicts.write(few)?;
        }
        Ok(made.len())
    }
}
