//! What the opening exchange of an OpenClaw gateway said: facts taken from its three frames.
//! Secrets are fingerprints here, never values.

use serde::{Deserialize, Serialize};

/// The client's `connect` request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectFacts {
    pub min_protocol: Option<u64>,
    pub max_protocol: Option<u64>,
    pub client_id: Option<String>,
    pub client_mode: Option<String>,
    pub client_version: Option<String>,
    pub platform: Option<String>,
    pub role: Option<String>,
    pub scopes: Vec<String>,
    /// Which of token, password, deviceToken, bootstrapToken, … were sent.
    pub credentials: Vec<Credential>,
    /// `device.id`, when a device block came along.
    pub device_id: Option<String>,
}

/// One secret of `connect.params.auth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub name: String,
    pub len: usize,
    pub fingerprint: String,
}

/// The gateway's `hello-ok`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloFacts {
    pub protocol: Option<u64>,
    pub server_version: Option<String>,
    /// The connection's name in the gateway's own log.
    pub conn_id: Option<String>,
    /// `token`, `password`, `device-token`, `trusted-proxy`, `none`, …; absent from old gateways.
    pub auth_method: Option<String>,
    pub role: Option<String>,
    /// Granted scopes; may be empty.
    pub scopes: Option<Vec<String>>,
    pub max_payload: Option<u64>,
    pub tick_interval_ms: Option<u64>,
}

/// The gateway's refusal of `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalFacts {
    pub code: Option<String>,
    pub message: Option<String>,
    /// `error.details.code`, the one to decide by.
    pub detail_code: Option<String>,
    /// `error.details` without secrets.
    pub details: Option<serde_json::Value>,
    pub retryable: Option<bool>,
    pub retry_after_ms: Option<u64>,
}
