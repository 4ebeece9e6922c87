//! What is told of one relayed session becomes facts: the answer's head, frames, messages, ends.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Instant;

use super::recording::Recording;
use crate::accept::ClientHello;
use crate::observe::{Message, Observer, Output, RawControl};
use crate::relay::{Seen, Watch};
use crate::session::{
    Control, CutFrame, Direction, Ending, EndingKind, Event, FrameRun, Leg, OpaqueFacts,
};
use crate::socket::Stream;
use crate::store::{GroupEncoder, GroupHead};
use crate::upgrade::{Asks, Body, RequestHead, ResponseHead, ResponseReader};
use crate::websocket::Opcode;

/// How much of a refused upgrade's body is kept.
const BODY_KEPT: usize = 4096;

/// A ClientHello that is not whole after so many bytes is none that names a server.
const LONGEST_HELLO: usize = 64 << 10;

thread_local! {
    /// Frames of the chunk at hand; lent like the relay's buffers, so that sessions hold none.
    static GROUP: RefCell<GroupEncoder> = RefCell::default();
}

/// Watches one session.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) recording: Recording,
    observer: Observer,
    phase: Phase,
    /// Why wstap would cut it, if it does.
    pub(super) why_cut: &'static str,
}

/// What the bytes are at this point.
#[derive(Debug)]
enum Phase {
    /// The upstream has not answered yet.
    Answer(Box<Answer>),
    Frames,
    Refused(Box<Refused>),
    /// The client's bytes so far: a TLS ClientHello whose end has not come yet.
    Hello(Vec<u8>),
    Opaque,
}

#[derive(Debug)]
struct Answer {
    reader: ResponseReader,
    /// Whether a 101 means WebSocket.
    websocket: bool,
}

#[derive(Debug)]
struct Refused {
    body: Body,
    kept: Vec<u8>,
    persistent: bool,
    /// The client sent more than its head.
    more: bool,
}

impl Refused {
    /// What was kept of the body. The last word of one that was cut may be half a secret.
    fn text(&self) -> Cow<'_, str> {
        let is_end = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-_.~+/=%".contains(byte);
        let whole = self.body.content() <= self.kept.len() as u64;
        let end = if whole {
            self.kept.len()
        } else {
            self.kept.iter().rposition(is_end).map_or(0, |last| last + 1)
        };
        String::from_utf8_lossy(&self.kept[..end])
    }
}

impl Watcher {
    /// For a session that begins with a request head.
    pub(super) fn of_request(recording: Recording, head: &RequestHead) -> Box<Self> {
        let websocket = head.asks == Asks::WebSocket;
        let answer = Answer { reader: ResponseReader::new(head.is_head), websocket };
        Self::in_phase(recording, Phase::Answer(Box::new(answer)))
    }

    /// For bytes that are not HTTP.
    pub(super) fn of_bytes(recording: Recording) -> Box<Self> {
        Self::in_phase(recording, Phase::Opaque)
    }

    /// For a TLS ClientHello of which the beginning came; the rest says whom it is for.
    pub(super) fn of_hello(recording: Recording) -> Box<Self> {
        Self::in_phase(recording, Phase::Hello(Vec::new()))
    }

    fn in_phase(recording: Recording, phase: Phase) -> Box<Self> {
        let observer = Observer::new(recording.tools.observe);
        Box::new(Self { recording, observer, phase, why_cut: "wstap was told to stop" })
    }

    /// After the relay: what never became complete, and the totals.
    pub(super) fn conclude(mut self: Box<Self>) -> Recording {
        let now = Instant::now();
        for direction in Direction::BOTH {
            self.end_of(direction, now);
        }
        match &self.phase {
            Phase::Answer(answer) if !answer.reader.incomplete().is_empty() => {
                let text = self.recording.head(answer.reader.incomplete()).raw;
                self.recording.note("incomplete_response_head", text);
            }
            Phase::Refused(refused) => {
                let text = self.recording.line(&refused.text());
                let bytes = refused.body.content();
                self.recording.fact(now, Event::ResponseBody { text, bytes });
            }
            Phase::Answer(_) | Phase::Frames | Phase::Hello(_) | Phase::Opaque => {}
        }
        for direction in Direction::BOTH {
            let traffic = Box::new(self.observer.traffic(direction));
            self.recording.fact(now, Event::Traffic { direction, traffic });
        }
        self.recording
    }

