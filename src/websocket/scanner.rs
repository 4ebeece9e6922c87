//! Finds frames in a byte stream, whatever its chunks. It never fails and never waits: any bytes
//! give some sequence of headers and payload pieces. Whether a frame is legal is a question for
//! [`Rules`](super::Rules).

use super::Opcode;

/// The longest header: two bytes, eight of length, four of mask (RFC 6455 §5.2).
const MAX_HEADER: usize = 14;

/// One frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// FIN, RSV1-3 and opcode, as they were on the wire.
    pub first: u8,
    /// The masking key; its presence is the MASK bit.
    pub mask: Option<[u8; 4]>,
    /// Payload length in bytes.
    pub len: u64,
    /// Whether the length was written in the fewest bytes that hold it, as §5.2 demands.
    pub minimal: bool,
}

impl FrameHeader {
    pub const fn fin(&self) -> bool {
        self.first & 0x80 != 0
    }

    /// RSV1, RSV2 and RSV3 in their places of the first byte.
    pub const fn rsv(&self) -> u8 {
        self.first & 0x70
    }

    pub const fn opcode(&self) -> Opcode {
        Opcode::of(self.first)
    }

    /// Reads a header from the beginning of `bytes`, with its length in bytes.
    /// Nothing when more bytes are needed.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let &[first, second, ..] = bytes else { return None };
        let (len, minimal, at) = match second & 0x7f {
            126 => {
                let len = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
                (u64::from(len), len >= 126, 4)
            }
            127 => {
                let len = u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
                (len, len > 0xffff, 10)
            }
            short => (u64::from(short), true, 2),
        };
        let masked = second & 0x80 != 0;
        let mask = if masked { Some(*bytes.get(at..)?.first_chunk()?) } else { None };
        Some((Self { first, mask, len, minimal }, if masked { at + 4 } else { at }))
    }
}

/// What a sink wants of a frame whose header it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing: neither `payload` nor `end` is called for this frame.
    Skip,
    /// `payload` for every piece, then `end`.
    Payload,
    /// This is no frame. The scanner finds none any more and the header's bytes are the first
    /// that are not WebSocket.
    Lost,
}

/// Is told of frames.
pub trait Sink {
    fn header(&mut self, header: &FrameHeader) -> Interest;
    /// A piece of payload as it was on the wire (masked, if it was); `offset` within the payload.
    fn payload(&mut self, bytes: &[u8], offset: u64);
    /// The frame is complete.
    fn end(&mut self);
}

/// Where a stream stands in its frames. 40 bytes for an idle direction.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Bytes seen so far.
    position: u64,
    /// Payload bytes of the current frame still to come.
    remaining: u64,
    current: Option<Current>,
    /// Bytes of a header that is not complete yet.
    stash: [u8; MAX_HEADER],
    stashed: u8,
    lost: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    first: u8,
    wanted: bool,
    len: u64,
}

/// A frame that was under way when the stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub opcode: Opcode,
    /// Absent when even the header is incomplete.
    pub declared: Option<u64>,
    /// Payload bytes that came.
    pub have: u64,
    /// Payload bytes that did not.
    pub missing: Option<u64>,
}

impl Scanner {
    /// Looks at the next bytes of the stream.
    #[inline]
    pub fn scan(&mut self, mut bytes: &[u8], sink: &mut impl Sink) {
        let end = self.position + bytes.len() as u64;
        while !bytes.is_empty() && self.lost.is_none() {
            bytes = if self.remaining > 0 {
                self.payload(bytes, sink)
            } else if self.stashed > 0 {
                self.header_in_pieces(bytes, end, sink)
            } else if let Some((header, len)) = FrameHeader::parse(bytes) {
                self.begin(&header, end - bytes.len() as u64, sink);
                &bytes[len..]
            } else {
                self.stash(bytes);
                &[]
            };
        }
        self.position = end;
    }

    /// Bytes seen so far.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The first byte that is not WebSocket.
    pub const fn lost_at(&self) -> Option<u64> {
        self.lost
    }

    /// The frame that is under way, if the stream ended here.
    pub fn unfinished(&self) -> Option<Unfinished> {
        if self.lost.is_some() {
            return None;
        }
        if self.stashed > 0 {
            let opcode = Opcode::of(self.stash[0]);
            return Some(Unfinished { opcode, declared: None, have: 0, missing: None });
        }
        let current = self.current.filter(|_| self.remaining > 0)?;
        Some(Unfinished {
            opcode: Opcode::of(current.first),
            declared: Some(current.len),
            have: current.len - self.remaining,
            missing: Some(self.remaining),
        })
    }

    #[inline]
    fn begin(&mut self, header: &FrameHeader, at: u64, sink: &mut impl Sink) {
        let interest = sink.header(header);
        let wanted = interest == Interest::Payload;
        match interest {
            Interest::Lost => self.lost = Some(at),
            Interest::Skip | Interest::Payload => {
                self.remaining = header.len;
                self.current = Some(Current { first: header.first, wanted, len: header.len });
                if header.len == 0 && wanted {
                    sink.end();
                }
            }
        }
    }

    #[inline]
    fn payload<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let take = usize::try_from(self.remaining).map_or(bytes.len(), |n| n.min(bytes.len()));
        let (piece, rest) = bytes.split_at(take);
        let current = self.current.filter(|current| current.wanted);
        if let Some(current) = current {
            sink.payload(piece, current.len - self.remaining);
        }
        self.remaining -= take as u64;
        if self.remaining == 0 && current.is_some() {
            sink.end();
        }
        rest
    }

    fn stash(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.stash.get_mut(usize::from(self.stashed)) {
                *place = *byte;
                self.stashed += 1;
            }
        }
    }

    /// Completes a header that began in an earlier chunk, one byte at a time: it is rare.
    fn header_in_pieces<'a>(
        &mut self,
        bytes: &'a [u8],
        end: u64,
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            self.stash(&[*byte]);
            rest = after;
            let stashed = usize::from(self.stashed);
            if let Some((header, len)) = FrameHeader::parse(&self.stash[..stashed]) {
                self.stashed = 0;
                let at = (end - rest.len() as u64) - len as u64;
                self.begin(&header, at, sink);
                break;
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests;
