//! One session on its way into the store: its id, its clock, and what must not be kept of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Console;
use super::console::{ending_text, line_of};
use crate::observe::{self, Capture, Message};
use crate::redact::{Keep, RawMessage, Redactor, Secrets};
use crate::session::{
    Captured, Change, ConnectFacts, Envelope, Event, Finish, Head, Leg, Note, Offset, RefusalFacts,
    SessionId, Started, Timed, Wall,
};
use crate::socket::Stream;
use crate::store::{Recorder, SessionKey};
use crate::upgrade::Changed;

/// What every session of a proxy records with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) recorder: Recorder,
    pub(super) redactor: Redactor,
    pub(super) console: Console,
    pub(super) observe: observe::Settings,
}

/// An open session.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) tools: Arc<Tools>,
    /// Values that were taken out; later texts are searched for them.
    secrets: Mutex<Secrets>,
    id: SessionId,
    key: SessionKey,
    started: Instant,
    brief: Brief,
}

/// What the last line of a session says.
#[derive(Debug, Default)]
struct Brief {
    first_end: OnceLock<Box<str>>,
    frames: [AtomicU64; 2],
}

impl Brief {
    fn take_in(&self, timed: &Timed) {
        match &timed.event {
            Event::Ending(ending) => {
                self.first_end.get_or_init(|| ending_text(ending).into_boxed_str());
            }
            Event::Traffic { direction, traffic } => {
                self.frames[direction.index()].store(traffic.frames, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn text(&self, at: Offset) -> String {
        let end = self.first_end.get().map_or("complete", |text| text);
        let [c2s, s2c] = [&self.frames[0], &self.frames[1]].map(|n| n.load(Ordering::Relaxed));
        if c2s + s2c == 0 {
            format!("{end}; {at} in all")
        } else {
            format!("{end}; {at} in all, {c2s} frames from the client, {s2c} to it")
        }
    }
}

impl Recording {
    /// Begins a session whose first byte came at `started`.
    pub(super) fn begin(tools: &Arc<Tools>, started: Instant, facts: Started) -> Self {
        let id = SessionId::from_bits(fastrand::u64(..));
        let key = tools.recorder.begin(id, wall(started));
        let recording = Self {
            tools: Arc::clone(tools),
            secrets: Mutex::default(),
            id,
            key,
            started,
            brief: Brief::default(),
        };
        recording.fact(started, Event::Started(facts));
        recording
    }

    pub(super) const fn key(&self) -> SessionKey {
        self.key
    }

    /// The time since the session began.
    pub(super) fn at(&self, now: Instant) -> Offset {
        let micros = now.saturating_duration_since(self.started).as_micros();
        Offset(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    pub(super) fn fact(&self, now: Instant, event: Event) {
        let timed = Timed { at: self.at(now), event };
        self.brief.take_in(&timed);
        if !self.tools.console.is_quiet() {
            self.say(&timed);
        }
        self.tools.recorder.fact(self.key, timed);
    }

    fn say(&self, timed: &Timed) {
        let console = &self.tools.console;
        if let Event::Finished(_) = timed.event {
            console.session(self.id, "end", &self.brief.text(timed.at));
        } else if let Some((what, text)) = line_of(timed) {
            console.session(self.id, what, &text);
        }
    }

    /// For facts of which there may be very many.
    pub(super) fn bulk(&self, now: Instant, event: Event) {
        self.tools.recorder.bulk(self.key, Timed { at: self.at(now), event });
    }

    pub(super) fn note(&self, slug: &str, text: impl Into<String>) {
        let note = Note { slug: slug.to_owned(), text: text.into() };
        self.fact(Instant::now(), Event::Note(note));
    }

    pub(super) fn request(&self, now: Instant, head: &[u8], changed: Vec<Changed>) {
        let head = self.head(head);
        let changes = changed.into_iter().map(|change| self.change(change)).collect();
        self.fact(now, Event::Request { head, changes });
    }

    /// What the kernel and TLS know of a leg now.
    pub(super) fn sample(&self, now: Instant, leg: Leg, stream: &Stream) {
        if let Some(sample) = stream.sample(leg, self.at(now)) {
            self.bulk(now, Event::Tcp(sample));
        }
    }

    /// Closes the record: last looks at both sockets, then the end.
    pub(super) fn finish(&self, legs: &[(Leg, &Stream)], finish: Finish) {
        let now = Instant::now();
        for (leg, stream) in legs {
            self.sample(now, *leg, stream);
            if let Some([read, written]) = stream.tls_records() {
                self.fact(now, Event::TlsRecords { leg: *leg, read, written });
            }
        }
        self.fact(now, Event::Finished(finish));
    }

    /// A head as it may be kept.
    pub(super) fn head(&self, raw: &[u8]) -> Head {
        self.tools.redactor.head(raw, &mut self.secrets())
    }

    /// Free text of the wire as it may be kept.
    pub(super) fn line(&self, text: &str) -> String {
        self.tools.redactor.line(text, &mut self.secrets())
    }

    /// The payload of a control frame as it may be kept.
    pub(super) fn payload(&self, payload: &[u8]) -> String {
        self.tools.redactor.control(payload, &mut self.secrets())
    }

    /// An envelope whose words may be kept. Hardly any word of one needs a second look.
    pub(super) fn envelope(&self, envelope: &mut Envelope) {
        let Envelope { kind, id, method, event, code, detail_code, .. } = envelope;
        for word in [kind, id, method, event, code, detail_code].into_iter().flatten() {
            if self.tools.redactor.is_suspect(word, &self.secrets()) {
                *word = self.line(word);
            }
        }
    }

    /// What a client says of itself, as it may be kept.
    pub(super) fn connect(&self, facts: &mut ConnectFacts) {
        let ConnectFacts { client_id, client_mode, client_version, platform, role, .. } = facts;
        let words = [client_id, client_mode, client_version, platform, role, &mut facts.device_id];
        for word in words.into_iter().flatten().chain(&mut facts.scopes) {
            *word = self.line(word);
        }
    }

    /// A refusal whose words and details may be kept.
    pub(super) fn refusal(&self, mut facts: RefusalFacts) -> RefusalFacts {
        let RefusalFacts { code, message, detail_code, .. } = &mut facts;
        for word in [code, message, detail_code].into_iter().flatten() {
            *word = self.line(word);
        }
        if let Some(details) = &mut facts.details {
            self.tools.redactor.json(details, &mut self.secrets());
        }
        facts
    }

    /// A message as it may be kept.
    pub(super) fn captured(&self, message: &Message<'_>) -> Captured {
        let Message { direction, frame, opcode, len, bytes, whole, missing } = *message;
        let keep = Keep {
            limit: self.tools.observe.message_limit,
            any_text: self.tools.observe.capture >= Capture::Text,
        };
        let raw = RawMessage { direction, frame, opcode, len, bytes, whole, missing };
        self.tools.redactor.message(raw, keep, &mut self.secrets())
    }

    /// Remembers a secret of the session, so that its later texts are searched for it.
    pub(super) fn secret(&self, secret: &str) -> String {
        self.tools.redactor.secret(secret, &mut self.secrets())
    }

    fn change(&self, change: Changed) -> Change {
        let Changed { what, header, value, option } = change;
        let redact =
            |value: String| self.tools.redactor.header_value(&header, &value, &mut self.secrets());
        let value = value.map(redact);
        Change { what: what.to_owned(), header, value, option: option.to_owned() }
    }

    /// Only this session's own task takes the lock, never across a wait.
    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall clock at a moment of the monotonic one.
fn wall(then: Instant) -> Wall {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = now.saturating_sub(then.elapsed()).as_micros();
    Wall(i64::try_from(micros).unwrap_or(i64::MAX))
}
