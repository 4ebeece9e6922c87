//! What TLS said on one leg.

use serde::{Deserialize, Serialize};

use super::{Offset, Wall};

/// Facts of a TLS connection, after its handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: Option<String>,
    /// IANA name, as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    pub alpn: Option<String>,
    /// The server name the client of this leg asked for.
    pub sni: Option<String>,
    /// What the peer proved itself with; our own certificate on the client's leg.
    pub certificate: Option<Certificate>,
    /// Subjects of the certificates that the peer sent behind its own, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// False when `--insecure` let an unverified certificate pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// What verification would have said, when it was not required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_error: Option<String>,
    pub handshake_ms: Offset,
}

/// An X.509 certificate, by what an operator compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// DNS names and addresses that it is made out to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    pub not_after: Option<Wall>,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: String,
}

/// How TLS ended on a leg (RFC 8446 §6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsEnd {
    /// `close_notify` came.
    CloseNotify,
    /// TCP ended without `close_notify`.
    Truncated,
    /// A fatal alert came, by its name.
    Alert(String),
    /// The bytes were not valid TLS; the reason.
    Broken(String),
}

/// TLS records on one leg and one direction, counted beneath TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsRecords {
    pub records: u64,
    /// Bytes of the records' bodies, without their five-byte headers.
    pub bytes: u64,
    pub largest: u16,
    /// Records that are handshake, alert or change-cipher-spec by their outer type.
    pub non_application: u64,
}