    /// Bytes of the client that were sent on before the relay began.
    pub(super) fn ahead(&mut self, now: Instant, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.chunk(Direction::ClientToServer, now, bytes);
        }
    }

    fn answer(&mut self, now: Instant, bytes: &[u8]) {
        let Phase::Answer(answer) = &mut self.phase else { return };
        match answer.reader.feed(bytes) {
            Ok(None) => {}
            Ok(Some((head, used))) => {
                let websocket = answer.websocket && head.status == 101;
                self.answered(now, &head, websocket);
                if used < bytes.len() {
                    self.chunk(Direction::ServerToClient, now, &bytes[used..]);
                }
            }
            Err(all) => {
                self.opaque(now, "not_http");
                self.chunk(Direction::ServerToClient, now, &all);
            }
        }
    }

    fn answered(&mut self, now: Instant, head: &ResponseHead, websocket: bool) {
        let recording = &self.recording;
        let raw = recording.head(&head.raw);
        recording.fact(now, Event::Response { head: raw, interim: head.interim.clone() });
        if websocket {
            self.observer.upgraded(head.extensions.as_deref());
            self.phase = Phase::Frames;
        } else if head.status == 101 {
            self.opaque(now, "upgraded");
        } else {
            self.phase = Phase::Refused(Box::new(Refused {
                body: head.follow_body(),
                kept: Vec::new(),
                persistent: head.persistent,
                more: false,
            }));
        }
    }

    fn opaque(&mut self, now: Instant, what: &str) {
        self.recording.fact(now, Event::Opaque(OpaqueFacts::named(what)));
        self.phase = Phase::Opaque;
    }

    fn hello(&mut self, now: Instant, bytes: &[u8]) {
        let Phase::Hello(begun) = &mut self.phase else { return };
        begun.extend_from_slice(bytes);
        match ClientHello::of(begun) {
            ClientHello::Partial if begun.len() < LONGEST_HELLO => return,
            ClientHello::Partial => {}
            ClientHello::Whole(facts) => self.recording.fact(now, Event::Opaque(facts)),
            ClientHello::No => {
                self.recording.fact(now, Event::Opaque(OpaqueFacts::named("not_http")));
            }
        }
        self.phase = Phase::Opaque;
    }

    fn frames(&mut self, direction: Direction, now: Instant, bytes: &[u8]) {
        let at = self.recording.at(now);
        GROUP.with_borrow_mut(|group| {
            let mut sink = Sink { recording: &self.recording, now, group, first_frame: None };
            self.observer.on_bytes(direction, at, bytes, &mut sink);
            if let Some(first_frame) = sink.first_frame {
                let head = GroupHead { direction, at, first_frame };
                self.recording.tools.recorder.frames(self.recording.key(), head, group);
            }
        });
    }

    /// Ends a direction once; gives the frame that was under way.
    fn end_of(&mut self, direction: Direction, now: Instant) -> Option<CutFrame> {
        let at = self.recording.at(now);
        GROUP.with_borrow_mut(|group| {
            let mut sink = Sink { recording: &self.recording, now, group, first_frame: None };
            self.observer.on_end(direction, at, &mut sink)
        })
    }
}

