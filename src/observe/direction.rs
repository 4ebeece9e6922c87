//! One direction of a session: runs of equal frames counted, rules judged, payload handed to
//! whoever reads it.

use super::Output;
use super::control::{ControlFrame, Pings};
use super::counters::Counters;
use super::exchange::Exchange;
use super::reading::Reading;
use super::times::Times;
use crate::session::{Direction, Event, FrameRun, FrameShape, Offset, RecordCounter, Violated};
use crate::websocket::{
    ClosePayload, FrameHeader, Inflater, Interest, Opcode, Rules, Sink, Violation,
};

const RSV1: u8 = 0x40;

/// What is kept of a direction between chunks.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) times: Times,
    pub(super) rules: Rules,
    pub(super) message: Assembly,
    pub(super) closed: bool,
    pub(super) ended: bool,
    pub(super) counters: Option<Box<Counters>>,
    pub(super) reading: Option<Box<Reading>>,
    control: Option<Box<ControlFrame>>,
    inflater: Option<Box<Inflater>>,
    pub(super) tls: Option<Box<RecordCounter>>,
}

/// Whether a message is under way whose last frame has not begun (RFC 6455 §5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Assembly {
    #[default]
    None,
    /// Nobody looks at its payload.
    Skipped,
    Read,
}

/// Looks at one chunk of one direction.
pub(super) struct Watch<'a, O> {
    direction: Direction,
    now: Offset,
    lane: &'a mut Lane,
    counters: Box<Counters>,
    exchange: &'a mut Exchange,
    out: &'a mut O,
    run: FrameRun,
    /// Whether another frame like those of `run` needs no more than to be counted.
    repeats: bool,
    control: Option<ControlFrame>,
}

impl<'a, O: Output> Watch<'a, O> {
    pub(super) fn begin(
        direction: Direction,
        now: Offset,
        lane: &'a mut Lane,
        exchange: &'a mut Exchange,
        out: &'a mut O,
    ) -> Self {
        let run = FrameRun {
            shape: FrameShape { first: 0, masked: false, minimal: true },
            len: 0,
            count: 0,
        };
        let counters = lane.counters.take().unwrap_or_default();
        let control = lane.control.take().map(|control| *control);
        Self { direction, now, lane, counters, exchange, out, run, repeats: false, control }
    }

    /// The chunk is over.
    pub(super) fn finish(mut self) {
        self.flush();
        self.lane.control = self.control.map(Box::new);
        self.lane.counters = Some(self.counters);
    }

    /// The message under way will never be complete.
    pub(super) fn give_up(&mut self) {
        self.lane.message = Assembly::None;
        if let Some(reading) = self.lane.reading.take() {
            self.exchange.message(self.direction, reading.give_up(), self.out);
        }
    }

    #[inline]
    fn flush(&mut self) {
        if self.run.count == 0 {
            return;
        }
        self.out.frames(self.direction, self.counters.frames(), self.run);
        self.counters.add(&self.run);
        if Opcode::of(self.run.shape.first).is_control() {
            self.lane.times.control_frame(self.now);
        } else {
            self.lane.times.data_frame(self.now);
        }
        self.run.count = 0;
    }

