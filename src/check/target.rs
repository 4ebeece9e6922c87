//! What is checked: an upstream, and what is asked of it.

use std::time::Duration;

use thiserror::Error;

use crate::connect::{
    ClientTlsSettings, DialSettings, Dialer, DialerError, Upstream, UpstreamError, ViaSpec,
};

/// A place, a path there, and the Host header that goes with it.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) upstream: Upstream,
    /// Path and query.
    pub(super) path: String,
    pub(super) host: String,
    /// More headers of every request, such as those of an authenticating proxy.
    pub headers: Vec<(String, String)>,
}

/// How a target is to be reached.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    pub via: Option<ViaSpec>,
    pub tls: ClientTlsSettings,
    /// SHA-256 of the certificate to take, in lower-case hex, whoever issued it.
    pub pin: Option<String>,
    /// For each dial and each answer.
    pub patience: Duration,
}

/// Why nothing can be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Dialer(#[from] DialerError),
}

impl Target {
    /// `host` replaces the URL's own in the Host header.
    pub fn parse(url: &str, host: Option<&str>) -> Result<Self, UpstreamError> {
        let (place, path) = split_path(url);
        let upstream: Upstream = place.parse()?;
        let own = || match (upstream.host(), place.split_once("://")) {
            (Some(_), Some((_, authority))) => authority.to_owned(),
            (Some(_) | None, _) => "localhost".to_owned(),
        };
        let host = host.map_or_else(own, str::to_owned);
        Ok(Self { upstream, path: path.to_owned(), host, headers: Vec::new() })
    }

    /// The same place with TLS if it is without, and without if it is with; none for sockets.
    pub(super) fn swapped(&self) -> Option<Upstream> {
        let authority = self.authority()?;
        let other = if self.upstream.is_tls() { "ws" } else { "wss" };
        let port = self.upstream.port()?;
        let with_port = authority.ends_with(&format!(":{port}"));
        let url = if with_port {
            format!("{other}://{authority}")
        } else {
            format!("{other}://{authority}:{port}")
        };
        url.parse().ok()
    }

    /// Host and port as a browser shows them.
    pub(super) fn authority(&self) -> Option<String> {
        let shown = self.upstream.to_string();
        shown.split_once("://").map(|(_, authority)| authority.to_owned())
    }

    /// The lines of the additional headers.
    pub(super) fn header_lines(&self) -> String {
        self.headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect()
    }

    pub fn shown(&self) -> String {
        let path = if self.path == "/" { "" } else { self.path.as_str() };
        // A query may carry a token.
        match path.split_once('?') {
            Some((path, _)) => format!("{}{path}?…", self.upstream),
            None => format!("{}{path}", self.upstream),
        }
    }
}

impl Reach {
    pub(super) fn dialer(&self, upstream: &Upstream) -> Result<Dialer, DialerError> {
        let mut tls = self.tls.clone();
        // A pinned certificate is compared after the handshake, before anything is said.
        tls.insecure |= self.pin.is_some();
        let settings = DialSettings {
            via: self.via.clone(),
            tls,
            connect_timeout: self.patience,
            keepalive: None,
        };
        Dialer::new(upstream.clone(), settings)
    }
}

/// The URL up to its path, and the path with its query.
fn split_path(url: &str) -> (&str, &str) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url, "/") };
    if scheme.eq_ignore_ascii_case("unix") {
        return (url, "/");
    }
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let place = &url[..scheme.len() + 3 + end];
    match &rest[end..] {
        "" => (place, "/"),
        path => (place, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place_and_a_path() {
        let rows = [
            ("ws://a:7", "/", "a:7", "ws://a:7"),
            ("ws://a:7/x?token=s#f", "/x?token=s", "a:7", "ws://a:7/x?…"),
            ("wss://[::1]/x", "/x", "[::1]", "wss://[::1]/x"),
            ("unix:/run/x.sock", "/", "localhost", "unix:/run/x.sock"),
        ];
        for (url, path, host, shown) in rows {
            let target = Target::parse(url, None).unwrap();
            assert_eq!((&*target.path, &*target.host), (path, host), "{url}");
            assert_eq!(target.shown(), shown);
        }
        let target = Target::parse("wss://a/x", Some("b")).unwrap();
        assert_eq!(
            (&*target.host, target.swapped().unwrap().to_string()),
            ("b", "ws://a:443".into())
        );
        assert!(Target::parse("a:7", None).is_err());
    }
}
