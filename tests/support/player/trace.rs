//! The recorded trace as it lies on disk.

use serde::Deserialize;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::{fs, io};

/// One of the two ends the player is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Gateway,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Gateway,
            Self::Gateway => Self::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) label: Label,
    pub(super) sessions: Vec<Session>,
}

/// What the recorded failure was.
#[derive(Debug, Deserialize)]
pub(crate) struct Label {
    pub(crate) layer: String,
    pub(crate) cause: String,
}

impl Trace {
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    /// Indexes of the sessions whose bytes were recorded.
    pub(crate) fn playable(&self) -> Vec<usize> {
        (0..self.sessions.len())
            .filter(|&index| self.sessions[index].kind != Kind::TlsOpaque)
            .collect()
    }

    pub(crate) fn expected_layer(&self, session: usize) -> &str {
        &self.sessions[session].expected_layer
    }

    pub(super) fn seed(&self, session: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.name, session).hash(&mut hasher);
        hasher.finish()
    }
}

/// The session the label is about: the first playable one of the label's layer, a WebSocket one before any other.
pub(crate) fn main_session(trace: &Trace) -> Option<usize> {
    let mut fitting = trace.playable();
    fitting.retain(|&index| trace.expected_layer(index) == trace.label.layer);
    fitting
        .iter()
        .copied()
        .find(|&index| trace.sessions[index].kind == Kind::Websocket)
        .or_else(|| fitting.first().copied())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Websocket,
    Http,
    TcpOnly,
    TlsOpaque,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) started_at_ms: f64,
    pub(super) kind: Kind,
    expected_layer: String,
    pub(super) tcp: Vec<TcpEvent>,
    pub(super) request: Option<Head>,
    pub(super) response: Option<Head>,
    pub(super) frames: Vec<Frame>,
    pub(super) raw_bytes: RawBytes,
    #[serde(rename = "truncatedC2S")]
    pub(super) truncated_c2s: Option<CutFrame>,
    #[serde(rename = "truncatedS2C")]
    pub(super) truncated_s2c: Option<CutFrame>,
}

impl Session {
    pub(super) fn last_ms(&self) -> f64 {
        let events = self.tcp.iter().map(|event| event.t);
        self.started_at_ms
            + events.chain(self.frames.iter().map(|frame| frame.t)).fold(0.0, f64::max)
    }

    /// Whether frames follow the heads.
    pub(super) fn is_upgraded(&self) -> bool {
        self.response.as_ref().is_some_and(Head::is_switching)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct TcpEvent {
    pub(super) t: f64,
    side: String,
    pub(super) event: String,
    pub(super) code: Option<String>,
}

impl TcpEvent {
    pub(super) fn side(&self) -> Side {
        if self.side == "client" { Side::Client } else { Side::Gateway }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) t: f64,
    pub(super) start_line: Option<String>,
    #[serde(default)]
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

impl Head {
    pub(super) fn is_switching(&self) -> bool {
        self.start_line.as_ref().is_some_and(|line| format!("{line} ").contains(" 101 "))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RawBytes {
    pub(super) s2c: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    pub(super) t: f64,
    pub(super) dir: String,
    pub(super) opcode: u8,
    #[serde(rename = "type")]
    pub(super) name: String,
    pub(super) fin: bool,
    pub(super) rsv: u8,
    pub(super) masked: bool,
    pub(super) len: usize,
    pub(super) text: Option<String>,
    pub(super) hex: Option<String>,
    pub(super) close: Option<Close>,
    pub(super) forwarded: Option<bool>,
}

impl Frame {
    pub(super) fn side(&self) -> Side {
        if self.dir == "c2s" { Side::Client } else { Side::Gateway }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Close {
    pub(super) code: Option<u16>,
    pub(super) reason: String,
}

/// A frame the recorded connection ended in the middle of.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct CutFrame {
    pub(super) opcode: u8,
    pub(super) len: usize,
    /// Bytes that came, header included.
    pub(super) have: usize,
}
