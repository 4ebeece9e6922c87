//! permessage-deflate read beside the relay (RFC 7692 §7.2.2), bounded against bombs.

use flate2::{Decompress, FlushDecompress, Status};

/// The most that one message is inflated to. Past it the window is lost, and with it every later
/// message of the direction, unless each one starts anew.
const MAX_INFLATED: u64 = 64 << 20;

/// What every message ends with on the inside and not on the wire (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// One direction's window. About 40 KiB; made at the first compressed message.
#[derive(Debug)]
pub struct Inflater {
    window: Decompress,
    no_context_takeover: bool,
    lost: bool,
    inflated: u64,
}

/// How one message came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inflated {
    Bytes(u64),
    /// Damaged, past the limit, or behind a message that was.
    Unknown,
}

impl Inflater {
    pub fn new(no_context_takeover: bool) -> Self {
        Self { window: Decompress::new(false), no_context_takeover, lost: false, inflated: 0 }
    }

    /// Inflates a piece of a message's (unmasked) payload, and appends to `keep` until it holds
    /// `limit` bytes.
    pub fn feed(&mut self, mut bytes: &[u8], keep: &mut Vec<u8>, limit: usize) {
        let mut out = [0; 4096];
        while !self.lost {
            let (before_in, before_out) = (self.window.total_in(), self.window.total_out());
            let status = self.window.decompress(bytes, &mut out, FlushDecompress::Sync);
            let used = usize::try_from(self.window.total_in() - before_in).unwrap_or(bytes.len());
            let made = usize::try_from(self.window.total_out() - before_out).unwrap_or_default();
            bytes = bytes.get(used..).unwrap_or_default();
            self.inflated += made as u64;
            let room = limit.saturating_sub(keep.len()).min(made);
            keep.extend_from_slice(&out[..room]);
            match status {
                Err(_) => self.lost = true,
                Ok(Status::StreamEnd) => self.window.reset(false),
                Ok(Status::Ok | Status::BufError) => {}
            }
            if self.inflated > MAX_INFLATED {
                self.lost = true;
            }
            if made < out.len() && (bytes.is_empty() || used == 0) {
                return;
            }
        }
    }

    /// Ends the message.
    pub fn finish(&mut self, keep: &mut Vec<u8>, limit: usize) -> Inflated {
        self.feed(&TAIL, keep, limit);
        let inflated = std::mem::take(&mut self.inflated);
        let result = if self.lost { Inflated::Unknown } else { Inflated::Bytes(inflated) };
        if self.no_context_takeover {
            self.window.reset(false);
            self.lost = false;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn deflate(with: &mut Compress, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 1024);
        with.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    #[test]
    fn messages_share_a_window() {
        let mut compress = Compress::new(Compression::fast(), false);
        let mut inflater = Inflater::new(false);
        for text in [b"the same text, again and again".as_slice(); 3] {
            let wire = deflate(&mut compress, text);
            let mut keep = Vec::new();
            for piece in wire.chunks(3) {
                inflater.feed(piece, &mut keep, 8);
            }
            assert_eq!(inflater.finish(&mut keep, 8), Inflated::Bytes(text.len() as u64));
            assert_eq!(keep, &text[..8]);
        }
    }

    #[test]
    fn a_bomb_is_stopped_and_the_direction_is_lost() {
        let mut compress = Compress::new(Compression::best(), false);
        let bomb = deflate(&mut compress, &vec![0; usize::try_from(MAX_INFLATED).unwrap() + 8192]);
        let mut inflater = Inflater::new(false);
        inflater.feed(&bomb, &mut Vec::new(), 0);
        assert_eq!(inflater.finish(&mut Vec::new(), 0), Inflated::Unknown);
        inflater.feed(&deflate(&mut compress, b"later"), &mut Vec::new(), 0);
        assert_eq!(inflater.finish(&mut Vec::new(), 0), Inflated::Unknown);
    }

    #[test]
    fn damage_is_told_and_a_fresh_window_recovers() {
        let mut inflater = Inflater::new(true);
        inflater.feed(&[0xff; 40], &mut Vec::new(), 0);
        assert_eq!(inflater.finish(&mut Vec::new(), 0), Inflated::Unknown);
        let mut keep = Vec::new();
        let good = deflate(&mut Compress::new(Compression::fast(), false), b"good");
        inflater.feed(&good, &mut keep, 64);
        assert_eq!(inflater.finish(&mut keep, 64), Inflated::Bytes(4));
        assert_eq!(keep, b"good");
    }
}
