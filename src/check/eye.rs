//! A check's own session as the tap would record it, so that the tap's rules can judge it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::observe::{self, Message, Observer, Output, RawControl};
use crate::redact::{Redactor, Secrets};
use crate::session::{
    Control, Direction, Ending, EndingKind, Event, Finish, FrameRun, Head, Kind, Leg, Offset,
    Record, RefusalFacts, SessionId, Started, Timed, Wall,
};
use crate::socket::Failure;
use crate::websocket::Opcode;

/// Pings and pongs kept of one session; a peer that floods with them is not to fill the memory.
const CONTROLS_KEPT: usize = 4096;

/// Watches one session of ours. Clones look through the same eye.
#[derive(Clone, Debug)]
pub(super) struct Eye(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    observer: Observer,
    notes: Notes,
    ended: [bool; 2],
}

/// What is written down, and what must not be.
#[derive(Debug)]
struct Notes {
    record: Record,
    redactor: Redactor,
    secrets: Secrets,
}

impl Eye {
    /// For a session that begins now and that `us` names in the record.
    pub(super) fn open(redactor: &Redactor) -> Self {
        let id = SessionId::from_bits(fastrand::u64(..));
        let notes = Notes {
            record: Record::new(id, wall_now()),
            redactor: redactor.clone(),
            secrets: Secrets::default(),
        };
        let eye = Self(Arc::new(Mutex::new(Inner {
            began: Instant::now(),
            observer: Observer::new(observe::Settings::default()),
            notes,
            ended: [false; 2],
        })));
        let started = Started { kind: Kind::Websocket, ..Started::default() };
        eye.fact(Event::Started(started));
        eye
    }

    // Held for one chunk or one fact, never across a wait.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fact(&self, event: Event) {
        let mut inner = self.inner();
        let at = inner.at();
        inner.notes.fact(at, event);
    }

    /// A head as it may be kept.
    pub(super) fn head(&self, raw: &[u8]) -> Head {
        let Notes { redactor, secrets, .. } = &mut self.inner().notes;
        redactor.head(raw, secrets)
    }

    /// Text of the wire as it may be shown.
    pub(super) fn line(&self, text: &str) -> String {
        let Notes { redactor, secrets, .. } = &mut self.inner().notes;
        redactor.line(text, secrets)
    }

    /// Learns the secrets of what is about to be sent.
    pub(super) fn learn(&self, params: &serde_json::Value) {
        self.shown(params);
    }

    /// JSON of the wire as it may be shown.
    pub(super) fn shown(&self, value: &serde_json::Value) -> serde_json::Value {
        let mut value = value.clone();
        let Notes { redactor, secrets, .. } = &mut self.inner().notes;
        redactor.json(&mut value, secrets);
        value
    }

    pub(super) fn upgraded(&self, extensions: Option<&str>) {
        self.inner().observer.upgraded(extensions);
    }

    /// Bytes behind the heads.
    pub(super) fn bytes(&self, direction: Direction, bytes: &[u8]) {
        let mut inner = self.inner();
        let now = inner.at();
        let Inner { observer, notes, .. } = &mut *inner;
        observer.on_bytes(direction, now, bytes, &mut Sink { notes, now });
    }

    /// The other side ended its direction, or we ours; told once each.
    pub(super) fn ended(&self, leg: Leg, how: &How) {
        let mut inner = self.inner();
        let direction = leg.reads();
        if std::mem::replace(&mut inner.ended[direction.index()], true) {
            return;
        }
        let now = inner.at();
        let Inner { observer, notes, .. } = &mut *inner;
        let cut = observer.on_end(direction, now, &mut Sink { notes, now });
        let kind = match (how, cut) {
            (How::Fin, Some(cut)) => EndingKind::FinMidFrame {
                opcode: cut.opcode,
                declared: cut.declared,
                missing: cut.missing,
            },
            (How::Fin, None) => EndingKind::Fin,
            (How::Failed(failure), cut) => match (failure.tls_end(), failure) {
                (Some(end), _) => EndingKind::Tls { end },
                (None, Failure::Kernel(error)) => EndingKind::Failed { error: error.clone() },
                (None, _) => {
                    EndingKind::Reset { undelivered: 0, missing: cut.and_then(|cut| cut.missing) }
                }
            },
        };
        notes.fact(now, Event::Ending(Ending { leg, at: now, kind }));
    }

    /// Whether the other side ended it.
    pub(super) fn is_over(&self) -> bool {
        self.inner().ended[Direction::ServerToClient.index()]
    }

    /// The session as a record, concluded: it is over for us.
    pub(super) fn record(&self) -> Record {
        let inner = self.inner();
        let now = inner.at();
        let mut record = inner.notes.record.clone();
        for direction in Direction::BOTH {
            let traffic = Box::new(inner.observer.traffic(direction));
            record.apply(&Timed { at: now, event: Event::Traffic { direction, traffic } });
        }
        record.apply(&Timed { at: now, event: Event::Finished(Finish::default()) });
        record.conclude();
        record
    }
}

/// How a direction ended.
#[derive(Clone, Debug)]
pub(super) enum How {
    Fin,
    Failed(Failure),
}

impl Inner {
    fn at(&self) -> Offset {
        since(self.began)
    }
}

impl Notes {
    fn fact(&mut self, at: Offset, event: Event) {
        self.record.apply(&Timed { at, event });
    }

    fn redacted(&mut self, facts: RefusalFacts) -> RefusalFacts {
        let Self { redactor, secrets, .. } = self;
        let mut details = facts.details;
        if let Some(details) = &mut details {
            redactor.json(details, secrets);
        }
        let message = facts.message.map(|text| redactor.line(&text, secrets));
        RefusalFacts { message, details, ..facts }
    }
}

/// Takes what the observer sees in one chunk.
struct Sink<'a> {
    notes: &'a mut Notes,
    now: Offset,
}

impl Output for Sink<'_> {
    fn frames(&mut self, _direction: Direction, _first_frame: u64, _run: FrameRun) {}

    fn event(&mut self, event: Event) {
        let event = match event {
            Event::Refusal(facts) => Event::Refusal(self.notes.redacted(facts)),
            event => event,
        };
        self.notes.fact(self.now, event);
    }

    /// Payloads are the check's own to read.
    fn message(&mut self, _message: Message<'_>) {}

    fn control(&mut self, control: RawControl<'_>) {
        let full = self.notes.record.control.len() >= CONTROLS_KEPT;
        if full && control.opcode != Opcode::Close {
            return;
        }
        let Notes { redactor, secrets, .. } = self.notes;
        let (payload, code, malformed) = match &control.close {
            Some(close) => (redactor.line(&close.reason, secrets), close.code, close.malformed),
            None => (redactor.control(control.payload, secrets), None, false),
        };
        let reason = payload.clone();
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
        self.notes.fact(self.now, event);
        if control.opcode == Opcode::Close {
            let kind = EndingKind::CloseFrame { code, reason };
            let leg = control.direction.source();
            self.notes.fact(self.now, Event::Ending(Ending { leg, at: self.now, kind }));
        }
    }

    fn fingerprint(&self, secret: &str) -> String {
        self.notes.redactor.fingerprint(secret)
    }
}

/// Time since `then`.
pub(super) fn since(then: Instant) -> Offset {
    Offset(u64::try_from(then.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// The wall clock.
pub(super) fn wall_now() -> Wall {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
