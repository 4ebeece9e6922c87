//! One session as one object: the events folded into the shape that the JSON shows.
//!
//! The top-level names are an interface: `tests/record_shape.rs` freezes them by a snapshot.

mod calls;
mod idle;
mod sides;

use serde::{Deserialize, Serialize};

pub use calls::{Calls, LastCall, MethodCalls, PendingCall, RefusedCalls};
pub use idle::{Cadence, Idle};
pub use sides::{ClientSide, RequestFacts, ResponseFacts, UpstreamSide};

use super::{
    Captured, Close, CloseFrame, ConnectFacts, Control, Direction, Ending, Event, Finish, Gap,
    HelloFacts, Kind, Note, Offset, OpaqueFacts, OwnAnswer, RefusalFacts, Reported, SessionId,
    Timed, Traffic, Violated, Wall,
};

/// Everything known of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: SessionId,
    pub started_at: Wall,
    pub kind: Kind,
    pub state: State,
    /// Since the first byte, or the accept where none came; up to now while it is open.
    pub duration_ms: Offset,
    pub client: ClientSide,
    pub upstream: UpstreamSide,
    pub request: Option<RequestFacts>,
    pub response: Option<ResponseFacts>,
    /// Set when the answer came from wstap.
    pub own_answer: Option<OwnAnswer>,
    pub opaque: Option<OpaqueFacts>,
    pub frames: FrameTotals,
    pub idle: Idle,
    /// What ended each leg, in the order in which it was seen.
    pub endings: Vec<Ending>,
    pub close: Close,
    pub openclaw: Option<OpenClaw>,
    /// Captured payload text, redacted.
    pub messages: Vec<At<Captured>>,
    pub control: Vec<At<Control>>,
    pub violations: Vec<Violated>,
    /// What wstap says of itself and its place.
    pub notes: Vec<Note>,
    /// What the recorder could not keep.
    pub gap: Option<Gap>,
    /// How a plain HTTP exchange finished.
    pub exchange: Option<Finish>,
    /// What is to be said of all this; a judgement, not a fact.
    pub verdict: Option<super::Verdict>,
}

/// Something with its time since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct At<T> {
    pub at: Offset,
    #[serde(flatten)]
    pub fact: T,
}

/// Whether the session is over, and whether its end was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Open,
    Ended,
    /// wstap died while the session was open: how it ended is not known.
    Interrupted,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Totals of both directions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameTotals {
    pub c2s: Traffic,
    pub s2c: Traffic,
}

impl FrameTotals {
    pub const fn of(&self, direction: Direction) -> &Traffic {
        match direction {
            Direction::ClientToServer => &self.c2s,
            Direction::ServerToClient => &self.s2c,
        }
    }

    pub const fn of_mut(&mut self, direction: Direction) -> &mut Traffic {
        match direction {
            Direction::ClientToServer => &mut self.c2s,
            Direction::ServerToClient => &mut self.s2c,
        }
    }
}

/// How a session was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    Openclaw,
    Generic,
}

/// What an OpenClaw opening exchange said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OpenClaw {
    /// When `connect.challenge` was seen.
    pub challenge_at: Option<Offset>,
    pub connect_at: Option<Offset>,
    pub connect: Option<ConnectFacts>,
    /// When the answer to `connect` was seen.
    pub answer_at: Option<Offset>,
    pub hello: Option<HelloFacts>,
    pub refusal: Option<RefusalFacts>,
    /// JSON frames whose envelope was read.
    pub envelopes: u64,
    #[serde(default)]
    pub calls: Calls,
}

impl Record {
    pub fn new(id: SessionId, started_at: Wall) -> Self {
        Self {
            id,
            started_at,
            kind: Kind::Opaque,
            state: State::Open,
            duration_ms: Offset::default(),
            client: ClientSide::default(),
            upstream: UpstreamSide::default(),
            request: None,
            response: None,
            own_answer: None,
            opaque: None,
            frames: FrameTotals::default(),
            idle: Idle::default(),
            endings: Vec::new(),
            close: Close::default(),
            openclaw: None,
            messages: Vec::new(),
            control: Vec::new(),
            violations: Vec::new(),
            notes: Vec::new(),
            gap: None,
            exchange: None,
            verdict: None,
        }
    }

