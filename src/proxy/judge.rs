//! Judges sessions after they have ended, on a thread of its own and a few at a time: a verdict
//! may come a moment later, traffic may not.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::store::{Reader, StoreError, Verdicts};
use crate::verdict::judge;

/// Sessions judged at once, and the time to the next ones: a few percent of one core at the most.
const SOME: usize = 64;
const PAUSE: Duration = Duration::from_millis(250);

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
    pub(super) fn start(store: &Path) -> std::io::Result<Self> {
        let (running, stopped) = mpsc::channel();
        let store = store.to_owned();
        let thread = std::thread::Builder::new().name("judge".to_owned());
        let thread = thread.spawn(move || {
            let mut bench = None;
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                judge_some(&store, &mut bench);
            }
            let deadline = Instant::now() + LAST;
            while Instant::now() < deadline && judge_some(&store, &mut bench) > 0 {}
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

/// What judging needs of the store; opened at the first need and again after a failure.
struct Bench {
    verdicts: Verdicts,
    reader: Reader,
}

/// Judges a few sessions and says how many.
fn judge_some(store: &Path, bench: &mut Option<Bench>) -> usize {
    let judged = judged(store, bench);
    judged.unwrap_or_else(|reason| {
        warn!(%reason, "sessions could not be judged; that is done when they are read");
        *bench = None;
        0
    })
}

fn judged(store: &Path, bench: &mut Option<Bench>) -> Result<usize, StoreError> {
    let bench = match bench {
        Some(bench) => bench,
        None => {
            bench.insert(Bench { verdicts: Verdicts::open(store)?, reader: Reader::open(store)? })
        }
    };
    let ids = bench.verdicts.ended(SOME)?;
    let mut made = Vec::with_capacity(ids.len());
    for id in ids {
        // One that retention took meanwhile needs no verdict.
        if let Ok(record) = bench.reader.record(id) {
            made.push((id, judge(&record)));
        }
    }
    if !made.is_empty() {
        bench.verdicts.write(&made)?;
    }
    Ok(made.len())
}
