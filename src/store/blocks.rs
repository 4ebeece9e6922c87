//! Where frames wait for the writer: one block per worker, groups of all sessions mixed in it, so
//! that an idle session holds nothing and a busy one allocates nothing.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::SessionKey;
use super::keys::ByKey;
use super::records::{GroupEncoder, GroupHead, Groups, put, put_group, take};
use crate::session::{Gap, Offset};

/// A block leaves when this many bytes are in it.
const BLOCK: usize = 64 << 10;
/// The most that a group takes beside its items: four varints.
const HEADER: usize = 40;
/// Empty blocks that are kept for the next ones.
const SPARE: usize = 32;
/// Sessions whose losses are counted one by one; those of more sessions are counted together.
const COUNTED: usize = 1 << 16;

/// Losses by session, and those of sessions that are not known.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) by_session: ByKey<Gap>,
    pub(super) other: Gap,
}

impl Lost {
    pub(super) fn add(&mut self, key: SessionKey, gap: Gap) {
        let full = self.by_session.len() >= COUNTED && !self.by_session.contains_key(&key);
        let sum = if full { &mut self.other } else { self.by_session.entry(key).or_default() };
        sum.frames += gap.frames;
        sum.events += gap.events;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_session.is_empty() && self.other == Gap::default()
    }
}

/// What a producer must tell the writer after it put a group in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Waits,
    /// It is the first in its block.
    First,
    /// Full blocks are piling up.
    Pressing,
}

#[derive(Debug)]
pub(super) struct Blocks {
    shards: Vec<Mutex<Shard>>,
    full: Mutex<Full>,
    /// Bytes in full blocks.
    queued: AtomicUsize,
    limit: usize,
}

#[derive(Debug, Default)]
struct Shard {
    bytes: Vec<u8>,
    lost: Lost,
}

#[derive(Debug, Default)]
struct Full {
    blocks: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Blocks {
    /// `limit` is the number of bytes that may wait in full blocks.
    pub(super) fn new(limit: usize) -> Self {
        let workers = thread::available_parallelism().map_or(4, usize::from);
        Self {
            shards: (0..workers.clamp(2, 64) * 2).map(|_| Mutex::default()).collect(),
            full: Mutex::default(),
            queued: AtomicUsize::new(0),
            limit,
        }
    }

    pub(super) fn put(&self, key: SessionKey, head: GroupHead, group: &mut GroupEncoder) -> Put {
        let gap = Gap { frames: group.frames(), events: 0 };
        let items = group.items();
        let mut shard = lock(&self.shards[worker() % self.shards.len()]);
        let mut put = if shard.bytes.is_empty() { Put::First } else { Put::Waits };
        if shard.bytes.len() + HEADER + items.len() > BLOCK && !shard.bytes.is_empty() {
            match self.push(&mut shard.bytes) {
                Some(queued) if queued >= self.limit / 8 => put = Put::Pressing,
                Some(_) => {}
                None => {
                    shard.lost.add(key, gap);
                    return Put::Pressing;
                }
            }
        }
        if shard.bytes.capacity() == 0 {
            shard.bytes.reserve(BLOCK);
        }
        Entry { key, head, items }.write(&mut shard.bytes);
        put
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queued.load(Ordering::SeqCst) == 0
            && self.shards.iter().all(|shard| {
                let shard = lock(shard);
                shard.bytes.is_empty() && shard.lost.is_empty()
            })
    }

    /// Takes everything out, the oldest first. A session that changes workers meanwhile may leave
    /// a group behind that is older than one that was taken, never older than the last taking.
    pub(super) fn take(&self) -> (Vec<Vec<u8>>, Lost) {
        let mut lost = Lost::default();
        let mut swept = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            if !shard.bytes.is_empty() {
                swept.push(std::mem::take(&mut shard.bytes));
            }
            let other = std::mem::take(&mut shard.lost);
            drop(shard);
            lost.other.frames += other.other.frames;
            other.by_session.into_iter().for_each(|(key, gap)| lost.add(key, gap));
        }
        let mut blocks = std::mem::take(&mut lock(&self.full).blocks);
        self.queued.fetch_sub(blocks.iter().map(Vec::len).sum(), Ordering::SeqCst);
        blocks.append(&mut swept);
        (blocks, lost)
    }

    /// Gives blocks back that were taken.
    pub(super) fn give_back(&self, mut blocks: Vec<Vec<u8>>) {
        blocks.iter_mut().for_each(Vec::clear);
        let mut full = lock(&self.full);
        full.spare.append(&mut blocks);
        full.spare.truncate(SPARE);
    }

    /// Frees what is only kept for the next blocks.
    pub(super) fn trim(&self) {
        lock(&self.full).spare = Vec::new();
    }

    /// Moves a full block away, unless too much waits; the bytes that wait now.
    fn push(&self, bytes: &mut Vec<u8>) -> Option<usize> {
        let len = bytes.len();
        let mut full = lock(&self.full);
        let queued = self.queued.load(Ordering::SeqCst) + len;
        if queued > self.limit {
            return None;
        }
        self.queued.fetch_add(len, Ordering::SeqCst);
        let empty = full.spare.pop().unwrap_or_default();
        full.blocks.push(std::mem::replace(bytes, empty));
        Some(queued)
    }
}

/// One group in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: SessionKey,
    pub(super) head: GroupHead,
    pub(super) items: &'a [u8],
}

impl<'a> Entry<'a> {
    pub(super) fn all(mut block: &'a [u8]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || Self::read(&mut block))
    }

    pub(super) fn write(&self, block: &mut Vec<u8>) {
        put(block, self.key.0);
        put_group(block, Offset(0), self.head, self.items);
    }

    fn read(block: &mut &'a [u8]) -> Option<Self> {
        let key = SessionKey(take(block)?);
        let mut groups = Groups::of(block);
        let group = groups.next()?;
        *block = groups.rest();
        Some(Self { key, head: group.head, items: group.items() })
    }
}

/// A small number of this thread's own.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    WORKER.with(|worker| {
        let number = worker.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        worker.set(Some(number));
        number
    })
}

/// A thread that panicked cannot have left a half-written group: writing one does not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
