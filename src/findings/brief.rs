//! The few facts of a session that comparisons with other sessions need, small enough to keep
//! beside every verdict.

mod facts;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::session::{Confidence, Kind, Layer, Leg, MethodCalls, Offset, SessionId, Wall, Who};

/// One session in short. Its JSON is not an interface: see [`Brief::read`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
pub struct Brief {
    /// The version of this shape.
    v: u8,
    pub(super) id: SessionId,
    #[serde(rename = "t")]
    pub(super) started: Wall,
    #[serde(rename = "d")]
    pub(super) lasted: Offset,
    #[serde(rename = "o", default, skip_serializing_if = "is_default")]
    pub(super) open: bool,
    #[serde(rename = "k")]
    pub(super) kind: Kind,
    #[serde(rename = "l")]
    pub(super) layer: Layer,
    #[serde(rename = "c")]
    pub(super) cause: String,
    #[serde(rename = "w")]
    pub(super) who: Who,
    #[serde(rename = "s")]
    pub(super) confidence: Confidence,
    #[serde(rename = "f", default, skip_serializing_if = "is_default")]
    pub(super) failed: bool,
    /// The client's address without its port; what a PROXY protocol header says comes first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) client: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) origin: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) host: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) path: Option<String>,
    /// Whether the request told of proxies before us.
    #[serde(rename = "fw", default, skip_serializing_if = "is_default")]
    pub(super) forwarded: bool,
    #[serde(rename = "st", default, skip_serializing_if = "is_default")]
    pub(super) status: Option<u16>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) dial: Option<DialBrief>,
    /// From the request to its answer.
    #[serde(rename = "hs", default, skip_serializing_if = "is_default")]
    pub(super) handshake: Option<Offset>,
    /// When the upgrade was answered with 101.
    #[serde(rename = "up", default, skip_serializing_if = "is_default")]
    pub(super) upgraded: Option<Offset>,
    /// The first thing that ended a leg.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) end: Option<EndBrief>,
    /// The first Close frame.
    #[serde(rename = "cl", default, skip_serializing_if = "is_default")]
    pub(super) close: Option<CloseBrief>,
    /// How long each direction had been silent at the end.
    #[serde(rename = "si", default, skip_serializing_if = "is_default")]
    pub(super) silence: [Option<Offset>; 2],
    /// Pings of each direction, with the median time between two.
    #[serde(rename = "pi", default, skip_serializing_if = "is_default")]
    pub(super) pings: [Option<(u64, Option<Offset>)>; 2],
    /// The largest frame of each direction, by its header.
    #[serde(rename = "la", default, skip_serializing_if = "is_default")]
    pub(super) largest: [u64; 2],
    /// What was declared of a frame that was cut.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) cut: [Option<u64>; 2],
    /// The last sample of each leg.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) tcp: [Option<TcpBrief>; 2],
    #[serde(rename = "cu", default, skip_serializing_if = "is_default")]
    pub(super) culprits: Vec<CulpritBrief>,
    #[serde(rename = "oc", default, skip_serializing_if = "is_default")]
    pub(super) openclaw: Option<Box<OpenClawBrief>>,
}

/// How the upstream was reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DialBrief {
    pub(super) url: String,
    #[serde(rename = "re", default, skip_serializing_if = "is_default")]
    pub(super) resolved: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) peer: Option<String>,
    /// Our address towards the upstream, without its port.
    #[serde(rename = "lo", default, skip_serializing_if = "is_default")]
    pub(super) local: Option<String>,
    #[serde(rename = "ms", default, skip_serializing_if = "is_default")]
    pub(super) connect: Option<Offset>,
    #[serde(rename = "no", default, skip_serializing_if = "is_default")]
    pub(super) failure: Option<String>,
}

/// What ended a leg first, beneath WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EndBrief {
    #[serde(rename = "l")]
    pub(super) leg: Leg,
    #[serde(rename = "h")]
    pub(super) how: How,
    pub(super) at: Offset,
}

/// Endings that comparisons tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    Fin,
    /// FIN inside a frame.
    Cut,
    Reset,
    /// The kernel gave up, or TLS broke.
    Broken,
    /// wstap did it.
    Ours,
}

