//! What the writer holds between two commits: every open session, and what of it is not in the
//! file yet.

use super::SessionKey;
use super::blocks::{Entry, Lost};
use super::columns::Columns;
use super::intake::{Item, Taken};
use super::keys::ByKey;
use super::lines::put_line;
use super::place::Place;
use super::records::{count_blob, count_items, put_group};
use crate::session::{Event, Gap, Offset, SessionId, State, Timed, Wall};

/// One session that is being recorded.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: SessionId,
    pub(super) started_at: Wall,
    pub(super) columns: Columns,
    /// Its row in the file, once it has one.
    pub(super) row: Option<i64>,
    /// Where its last commit lies.
    pub(super) place: Option<Place>,
    /// Whether the columns differ from the row.
    pub(super) changed: bool,
    pub(super) pending: Pending,
    listed: InLists,
}

/// In which of the batch's lists a session stands.
#[derive(Clone, Copy, Debug, Default)]
struct InLists {
    now: bool,
    later: bool,
}

/// What is not in the file yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) lines: Vec<u8>,
    events: u64,
    /// Length of `lines` without those that are only written when a batch is.
    sealed: Option<usize>,
    pub(super) groups: Vec<u8>,
    last_group: Offset,
    gap: Gap,
    finish: Option<Box<Timed>>,
}

/// What was lost and belongs to no session of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TapLoss {
    pub(super) sessions: u64,
    pub(super) events: u64,
    pub(super) frames: u64,
}

#[derive(Debug, Default)]
pub(super) struct Batch {
    open: ByKey<Open>,
    /// Sessions that began or ended.
    now: Vec<SessionKey>,
    /// Sessions of which something else came.
    later: Vec<SessionKey>,
    bytes: usize,
    pub(super) loss: TapLoss,
    /// Groups whose session was not known when they came, as in a block.
    early: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

/// Buffers that are kept for the next batch, and how large they may be.
const SPARE: usize = 512;
const SPARE_BYTES: usize = 4096;

impl Batch {
    /// Takes in what waited. The emptied line of items is for the next taking.
    pub(super) fn absorb(&mut self, taken: &mut Taken) {
        for item in taken.items.drain(..) {
            match item {
                Item::Begin { key, id, started_at } => self.begin(key, id, started_at),
                Item::Event { key, timed } => self.event(key, timed),
            }
        }
        // A session may have begun after the line of items was taken and before the blocks were.
        for entry in Entry::all(&std::mem::take(&mut self.early)) {
            if !self.group(&entry) {
                self.loss.frames = self.loss.frames.saturating_add(count_items(entry.items));
            }
        }
        for entry in taken.blocks.iter().flat_map(|block| Entry::all(block)) {
            if !self.group(&entry) {
                entry.write(&mut self.early);
            }
        }
        for lost in &mut taken.lost {
            self.lost(std::mem::take(lost));
        }
    }

    /// Bytes that wait to be written.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_urgent(&self) -> bool {
        !self.now.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.now.is_empty()
            && self.later.is_empty()
            && self.early.is_empty()
            && self.loss == TapLoss::default()
    }

    /// Makes sessions ready to be written: those that began or ended, or all of which something
    /// came. Afterwards comes [`Self::written`] or [`Self::unwritten`].
    pub(super) fn seal(&mut self, all: bool) -> Vec<SessionKey> {
        let keys = self.due(all);
        for key in &keys {
            if let Some(open) = self.open.get_mut(key) {
                open.pending.seal(open.columns.duration);
            }
        }
        keys
    }

    pub(super) fn session(&self, key: SessionKey) -> Option<&Open> {
        self.open.get(&key)
    }

