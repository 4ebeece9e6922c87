//! How frame headers are laid on disk: groups of runs of equal frames, one group per read.
//!
//! ```text
//! blob  = group*
//! group = varint(zigzag(at - at of the group before) << 1 | direction)
//!         varint(number of the first frame) varint(length of items) items
//! item  = varint(payload length << 2 | repeat | shape) [first, flags] [varint(count)]
//! ```
//!
//! Varints are little-endian in sevens, the highest bit of a byte says that more follow. Frames of
//! one read share one time, which is all that can be known of them. Pure: bytes in, bytes out.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::session::{Direction, FrameRun, FrameShape, Offset};

const NEW_SHAPE: u8 = 0b01;
const REPEAT: u8 = 0b10;
const MASKED: u8 = 0b01;
const NOT_MINIMAL: u8 = 0b10;

/// Collects the frames of one read. One lives beside each relay task and is used again and again.
#[derive(Clone, Debug, Default)]
pub struct GroupEncoder {
    items: Vec<u8>,
    frames: u64,
    shape: Option<FrameShape>,
    run: Option<FrameRun>,
}

impl GroupEncoder {
    /// Adds the next frames. Runs of equal frames need not have been joined before.
    #[inline]
    pub fn push(&mut self, run: FrameRun) {
        if run.count == 0 {
            return;
        }
        self.frames = self.frames.saturating_add(run.count);
        match &mut self.run {
            Some(last) if last.shape == run.shape && last.len == run.len => {
                last.count = last.count.saturating_add(run.count);
            }
            Some(_) | None => {
                self.seal();
                self.run = Some(run);
            }
        }
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.frames = 0;
        self.shape = None;
        self.run = None;
    }

    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Frames that were pushed since it was cleared.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// The encoded items of everything that was pushed.
    pub fn items(&mut self) -> &[u8] {
        self.seal();
        &self.items
    }

    fn seal(&mut self) {
        let Some(run) = self.run.take() else { return };
        let new_shape = self.shape != Some(run.shape);
        let repeat = run.count > 1;
        let flags = if new_shape { NEW_SHAPE } else { 0 } | if repeat { REPEAT } else { 0 };
        put_flagged::<2>(&mut self.items, run.len, flags);
        if new_shape {
            self.shape = Some(run.shape);
            let masked = if run.shape.masked { MASKED } else { 0 };
            let minimal = if run.shape.minimal { 0 } else { NOT_MINIMAL };
            self.items.extend_from_slice(&[run.shape.first, masked | minimal]);
        }
        if repeat {
            put(&mut self.items, run.count);
        }
    }
}

/// What is common to the frames of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHead {
    pub direction: Direction,
    /// When the read returned.
    pub at: Offset,
    /// Number of the first of them in its direction, from 0.
    pub first_frame: u64,
}

/// The frames of one read, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    pub head: GroupHead,
    items: &'a [u8],
}

impl<'a> Group<'a> {
    pub(super) const fn of(head: GroupHead, items: &'a [u8]) -> Self {
        Self { head, items }
    }

    pub(super) const fn items(&self) -> &'a [u8] {
        self.items
    }

    pub const fn runs(&self) -> Runs<'a> {
        Runs { items: self.items, shape: None }
    }
}

/// Puts a group behind those that `blob` holds already; `last` is the time of the last of them.
pub(super) fn put_group(blob: &mut Vec<u8>, last: Offset, head: GroupHead, items: &[u8]) {
    let delta = head.at.0.wrapping_sub(last.0).cast_signed();
    let zigzag = ((delta << 1) ^ (delta >> 63)).cast_unsigned();
    let direction = match head.direction {
        Direction::ClientToServer => 0,
        Direction::ServerToClient => 1,
    };
    put_flagged::<1>(blob, zigzag, direction);
    put(blob, head.first_frame);
    put(blob, items.len() as u64);
    blob.extend_from_slice(items);
}

/// How many frames encoded items stand for.
pub(super) fn count_items(items: &[u8]) -> u64 {
    let runs = Runs { items, shape: None };
    runs.fold(0, |sum: u64, run| sum.saturating_add(run.count))
}

/// How many frames a blob stands for.
pub(super) fn count_blob(blob: &[u8]) -> u64 {
    Groups::of(blob).fold(0, |sum: u64, group| sum.saturating_add(count_items(group.items)))
}

/// The groups of one blob. Damaged bytes end it early.
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    blob: &'a [u8],
    last: Offset,
}

impl<'a> Groups<'a> {
    pub const fn of(blob: &'a [u8]) -> Self {
        Self { blob, last: Offset(0) }
    }

    /// The bytes that were not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.blob
    }

    fn read(&mut self) -> Option<Group<'a>> {
        let (zigzag, direction) = take_flagged::<1>(&mut self.blob)?;
        let delta = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        let at = Offset(self.last.0.wrapping_add(delta));
        let direction =
            if direction == 0 { Direction::ClientToServer } else { Direction::ServerToClient };
        let first_frame = take(&mut self.blob)?;
        let len = usize::try_from(take(&mut self.blob)?).ok()?;
        let (items, rest) = self.blob.split_at_checked(len)?;
        self.blob = rest;
        self.last = at;
        Some(Group { head: GroupHead { direction, at, first_frame }, items })
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let group = self.read();
        if group.is_none() {
            self.blob = &[];
        }
        group
    }
}

/// The runs of one group. Damaged bytes end it early.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    items: &'a [u8],
    shape: Option<FrameShape>,
}

impl Runs<'_> {
    fn read(&mut self) -> Option<FrameRun> {
        let (len, flags) = take_flagged::<2>(&mut self.items)?;
        if flags & NEW_SHAPE != 0 {
            let (&[first, bits], rest) = self.items.split_first_chunk()?;
            self.items = rest;
            self.shape = Some(FrameShape {
                first,
                masked: bits & MASKED != 0,
                minimal: bits & NOT_MINIMAL == 0,
            });
        }
        // No read holds more: a larger count is damage, and would overflow sums.
        let count = if flags & REPEAT == 0 { 1 } else { take(&mut self.items)? };
        let count = u64::from(u32::try_from(count).ok()?);
        Some(FrameRun { shape: self.shape?, len, count })
    }
}

impl Iterator for Runs<'_> {
    type Item = FrameRun;

    fn next(&mut self) -> Option<FrameRun> {
        let run = self.read();
        if run.is_none() {
            self.items = &[];
        }
        run
    }
}

/// Low `BITS` bits of flags under the value, without losing the value's highest bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn put_flagged<const BITS: u32>(out: &mut Vec<u8>, value: u64, flags: u8) {
    let low = ((value << BITS) as u8 & 0x7f) | flags;
    let rest = value >> (7 - BITS);
    if rest == 0 {
        out.push(low);
    } else {
        out.push(low | 0x80);
        put(out, rest);
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_flagged<const BITS: u32>(bytes: &mut &[u8]) -> Option<(u64, u8)> {
    let (&low, rest) = bytes.split_first()?;
    *bytes = rest;
    let more = if low & 0x80 == 0 { 0 } else { take(bytes)? };
    let flags = low & ((1 << BITS) - 1);
    Some((u64::from((low & 0x7f) >> BITS) | more << (7 - BITS), flags))
}

pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
