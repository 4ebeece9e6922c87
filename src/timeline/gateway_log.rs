//! One line of the OpenClaw gateway's log file: JSON with the text in `message` and, for some, an
//! object of facts in field `1`. A line that is not known is kept as unknown.

mod kinds;
mod text;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::session::Wall;

/// How much of a message is kept.
const MESSAGE: usize = 2048;

/// What the gateway said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// By the gateway's clock; absent when the line does not say.
    pub at: Option<Wall>,
    pub level: Option<String>,
    pub subsystem: Option<String>,
    /// The connection it speaks of.
    pub conn: Option<Conn>,
    /// The addresses of that connection, as the gateway sees them.
    pub peer: Option<Endpoints>,
    #[serde(flatten)]
    pub what: What,
    pub message: String,
}

/// The gateway's name for a connection: a UUID, or its first eight and last four characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conn(String);

impl Conn {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is written in full.
    pub fn is_full(&self) -> bool {
        self.ends().is_none()
    }

    /// The name as the gateway shortens it.
    #[must_use]
    pub fn short(&self) -> Self {
        if self.0.len() == 36 && self.0.is_ascii() {
            Self(format!("{}…{}", &self.0[..8], &self.0[32..]))
        } else {
            self.ends().map_or_else(|| self.clone(), |(head, tail)| Self(format!("{head}…{tail}")))
        }
    }

    fn ends(&self) -> Option<(&str, &str)> {
        self.0.split_once('…').or_else(|| self.0.split_once("..."))
    }
}

/// Both ends of a connection of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Its peer: us, when nothing stands between.
    pub remote: SocketAddr,
    pub local: Option<SocketAddr>,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A connection ended before its `connect` was accepted.
    ClosedBeforeConnect(Box<Refused>),
    Unauthorized {
        reason: Option<String>,
    },
    HandshakeTimeout {
        phase: Option<String>,
    },
    ProtocolMismatch,
    InvalidHandshake,
    BuildRejected,
    PairingAutoApproved {
        device: Option<String>,
        role: Option<String>,
    },
    /// A device asked for more than it was approved for.
    UpgradeRequested,
    WebchatConnected,
    WebchatDisconnected {
        code: Option<u16>,
        reason: Option<String>,
    },
    /// Said once per process.
    UnattributableProxy,
    NonLocalHost,
    /// A first frame that is no JSON.
    ParseError,
    /// What the WebSocket library found wrong.
    SocketError {
        error: Option<String>,
    },
    /// The answer to a call, logged when it failed or was slow.
    Answer {
        method: Option<String>,
        ok: bool,
        error_code: Option<String>,
    },
    Open,
    Connect,
    Hello,
    /// The end of any connection, in verbose mode.
    Close(Box<Refused>),
    Unknown,
}

impl What {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ClosedBeforeConnect(_) => "closed_before_connect",
            Self::Unauthorized { .. } => "unauthorized",
            Self::HandshakeTimeout { .. } => "handshake_timeout",
            Self::ProtocolMismatch => "protocol_mismatch",
            Self::InvalidHandshake => "invalid_handshake",
            Self::BuildRejected => "build_rejected",
            Self::PairingAutoApproved { .. } => "pairing_auto_approved",
            Self::UpgradeRequested => "upgrade_requested",
            Self::WebchatConnected => "webchat_connected",
            Self::WebchatDisconnected { .. } => "webchat_disconnected",
            Self::UnattributableProxy => "unattributable_proxy",
            Self::NonLocalHost => "non_local_host",
            Self::ParseError => "parse_error",
            Self::SocketError { .. } => "socket_error",
            Self::Answer { .. } => "answer",
            Self::Open => "open",
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Close(_) => "close",
            Self::Unknown => "unknown",
        }
    }

    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// Why the gateway ended a connection, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// As `unauthorized`, `pairing-required`, `heartbeat-timeout`.
    pub cause: Option<String>,
    /// How far the cause goes into detail, as `not-paired` or `device-signature-stale`.
    pub detail: Option<String>,
    pub auth_reason: Option<String>,
    /// `pending`, `failed` or `connected`.
    pub handshake: Option<String>,
    /// The last step that was reached, as `auth_validated`.
    pub phase: Option<String>,
    pub code: Option<u16>,
    pub reason: Option<String>,
    /// What to give to `openclaw devices approve`.
    pub request_id: Option<String>,
    pub duration_ms: Option<u64>,
    pub last_method: Option<String>,
}

impl LogLine {
    /// Reads a line; there is none that cannot be read. Every text passes through `scrub` after
    /// it was understood: what is kept went through it.
    pub fn parse(line: &str, mut scrub: impl FnMut(&str) -> String) -> Self {
        let mut read = Self::read(line);
        read.each_text(|text| *text = scrub(text));
        read
    }