    /// Forgets what is in the file now.
    pub(super) fn written(&mut self, rows: &[(SessionKey, i64, Place)], all: bool) {
        for (key, row, place) in rows {
            let Some(open) = self.open.get_mut(key) else { continue };
            self.bytes = self.bytes.saturating_sub(open.pending.bytes());
            open.row = Some(*row);
            open.changed = false;
            open.columns.texts = None;
            open.listed.now = false;
            open.place = Some(*place);
            let pending = std::mem::take(&mut open.pending);
            if open.columns.state == State::Ended {
                self.open.remove(key);
            }
            self.reuse(pending.lines);
            self.reuse(pending.groups);
        }
        self.now.clear();
        if all {
            for key in self.later.drain(..) {
                if let Some(open) = self.open.get_mut(&key) {
                    open.listed.later = false;
                }
            }
        }
        self.loss = TapLoss::default();
    }

    /// Takes back [`Self::seal`]: everything waits on.
    pub(super) fn unwritten(&mut self, keys: &[SessionKey]) {
        for key in keys {
            if let Some(open) = self.open.get_mut(key) {
                open.pending.unseal();
            }
        }
    }

    /// Gives up what waits, because it cannot be written and memory is not for ever. What is
    /// given up is counted; sessions themselves stay as long as they are open.
    pub(super) fn shed(&mut self) {
        for key in self.due(true) {
            let Some(open) = self.open.get_mut(&key) else { continue };
            let pending = &mut open.pending;
            self.bytes = self.bytes.saturating_sub(pending.bytes());
            let gap = pending.give_up();
            if open.columns.state == State::Ended && open.row.is_none() {
                self.loss.sessions += 1;
                self.loss.events += gap.events;
                self.loss.frames += gap.frames;
                self.open.remove(&key);
            } else {
                pending.gap = gap;
            }
        }
        self.now.retain(|key| self.open.contains_key(key));
        self.later.retain(|key| self.open.contains_key(key));
    }

    fn begin(&mut self, key: SessionKey, id: SessionId, started_at: Wall) {
        let open = Open {
            id,
            started_at,
            columns: Columns::default(),
            row: None,
            place: None,
            changed: true,
            pending: Pending::default(),
            listed: InLists::default(),
        };
        self.open.insert(key, open);
    }

    fn event(&mut self, key: SessionKey, timed: Timed) {
        let Some(open) = self.open.get_mut(&key) else {
            self.loss.events += 1;
            return;
        };
        open.columns.apply(&timed);
        open.changed = true;
        let urgent = matches!(timed.event, Event::Started(_) | Event::Finished(_));
        let pending = &mut open.pending;
        if matches!(timed.event, Event::Finished(_)) {
            pending.finish = Some(Box::new(timed));
        } else {
            if pending.lines.capacity() == 0 {
                pending.lines = self.spare.pop().unwrap_or_default();
            }
            let before = pending.lines.len();
            if put_line(&mut pending.lines, &timed) {
                pending.events += 1;
            } else {
                pending.gap.events += 1;
            }
            self.bytes += pending.lines.len() - before;
        }
        self.wait(key, urgent);
    }

    /// Takes in frames; false when their session is not known, or not yet.
    fn group(&mut self, entry: &Entry<'_>) -> bool {
        let Some(open) = self.open.get_mut(&entry.key) else { return false };
        open.columns.duration = open.columns.duration.max(entry.head.at);
        let pending = &mut open.pending;
        if pending.groups.capacity() == 0 {
            pending.groups = self.spare.pop().unwrap_or_default();
        }
        let before = pending.groups.len();
        put_group(&mut pending.groups, pending.last_group, entry.head, entry.items);
        pending.last_group = entry.head.at;
        self.bytes += pending.groups.len() - before;
        if !open.listed.now && !open.listed.later {
            open.listed.later = true;
            self.later.push(entry.key);
        }
        true
    }

    fn lost(&mut self, lost: Lost) {
        self.loss.events += lost.other.events;
        self.loss.frames += lost.other.frames;
        for (key, gap) in lost.by_session {
            if let Some(open) = self.open.get_mut(&key) {
                open.pending.gap.frames += gap.frames;
                open.pending.gap.events += gap.events;
                self.wait(key, false);
            } else {
                self.loss.events += gap.events;
                self.loss.frames += gap.frames;
            }
        }
    }