    /// A frame that is not known to be like the one before it.
    #[inline]
    fn another(&mut self, shape: FrameShape, header: &FrameHeader) -> Interest {
        let rules = self.lane.rules;
        let plain = matches!(header.first & !RSV1, 0x81 | 0x82)
            && header.rsv() & !rules.rsv == 0
            && shape.masked == rules.masked
            && shape.minimal
            && header.len < 1 << 63
            && self.lane.message == Assembly::None
            && !self.lane.closed;
        if !plain && rules.is_not_a_frame(header) {
            return Interest::Lost;
        }
        if self.run.shape != shape || self.run.len != header.len || self.run.count == 0 {
            self.flush();
            self.run = FrameRun { shape, len: header.len, count: 0 };
        }
        self.run.count += 1;
        let number = self.counters.frames() + self.run.count - 1;
        if !plain {
            self.judge(header, number);
        }
        let interest = match header.opcode() {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.control = Some(ControlFrame::new(*header, number));
                Interest::Payload
            }
            Opcode::Text | Opcode::Binary => self.message(header, number),
            Opcode::Continuation => self.continuation(header),
            Opcode::Reserved(_) => Interest::Skip,
        };
        self.repeats = plain && interest == Interest::Skip;
        interest
    }

    fn message(&mut self, header: &FrameHeader, number: u64) -> Interest {
        if self.lane.reading.is_some() {
            self.give_up();
        }
        let wants = self.exchange.wants(self.direction, header.opcode());
        let deflate = self.exchange.deflate.filter(|_| header.first & RSV1 != 0);
        let read = deflate.is_some() || !wants.nothing();
        if read {
            let limit = self.exchange.settings.message_limit;
            let mut reading = Reading::new(header, number, wants, limit);
            if let Some(params) = deflate {
                reading = reading.compressed();
                let anew = match self.direction {
                    Direction::ClientToServer => params.client_no_context_takeover,
                    Direction::ServerToClient => params.server_no_context_takeover,
                };
                self.lane.inflater.get_or_insert_with(|| Box::new(Inflater::new(anew)));
            }
            self.lane.reading = Some(Box::new(reading));
        }
        self.lane.message = match (header.fin(), read) {
            (true, _) => Assembly::None,
            (false, true) => Assembly::Read,
            (false, false) => Assembly::Skipped,
        };
        if read { Interest::Payload } else { Interest::Skip }
    }

    fn continuation(&mut self, header: &FrameHeader) -> Interest {
        let was = self.lane.message;
        if header.fin() {
            self.lane.message = Assembly::None;
        }
        match (&mut self.lane.reading, was) {
            (Some(reading), Assembly::Read) => {
                reading.go_on(header);
                Interest::Payload
            }
            (_, Assembly::None | Assembly::Skipped | Assembly::Read) => Interest::Skip,
        }
    }

    /// Notes the rules that a header breaks, by itself and by its place.
    #[cold]
    fn judge(&mut self, header: &FrameHeader, number: u64) {
        let (rules, closed) = (self.lane.rules, self.lane.closed);
        let under_way = self.lane.message != Assembly::None;
        rules.broken_by(header).for_each(|violation| self.violated(violation, number));
        match header.opcode() {
            Opcode::Text | Opcode::Binary if under_way => {
                self.violated(Violation::MessageInterrupted, number);
            }
            Opcode::Continuation if !under_way => {
                self.violated(Violation::UnexpectedContinuation, number);
            }
            Opcode::Text
            | Opcode::Binary
            | Opcode::Continuation
            | Opcode::Close
            | Opcode::Ping
            | Opcode::Pong
            | Opcode::Reserved(_) => {}
        }
        if closed {
            self.violated(Violation::FrameAfterClose, number);
        }
        if header.opcode() == Opcode::Close {
            self.lane.closed = true;
        }
    }

    fn violated(&mut self, violation: Violation, frame: u64) {
        if self.counters.violated(violation, frame) {
            let name = violation.name().to_owned();
            self.out.event(Event::Violated(Violated { direction: self.direction, name, frame }));
        }
    }

    fn control_ended(&mut self, frame: &ControlFrame) {
        let payload = frame.payload();
        let index = self.direction.index();
        let opposite = self.direction.opposite().index();
        let (mut rtt, mut close) = (None, None);
        match frame.opcode() {
            Opcode::Ping => {
                let pings: &mut Pings = self.exchange.pings[index].get_or_insert_default();
                pings.ping(payload, self.now);
            }
            Opcode::Pong => {
                let pings = self.exchange.pings[opposite].as_mut();
                rtt = pings.and_then(|pings| pings.pong(payload, self.now));
            }
            Opcode::Close => {
                let taken = ClosePayload::of(payload);
                for violation in Rules::broken_by_close(&taken) {
                    self.violated(violation, frame.number);
                }
                self.exchange.closed(self.direction);
                close = Some(taken);
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Reserved(_) => {}
        }
        self.out.control(super::RawControl {
            direction: self.direction,
            opcode: frame.opcode(),
            frame: frame.number,
            payload,
            len: frame.header.len,
            rtt,
            close,
        });
    }

    fn message_ended(&mut self) {
        let Some(reading) = self.lane.reading.take_if(|reading| reading.is_last_frame()) else {
            return;
        };
        let (finished, compression) = reading.finish(self.lane.inflater.as_deref_mut());
        if let Some((wire_bytes, inflated)) = compression {
            self.counters.compressed(wire_bytes, inflated);
        }
        if !finished.utf8 {
            self.violated(Violation::TextNotUtf8, finished.frame);
        }
        self.exchange.message(self.direction, finished, self.out);
    }
}

impl<O: Output> Sink for Watch<'_, O> {
    #[inline]
    fn header(&mut self, header: &FrameHeader) -> Interest {
        let shape = FrameShape {
            first: header.first,
            masked: header.mask.is_some(),
            minimal: header.minimal,
        };
        if self.repeats && self.run.shape == shape && self.run.len == header.len {
            self.run.count += 1;
            return Interest::Skip;
        }
        self.another(shape, header)
    }

    fn payload(&mut self, bytes: &[u8], offset: u64) {
        match (&mut self.control, &mut self.lane.reading) {
            (Some(control), _) => control.feed(bytes, offset),
            (None, Some(reading)) => {
                reading.feed(bytes, offset, self.lane.inflater.as_deref_mut());
            }
            (None, None) => {}
        }
    }

    fn end(&mut self) {
        match self.control.take() {
            Some(control) => self.control_ended(&control),
            None => self.message_ended(),
        }
    }
}
