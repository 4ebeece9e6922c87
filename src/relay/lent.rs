//! Read buffers that a thread lends for one poll: the same warm pages again and again, and no
//! buffer at all for a session that is idle.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest read. Fewer and larger reads cost less; beyond this the gain is small.
pub(super) const LARGEST: usize = 256 << 10;

/// Where every direction begins, and what it falls back to when the process holds too much.
pub(super) const SMALLEST: usize = 16 << 10;

/// Once the process holds more than this for stalled readers, reads are small.
const BUDGET: usize = 64 << 20;

/// Buffers that a thread keeps for its next poll.
const KEPT: usize = 4;

static HELD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer on loan. It goes back to the pool of whichever thread drops it.
#[derive(Debug)]
pub(super) struct Lent(Box<[u8]>);

impl Lent {
    pub(super) fn take() -> Self {
        if HELD.load(Ordering::Relaxed) > BUDGET {
            return Self(vec![0; SMALLEST].into_boxed_slice());
        }
        let kept = POOL.with_borrow_mut(Vec::pop);
        Self(kept.unwrap_or_else(|| vec![0; LARGEST].into_boxed_slice()))
    }
}

impl Lent {
    /// Bytes that no thread lent.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(bytes.into_boxed_slice())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.len() == LARGEST {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < KEPT {
                    pool.push(buffer);
                }
            });
        }
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Bytes that the far side has not taken yet, with the buffer they stand in.
#[derive(Debug)]
pub(super) struct Held {
    buffer: Lent,
    from: usize,
    to: usize,
}

impl Held {
    pub(super) fn new(buffer: Lent, from: usize, to: usize) -> Self {
        HELD.fetch_add(buffer.len(), Ordering::Relaxed);
        Self { buffer, from, to }
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.from..self.to]
    }

    pub(super) const fn written(&mut self, count: usize) {
        self.from += count;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.buffer.len(), Ordering::Relaxed);
    }
}
