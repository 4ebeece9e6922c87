//! The options of `wstap proxy`, and their way into settings.
#![expect(clippy::doc_markdown, reason = "these comments are the help text")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use super::fingerprint_key::fingerprint_key;
use crate::accept::{ListenSpec, ServerTls, TrustedProxies};
use crate::authority::Authority;
use crate::cli::UsageError;
use crate::cli::judging::LimitsFile;
use crate::cli::store_path::{StorePath, state_folder};
use crate::connect::{ClientTlsSettings, DialSettings, Dialer, Upstream, ViaSpec};
use crate::observe::{self, Capture};
use crate::proxy::{LogFormat, Route, Settings};
use crate::redact::Redactor;
use crate::store;
use crate::upgrade::{Edit, Edits, Forwarded};
use crate::verdict::Limits;

/// Where OpenClaw's gateway listens unless its config says otherwise.
const GATEWAY: &str = "ws://127.0.0.1:18789";

/// Beside it, so that one environment variable leads a client through the tap.
const LISTEN: &str = "127.0.0.1:18889";

/// Relay between clients and a gateway, and record every session
#[derive(Debug, Args)]
pub(in crate::cli) struct ProxyArgs {
    /// Where to listen: ADDR:PORT, PORT (loopback), tls://ADDR:PORT or unix:/path. Repeatable
    #[arg(long, value_name = "ADDR", default_value = LISTEN)]
    listen: Vec<ListenSpec>,
    /// What to dial: ws://, wss://, http://, https:// or unix:/path. Once for all listeners, or
    /// once for each [default: $OPENCLAW_GATEWAY_URL, else ws://127.0.0.1:18789]
    #[arg(long, value_name = "URL")]
    upstream: Vec<Upstream>,
    #[command(flatten)]
    store: StorePath,
    /// The log file of an OpenClaw gateway (its logging.file), to be followed: `wstap show` has
    /// its lines beside each session
    #[arg(long, value_name = "FILE")]
    gateway_log: Option<PathBuf>,
    /// Delete finished sessions older than this, as 14d or 12h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    keep_for: Option<Duration>,
    /// Delete the oldest finished sessions when the store is larger than this
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    keep_size: ByteSize,
    /// Which payload text to keep, redacted
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    capture: CaptureArg,
    /// How much of each message to keep
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    capture_limit: ByteSize,
    /// Keep tokens, passwords and cookies as they are. They will be in the store in clear
    #[arg(long)]
    pub(super) no_redact: bool,
    /// How lines on stderr look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) log_format: LogFormatArg,
    /// No lines per session; only where it listens
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// How long sessions may go on after SIGTERM before they are cut
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    drain: Duration,
    #[command(flatten)]
    limits: LimitsFile,
    #[command(flatten)]
    heads: HeadArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    dial: DialArgs,
}

/// What may be changed on the way. By default nothing is
#[derive(Debug, Args)]
#[command(next_help_heading = "Changing request heads (recorded as changed)")]
struct HeadArgs {
    /// Set a request header, as "Name: value". Repeatable
    #[arg(long, value_name = "HEADER")]
    set_header: Vec<Edit>,
    /// Remove a request header. Repeatable
    #[arg(long, value_name = "NAME", value_parser = Edit::removal)]
    remove_header: Vec<Edit>,
    /// Tell the upstream of the client's address in X-Forwarded-For, -Proto and -Host
    #[arg(long, value_enum, value_name = "HOW")]
    forwarded: Option<ForwardedArg>,
    /// Read PROXY protocol v1 or v2 headers from these peers, as 10.0.0.0/8,127.0.0.1
    #[arg(long, value_name = "NETWORKS")]
    proxy_protocol_from: Option<TrustedProxies>,
    /// How long a request head may take before its bytes go on as they are
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    head_timeout: Duration,
}

/// TLS towards clients
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS with clients")]
struct TlsArgs {
    /// Certificate chain (PEM) for listeners; they are TLS then
    #[arg(long = "tls-cert", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key (PEM). Both are read again on SIGHUP
    #[arg(long = "tls-key", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Name or address in certificates of the local authority, which tls:// listeners without
    /// --tls-cert get; see `wstap cert`. Repeatable
    #[arg(
        long = "tls-name",
        value_name = "NAME",
        default_values = ["localhost", "127.0.0.1", "::1"]
    )]
    names: Vec<String>,
}

