//! Control frames (RFC 6455 §5.5), put together in full, and which Pong answers which Ping.

use std::hash::{DefaultHasher, Hasher};

use crate::session::Offset;
use crate::websocket::{FrameHeader, Opcode, unmask};

/// The longest payload that a control frame may have (§5.5).
const MAX_PAYLOAD: usize = 125;

/// A control frame under way.
#[derive(Debug)]
pub(super) struct ControlFrame {
    pub(super) header: FrameHeader,
    pub(super) number: u64,
    payload: [u8; MAX_PAYLOAD],
    have: u8,
}

impl ControlFrame {
    pub(super) const fn new(header: FrameHeader, number: u64) -> Self {
        Self { header, number, payload: [0; MAX_PAYLOAD], have: 0 }
    }

    pub(super) const fn opcode(&self) -> Opcode {
        self.header.opcode()
    }

    /// Takes a piece as it was on the wire; what is too long for a control frame is left out.
    pub(super) fn feed(&mut self, piece: &[u8], offset: u64) {
        let room = &mut self.payload[usize::from(self.have)..];
        let take = piece.len().min(room.len());
        let place = &mut room[..take];
        place.copy_from_slice(&piece[..take]);
        if let Some(key) = self.header.mask {
            unmask(place, key, offset);
        }
        self.have += u8::try_from(take).unwrap_or_default();
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.payload[..usize::from(self.have)]
    }
}

/// How many unanswered pings of one side are remembered; older ones are forgotten.
const MAX_PINGS: usize = 4;

/// Pings of one side that no Pong has answered yet.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// Hash of the payload, and when it was seen; oldest first.
    waiting: [(u64, Offset); MAX_PINGS],
    count: u8,
}

impl Pings {
    pub(super) fn ping(&mut self, payload: &[u8], now: Offset) {
        if usize::from(self.count) == MAX_PINGS {
            self.forget(1);
        }
        if let Some(place) = self.waiting.get_mut(usize::from(self.count)) {
            *place = (hash(payload), now);
            self.count += 1;
        }
    }

    /// The time since the newest Ping with this payload. It and all before it count as answered:
    /// a Pong may answer only the most recent one (§5.5.3).
    pub(super) fn pong(&mut self, payload: &[u8], now: Offset) -> Option<Offset> {
        let hash = hash(payload);
        let waiting = &self.waiting[..usize::from(self.count)];
        let at = waiting.iter().rposition(|(ping, _)| *ping == hash)?;
        let rtt = now.since(waiting[at].1);
        self.forget(at + 1);
        Some(rtt)
    }

    fn forget(&mut self, oldest: usize) {
        self.waiting.rotate_left(oldest);
        self.count = self.count.saturating_sub(u8::try_from(oldest).unwrap_or(u8::MAX));
    }
}

fn hash(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(payload);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ping_with_the_same_payload_is_answered() {
        let mut pings = Pings::default();
        for at in 0..6 {
            pings.ping(b"", Offset(at * 10));
        }
        pings.ping(b"other", Offset(100));
        assert_eq!(pings.pong(b"nobody asked", Offset(120)), None);
        assert_eq!(pings.pong(b"", Offset(120)), Some(Offset(70)));
        assert_eq!(pings.pong(b"", Offset(121)), None);
        assert_eq!(pings.pong(b"other", Offset(130)), Some(Offset(30)));
    }
}