    /// Takes in the next event. The order of events is the order in which they were seen.
    pub fn apply(&mut self, timed: &Timed) {
        let at = timed.at;
        self.duration_ms = self.duration_ms.max(at);
        match &timed.event {
            Event::Started(started) => {
                self.kind = started.kind;
                self.client.start(started);
            }
            Event::Tls { leg, facts } => self.tls(*leg, facts.clone()),
            Event::TlsFailed { leg: _, error } => self.client.tls_error = Some(error.clone()),
            Event::Dial(dial) => self.upstream.dial = Some(dial.clone()),
            Event::Request { head, changes } => {
                self.request = Some(RequestFacts::of(head, changes, at));
            }
            Event::Response { head, interim } => {
                let key = self.request.as_ref().and_then(|r| r.sec_websocket_key.as_deref());
                self.response = Some(ResponseFacts::of(head, interim, key, at));
            }
            Event::ResponseBody { text, bytes } => {
                if let Some(response) = &mut self.response {
                    response.body = Some(text.clone());
                    response.body_bytes = Some(*bytes);
                }
            }
            Event::OwnAnswer(answer) => self.own_answer = Some(answer.clone()),
            Event::Opaque(facts) => self.opaque = Some(facts.clone()),
            Event::Control(control) => self.control.push(At { at, fact: control.clone() }),
            Event::Captured(message) => self.captured(at, message),
            Event::Envelope(envelope) => self.envelope(at, envelope),
            Event::Connect(facts) => self.openclaw_mut().connect = Some(facts.clone()),
            Event::Hello(facts) => {
                let openclaw = self.openclaw_mut();
                openclaw.hello = Some(facts.clone());
                openclaw.answer_at = Some(at);
            }
            Event::Refusal(facts) => {
                let openclaw = self.openclaw_mut();
                openclaw.refusal = Some(facts.clone());
                openclaw.answer_at = Some(at);
            }
            Event::Violated(violated) => self.violations.push(violated.clone()),
            Event::NotWebsocket { direction, byte } => {
                self.frames.of_mut(*direction).not_websocket_from = Some(*byte);
            }
            Event::Ending(ending) => self.endings.push(ending.clone()),
            Event::Tcp(sample) => match sample.leg {
                super::Leg::Downstream => self.client.tcp.push(*sample),
                super::Leg::Upstream => self.upstream.tcp.push(*sample),
            },
            Event::TlsRecords { leg, read, written } => match leg {
                super::Leg::Downstream => self.client.tls_records = Some([*read, *written]),
                super::Leg::Upstream => self.upstream.tls_records = Some([*read, *written]),
            },
            Event::Gap(gap) => {
                let sum = self.gap.get_or_insert_default();
                sum.frames += gap.frames;
                sum.events += gap.events;
            }
            Event::Note(note) => self.notes.push(note.clone()),
            Event::Traffic { direction, traffic } => {
                *self.frames.of_mut(*direction) = (**traffic).clone();
            }
            Event::Finished(finish) => {
                self.state = State::Ended;
                self.exchange = (self.kind == Kind::Http).then(|| finish.clone());
            }
        }
    }

    /// Computes what follows from the whole: the close as each side reports it, and silences at
    /// the end. Call once after the last event.
    pub fn conclude(&mut self) {
        self.idle = Idle::of(self);
        let closes: Vec<CloseFrame> = self.close_frames();
        let upgraded = self.response.as_ref().is_some_and(|r| r.status == Some(101));
        if self.kind != Kind::Websocket || !upgraded {
            return;
        }
        if let Some(first) = closes.first() {
            self.close.from = Some(
                match first.from {
                    Direction::ClientToServer => "client",
                    Direction::ServerToClient => "gateway",
                }
                .to_owned(),
            );
            self.close.code = first.code;
            self.close.reason = Some(first.reason.clone());
        }
        if self.state == State::Ended {
            let first_of = |from| closes.iter().find(|frame| frame.from == from);
            self.close.seen_by_client = Some(Reported::of(first_of(Direction::ServerToClient)));
            self.close.seen_by_gateway = Some(Reported::of(first_of(Direction::ClientToServer)));
        }
    }

    /// Every Close frame that was on the wire, in order.
    pub fn close_frames(&self) -> Vec<CloseFrame> {
        self.control
            .iter()
            .filter(|control| control.fact.opcode == 0x8)
            .map(|control| CloseFrame {
                from: control.fact.direction,
                at: control.at,
                code: control.fact.code,
                reason: control.fact.payload.clone(),
                malformed: control.fact.malformed,
            })
            .collect()
    }

    /// OpenClaw when its opening exchange was seen, else generic.
    pub const fn profile(&self) -> Profile {
        if self.openclaw.is_some() { Profile::Openclaw } else { Profile::Generic }
    }

    fn tls(&mut self, leg: super::Leg, facts: super::TlsFacts) {
        match leg {
            super::Leg::Downstream => self.client.tls = Some(facts),
            super::Leg::Upstream => self.upstream.tls = Some(facts),
        }
    }

    fn openclaw_mut(&mut self) -> &mut OpenClaw {
        self.openclaw.get_or_insert_default()
    }

    fn captured(&mut self, at: Offset, message: &Captured) {
        self.messages.push(At { at, fact: message.clone() });
    }

    fn envelope(&mut self, at: Offset, envelope: &super::Envelope) {
        let openclaw = self.openclaw_mut();
        openclaw.envelopes += 1;
        if envelope.event.as_deref() == Some("connect.challenge") && openclaw.challenge_at.is_none()
        {
            openclaw.challenge_at = Some(at);
        }
        if envelope.method.as_deref() == Some("connect") && openclaw.connect_at.is_none() {
            openclaw.connect_at = Some(at);
        }
        openclaw.calls.take(at, envelope, openclaw.answer_at.is_some());
    }
}
