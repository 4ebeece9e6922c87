//! The one thread that owns the file. It decides when to commit, and it goes on taking in what
//! comes when the file cannot be written.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tracing::{error, warn};

use super::batch::Batch;
use super::checkpoint::Checkpoints;
use super::commit::commit;
use super::intake::{Intake, Item};
use super::retention::Upkeep;
use super::wake::Nap;
use super::{Retention, StoreError, TapInfo, schema, tap};

/// From the first start or end of a session to its commit. With a commit of usual length before
/// it and its own, an end is in the file within 20 ms.
const URGENT: Duration = Duration::from_millis(8);
/// From the first frame or other event to its commit.
const LATER: Duration = Duration::from_millis(450);
/// Bytes that make a commit at once.
const LARGE: usize = 8 << 20;
/// Bytes that may wait while the file cannot be written.
const HELD: usize = 32 << 20;
/// From a failed commit to the next attempt.
const RETRY: Duration = Duration::from_secs(1);
/// After this long without anything to write, memory of the last burst is given back.
const QUIET: Duration = Duration::from_secs(1);
/// Items for which memory is kept.
const ITEMS: usize = 1024;
/// How long closing waits for the last commit.
const CLOSE: Duration = Duration::from_secs(10);

/// The running writer. Dropping it lets the writer finish without waiting for it.
#[derive(Debug)]
pub struct Writer {
    intake: Arc<Intake>,
    done: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        path: &Path,
        info: &TapInfo,
        retention: Retention,
        intake: Arc<Intake>,
    ) -> Result<Self, StoreError> {
        let connection = schema::open(path)?;
        tap::bury(&connection)?;
        let tap = tap::register(&connection, info)?;
        let (tell, done) = mpsc::channel();
        let checkpoints = Checkpoints::start(path)?;
        let task = Task::new((connection, checkpoints), tap, Arc::clone(&intake), retention);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                task.run();
                drop(tell);
            })
            .map_err(StoreError::Thread)?;
        Ok(Self { intake, done, thread: Some(thread) })
    }

    /// Writes what came until now, says that the tap is gone, and waits for that, but not for
    /// ever. Sessions that are still open are marked as interrupted.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.intake.close();
        match self.done.recv_timeout(CLOSE) {
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                let joined = self.thread.take().is_none_or(|thread| thread.join().is_ok());
                if joined { Ok(()) } else { Err(StoreError::Unfinished) }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Err(StoreError::Unfinished),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.intake.close();
    }
}

struct Task {
    connection: Connection,
    checkpoints: Checkpoints,
    tap: i64,
    intake: Arc<Intake>,
    batch: Batch,
    /// Memory for the next taking.
    spare: Vec<Item>,
    upkeep: Upkeep,
    urgent_at: Option<Instant>,
    later_at: Option<Instant>,
    failing: Option<Failing>,
    /// Since when nothing waits; absent once memory was given back.
    quiet_since: Option<Instant>,
}

/// The file cannot be written.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    retry_at: Instant,
}

impl Task {
    fn new(
        (connection, checkpoints): (Connection, Checkpoints),
        tap: i64,
        intake: Arc<Intake>,
        retention: Retention,
    ) -> Self {
        Self {
            connection,
            checkpoints,
            tap,
            intake,
            batch: Batch::default(),
            spare: Vec::new(),
            upkeep: Upkeep::new(retention),
            urgent_at: None,
            later_at: None,
            failing: None,
            quiet_since: None,
        }
    }

    fn run(mut self) {
        self.intake.attach();
        loop {
            let closing = self.intake.is_closing();
            self.take();
            let now = Instant::now();
            if closing {
                // Once more, for frames whose session was not known yet.
                self.take();
                self.finish();
                return;
            }
            self.commit_if_due(now);
            self.trim_if_quiet(now);
            if self.failing.is_none() && self.upkeep.is_due(now) {
                self.maintain();
            }
            self.wait();
        }
    }

    fn take(&mut self) {
        let mut taken = self.intake.take(std::mem::take(&mut self.spare));
        let now = Instant::now();
        self.batch.absorb(&mut taken);
        self.spare = taken.items;
        self.intake.give_back(taken.blocks);
        if self.batch.has_urgent() {
            self.urgent_at.get_or_insert(now + URGENT);
        }
        if !self.batch.is_empty() {
            self.later_at.get_or_insert(now + LATER);
        }
    }

    fn commit_if_due(&mut self, now: Instant) {
        if let Some(failing) = self.failing {
            if self.batch.bytes() > HELD {
                self.batch.shed();
            }
            if now >= failing.retry_at {
                self.commit(true);
            }
            return;
        }
        let reached = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let all = reached(self.later_at) || self.batch.bytes() >= LARGE;
        if all || reached(self.urgent_at) {
            self.commit(all);
        }
    }

    fn commit(&mut self, all: bool) {
        let result = commit(&mut self.connection, self.tap, &mut self.batch, all);
        let now = Instant::now();
        match result {
            Ok(bytes) => {
                self.urgent_at = None;
                self.later_at = self.later_at.filter(|_| !all && !self.batch.is_empty());
                if let Some(failing) = self.failing.take() {
                    let seconds = now.duration_since(failing.since).as_secs();
                    warn!(seconds, "the store can be written again; what was lost is in its gaps");
                }
                if let Err(reason) = self.checkpoints.committed(&self.connection, bytes) {
                    warn!(%reason, "the log of the store could not be moved into it");
                }
            }
            Err(reason) => {
                if self.failing.is_none() {
                    error!(%reason, "the store cannot be written; relaying goes on, losses are counted");
                }
                let since = self.failing.map_or(now, |failing| failing.since);
                self.failing = Some(Failing { since, retry_at: now + RETRY });
            }
        }
    }

    fn maintain(&mut self) {
        if let Err(reason) = self.upkeep.step(&mut self.connection, self.tap) {
            warn!(%reason, "the store could not be tidied");
        }
    }

    fn trim_if_quiet(&mut self, now: Instant) {
        if !self.batch.is_empty() {
            self.quiet_since = Some(now);
        } else if self.quiet_since.is_some_and(|since| now.duration_since(since) >= QUIET) {
            self.quiet_since = None;
            self.intake.trim();
            self.batch.trim();
            self.spare.shrink_to(ITEMS);
        }
    }

    fn wait(&self) {
        let now = Instant::now();
        let left = |at: Instant| at.saturating_duration_since(now);
        let upkeep = left(self.upkeep.next());
        let nap = match (self.failing, self.urgent_at, self.later_at) {
            (Some(failing), _, _) => Nap::Busy(left(failing.retry_at)),
            (None, Some(urgent), later) => {
                Nap::Busy(left(later.map_or(urgent, |later| later.min(urgent))))
            }
            (None, None, Some(later)) => Nap::Dozing(left(later).min(upkeep)),
            (None, None, None) => {
                let trim = self.quiet_since.map(|since| left(since + QUIET));
                Nap::Sleeping(trim.map_or(upkeep, |trim| trim.min(upkeep)))
            }
        };
        self.intake.nap(nap);
    }

    fn finish(mut self) {
        self.commit(true);
        if self.failing.is_some() {
            self.commit(true);
        }
        if let Err(reason) = tap::end(&self.connection, self.tap) {
            warn!(%reason, "the store does not know that this tap ended");
        }
    }
}

#[cfg(test)]
mod tests;