/// How the upstream is dialled
#[derive(Debug, Args)]
#[command(next_help_heading = "Dialling the upstream")]
struct DialArgs {
    /// Dial through a proxy: http://HOST:PORT (CONNECT) or socks5://HOST:PORT
    #[arg(long, value_name = "URL")]
    via: Option<ViaSpec>,
    /// Certificates (PEM) to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// Go on when the upstream's certificate does not verify, and record why it does not
    #[arg(long)]
    insecure: bool,
    /// Server name to ask for and to verify instead of the URL's
    #[arg(long, value_name = "NAME")]
    upstream_name: Option<String>,
    /// Client certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// How long a dial may take, from the name to the end of TLS
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,
    /// TCP keepalive on both legs. It hides idle time-outs, so it is off unless asked for
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    tcp_keepalive: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum CaptureArg {
    None,
    /// The opening exchange
    #[default]
    Handshake,
    /// Every text message
    Text,
    /// Every message
    All,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum LogFormatArg {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ForwardedArg {
    /// Add to what the client sent
    Append,
    /// Replace what the client sent
    Replace,
}

impl From<LogFormatArg> for LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}

impl From<CaptureArg> for Capture {
    fn from(capture: CaptureArg) -> Self {
        match capture {
            CaptureArg::None => Self::None,
            CaptureArg::Handshake => Self::Handshake,
            CaptureArg::Text => Self::Text,
            CaptureArg::All => Self::All,
        }
    }
}

impl From<ForwardedArg> for Forwarded {
    fn from(forwarded: ForwardedArg) -> Self {
        match forwarded {
            ForwardedArg::Append => Self::Append,
            ForwardedArg::Replace => Self::Replace,
        }
    }
}

impl ProxyArgs {
    /// Checks what was typed and makes the settings of it.
    pub(super) fn settings(self) -> anyhow::Result<Settings> {
        let state = state_folder();
        let key = fingerprint_key(state)?;
        let routes = self.routes()?;
        let message_limit = usize::try_from(self.capture_limit.as_u64()).unwrap_or(usize::MAX);
        Ok(Settings {
            routes,
            store: self.store.path()?,
            store_settings: store::Settings {
                retention: store::Retention {
                    max_age: self.keep_for,
                    max_bytes: Some(self.keep_size.as_u64()),
                },
                ..store::Settings::default()
            },
            gateway_log: self.gateway_log,
            redactor: Redactor::new(key, !self.no_redact),
            observe: observe::Settings { capture: self.capture.into(), message_limit },
            drain: self.drain,
            head_patience: self.heads.head_timeout,
            keepalive: self.dial.tcp_keepalive,
            limits: self.limits.read()?.unwrap_or_else(|| Limits::standard().clone()),
        })
    }

    fn routes(&self) -> anyhow::Result<Vec<Route>> {
        let upstreams = self.upstreams()?;
        let any_tls = self.listen.iter().any(ListenSpec::is_tls);
        let mut routes = Vec::new();
        for (listen, upstream) in self.listen.iter().zip(upstreams) {
            // A certificate without any tls:// listener means: all of them.
            let listen = match listen {
                ListenSpec::Tcp { addr, .. } if self.tls.cert.is_some() && !any_tls => {
                    ListenSpec::Tcp { addr: *addr, tls: true }
                }
                listen => listen.clone(),
            };
            routes.push(Route {
                tls: listen.is_tls().then(|| self.tls.server()).transpose()?,
                listen,
                proxy_protocol: self.heads.proxy_protocol_from.clone(),
                dialer: self.dial.dialer(upstream)?,
                edits: self.heads.edits(),
            });
        }
        Ok(routes)
    }

    /// One upstream for each listener.
    fn upstreams(&self) -> anyhow::Result<Vec<Upstream>> {
        let (listeners, given) = (self.listen.len(), self.upstream.len());
        match given {
            0 => {
                let url = std::env::var("OPENCLAW_GATEWAY_URL").ok().filter(|url| !url.is_empty());
                let upstream = url
                    .as_deref()
                    .unwrap_or(GATEWAY)
                    .parse()
                    .map_err(|error| UsageError(format!("OPENCLAW_GATEWAY_URL: {error}")));
                Ok(vec![upstream?; listeners])
            }
            1 => Ok(self.upstream.iter().cycle().take(listeners).cloned().collect()),
            same if same == listeners => Ok(self.upstream.clone()),
            _ => Err(UsageError(format!(
                "{listeners} --listen and {given} --upstream do not pair: give one --upstream for \
                 all, or one for each --listen in the same order"
            ))
            .into()),
        }
    }
}

impl HeadArgs {
    fn edits(&self) -> Edits {
        let edits = self.set_header.iter().chain(&self.remove_header).cloned().collect();
        Edits { edits, forwarded: self.forwarded.map(Forwarded::from) }
    }
}

impl TlsArgs {
    fn server(&self) -> anyhow::Result<ServerTls> {
        if let (Some(chain), Some(key)) = (&self.cert, &self.key) {
            return Ok(ServerTls::from_files(chain, key, key_log())?);
        }
        let authority = Authority::open_or_create(&state_folder()?)
            .context("the local certificate authority; see `wstap cert`")?;
        Ok(ServerTls::minted(Arc::new(authority), self.names.clone(), key_log())?)
    }
}

impl DialArgs {
    fn dialer(&self, upstream: Upstream) -> anyhow::Result<Dialer> {
        let certificate = self.client_cert.clone().zip(self.client_key.clone());
        let settings = DialSettings {
            via: self.via.clone(),
            tls: ClientTlsSettings {
                ca: self.upstream_ca.clone(),
                insecure: self.insecure,
                server_name: self.upstream_name.clone(),
                certificate,
                key_log: key_log(),
            },
            connect_timeout: self.connect_timeout,
            keepalive: self.tcp_keepalive,
        };
        Ok(Dialer::new(upstream, settings)?)
    }
}

/// Whether session keys are to be written where the environment says.
fn key_log() -> bool {
    std::env::var_os("SSLKEYLOGFILE").is_some_and(|file| !file.is_empty())
}
