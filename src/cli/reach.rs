//! The options of every active check: how its target is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::UsageError;
use crate::check::{Reach, Target};
use crate::connect::{ClientTlsSettings, ViaSpec};
use crate::openclaw::GatewayConfig;

#[derive(Debug, Args)]
#[command(next_help_heading = "How it is reached")]
pub(super) struct ReachArgs {
    #[arg(long, value_name = "PROXY")]
    #[arg(
        help = "Go through an HTTP CONNECT or SOCKS5 proxy: http://[user:pw@]host:port, socks5://…"
    )]
    via: Option<ViaSpec>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// Take the certificate with this SHA-256 (hex, with or without colons) and no other
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pin: Option<String>,
    /// Take any certificate, and say what is wrong with it
    #[arg(long)]
    insecure: bool,
    /// Ask for this TLS server name instead of the URL's
    #[arg(long, value_name = "NAME")]
    upstream_name: Option<String>,
    /// Send this Host header instead of the URL's
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Send this header with every request, as 'X-Forwarded-User: me'
    #[arg(long = "header", value_name = "LINE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// How long each dial and each answer may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl ReachArgs {
    pub(super) fn reach(&self) -> Reach {
        let tls = ClientTlsSettings {
            ca: self.upstream_ca.clone(),
            insecure: self.insecure,
            server_name: self.upstream_name.clone(),
            ..ClientTlsSettings::default()
        };
        Reach { via: self.via.clone(), tls, pin: self.pin.clone(), patience: self.timeout }
    }

    pub(super) fn target(&self, url: &str) -> Result<Target, UsageError> {
        let parsed = Target::parse(url, self.host.as_deref());
        let mut target = parsed.map_err(|error| UsageError(error.to_string()))?;
        target.headers.clone_from(&self.headers);
        Ok(target)
    }
}

/// Reads an `openclaw.json`.
pub(super) fn config(path: &Path) -> anyhow::Result<GatewayConfig> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    GatewayConfig::parse(&text, |name| std::env::var(name).ok())
        .with_context(|| format!("cannot use {}", path.display()))
}

/// Starts what a check runs on.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn header(line: &str) -> Result<(String, String), String> {
    let typed = "type a header as 'Name: value'";
    let (name, value) = line.split_once(':').ok_or(typed)?;
    let (name, value) = (name.trim(), value.trim());
    http::HeaderName::try_from(name).map_err(|_| typed)?;
    http::HeaderValue::try_from(value).map_err(|_| typed)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn fingerprint(text: &str) -> Result<String, String> {
    let hex = text.trim_start_matches("sha256:").replace(':', "").to_ascii_lowercase();
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(hex)
    } else {
        Err("a SHA-256 has 64 hex digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_fingerprints_are_checked_as_they_are_typed() {
        assert_eq!(header("X-User: me:too"), Ok(("X-User".to_owned(), "me:too".to_owned())));
        assert!(header("no colon").is_err());
        assert!(header("a b: c").is_err());
        let colons = ["AB"; 32].join(":");
        assert_eq!(fingerprint(&colons), Ok("ab".repeat(32)));
        assert!(fingerprint("ab").is_err());
    }
}