impl How {
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Fin => "a FIN",
            Self::Cut => "a FIN inside a frame",
            Self::Reset => "a reset",
            Self::Broken => "a broken connection",
            Self::Ours => "wstap's own cut",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CloseBrief {
    #[serde(rename = "l")]
    pub(super) from: Leg,
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    pub(super) code: Option<u16>,
    pub(super) at: Offset,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TcpBrief {
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    pub(super) retransmits: u32,
    #[serde(rename = "m")]
    pub(super) mss: u32,
    #[serde(rename = "u", default, skip_serializing_if = "is_default")]
    pub(super) unacked: u32,
}

/// A known limit that fits the session by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CulpritBrief {
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "d")]
    pub(super) directive: String,
    #[serde(rename = "c")]
    pub(super) clock: String,
    #[serde(rename = "ms")]
    pub(super) limit: Offset,
    /// Whether the answer's headers name it.
    #[serde(rename = "h", default, skip_serializing_if = "is_default")]
    pub(super) named: bool,
}

/// What the opening exchange and the calls said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenClawBrief {
    /// When `connect` was sent.
    #[serde(rename = "co", default, skip_serializing_if = "is_default")]
    pub(super) connect_at: Option<Offset>,
    #[serde(rename = "ci", default, skip_serializing_if = "is_default")]
    pub(super) client_id: Option<String>,
    #[serde(rename = "cm", default, skip_serializing_if = "is_default")]
    pub(super) client_mode: Option<String>,
    #[serde(rename = "cv", default, skip_serializing_if = "is_default")]
    pub(super) client_version: Option<String>,
    #[serde(rename = "de", default, skip_serializing_if = "is_default")]
    pub(super) device: Option<String>,
    #[serde(rename = "ro", default, skip_serializing_if = "is_default")]
    pub(super) role: Option<String>,
    /// Names and fingerprints of the secrets that were sent.
    #[serde(rename = "cr", default, skip_serializing_if = "is_default")]
    pub(super) credentials: Vec<(String, String)>,
    #[serde(rename = "sa", default, skip_serializing_if = "is_default")]
    pub(super) asked: Vec<String>,
    #[serde(rename = "sg", default, skip_serializing_if = "is_default")]
    pub(super) granted: Option<Vec<String>>,
    /// When hello-ok came.
    #[serde(rename = "he", default, skip_serializing_if = "is_default")]
    pub(super) hello_at: Option<Offset>,
    #[serde(rename = "sv", default, skip_serializing_if = "is_default")]
    pub(super) server_version: Option<String>,
    #[serde(rename = "cn", default, skip_serializing_if = "is_default")]
    pub(super) conn: Option<String>,
    #[serde(rename = "ti", default, skip_serializing_if = "is_default")]
    pub(super) tick: Option<Offset>,
    /// `error.details.code` of a refused `connect`, else its code.
    #[serde(rename = "rf", default, skip_serializing_if = "is_default")]
    pub(super) refused: Option<String>,
    #[serde(rename = "rq", default, skip_serializing_if = "is_default")]
    pub(super) request_id: Option<String>,
    #[serde(rename = "ca", default, skip_serializing_if = "is_default")]
    pub(super) calls: Vec<MethodCalls>,
    /// Calls by method that had waited for seconds when the session ended. A client may well leave
    /// without waiting for an answer; not after that long.
    #[serde(rename = "wa", default, skip_serializing_if = "is_default")]
    pub(super) waited: Vec<(String, u64)>,
    /// The newest call, and when.
    #[serde(rename = "lc", default, skip_serializing_if = "is_default")]
    pub(super) last_call: Option<(String, Offset)>,
    /// When the gateway announced its shutdown, or closed with 1012 for it.
    #[serde(rename = "sd", default, skip_serializing_if = "is_default")]
    pub(super) shutdown: Option<Offset>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Brief {
    const VERSION: u8 = 1;

    /// The text that a store keeps.
    pub fn write(&self) -> String {
        // Nothing in here has keys or values that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads such a text; `None` for one of another version, which is to be made again from the
    /// record.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|brief: &Self| brief.v == Self::VERSION)
    }

    pub(super) fn ended(&self) -> Wall {
        self.started.plus(self.lasted)
    }

    /// Whether the upstream answered with 101.
    pub(super) const fn is_upgraded(&self) -> bool {
        self.upgraded.is_some()
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.openclaw.as_ref().is_some_and(|o| o.hello_at.is_some())
    }

    pub(super) fn device(&self) -> Option<&str> {
        self.openclaw.as_ref()?.device.as_deref()
    }

    /// The upstream as it was given.
    pub(super) fn upstream(&self) -> &str {
        self.dial.as_ref().map_or("", |dial| &dial.url)
    }
}