    fn wait(&mut self, key: SessionKey, urgent: bool) {
        let Some(open) = self.open.get_mut(&key) else { return };
        if urgent && !open.listed.now {
            open.listed.now = true;
            self.now.push(key);
        } else if !urgent && !open.listed.now && !open.listed.later {
            open.listed.later = true;
            self.later.push(key);
        }
    }

    fn due(&self, all: bool) -> Vec<SessionKey> {
        let later: &[SessionKey] = if all { &self.later } else { &[] };
        let only_later =
            |key: &&SessionKey| self.open.get(key).is_some_and(|open| !open.listed.now);
        self.now.iter().chain(later.iter().filter(only_later)).copied().collect()
    }

    /// Gives back the memory of the last burst.
    pub(super) fn trim(&mut self) {
        self.spare = Vec::new();
        self.now.shrink_to_fit();
        self.later.shrink_to_fit();
        self.open.shrink_to_fit();
    }

    fn reuse(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > 0 && capacity <= SPARE_BYTES && self.spare.len() < SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

impl Pending {
    /// Bytes that were counted as waiting.
    fn bytes(&self) -> usize {
        self.sealed.unwrap_or(self.lines.len()) + self.groups.len()
    }

    /// Adds the lines that stand last: what was lost, then the end.
    fn seal(&mut self, at: Offset) {
        self.sealed = Some(self.lines.len());
        if self.gap != Gap::default() {
            put_line(&mut self.lines, &Timed { at, event: Event::Gap(self.gap) });
        }
        if let Some(finish) = &self.finish {
            put_line(&mut self.lines, finish);
        }
    }

    fn unseal(&mut self) {
        if let Some(len) = self.sealed.take() {
            self.lines.truncate(len);
        }
    }

    /// Empties everything but the end; what that loses, with what was lost before.
    fn give_up(&mut self) -> Gap {
        let gap = Gap {
            frames: self.gap.frames.saturating_add(count_blob(&self.groups)),
            events: self.gap.events + self.events,
        };
        *self = Self { finish: self.finish.take(), ..Self::default() };
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Direction, FrameRun, FrameShape, SessionId, Wall};
    use crate::store::{GroupEncoder, GroupHead};

    /// A taking with five frames of a session, and what else there was.
    fn taken(key: SessionKey, items: Vec<Item>) -> Taken {
        let shape = FrameShape { first: 0x82, masked: false, minimal: true };
        let mut group = GroupEncoder::default();
        group.push(FrameRun { shape, len: 9, count: 5 });
        let direction = Direction::ServerToClient;
        let head = GroupHead { direction, at: Offset(1), first_frame: 0 };
        let mut block = Vec::new();
        Entry { key, head, items: group.items() }.write(&mut block);
        Taken { items, blocks: vec![block], lost: Default::default() }
    }

    #[test]
    fn frames_that_come_before_the_start_of_their_session_wait_for_it() {
        let key = SessionKey(7);
        let mut batch = Batch::default();
        batch.absorb(&mut taken(key, Vec::new()));
        assert!(!batch.is_empty());
        let id = SessionId::from_bits(7);
        let begin = Item::Begin { key, id, started_at: Wall(0) };
        let nothing = Taken { items: vec![begin], blocks: Vec::new(), lost: Default::default() };
        batch.absorb(&mut { nothing });
        assert!(!batch.session(key).unwrap().pending.groups.is_empty());
        assert_eq!(batch.loss, TapLoss::default());
    }

    #[test]
    fn frames_of_no_session_are_counted_as_lost() {
        let mut batch = Batch::default();
        batch.absorb(&mut taken(SessionKey(7), Vec::new()));
        batch.absorb(&mut Taken {
            items: Vec::new(),
            blocks: Vec::new(),
            lost: Default::default(),
        });
        assert_eq!(batch.loss.frames, 5);
    }
}
