//! What is counted of the frames of one direction: once per run of equal frames.

use crate::session::{Compression, FrameRun, OpcodeCount, SizeHistogram, Traffic, ViolationCount};
use crate::websocket::{Inflated, Opcode, Violation};

/// Buckets of the histogram that every session has: empty frames up to 16,383 bytes.
const USUAL_BUCKETS: usize = 15;
const ALL_BUCKETS: usize = 65;

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    frames: u64,
    bytes: u64,
}

/// Made at the first frame. What most sessions never show stands in a box of its own, so that
/// an idle session stays small.
#[derive(Debug, Default)]
pub(super) struct Counters {
    frames: u64,
    /// Continuation, text, binary, close, ping, pong.
    by_opcode: [Count; 6],
    sizes: [u64; USUAL_BUCKETS],
    masked: u64,
    fragmented: u64,
    largest: u64,
    rare: Option<Box<Rare>>,
}

#[derive(Debug)]
struct Rare {
    /// The other ten opcodes, each in the place of its nibble.
    reserved: [Count; 16],
    sizes: [u64; ALL_BUCKETS - USUAL_BUCKETS],
    rsv: [u64; 3],
    violations: Vec<(Violation, u64, u64)>,
    compression: Option<Compression>,
}

impl Default for Rare {
    fn default() -> Self {
        Self {
            reserved: [Count::default(); 16],
            sizes: [0; ALL_BUCKETS - USUAL_BUCKETS],
            rsv: [0; 3],
            violations: Vec::new(),
            compression: None,
        }
    }
}

impl Counters {
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    #[inline]
    pub(super) fn add(&mut self, run: &FrameRun) {
        let FrameRun { shape, len, count } = *run;
        let opcode = Opcode::of(shape.first);
        self.frames += count;
        let place = match usual_place(opcode) {
            Some(place) => &mut self.by_opcode[place],
            None => &mut self.rare_mut().reserved[usize::from(opcode.nibble() & 0xf)],
        };
        place.frames += count;
        // A length is what the header claims: it may be anything.
        place.bytes = place.bytes.saturating_add(len.saturating_mul(count));
        let bucket = usize::try_from(u64::BITS - len.leading_zeros()).unwrap_or_default();
        match self.sizes.get_mut(bucket) {
            Some(place) => *place += count,
            None => self.rare_mut().sizes[bucket - USUAL_BUCKETS] += count,
        }
        self.largest = self.largest.max(len);
        self.masked += if shape.masked { count } else { 0 };
        if matches!(opcode, Opcode::Text | Opcode::Binary) && shape.first & 0x80 == 0 {
            self.fragmented += count;
        }
        if shape.first & 0x70 != 0 {
            let rsv = &mut self.rare_mut().rsv;
            for (bit, place) in [0x40, 0x20, 0x10].into_iter().zip(rsv) {
                *place += if shape.first & bit == 0 { 0 } else { count };
            }
        }
    }

    /// Counts a broken rule; true for the first time.
    pub(super) fn violated(&mut self, violation: Violation, frame: u64) -> bool {
        let violations = &mut self.rare_mut().violations;
        if let Some((_, count, _)) = violations.iter_mut().find(|(name, ..)| *name == violation) {
            *count += 1;
            return false;
        }
        violations.push((violation, 1, frame));
        true
    }

    pub(super) fn compressed(&mut self, wire_bytes: u64, inflated: Inflated) {
        let sum = self.rare_mut().compression.get_or_insert_default();
        sum.messages += 1;
        sum.wire_bytes += wire_bytes;
        match inflated {
            Inflated::Bytes(bytes) => sum.inflated_bytes += bytes,
            Inflated::Unknown => sum.not_inflated += 1,
        }
    }

    pub(super) fn write(&self, traffic: &mut Traffic) {
        const OPCODES: [u8; 6] = [0x0, 0x1, 0x2, 0x8, 0x9, 0xa];
        let usual = OPCODES.into_iter().zip(self.by_opcode);
        let reserved = self.rare.iter().flat_map(|rare| (0..).zip(rare.reserved));
        traffic.by_opcode = usual
            .chain(reserved)
            .filter(|(_, count)| count.frames > 0)
            .map(|(opcode, Count { frames, bytes })| OpcodeCount { opcode, frames, bytes })
            .collect();
        traffic.by_opcode.sort_by_key(|count| count.opcode);
        traffic.frames = self.frames;
        traffic.payload_bytes =
            traffic.by_opcode.iter().fold(0, |sum: u64, count| sum.saturating_add(count.bytes));
        traffic.messages = self.by_opcode[1].frames + self.by_opcode[2].frames;
        traffic.fragmented = self.fragmented;
        traffic.largest = self.largest;
        traffic.sizes = self.histogram();
        traffic.masked = self.masked;
        traffic.unmasked = self.frames - self.masked;
        if let Some(rare) = &self.rare {
            [traffic.rsv1, traffic.rsv2, traffic.rsv3] = rare.rsv;
            traffic.violations = rare
                .violations
                .iter()
                .map(|(violation, count, first_frame)| ViolationCount {
                    name: violation.name().to_owned(),
                    count: *count,
                    first_frame: *first_frame,
                })
                .collect();
            traffic.compression = rare.compression;
        }
    }

    fn histogram(&self) -> SizeHistogram {
        let mut histogram = SizeHistogram::default();
        let rare = self.rare.iter().flat_map(|rare| rare.sizes);
        for (bucket, frames) in (0_u32..).zip(self.sizes.into_iter().chain(rare)) {
            if frames > 0 {
                let floor = if bucket == 0 { 0 } else { 1 << (bucket - 1) };
                histogram.add(floor, frames);
            }
        }
        histogram
    }

    #[cold]
    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

const fn usual_place(opcode: Opcode) -> Option<usize> {
    match opcode {
        Opcode::Continuation => Some(0),
        Opcode::Text => Some(1),
        Opcode::Binary => Some(2),
        Opcode::Close => Some(3),
        Opcode::Ping => Some(4),
        Opcode::Pong => Some(5),
        Opcode::Reserved(_) => None,
    }
}
