//! Bytes in, facts out: what one session's two directions carried, seen beside the relay.
//!
//! Drive an [`Observer`] so:
//! - [`Observer::upgraded`] once, when the 101 was seen;
//! - [`Observer::on_bytes`] for every chunk relayed, in order, with one clock reading per chunk;
//!   or [`Observer::on_opaque`] instead, where the bytes are not WebSocket;
//! - [`Observer::on_end`] once per direction when it ended, then [`Observer::traffic`].
//!
//! Facts leave through [`Output`] during these calls. Nothing fails and nothing waits.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod control;
mod counters;
mod direction;
mod envelope;
mod exchange;
mod facts;
mod json_text;
mod reading;
mod times;
mod utf8;

use crate::session::{
    CutFrame, Direction, Event, FrameRun, Offset, RecordCounter, Traffic, Unstored,
};
use crate::websocket::{ClosePayload, DeflateParams, Opcode, Rules, Scanner};
use direction::{Lane, Watch};
use exchange::Exchange;

/// Is told of what was seen.
pub trait Output {
    /// Every frame's header facts, in runs of equal headers within one chunk. `first_frame` is
    /// the number of the run's first frame in its direction.
    fn frames(&mut self, direction: Direction, first_frame: u64, run: FrameRun);

    /// A fact without payload text: `Violated`, `NotWebsocket`, `Envelope`, `Connect`, `Hello`
    /// or `Refusal`.
    fn event(&mut self, event: Event);

    /// A message whose payload is to be kept, raw: redact before it goes anywhere.
    fn message(&mut self, message: Message<'_>);

    /// A control frame, complete and raw.
    fn control(&mut self, control: RawControl<'_>);

    /// A keyed hash that stands for a secret in [`Event::Connect`].
    fn fingerprint(&self, secret: &str) -> String;
}

/// One message as it is handed over for keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub direction: Direction,
    /// Number of its first frame in its direction.
    pub frame: u64,
    pub opcode: Opcode,
    /// Length of the whole message, inflated if it was compressed.
    pub len: u64,
    /// The payload unmasked, defragmented and inflated: all of it, or its beginning.
    pub bytes: &'a [u8],
    /// Whether `bytes` is the whole message.
    pub whole: bool,
    /// Why `bytes` is not the message, where it is not just a long one cut.
    pub missing: Option<Unstored>,
}

/// One control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawControl<'a> {
    pub direction: Direction,
    pub opcode: Opcode,
    /// Number of the frame in its direction.
    pub frame: u64,
    /// Unmasked; of a frame longer than the rules allow, the beginning.
    pub payload: &'a [u8],
    /// Length as declared.
    pub len: u64,
    /// On a Pong: the time since the Ping that it answers.
    pub rtt: Option<Offset>,
    /// On a Close: its payload taken apart.
    pub close: Option<ClosePayload>,
}

/// Whose payload is handed over for keeping. Facts and envelopes do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capture {
    None,
    /// The opening exchange of an OpenClaw session.
    #[default]
    Handshake,
    /// Every text message.
    Text,
    /// Every message.
    All,
}

/// What an [`Observer`] is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    pub capture: Capture,
    /// How much of a message is to be kept, in bytes.
    pub message_limit: usize,
}

/// Watches one session.
#[derive(Debug)]
pub struct Observer {
    exchange: Exchange,
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    scanner: Scanner,
    lane: Lane,
    /// Bytes that never were for the scanner.
    opaque_bytes: u64,
}

impl Observer {
    pub fn new(settings: Settings) -> Self {
        Self { exchange: Exchange::new(settings), sides: Default::default() }
    }

    /// Takes the rules from the 101's Sec-WebSocket-Extensions (all of them, joined by commas).
    pub fn upgraded(&mut self, extensions: Option<&str>) {
        for direction in Direction::BOTH {
            let masked = direction == Direction::ClientToServer;
            self.sides[direction.index()].lane.rules = Rules::negotiated(masked, extensions);
        }
        self.exchange.deflate = extensions.and_then(DeflateParams::negotiated);
    }

    /// Looks at bytes that were relayed after the heads.
    pub fn on_bytes(
        &mut self,
        direction: Direction,
        now: Offset,
        bytes: &[u8],
        out: &mut impl Output,
    ) {
        let Side { scanner, lane, .. } = &mut self.sides[direction.index()];
        if bytes.is_empty() {
            return;
        }
        lane.times.chunk(now);
        let lost = scanner.lost_at();
        let mut watch = Watch::begin(direction, now, lane, &mut self.exchange, out);
        scanner.scan(bytes, &mut watch);
        watch.finish();
        if let Some(byte) = scanner.lost_at().filter(|_| lost.is_none()) {
            out.event(Event::NotWebsocket { direction, byte });
        }
    }

    /// Looks at bytes that are not WebSocket: counts them, and TLS records among them.
    pub fn on_opaque(&mut self, direction: Direction, now: Offset, bytes: &[u8]) {
        let Side { lane, opaque_bytes, .. } = &mut self.sides[direction.index()];
        let Some(first) = bytes.first() else { return };
        lane.times.chunk(now);
        if *opaque_bytes == 0 && RecordCounter::begins(*first) {
            lane.tls = Some(Box::default());
        }
        if let Some(tls) = &mut lane.tls {
            tls.feed(bytes);
        }
        *opaque_bytes += bytes.len() as u64;
    }

    /// The direction ended; gives the frame that was under way. A message that was under way is
    /// handed over as incomplete.
    pub fn on_end(
        &mut self,
        direction: Direction,
        now: Offset,
        out: &mut impl Output,
    ) -> Option<CutFrame> {
        let Side { scanner, lane, .. } = &mut self.sides[direction.index()];
        lane.ended = true;
        if lane.reading.is_some() {
            let mut watch = Watch::begin(direction, now, lane, &mut self.exchange, out);
            watch.give_up();
            watch.finish();
        }
        cut_frame(scanner)
    }

    /// Totals of one direction up to now.
    pub fn traffic(&self, direction: Direction) -> Traffic {
        let Side { scanner, lane, opaque_bytes } = &self.sides[direction.index()];
        let mut traffic = Traffic {
            bytes: scanner.position() + opaque_bytes,
            cut_frame: cut_frame(scanner).filter(|_| lane.ended),
            not_websocket_from: scanner.lost_at(),
            tls_records: lane.tls.as_ref().map(|tls| tls.records()).filter(|tls| tls.records > 0),
            ..Traffic::default()
        };
        lane.times.write(&mut traffic);
        if let Some(counters) = &lane.counters {
            counters.write(&mut traffic);
        }
        traffic
    }

    /// Which direction carried the first Close frame.
    pub const fn first_close(&self) -> Option<Direction> {
        self.exchange.first_close
    }

    /// Whether an OpenClaw gateway said `hello-ok`.
    pub fn is_established(&self) -> bool {
        self.exchange.is_established()
    }
}

fn cut_frame(scanner: &Scanner) -> Option<CutFrame> {
    scanner.unfinished().map(|unfinished| CutFrame {
        opcode: unfinished.opcode.nibble(),
        declared: unfinished.declared,
        have: unfinished.have,
        missing: unfinished.missing,
    })
}

#[cfg(test)]
mod tests;
