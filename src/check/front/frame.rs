//! Frames as bytes: the least that is needed to write them and to find them again.

use crate::websocket::{FrameHeader, unmask};

pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;
/// A text frame with RSV1, as permessage-deflate marks its messages (RFC 7692 §7.2.3.1).
pub(super) const COMPRESSED_TEXT: u8 = 0xc1;

/// Any key shows whether bytes were masked again; this one is easy to see in a capture.
const KEY: [u8; 4] = *b"tap!";

/// A frame that came whole, its payload unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) first: u8,
    pub(super) masked: bool,
    pub(super) payload: Vec<u8>,
}

/// The bytes of a frame, masked as clients must (RFC 6455 §5.3) or not as servers must.
pub(super) fn bytes(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = vec![first];
    let mask_bit = if masked { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => frame.push(mask_bit | short),
        (_, Ok(middle)) => {
            frame.push(mask_bit | 0x7e);
            frame.extend(middle.to_be_bytes());
        }
        _ => {
            frame.push(mask_bit | 0x7f);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend(KEY);
    }
    let at = frame.len();
    frame.extend_from_slice(payload);
    if masked && let Some(payload) = frame.get_mut(at..) {
        unmask(payload, KEY, 0);
    }
    frame
}

/// Takes the first frame out of `buffer` if it is there as a whole.
pub(super) fn take(buffer: &mut Vec<u8>) -> Option<Frame> {
    let (header, at) = FrameHeader::parse(buffer)?;
    let end = at.checked_add(usize::try_from(header.len).ok()?)?;
    let mut payload = buffer.get(at..end)?.to_vec();
    if let Some(key) = header.mask {
        unmask(&mut payload, key, 0);
    }
    buffer.drain(..end);
    Some(Frame { first: header.first, masked: header.mask.is_some(), payload })
}

/// The payload of a Close frame (RFC 6455 §5.5.1).
pub(super) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A frame in a few words.
pub(super) fn shown(frame: &Frame) -> String {
    let len = frame.payload.len();
    match (frame.first, frame.payload.split_first_chunk::<2>()) {
        (CLOSE, Some((code, reason))) => {
            let reason = String::from_utf8_lossy(reason);
            format!("Close {} {reason:?}", u16::from_be_bytes(*code))
        }
        (CLOSE, None) => "Close without a code".to_owned(),
        (first, _) => format!("a frame 0x{first:02x} of {len} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_found_again() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            for masked in [false, true] {
                let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
                let mut buffer = bytes(BINARY, &payload, masked);
                buffer.push(TEXT);
                let frame = take(&mut buffer).unwrap();
                assert_eq!(frame, Frame { first: BINARY, masked, payload });
                assert_eq!((take(&mut buffer), &*buffer), (None, &[TEXT][..]));
            }
        }
    }

    #[test]
    fn the_rfc_example_is_written() {
        // §5.7: a single-frame unmasked text message, "Hello".
        assert_eq!(bytes(TEXT, b"Hello", false), [0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    }
}
