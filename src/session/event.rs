//! Everything that is ever recorded of a session except the frames' headers, as it happened.

use serde::{Deserialize, Serialize};

use super::{
    ConnectFacts, Dial, Direction, Ending, Head, HelloFacts, Leg, Offset, RefusalFacts, TcpSample,
    TlsFacts, TlsRecords, Traffic,
};

/// An event and when it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    pub at: Offset,
    #[serde(flatten)]
    pub event: Event,
}

/// What the bytes of a session are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An upgrade request, whatever became of it.
    Websocket,
    /// A request without Upgrade.
    Http,
    /// Bytes that are not HTTP, or nothing at all.
    #[default]
    Opaque,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Http => "http",
            Self::Opaque => "opaque",
        }
    }
}

/// One recorded fact. Adding a variant is a change of the stored format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Started(Started),
    /// TLS was established on a leg.
    Tls {
        leg: Leg,
        facts: TlsFacts,
    },
    /// TLS was not established on the client's leg.
    TlsFailed {
        leg: Leg,
        error: String,
    },
    Dial(Dial),
    /// The request head; `changes` when an option altered it on its way.
    Request {
        head: Head,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<Change>,
    },
    /// A response head with a final status, or 101.
    Response {
        head: Head,
        /// Statuses of interim responses before it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interim: Vec<u16>,
    },
    /// The first bytes of the body of a refused upgrade, as text.
    ResponseBody {
        text: String,
        /// Length of the whole body as far as it was seen.
        bytes: u64,
    },
    /// The answer came from wstap.
    OwnAnswer(OwnAnswer),
    Opaque(OpaqueFacts),
    Control(Control),
    /// Payload of a message, as far as the capture setting keeps it.
    Captured(Captured),
    Envelope(Envelope),
    Connect(ConnectFacts),
    Hello(HelloFacts),
    Refusal(RefusalFacts),
    /// RFC 6455 was broken; counted in `traffic`, the first of each kind stands here.
    Violated(Violated),
    /// From this byte of the direction on, the stream is not WebSocket.
    NotWebsocket {
        direction: Direction,
        byte: u64,
    },
    Ending(Ending),
    Tcp(TcpSample),
    /// Records of one leg, counted beneath TLS.
    TlsRecords {
        leg: Leg,
        read: TlsRecords,
        written: TlsRecords,
    },
    Gap(Gap),
    Note(Note),
    /// Totals of one direction, at the end.
    Traffic {
        direction: Direction,
        traffic: Box<Traffic>,
    },
    Finished(Finish),
}

/// The first event of every session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub kind: Kind,
    /// The listener as printed at start-up, as `127.0.0.1:18889` or `unix:/run/wstap.sock`.
    pub listener: String,
    /// Address of the client's leg: the peer, `unix` for Unix sockets.
    pub client: String,
    /// Our own address on the client's leg.
    pub local: String,
    /// What a PROXY protocol header said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_header: Option<ProxyHeader>,
    /// How many requests this connection carried before this one.
    #[serde(default)]
    pub earlier_requests: u32,
}

/// A PROXY protocol header (HAProxy's proxy-protocol.txt), accepted from a trusted peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyHeader {
    pub version: u8,
    pub source: Option<String>,
    pub destination: Option<String>,
}

/// One header line that an option changed on its way to the upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `set`, `removed` or `appended`.
    pub what: String,
    pub header: String,
    /// The new value, redacted like any header; absent when removed.
    pub value: Option<String>,
    /// The option that asked for it.
    pub option: String,
}

/// An answer that wstap gave itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAnswer {
    pub status: u16,
    /// The leg that could not be served.
    pub leg: Leg,
    pub why: String,
}

/// What could be told of bytes that are not HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpaqueFacts {
    /// `tls_client_hello`, `no_bytes`, `not_http`, `head_too_long`, `slow_head`,
    /// `incomplete_head`, `upgraded`.
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
}

impl OpaqueFacts {
    pub fn named(what: &str) -> Self {
        Self { what: what.to_owned(), ..Self::default() }
    }
}

/// One control frame (RFC 6455 §5.5), in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub direction: Direction,
    pub opcode: u8,
    /// Number of the frame in its direction, from 0.
    pub frame: u64,
    /// Payload as text when it is printable, else as hex after `hex:`.
    pub payload: String,
    pub len: u64,
    /// On a Pong: the time since the Ping that it answers was seen here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<Offset>,
    /// On a Close: its code, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// On a Close: the payload was one byte long, or the reason was not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub malformed: bool,
}

/// Text of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub direction: Direction,
    /// Number of the message's first frame in its direction.
    pub frame: u64,
    pub opcode: u8,
    /// Length of the whole message (inflated, when it was compressed).
    pub len: u64,
    /// Redacted text, or base64 after `base64:` for bytes that are not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether `text` is only the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<super::Redaction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unstored: Option<Unstored>,
}

/// Why a text that should have been kept was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unstored {
    /// It looks like JSON and cannot be parsed, so secrets in it cannot be found.
    UnparsableJson,
    /// Too long to be parsed as a whole.
    TooLong,
    /// Neither JSON nor asked for.
    NotJson,
    /// Not UTF-8.
    NotText,
    /// The bytes could not be inflated any more.
    NotInflated,
    /// The message never ended.
    Incomplete,
}

/// The outside of one JSON frame of an OpenClaw session; never its params.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub direction: Option<Direction>,
    pub frame: u64,
    pub len: u64,
    /// `req`, `res` or `event`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The name of an event.
    #[serde(rename = "name", default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_code: Option<String>,
    /// The frame was not read to its end, or was not JSON.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A breach of RFC 6455.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violated {
    pub direction: Direction,
    /// As `websocket::Violation::name` says it.
    pub name: String,
    pub frame: u64,
}

/// What the recorder could not keep up with. Relaying went on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub frames: u64,
    pub events: u64,
}

/// Something wstap says of itself or of its place, so that nobody takes it for traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub slug: String,
    pub text: String,
}

/// The last event of a session that ended under our eyes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// For plain HTTP: the exchange was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Bytes of request and response body, for plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_c2s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_s2c: Option<u64>,
    /// The exchange failed, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The client's connection went on to another request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
}
