//! One message under way whose payload is looked at: unmasked, inflated, checked, and held as far
//! as somebody wants it.

use super::envelope::EnvelopeReader;
use super::utf8::Utf8;
use crate::websocket::{FrameHeader, Inflated, Inflater, Opcode, unmask};

/// JSON is held up to here whatever the capture limit, for only a whole text can be parsed.
pub(super) const MAX_JSON: usize = 128 << 10;

/// Payload is unmasked and inflated in pieces of this size. Deflate makes at most 1032 bytes of
/// one, so a piece never grows past [`MAX_INFLATED_PIECE`].
const PIECE: usize = 1024;
const MAX_INFLATED_PIECE: usize = PIECE * 1040;

/// How far a message is looked into, whatever is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    No,
    /// Its envelope is read.
    Outside,
    /// It may be part of the opening exchange, whose facts need the whole.
    Whole,
}

/// What is wanted of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) look: Look,
    /// Capture asks for it, whatever the session is.
    pub(super) capture: bool,
}

impl Wants {
    pub(super) const fn nothing(self) -> bool {
        matches!(self.look, Look::No) && !self.capture
    }
}

#[derive(Debug)]
pub(super) struct Reading {
    /// Number of the message's first frame.
    pub(super) frame: u64,
    pub(super) opcode: Opcode,
    pub(super) wants: Wants,
    /// Of the frame under way.
    mask: Option<[u8; 4]>,
    fin: bool,
    compressed: bool,
    envelope: Option<EnvelopeReader>,
    utf8: Utf8,
    body: Vec<u8>,
    /// How much `body` may hold.
    limit: usize,
    message_limit: usize,
    scratch: Vec<u8>,
    wire_len: u64,
    len: u64,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Complete,
    /// Its last frame never came.
    Incomplete,
    NotInflated,
}

/// A message that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) frame: u64,
    pub(super) opcode: Opcode,
    pub(super) wants: Wants,
    pub(super) envelope: Option<EnvelopeReader>,
    pub(super) len: u64,
    pub(super) body: Vec<u8>,
    /// Whether `body` is all of it.
    pub(super) whole: bool,
    pub(super) fate: Fate,
    /// False for a text that is complete and not UTF-8.
    pub(super) utf8: bool,
}

impl Reading {
    pub(super) fn new(
        header: &FrameHeader,
        frame: u64,
        wants: Wants,
        message_limit: usize,
    ) -> Self {
        let keeps = wants.look == Look::Whole || wants.capture;
        Self {
            frame,
            opcode: header.opcode(),
            wants,
            mask: header.mask,
            fin: header.fin(),
            compressed: false,
            envelope: (wants.look != Look::No).then(EnvelopeReader::default),
            utf8: Utf8::default(),
            body: Vec::new(),
            limit: if keeps { message_limit.max(MAX_JSON) } else { 0 },
            message_limit,
            scratch: Vec::new(),
            wire_len: 0,
            len: 0,
        }
    }

    #[must_use]
    pub(super) const fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// A continuation begins.
    pub(super) const fn go_on(&mut self, header: &FrameHeader) {
        self.mask = header.mask;
        self.fin = header.fin();
    }

    /// Whether the frame under way is the last one.
    pub(super) const fn is_last_frame(&self) -> bool {
        self.fin
    }

    /// Takes a piece as it was on the wire.
    pub(super) fn feed(&mut self, bytes: &[u8], offset: u64, inflater: Option<&mut Inflater>) {
        self.wire_len += bytes.len() as u64;
        let mut inflater = inflater.filter(|_| self.compressed);
        if self.mask.is_none() && inflater.is_none() {
            return self.take(bytes);
        }
        let mut plain = [0; PIECE];
        for (piece, at) in bytes.chunks(PIECE).zip((offset..).step_by(PIECE)) {
            let place = &mut plain[..piece.len()];
            place.copy_from_slice(piece);
            if let Some(key) = self.mask {
                unmask(place, key, at);
            }
            match &mut inflater {
                None => self.take(place),
                Some(inflater) => {
                    let mut scratch = std::mem::take(&mut self.scratch);
                    inflater.feed(place, &mut scratch, MAX_INFLATED_PIECE);
                    self.take(&scratch);
                    scratch.clear();
                    self.scratch = scratch;
                }
            }
        }
    }

    /// The message ended. The wire length and outcome of a compressed one come along.
    pub(super) fn finish(
        mut self,
        inflater: Option<&mut Inflater>,
    ) -> (Finished, Option<(u64, Inflated)>) {
        let mut compression = None;
        if let Some(inflater) = inflater.filter(|_| self.compressed) {
            let mut scratch = std::mem::take(&mut self.scratch);
            let outcome = inflater.finish(&mut scratch, MAX_INFLATED_PIECE);
            self.take(&scratch);
            compression = Some((self.wire_len, outcome));
        }
        let fate = match compression {
            Some((_, Inflated::Unknown)) => Fate::NotInflated,
            Some((_, Inflated::Bytes(_))) | None => Fate::Complete,
        };
        (self.finished(fate), compression)
    }

    /// The message will never end.
    pub(super) fn give_up(self) -> Finished {
        self.finished(Fate::Incomplete)
    }

    fn finished(mut self, fate: Fate) -> Finished {
        if !looks_like_json(&self.body) {
            self.body.truncate(self.message_limit);
        }
        Finished {
            frame: self.frame,
            opcode: self.opcode,
            wants: self.wants,
            envelope: self.envelope,
            len: self.len,
            whole: fate == Fate::Complete && self.body.len() as u64 == self.len,
            body: self.body,
            fate,
            utf8: fate != Fate::Complete
                || self.wants.nothing()
                || self.opcode != Opcode::Text
                || self.utf8.is_valid(),
        }
    }

    fn take(&mut self, plain: &[u8]) {
        if self.wants.nothing() {
            self.len += plain.len() as u64;
            return;
        }
        if self.opcode == Opcode::Text {
            self.utf8.feed(plain);
        }
        if let Some(envelope) = &mut self.envelope {
            envelope.feed(plain);
        }
        let first = plain.iter().find(|byte| !byte.is_ascii_whitespace());
        if self.body.is_empty() && first.is_some_and(|byte| !matches!(byte, b'{' | b'[')) {
            // No JSON: no facts are in it, and its beginning is as good as the whole.
            self.limit = self.limit.min(self.message_limit);
        }
        let room = self.limit.saturating_sub(self.body.len()).min(plain.len());
        self.body.extend_from_slice(&plain[..room]);
        self.len += plain.len() as u64;
    }
}

impl Finished {
    /// Whether the text begins like JSON, so that only the whole of it can be redacted.
    pub(super) fn looks_like_json(&self) -> bool {
        looks_like_json(&self.body)
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| matches!(byte, b'{' | b'['))
}
