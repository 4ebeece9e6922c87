//! WebSocket frames as bytes (RFC 6455 §5.2), legal or not.

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame with its first byte as given: FIN, RSV and opcode.
fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask_bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => bytes.push(mask_bit | u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            bytes.push(mask_bit | 0x7e);
            bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(mask_bit | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// A whole message of the client.
pub(crate) fn from_client(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x80 | opcode, true, payload.as_ref())
}

/// A whole message of the gateway.
pub(crate) fn from_gateway(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x80 | opcode, false, payload.as_ref())
}

/// One message of the client in so many frames.
pub(crate) fn fragments(opcode: u8, payload: &[u8], frames: usize) -> Vec<u8> {
    let size = payload.len().div_ceil(frames);
    let pieces: Vec<&[u8]> = payload.chunks(size).collect();
    let last = pieces.len() - 1;
    let piece = |(at, piece): (usize, &&[u8])| {
        let fin = if at == last { 0x80 } else { 0 };
        frame(fin | if at == 0 { opcode } else { CONTINUATION }, true, piece)
    };
    pieces.iter().enumerate().flat_map(piece).collect()
}

/// A frame with RSV1, as permessage-deflate marks a compressed message (RFC 7692 §7.2.3.1).
pub(crate) fn compressed(masked: bool, deflated: &[u8]) -> Vec<u8> {
    frame(0xc0 | TEXT, masked, deflated)
}

pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}