    /// The connection's port on our side, when we are the gateway's peer.
    pub fn port(&self) -> Option<u16> {
        self.peer.map(|peer| peer.remote.port())
    }

    fn read(line: &str) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line.trim()) else {
            return Self::of_text(line.trim());
        };
        let texts = ["message", "2", "1", "0"];
        let message =
            texts.into_iter().find_map(|key| fields.get(key)?.as_str()).unwrap_or_default();
        let mut read = Self::of_text(message);
        read.at = string(&fields, "time").and_then(|time| {
            let time: jiff::Timestamp = time.parse().ok()?;
            Some(Wall(time.as_microsecond()))
        });
        read.level = string(&fields, "level")
            .or_else(|| fields.get("_meta")?["logLevelName"].as_str().map(str::to_owned));
        read.subsystem = string(&fields, "0").and_then(|text| {
            let place: Value = serde_json::from_str(&text).ok()?;
            Some(place["subsystem"].as_str()?.to_owned())
        });
        if let Some(Value::Object(facts)) = fields.get("1") {
            read.add(facts);
        }
        read
    }

    fn of_text(message: &str) -> Self {
        let plain = text::without_styles(message);
        let (conn, peer) = (text::conn(&plain), text::peer(&plain));
        let what = kinds::what(&plain);
        let message = text::cut(&plain, MESSAGE).to_owned();
        Self { at: None, level: None, subsystem: None, conn, peer, what, message }
    }

    /// Takes in the facts beside the message: nobody but the gateway can have written them.
    fn add(&mut self, facts: &Map<String, Value>) {
        let end = |side: &str| {
            let ip: std::net::IpAddr = facts.get(&format!("{side}Addr"))?.as_str()?.parse().ok()?;
            let port = facts.get(&format!("{side}Port"))?.as_u64()?;
            Some(SocketAddr::new(ip.to_canonical(), u16::try_from(port).ok()?))
        };
        if let Some(remote) = end("remote") {
            self.peer = Some(Endpoints { remote, local: end("local") });
        }
        if let What::ClosedBeforeConnect(refused) | What::Close(refused) = &mut self.what {
            refused.add(facts);
        }
    }

    fn each_text(&mut self, mut see: impl FnMut(&mut String)) {
        see(&mut self.message);
        self.subsystem.iter_mut().for_each(&mut see);
        self.level.iter_mut().for_each(&mut see);
        match &mut self.what {
            What::ClosedBeforeConnect(refused) | What::Close(refused) => {
                refused.texts().into_iter().flatten().for_each(see);
            }
            What::Unauthorized { reason: text }
            | What::HandshakeTimeout { phase: text }
            | What::WebchatDisconnected { reason: text, .. }
            | What::SocketError { error: text } => text.iter_mut().for_each(see),
            What::PairingAutoApproved { device: one, role: other }
            | What::Answer { method: one, error_code: other, .. } => {
                one.iter_mut().chain(other).for_each(see);
            }
            What::ProtocolMismatch
            | What::InvalidHandshake
            | What::BuildRejected
            | What::UpgradeRequested
            | What::WebchatConnected
            | What::UnattributableProxy
            | What::NonLocalHost
            | What::ParseError
            | What::Open
            | What::Connect
            | What::Hello
            | What::Unknown => {}
        }
    }
}

impl Refused {
    fn add(&mut self, facts: &Map<String, Value>) {
        let text = |key| string(facts, key);
        self.cause = text("cause").or_else(|| self.cause.take());
        self.detail = text("reason").or_else(|| text("handshakeError"));
        self.auth_reason = text("authReason");
        self.handshake = text("handshake").or_else(|| self.handshake.take());
        self.phase = text("phase").or_else(|| self.phase.take());
        self.request_id = text("requestId");
        self.last_method = text("lastFrameMethod");
        self.duration_ms = facts.get("durationMs").and_then(Value::as_u64).or(self.duration_ms);
    }

    fn texts(&mut self) -> [&mut Option<String>; 8] {
        [
            &mut self.cause,
            &mut self.detail,
            &mut self.auth_reason,
            &mut self.handshake,
            &mut self.phase,
            &mut self.reason,
            &mut self.request_id,
            &mut self.last_method,
        ]
    }
}

fn string(fields: &Map<String, Value>, key: &str) -> Option<String> {
    let text = fields.get(key)?.as_str()?;
    Some(text::cut(text, MESSAGE).to_owned())
}

#[cfg(test)]
mod tests;
