//! What a running proxy needs to know; made by the command line, never changed afterwards.

use std::path::PathBuf;
use std::time::Duration;

use crate::accept::{ListenSpec, ServerTls, TrustedProxies};
use crate::connect::Dialer;
use crate::observe;
use crate::redact::Redactor;
use crate::store;
use crate::upgrade::Edits;
use crate::verdict::Limits;

/// Everything about one run.
#[derive(Debug)]
pub struct Settings {
    pub routes: Vec<Route>,
    pub store: PathBuf,
    pub store_settings: store::Settings,
    /// The gateway's own log, to be followed into the store.
    pub gateway_log: Option<PathBuf>,
    pub redactor: Redactor,
    pub observe: observe::Settings,
    /// How long sessions may go on after the signal to stop.
    pub drain: Duration,
    /// How long a request head may take from its first byte before its bytes go on unframed.
    pub head_patience: Duration,
    /// TCP keepalive on both legs; off unless asked for, since it hides what it prevents.
    pub keepalive: Option<Duration>,
    /// The idle and lifetime limits that verdicts know.
    pub limits: Limits,
}

/// A listener and where its clients go.
#[derive(Debug)]
pub struct Route {
    pub listen: ListenSpec,
    pub tls: Option<ServerTls>,
    /// Peers whose PROXY protocol header is believed (and demanded).
    pub proxy_protocol: Option<TrustedProxies>,
    pub dialer: Dialer,
    pub edits: Edits,
}
