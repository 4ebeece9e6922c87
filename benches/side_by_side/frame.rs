//! Frames as the load sends them: the few bytes of RFC 6455 section 5.2 a measurement needs.

/// Whole frames are sent in blocks of at least this size, so that the load costs few system calls.
const BLOCK: usize = 256 * 1024;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// Bytes on the wire of one frame with `size` bytes of payload.
pub(crate) fn wire_len(size: usize, masked: bool) -> usize {
    let extended = match size {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + extended + size + if masked { 4 } else { 0 }
}

/// One text frame; a masked one gets a mask of its own, as section 5.3 asks of clients.
fn push(out: &mut Vec<u8>, payload: &[u8], masked: bool) {
    let mask_bit = if masked { 0x80 } else { 0 };
    out.push(0x80 | TEXT);
    if payload.len() <= 125 {
        out.push(mask_bit | u8::try_from(payload.len()).unwrap_or(125));
    } else if let Ok(len) = u16::try_from(payload.len()) {
        out.push(mask_bit | 0x7e);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(mask_bit | 0x7f);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    if masked {
        let mask = fastrand::u32(..).to_be_bytes();
        out.extend_from_slice(&mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        out.extend_from_slice(payload);
    }
}

pub(crate) fn text(payload: &[u8], masked: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire_len(payload.len(), masked));
    push(&mut out, payload, masked);
    out
}

/// Printable text of `size` bytes.
pub(crate) fn payload(size: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(size).collect()
}

/// Whole frames back to back, each with its own mask when masked.
pub(crate) fn block(size: usize, masked: bool) -> Vec<u8> {
    let payload = payload(size);
    let count = BLOCK.div_ceil(wire_len(size, masked));
    let mut out = Vec::with_capacity(count * wire_len(size, masked));
    for _ in 0..count {
        push(&mut out, &payload, masked);
    }
    out
}

/// What stands at the start of `bytes`.
pub(crate) enum Front {
    Incomplete,
    /// A masked frame with a payload of at most 125 bytes: its payload, unmasked, and its length on the wire.
    Short(Vec<u8>, usize),
    /// A Close frame, or anything the echo does not speak.
    Stop,
}

/// Reads the short masked frames that a ping-pong consists of.
pub(crate) fn front(bytes: &[u8]) -> Front {
    let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else {
        return Front::Incomplete;
    };
    let len = usize::from(second & 0x7f);
    if first & 0x0f == CLOSE || second & 0x80 == 0 || len > 125 {
        return Front::Stop;
    }
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
        return Front::Incomplete;
    };
    let Some(payload) = rest.get(..len) else {
        return Front::Incomplete;
    };
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Front::Short(payload, 6 + len)
}
