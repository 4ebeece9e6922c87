//! Where a session stands: unknown, in OpenClaw's opening exchange, past it, or something else.

use serde_json::Value;

use super::control::Pings;
use super::reading::{Fate, Finished, Look, Wants};
use super::{Capture, Message, Output, Settings, facts};
use crate::session::{Direction, Envelope, Event, HelloFacts, RefusalFacts, Unstored};
use crate::websocket::{DeflateParams, Opcode};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Neither side's first message has told what this is.
    #[default]
    Unknown,
    /// OpenClaw, and `connect` is not answered yet.
    Opening,
    /// OpenClaw, after `hello-ok`.
    Established,
    /// OpenClaw, refused or closed before `hello-ok`.
    Refused,
    /// Not OpenClaw.
    Generic,
}

/// What both directions of a session share.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) settings: Settings,
    pub(super) deflate: Option<DeflateParams>,
    pub(super) first_close: Option<Direction>,
    /// Unanswered pings by the direction in which they went.
    pub(super) pings: [Option<Box<Pings>>; 2],
    phase: Phase,
    opening: Option<Box<Opening>>,
}

/// Kept only until the opening exchange is over.
#[derive(Debug, Default)]
struct Opening {
    /// Whether a direction's first message was seen and told nothing.
    told_nothing: [bool; 2],
    /// That message, if it may still turn out to be part of an opening exchange.
    held: Option<(Direction, Envelope, Finished)>,
    connect_id: Option<String>,
}

impl Exchange {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    pub(super) fn is_established(&self) -> bool {
        self.phase == Phase::Established
    }

    /// What is wanted of a message that begins now.
    pub(super) fn wants(&self, direction: Direction, opcode: Opcode) -> Wants {
        let capture = match self.settings.capture {
            Capture::None | Capture::Handshake => false,
            Capture::Text => opcode == Opcode::Text,
            Capture::All => true,
        };
        let told_nothing =
            self.opening.as_ref().is_some_and(|opening| opening.told_nothing[direction.index()]);
        let look = match self.phase {
            Phase::Unknown if told_nothing => Look::No,
            Phase::Unknown | Phase::Opening => Look::Whole,
            Phase::Established | Phase::Refused => Look::Outside,
            Phase::Generic => Look::No,
        };
        Wants { look, capture }
    }

    /// A message is over, or was given up.
    pub(super) fn message(
        &mut self,
        direction: Direction,
        mut finished: Finished,
        out: &mut impl Output,
    ) {
        let envelope = finished
            .envelope
            .take()
            .and_then(|reader| reader.finish(direction, finished.frame, finished.len));
        if self.phase == Phase::Unknown && finished.wants.look == Look::Whole {
            let recognised = envelope.as_ref().is_some_and(|found| match direction {
                Direction::ServerToClient => found.event.as_deref() == Some("connect.challenge"),
                Direction::ClientToServer => found.method.as_deref() == Some("connect"),
            });
            if !recognised {
                return self.unrecognised(direction, envelope, finished, out);
            }
            self.phase = Phase::Opening;
            let held = self.opening.get_or_insert_default().held.take();
            if let Some((direction, envelope, finished)) = held {
                self.exchange(direction, Some(envelope), &finished, out);
            }
        }
        self.exchange(direction, envelope, &finished, out);
    }

    /// A Close frame ends an opening exchange.
    pub(super) fn closed(&mut self, direction: Direction) {
        self.first_close.get_or_insert(direction);
        self.phase = match self.phase {
            Phase::Unknown | Phase::Generic => Phase::Generic,
            Phase::Opening | Phase::Refused => Phase::Refused,
            Phase::Established => Phase::Established,
        };
        self.opening = None;
    }

    /// A first message that is neither a challenge nor `connect`.
    fn unrecognised(
        &mut self,
        direction: Direction,
        envelope: Option<Envelope>,
        finished: Finished,
        out: &mut impl Output,
    ) {
        let opening = self.opening.get_or_insert_default();
        opening.told_nothing[direction.index()] = true;
        let neither = opening.told_nothing == [true; 2];
        if finished.wants.capture {
            hand_over(direction, &finished, out);
        } else if let Some(envelope) = envelope.filter(|found| found.kind.is_some()) {
            opening.held = Some((direction, envelope, finished));
        }
        if neither {
            self.phase = Phase::Generic;
            self.opening = None;
        }
    }

    /// A message of a session that is OpenClaw, or of one whose capture wants it anyway.
    fn exchange(
        &mut self,
        direction: Direction,
        envelope: Option<Envelope>,
        finished: &Finished,
        out: &mut impl Output,
    ) {
        let openclaw = !matches!(self.phase, Phase::Unknown | Phase::Generic);
        let of_opening = openclaw
            && finished.wants.look == Look::Whole
            && self.settings.capture >= Capture::Handshake;
        if let Some(envelope) = envelope.filter(|_| openclaw) {
            out.event(Event::Envelope(envelope.clone()));
            if self.phase == Phase::Opening {
                self.opening_frame(direction, &envelope, finished, out);
            }
        }
        if finished.wants.capture || of_opening {
            hand_over(direction, finished, out);
        }
    }

    fn opening_frame(
        &mut self,
        direction: Direction,
        envelope: &Envelope,
        finished: &Finished,
        out: &mut impl Output,
    ) {
        let parse = || {
            let whole = finished.whole.then_some(finished.body.as_slice());
            whole.and_then(|json| serde_json::from_slice::<Value>(json).ok())
        };
        let opening = self.opening.get_or_insert_default();
        match (direction, envelope.kind.as_deref()) {
            (Direction::ClientToServer, Some("req"))
                if opening.connect_id.is_none()
                    && envelope.method.as_deref() == Some("connect") =>
            {
                opening.connect_id.clone_from(&envelope.id);
                if let Some(frame) = parse() {
                    let facts = facts::connect(&frame, |secret| out.fingerprint(secret));
                    out.event(Event::Connect(facts));
                }
            }
            (Direction::ServerToClient, Some("res")) => {
                if opening.connect_id.is_some() && opening.connect_id != envelope.id {
                    return;
                }
                match envelope.ok {
                    Some(true) => {
                        self.phase = Phase::Established;
                        let facts = parse().map_or_else(HelloFacts::default, |f| facts::hello(&f));
                        out.event(Event::Hello(facts));
                    }
                    Some(false) => {
                        self.phase = Phase::Refused;
                        let facts = parse().map_or_else(
                            || RefusalFacts {
                                code: envelope.code.clone(),
                                detail_code: envelope.detail_code.clone(),
                                ..RefusalFacts::default()
                            },
                            |frame| facts::refusal(&frame),
                        );
                        out.event(Event::Refusal(facts));
                    }
                    None => return,
                }
                self.opening = None;
            }
            _ => {}
        }
    }
}

fn hand_over(direction: Direction, finished: &Finished, out: &mut impl Output) {
    let missing = match finished.fate {
        Fate::NotInflated => Some(Unstored::NotInflated),
        Fate::Incomplete => Some(Unstored::Incomplete),
        Fate::Complete if !finished.whole && finished.looks_like_json() => Some(Unstored::TooLong),
        Fate::Complete => None,
    };
    out.message(Message {
        direction,
        frame: finished.frame,
        opcode: finished.opcode,
        len: finished.len,
        bytes: &finished.body,
        whole: finished.whole,
        missing,
    });
}
