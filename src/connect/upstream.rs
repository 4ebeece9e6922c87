//! What is dialled, as the user writes it: a URL or a Unix socket.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    str::FromStr,
};

use http::Uri;
use thiserror::Error;

/// A place to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub(super) place: Place,
    pub(super) tls: bool,
    shown: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name or an address without brackets, and a port.
    Host(String, u16),
    Unix(PathBuf),
}

/// What is wrong with an upstream, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UpstreamError {
    #[error("`{0}` is not a URL; type for example ws://127.0.0.1:18789")]
    NotAUrl(String),
    #[error("`{0}` has no scheme; type ws://{0} (or wss://{0} for TLS)")]
    NoScheme(String),
    #[error("`{0}:` cannot be dialled; type ws://, wss://, http://, https:// or unix:/path")]
    Scheme(String),
    #[error("the URL holds credentials; leave them out: the client's own headers are forwarded")]
    Credentials,
    #[error(
        "the URL has the path `{path}`; leave it out ({without}): the client's own request target \
         is forwarded unchanged"
    )]
    Path { path: String, without: String },
    #[error("`unix:` needs an absolute path; type for example unix:/run/gateway.sock")]
    UnixPath,
}

/// A URL that was typed, less its query.
fn shown(text: &str) -> String {
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            if !path.is_absolute() {
                return Err(UpstreamError::UnixPath);
            }
            let shown = format!("unix:{}", path.display());
            return Ok(Self { place: Place::Unix(path.to_owned()), tls: false, shown });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            // What is typed so may be `user:password@host`, and errors are kept in logs.
            return Err(if text.contains('@') {
                UpstreamError::Credentials
            } else {
                UpstreamError::NoScheme(shown(text))
            });
        };
        let scheme = scheme.to_ascii_lowercase();
        let tls = match scheme.as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(UpstreamError::Scheme(scheme)),
        };
        if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(UpstreamError::Credentials);
        }
        let not_a_url = || UpstreamError::NotAUrl(shown(text));
        let uri: Uri = text.parse().map_err(|_| not_a_url())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(not_a_url)?;
        let has_port = uri.authority().is_some_and(|all| all.as_str().len() > host.len());
        let port = match uri.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => default_port(tls),
            Some(_) | None => return Err(not_a_url()),
        };
        let shown = match uri.port() {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        if !matches!(path, "" | "/") {
            // A query may carry a token, which an error message must not repeat.
            let path = uri.path().to_owned() + if uri.query().is_some() { "?…" } else { "" };
            return Err(UpstreamError::Path { path, without: shown });
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { place: Place::Host(host, port), tls, shown })
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Upstream {
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Name or address without brackets; nothing for Unix sockets.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Host(host, _) => Some(host),
            Place::Unix(_) => None,
        }
    }

    pub const fn port(&self) -> Option<u16> {
        match self.place {
            Place::Host(_, port) => Some(port),
            Place::Unix(_) => None,
        }
    }

    /// Whether it is on this machine, as far as its spelling tells.
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Host(host, _) => {
                is_localhost(host)
                    || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
            }
        }
    }

    /// Whether dialling it would end at a listener of ours bound to `listener`. A name other than
    /// `localhost` is not resolved for it.
    pub fn reaches(&self, listener: SocketAddr) -> bool {
        let Place::Host(host, port) = &self.place else {
            return false;
        };
        if *port != listener.port() {
            return false;
        }
        let ours = listener.ip().to_canonical();
        let dialled = match host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical(),
            Err(_) if is_localhost(host) => {
                return ours.is_loopback() || ours.is_unspecified();
            }
            Err(_) => return false,
        };
        // Dialling 0.0.0.0 or [::] connects to loopback on Linux.
        let dialled_here = dialled.is_loopback() || dialled.is_unspecified();
        dialled == ours
            || (dialled.is_unspecified() && ours.is_loopback())
            || (ours.is_unspecified() && (dialled_here || is_own_address(dialled)))
    }

    /// The same for a listener on a Unix socket.
    pub fn reaches_path(&self, listener: &Path) -> bool {
        match &self.place {
            Place::Host(..) => false,
            Place::Unix(path) => path == listener || same_file(path, listener),
        }
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
}

/// Only an address of this machine can be bound to.
fn is_own_address(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Upstream {
        text.parse().unwrap()
    }

    #[test]
    fn urls_have_the_ports_of_urls() {
        let places = [
            ("ws://127.0.0.1:18789", ("127.0.0.1", 18789, false)),
            ("ws://gateway", ("gateway", 80, false)),
            ("wss://gateway/", ("gateway", 443, true)),
            ("HTTPS://[::1]:8443", ("::1", 8443, true)),
            ("http://[::1]", ("::1", 80, false)),
        ];
        for (text, (host, port, tls)) in places {
            let upstream = parsed(text);
            assert_eq!(upstream.place, Place::Host(host.to_owned(), port), "{text}");
            assert_eq!(upstream.is_tls(), tls, "{text}");
        }
        assert_eq!(parsed("unix:/run/a.sock").place, Place::Unix("/run/a.sock".into()));
        assert_eq!(parsed("unix:///run/a.sock").to_string(), "unix:/run/a.sock");
        assert_eq!(parsed("wss://gateway/").to_string(), "wss://gateway");
    }

    #[test]
    fn what_cannot_be_dialled_says_what_to_type() {
        let hints = [
            ("gateway:18789", "type ws://gateway:18789"),
            ("ftp://gateway", "ws://, wss://, http://, https:// or unix:/path"),
            ("ws://user:secret@gateway", "leave them out"),
            ("ws://gateway/socket", "(ws://gateway)"),
            ("ws://gateway?token=secret", "`/?…`"),
            ("ws://gateway:99999", "not a URL"),
            ("ws://gateway:0", "not a URL"),
            ("ws://", "not a URL"),
            ("unix:relative", "unix:/run/gateway.sock"),
        ];
        for (text, hint) in hints {
            let said = text.parse::<Upstream>().unwrap_err().to_string();
            assert!(said.contains(hint), "{text}: {said}");
            assert!(!said.contains("secret"), "{text}: {said}");
        }
    }

    #[test]
    fn our_own_listeners_are_recognised() {
        let yes = [
            ("ws://127.0.0.1:7", "127.0.0.1:7"),
            ("ws://localhost:7", "127.0.0.1:7"),
            ("ws://localhost:7", "[::1]:7"),
            ("ws://127.0.0.1:7", "0.0.0.0:7"),
            ("ws://127.0.0.1:7", "[::]:7"),
            ("ws://0.0.0.0:7", "127.0.0.1:7"),
            ("ws://[::ffff:127.0.0.1]:7", "127.0.0.1:7"),
        ];
        for (url, listener) in yes {
            assert!(parsed(url).reaches(listener.parse().unwrap()), "{url} {listener}");
        }
        let no = [
            ("ws://127.0.0.1:8", "127.0.0.1:7"),
            ("ws://127.0.0.2:7", "127.0.0.1:7"),
            ("ws://192.0.2.1:7", "0.0.0.0:7"),
            ("ws://gateway:7", "127.0.0.1:7"),
        ];
        for (url, listener) in no {
            assert!(!parsed(url).reaches(listener.parse().unwrap()), "{url} {listener}");
        }
    }

    #[test]
    fn a_listening_path_is_recognised_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&real).unwrap();
        let link = dir.path().join("link.sock");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let upstream = parsed(&format!("unix:{}", link.display()));
        assert!(upstream.reaches_path(&real));
        assert!(!upstream.reaches_path(&dir.path().join("other.sock")));
    }
}
