//! When the writer is woken. A producer pays for a wake-up only when the writer would otherwise
//! not look in time, which is once per commit and not once per event.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// It will look by itself soon enough for everything but a full queue.
const BUSY: u8 = 0;
/// It will look soon enough for frames.
const DOZING: u8 = 1;
/// It knows of nothing to do.
const SLEEPING: u8 = 2;

/// How long the writer waits, and what may end that early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nap {
    Busy(Duration),
    Dozing(Duration),
    Sleeping(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Wake {
    state: AtomicU8,
    writer: OnceLock<Thread>,
}

impl Wake {
    /// Names the calling thread as the one to wake.
    pub(super) fn attach(&self) {
        self.writer.get_or_init(thread::current);
    }

    /// Something came that must be written within milliseconds. Call after it was queued.
    pub(super) fn urgent(&self) {
        if self.state.load(Ordering::SeqCst) != BUSY {
            self.now();
        }
    }

    /// Something came that must be written within a second. Call after it was queued.
    pub(super) fn soon(&self) {
        if self.state.load(Ordering::SeqCst) == SLEEPING {
            self.now();
        }
    }

    /// The queue is filling up, or the end has come.
    pub(super) fn now(&self) {
        self.state.store(BUSY, Ordering::SeqCst);
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Waits. `anything` looks for what was queued before producers could see the new state.
    pub(super) fn nap(&self, nap: Nap, anything: impl FnOnce() -> bool) {
        let (state, time) = match nap {
            Nap::Busy(time) => (BUSY, time),
            Nap::Dozing(time) => (DOZING, time),
            Nap::Sleeping(time) => (SLEEPING, time),
        };
        self.state.store(state, Ordering::SeqCst);
        if state == BUSY || !anything() {
            thread::park_timeout(time);
        }
        self.state.store(BUSY, Ordering::SeqCst);
    }
}