impl Watch for Watcher {
    fn chunk(&mut self, direction: Direction, now: Instant, bytes: &[u8]) {
        match (&mut self.phase, direction) {
            (Phase::Answer(answer), Direction::ClientToServer) if !answer.websocket => {
                self.observer.on_opaque(direction, self.recording.at(now), bytes);
            }
            (Phase::Frames, _) | (Phase::Answer(_), Direction::ClientToServer) => {
                self.frames(direction, now, bytes);
            }
            (Phase::Answer(_), Direction::ServerToClient) => self.answer(now, bytes),
            (Phase::Refused(refused), Direction::ServerToClient) => {
                let kept = &mut refused.kept;
                refused.body.feed(bytes, |piece| {
                    let room = BODY_KEPT.saturating_sub(kept.len()).min(piece.len());
                    kept.extend_from_slice(&piece[..room]);
                });
                self.observer.on_opaque(direction, self.recording.at(now), bytes);
            }
            (Phase::Refused(refused), Direction::ClientToServer) => {
                refused.more = true;
                self.observer.on_opaque(direction, self.recording.at(now), bytes);
            }
            (Phase::Hello(_), Direction::ClientToServer) => {
                self.hello(now, bytes);
                self.observer.on_opaque(direction, self.recording.at(now), bytes);
            }
            (Phase::Hello(_) | Phase::Opaque, _) => {
                self.observer.on_opaque(direction, self.recording.at(now), bytes);
            }
        }
    }

    fn ended(&mut self, leg: Leg, now: Instant, what: Seen) {
        let cut = self.end_of(leg.reads(), now);
        let kind = match (what, cut) {
            (Seen::Fin, Some(cut)) => EndingKind::FinMidFrame {
                opcode: cut.opcode,
                declared: cut.declared,
                missing: cut.missing,
            },
            (Seen::Reset { undelivered }, Some(cut)) => {
                EndingKind::Reset { undelivered, missing: cut.missing }
            }
            (what, _) => what.kind(self.why_cut),
        };
        let at = self.recording.at(now);
        self.recording.fact(now, Event::Ending(Ending { leg, at, kind }));
    }

    fn sample(&mut self, now: Instant, leg: Leg, stream: &Stream) {
        self.recording.sample(now, leg, stream);
    }

    fn exchange_over(&self) -> bool {
        match &self.phase {
            Phase::Refused(refused) => {
                refused.persistent && refused.body.is_done() && !refused.more
            }
            Phase::Answer(_) | Phase::Frames | Phase::Hello(_) | Phase::Opaque => false,
        }
    }
}

/// Takes the observer's output of one call.
struct Sink<'a> {
    recording: &'a Recording,
    now: Instant,
    group: &'a mut GroupEncoder,
    first_frame: Option<u64>,
}

impl Output for Sink<'_> {
    fn frames(&mut self, _direction: Direction, first_frame: u64, run: FrameRun) {
        self.first_frame.get_or_insert(first_frame);
        self.group.push(run);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Envelope(mut envelope) => {
                self.recording.envelope(&mut envelope);
                self.recording.bulk(self.now, Event::Envelope(envelope));
            }
            Event::Connect(mut facts) => {
                self.recording.connect(&mut facts);
                self.recording.fact(self.now, Event::Connect(facts));
            }
            Event::Refusal(facts) => {
                let facts = self.recording.refusal(facts);
                self.recording.fact(self.now, Event::Refusal(facts));
            }
            facts => self.recording.fact(self.now, facts),
        }
    }

    fn message(&mut self, message: Message<'_>) {
        let captured = self.recording.captured(&message);
        self.recording.fact(self.now, Event::Captured(captured));
    }

    fn control(&mut self, control: RawControl<'_>) {
        let (payload, code, malformed) = match &control.close {
            Some(close) => (self.recording.line(&close.reason), close.code, close.malformed),
            None => (self.recording.payload(control.payload), None, false),
        };
        let event = Event::Control(Control {
            direction: control.direction,
            opcode: control.opcode.nibble(),
            frame: control.frame,
            payload,
            len: control.len,
            rtt_ms: control.rtt,
            code,
            malformed,
        });
        // A flood of pings must not push out anything else; a Close decides.
        if control.opcode == Opcode::Close {
            let leg = control.direction.source();
            let at = self.recording.at(self.now);
            let reason = control.close.map(|c| self.recording.line(&c.reason)).unwrap_or_default();
            self.recording.fact(self.now, event);
            let kind = EndingKind::CloseFrame { code, reason };
            self.recording.fact(self.now, Event::Ending(Ending { leg, at, kind }));
        } else {
            self.recording.bulk(self.now, event);
        }
    }

    fn fingerprint(&self, secret: &str) -> String {
        self.recording.secret(secret)
    }
}
