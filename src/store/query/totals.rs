//! Totals of a session whose own totals were never written, counted from its stored frames.

use super::Frames;
use crate::session::{Direction, FrameRun, FrameTotals, Offset, OpcodeCount, Silence, Traffic};
use crate::store::StoreError;
use crate::websocket::Opcode;

/// Bytes and silences are those that headers tell of: payload of a frame counts when its header
/// was read.
pub(super) fn of(mut frames: Frames<'_>) -> Result<FrameTotals, StoreError> {
    let mut totals = FrameTotals::default();
    while let Some((head, runs)) = frames.next_group()? {
        let traffic = totals.of_mut(head.direction);
        seen(traffic, head.at);
        for run in runs {
            add(traffic, head.at, run);
        }
    }
    for direction in Direction::BOTH {
        totals.of_mut(direction).by_opcode.sort_by_key(|count| count.opcode);
    }
    Ok(totals)
}

fn seen(traffic: &mut Traffic, at: Offset) {
    traffic.first_byte.get_or_insert(at);
    let from = traffic.last_byte.replace(at).unwrap_or(at);
    let silence = Silence { ms: at.since(from), from };
    if silence.ms > traffic.longest_silence.map_or(Offset(0), |longest| longest.ms) {
        traffic.longest_silence = Some(silence);
    }
}

fn add(traffic: &mut Traffic, at: Offset, run: FrameRun) {
    let FrameRun { shape, len, count } = run;
    let opcode = Opcode::of(shape.first);
    let payload = len.saturating_mul(count);
    let bit = |mask: u8| if shape.first & mask == 0 { 0 } else { count };
    let headers = header(run).saturating_mul(count);
    raise(&mut traffic.frames, count);
    raise(&mut traffic.payload_bytes, payload);
    raise(&mut traffic.bytes, payload.saturating_add(headers));
    traffic.largest = traffic.largest.max(len);
    traffic.sizes.add(len, count);
    raise(&mut traffic.rsv1, bit(0x40));
    raise(&mut traffic.rsv2, bit(0x20));
    raise(&mut traffic.rsv3, bit(0x10));
    raise(if shape.masked { &mut traffic.masked } else { &mut traffic.unmasked }, count);
    if opcode.is_control() {
        traffic.last_control_frame = Some(at);
    } else {
        traffic.last_data_frame = Some(at);
        if opcode != Opcode::Continuation {
            raise(&mut traffic.messages, count);
            raise(&mut traffic.fragmented, count - bit(0x80));
        }
    }
    let nibble = opcode.nibble();
    let place = traffic.by_opcode.iter().position(|of| of.opcode == nibble);
    let place = place.unwrap_or_else(|| {
        traffic.by_opcode.push(OpcodeCount { opcode: nibble, ..OpcodeCount::default() });
        traffic.by_opcode.len() - 1
    });
    if let Some(of) = traffic.by_opcode.get_mut(place) {
        raise(&mut of.frames, count);
        raise(&mut of.bytes, payload);
    }
}

/// Damaged groups may claim any number of frames.
const fn raise(sum: &mut u64, by: u64) {
    *sum = sum.saturating_add(by);
}

/// Length of the header (RFC 6455 §5.2); the shorter one where a wasteful length may be either.
const fn header(run: FrameRun) -> u64 {
    let extended = match run.len {
        0..=125 if run.shape.minimal => 0,
        0..=125 => 2,
        126..=0xffff if run.shape.minimal => 2,
        _ => 8,
    };
    2 + extended + if run.shape.masked { 4 } else { 0 }
}
