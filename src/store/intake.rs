//! The only way into the store from live traffic. It never waits, and it admits its losses.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blocks::{Blocks, Lost, Put};
use super::records::{GroupEncoder, GroupHead};
use super::wake::{Nap, Wake};
use super::weight::weight;
use super::{Limits, Settings, StoreError, TapInfo, Writer};
use crate::session::{Event, Gap, SessionId, Timed, Wall};

/// Names a session while this process records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub(super) u64);

/// Takes in what was seen. Clones are cheap and lead to the same writer.
#[derive(Clone, Debug)]
pub struct Recorder {
    intake: Arc<Intake>,
}

impl Recorder {
    /// Opens the store, making it if need be, and starts its writer. Nothing that comes later
    /// fails: what cannot be written is counted, said and recorded as a gap.
    pub fn open(
        path: &Path,
        tap: &TapInfo,
        settings: Settings,
    ) -> Result<(Self, Writer), StoreError> {
        let intake = Arc::new(Intake::new(settings.limits));
        let writer = Writer::start(path, tap, settings.retention, Arc::clone(&intake))?;
        Ok((Self::of(intake), writer))
    }

    pub(super) const fn of(intake: Arc<Intake>) -> Self {
        Self { intake }
    }

    /// Announces a session. Its row appears with its first event.
    pub fn begin(&self, id: SessionId, started_at: Wall) -> SessionKey {
        let key = SessionKey(self.intake.keys.fetch_add(1, Ordering::Relaxed));
        self.intake.begin(key, id, started_at);
        key
    }

    /// A start, a head, a control frame, an ending: never dropped because frames filled the
    /// queue. [`Event::Finished`] is the last of a session.
    pub fn fact(&self, key: SessionKey, timed: Timed) {
        self.intake.event(key, timed, Lane::Facts);
    }

    /// An envelope or another event that may be missed when the writer cannot keep up.
    pub fn bulk(&self, key: SessionKey, timed: Timed) {
        self.intake.event(key, timed, Lane::Bulk);
    }

    /// The frames of one read. Clears `group`.
    pub fn frames(&self, key: SessionKey, head: GroupHead, group: &mut GroupEncoder) {
        if !group.is_empty() {
            match self.intake.blocks.put(key, head, group) {
                Put::Waits => {}
                Put::First => self.intake.wake.soon(),
                Put::Pressing => self.intake.wake.now(),
            }
        }
        group.clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Facts,
    Bulk,
}

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Intake {
    keys: AtomicU64,
    queue: Mutex<Queue>,
    blocks: Blocks,
    wake: Wake,
    limits: Limits,
    closing: AtomicBool,
}

/// Both lanes stand in one line, so that events stay in order; each has its own bound.
#[derive(Debug, Default)]
struct Queue {
    items: Vec<Item>,
    facts: usize,
    bulk: usize,
    urgent: bool,
    lost: Lost,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events; a box for each costs more")]
pub(super) enum Item {
    Begin { key: SessionKey, id: SessionId, started_at: Wall },
    Event { key: SessionKey, timed: Timed },
}

/// Everything that waited at one moment.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) items: Vec<Item>,
    pub(super) blocks: Vec<Vec<u8>>,
    pub(super) lost: [Lost; 2],
}

impl Intake {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            keys: AtomicU64::new(0),
            queue: Mutex::default(),
            blocks: Blocks::new(limits.frames),
            wake: Wake::default(),
            limits,
            closing: AtomicBool::new(false),
        }
    }

    /// The calling thread is the writer.
    pub(super) fn attach(&self) {
        self.wake.attach();
    }

    pub(super) fn nap(&self, nap: Nap) {
        self.wake.nap(nap, || match nap {
            Nap::Busy(_) | Nap::Dozing(_) => self.queue().urgent || self.is_closing(),
            Nap::Sleeping(_) => !self.is_empty() || self.is_closing(),
        });
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake.now();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Takes everything, into `spare` so that its memory is used again.
    pub(super) fn take(&self, spare: Vec<Item>) -> Taken {
        // Events first: the frames of a session whose end is among them are then in the blocks.
        let mut queue = self.queue();
        let items = std::mem::replace(&mut queue.items, spare);
        let lost = std::mem::take(&mut queue.lost);
        (queue.facts, queue.bulk, queue.urgent) = (0, 0, false);
        drop(queue);
        let (blocks, lost_frames) = self.blocks.take();
        Taken { items, blocks, lost: [lost, lost_frames] }
    }

    pub(super) fn give_back(&self, blocks: Vec<Vec<u8>>) {
        self.blocks.give_back(blocks);
    }

    pub(super) fn trim(&self) {
        self.blocks.trim();
        let mut queue = self.queue();
        if queue.items.is_empty() {
            queue.items = Vec::new();
        }
    }

    fn begin(&self, key: SessionKey, id: SessionId, started_at: Wall) {
        let mut queue = self.queue();
        if self.admit(&mut queue.facts, size_of::<Item>(), 2) {
            queue.items.push(Item::Begin { key, id, started_at });
        } else {
            queue.lost.other.events += 1;
        }
    }

    fn event(&self, key: SessionKey, timed: Timed, lane: Lane) {
        let urgent = matches!(timed.event, Event::Started(_) | Event::Finished(_));
        let weight = size_of::<Item>() + weight(&timed.event);
        let mut queue = self.queue();
        let admitted = match lane {
            // Without its start or its end a session would be misread for ever: they may take
            // the room beyond the bound as well.
            Lane::Facts => self.admit(&mut queue.facts, weight, if urgent { 2 } else { 1 }),
            Lane::Bulk => {
                let fits = queue.bulk + weight <= self.limits.bulk;
                queue.bulk += if fits { weight } else { 0 };
                fits
            }
        };
        if !admitted {
            queue.lost.add(key, Gap { frames: 0, events: 1 });
            return;
        }
        queue.items.push(Item::Event { key, timed });
        queue.urgent |= urgent;
        drop(queue);
        if urgent { self.wake.urgent() } else { self.wake.soon() }
    }

    fn admit(&self, used: &mut usize, weight: usize, stretch: usize) -> bool {
        let fits = *used + weight <= self.limits.facts * stretch;
        *used += if fits { weight } else { 0 };
        fits
    }

    fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.items.is_empty() && queue.lost.is_empty() && {
            drop(queue);
            self.blocks.is_empty()
        }
    }

    /// A push that panicked (out of memory) leaves the line without that item, which is in order.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
