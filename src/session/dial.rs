//! How the upstream was reached, or was not: every address tried, with times.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Offset;

/// One dial of the upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dial {
    /// The upstream as given, without credentials.
    pub url: String,
    /// All answers of name resolution, in their order; empty for Unix sockets.
    pub resolved: Vec<IpAddr>,
    pub resolve_ms: Option<Offset>,
    /// Each address that was tried, in the order of starting.
    pub attempts: Vec<Attempt>,
    pub connect_ms: Option<Offset>,
    /// The address that answered.
    pub peer: Option<String>,
    /// Our own address on the upstream leg. Its port is the gateway's `remotePort`.
    pub local: Option<String>,
    pub via: Option<Via>,
    pub failure: Option<DialFailure>,
}

/// One address tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub addr: SocketAddr,
    /// When it was started, since the dial began.
    pub started_ms: Offset,
    pub took_ms: Option<Offset>,
    /// `ECONNREFUSED`, `ETIMEDOUT`, …; absent when it connected or was given up for another one.
    pub error: Option<String>,
}

/// A proxy between us and the upstream. Its own answer is never taken for the gateway's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// `http_connect` or `socks5`.
    pub protocol: String,
    /// Address of the proxy, without credentials.
    pub proxy: String,
    /// What it was asked to reach.
    pub target: String,
    /// Its HTTP status, or the SOCKS reply code (RFC 1928 §6).
    pub status: Option<u16>,
}

/// Which step of the dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialStep {
    Resolve,
    Connect,
    Via,
    Tls,
}

/// Why the upstream could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialFailure {
    pub step: DialStep,
    /// A word to match on: `refused`, `timeout`, `no_such_host`, `unreachable`, `reset`,
    /// `certificate`, `tls`, `via_refused`, `no_such_file`, `permission`, `other`.
    pub cause: String,
    /// One sentence for people.
    pub detail: String,
    pub timed_out: bool,
}
