//! A session as a test writes it: bytes, waits and ends, and everything that the observer said.

use wstap::observe::{Capture, Message, Observer, Output, RawControl, Settings};
use wstap::session::{CutFrame, Direction, Event, FrameRun, Offset, Traffic, Unstored};
use wstap::websocket::{ClosePayload, unmask};

pub(crate) const C2S: Direction = Direction::ClientToServer;
pub(crate) const S2C: Direction = Direction::ServerToClient;

/// One thing the observer said, but for frames' headers.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a few of them, in tests")]
pub(crate) enum Seen {
    Event(Event),
    Message {
        direction: Direction,
        frame: u64,
        len: u64,
        bytes: Vec<u8>,
        whole: bool,
        missing: Option<Unstored>,
    },
    Control {
        direction: Direction,
        frame: u64,
        payload: Vec<u8>,
        rtt: Option<Offset>,
        close: Option<ClosePayload>,
    },
}

#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) seen: Vec<Seen>,
    pub(crate) runs: Vec<(Direction, u64, FrameRun)>,
}

impl Output for Notes {
    fn frames(&mut self, direction: Direction, first_frame: u64, run: FrameRun) {
        self.runs.push((direction, first_frame, run));
    }

    fn event(&mut self, event: Event) {
        self.seen.push(Seen::Event(event));
    }

    fn message(&mut self, message: Message<'_>) {
        self.seen.push(Seen::Message {
            direction: message.direction,
            frame: message.frame,
            len: message.len,
            bytes: message.bytes.to_vec(),
            whole: message.whole,
            missing: message.missing,
        });
    }

    fn control(&mut self, control: RawControl<'_>) {
        self.seen.push(Seen::Control {
            direction: control.direction,
            frame: control.frame,
            payload: control.payload.to_vec(),
            rtt: control.rtt,
            close: control.close,
        });
    }

    fn fingerprint(&self, secret: &str) -> String {
        format!("fp{}", secret.len())
    }
}

pub(crate) struct Script {
    pub(crate) observer: Observer,
    pub(crate) notes: Notes,
    now: u64,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::with(Capture::Handshake, 4096, None)
    }

    pub(crate) fn with(capture: Capture, message_limit: usize, extensions: Option<&str>) -> Self {
        let mut observer = Observer::new(Settings { capture, message_limit });
        observer.upgraded(extensions);
        Self { observer, notes: Notes::default(), now: 0 }
    }

    pub(crate) fn bytes(mut self, direction: Direction, bytes: &[u8]) -> Self {
        self.observer.on_bytes(direction, Offset(self.now), bytes, &mut self.notes);
        self
    }

    /// A text message of the client.
    pub(crate) fn c2s(self, text: &str) -> Self {
        self.bytes(C2S, &masked(0x81, text.as_bytes()))
    }

    /// A text message of the server.
    pub(crate) fn s2c(self, text: &str) -> Self {
        self.bytes(S2C, &plain(0x81, text.as_bytes()))
    }

    pub(crate) const fn wait(mut self, ms: u64) -> Self {
        self.now += ms * 1000;
        self
    }

    pub(crate) fn end(&mut self, direction: Direction) -> Option<CutFrame> {
        self.observer.on_end(direction, Offset(self.now), &mut self.notes)
    }

    pub(crate) fn traffic(&self, direction: Direction) -> Traffic {
        self.observer.traffic(direction)
    }

    pub(crate) fn events(&self) -> Vec<&Event> {
        self.notes
            .seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Event(event) => Some(event),
                Seen::Message { .. } | Seen::Control { .. } => None,
            })
            .collect()
    }

    /// Payloads that were handed over, as text.
    pub(crate) fn kept(&self) -> Vec<String> {
        self.notes
            .seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Message { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
                Seen::Event(_) | Seen::Control { .. } => None,
            })
            .collect()
    }

    /// `direction:name` of each violation told.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Violated(v) => {
                    Some(format!("{}:{}@{}", v.direction.name(), v.name, v.frame))
                }
                _ => None,
            })
            .collect()
    }
}

/// A frame without a mask, as servers send them.
pub(crate) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    header(first, 0, payload.len()).into_iter().chain(payload.iter().copied()).collect()
}

/// A masked frame, as clients send them.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut payload = payload.to_vec();
    unmask(&mut payload, KEY, 0);
    let mut bytes = header(first, 0x80, payload.len());
    bytes.extend(KEY);
    bytes.extend(payload);
    bytes
}

fn header(first: u8, mask: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..126 => bytes.push(mask | u8::try_from(len).unwrap()),
        126..0x1_0000 => {
            bytes.push(mask + 126);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(mask + 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes
}

pub(crate) const CHALLENGE: &str =
    r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n-1","ts":1}}"#;
pub(crate) const CONNECT: &str = r#"{"type":"req","id":"1:a","method":"connect","params":{"minProtocol":3,"maxProtocol":4,"client":{"id":"cli","version":"dev","platform":"linux","mode":"cli"},"role":"operator","scopes":["operator.read"],"auth":{"token":"s3cret-token"}}}"#;
pub(crate) const HELLO: &str = r#"{"type":"res","id":"1:a","ok":true,"payload":{"type":"hello-ok","protocol":4,"server":{"version":"2026.9.6","connId":"c-1"},"auth":{"method":"token","role":"operator","scopes":["operator.read"],"deviceToken":"dt-123456"},"policy":{"maxPayload":26214400,"tickIntervalMs":30000}}}"#;
pub(crate) const REFUSAL: &str = r#"{"type":"res","id":"1:a","ok":false,"error":{"code":"INVALID_REQUEST","message":"unauthorized","retryable":true,"retryAfterMs":500,"details":{"code":"AUTH_TOKEN_MISMATCH","canRetryWithDeviceToken":true,"deviceToken":"dt-123456"}}}"#;
