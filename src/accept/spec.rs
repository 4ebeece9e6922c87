//! Where to listen, as the user writes it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use thiserror::Error;

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenSpec {
    Tcp { addr: SocketAddr, tls: bool },
    Unix(PathBuf),
}

/// What is wrong with it, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListenSpecError {
    #[error(
        "`{text}` names no address; type {port} for loopback only, or 0.0.0.0:{port} to mean \
         every address"
    )]
    EveryAddress { text: String, port: u16 },
    #[error("`{text}` has no port; type for example {text}:18889")]
    NoPort { text: String },
    #[error("`{text}` is a name; listen at an address, for example 127.0.0.1:{port}")]
    Name { text: String, port: u16 },
    #[error("`unix:` needs an absolute path; type for example unix:/run/wstap.sock")]
    UnixPath,
    #[error("TLS over a Unix socket is not offered; type unix:/path or tls://ADDRESS:PORT")]
    UnixTls,
    #[error(
        "`{0}` is no place to listen at; type 127.0.0.1:18889, [::1]:18889, 18889, \
         tls://127.0.0.1:18889 or unix:/path"
    )]
    Unknown(String),
}

impl FromStr for ListenSpec {
    type Err = ListenSpecError;

    fn from_str(text: &str) -> Result<Self, ListenSpecError> {
        let (tls, place) = match text.strip_prefix("tls://") {
            Some(place) => (true, place),
            None => (false, text),
        };
        if let Some(path) = place.strip_prefix("unix:") {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            return match (tls, path.is_absolute()) {
                (true, _) => Err(ListenSpecError::UnixTls),
                (false, false) => Err(ListenSpecError::UnixPath),
                (false, true) => Ok(Self::Unix(path.to_owned())),
            };
        }
        let addr = tcp(place)?;
        Ok(Self::Tcp { addr, tls })
    }
}

fn tcp(place: &str) -> Result<SocketAddr, ListenSpecError> {
    if let Ok(addr) = place.parse() {
        return Ok(addr);
    }
    if let Ok(port) = place.parse() {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    let text = place.to_owned();
    if bare_address(place) {
        return Err(ListenSpecError::NoPort { text });
    }
    match place.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some(("" | "*", Ok(port))) => Err(ListenSpecError::EveryAddress { text, port }),
        Some((host, Ok(port))) if is_name(host) => Err(ListenSpecError::Name { text, port }),
        Some((_, Ok(_) | Err(_))) | None => Err(ListenSpecError::Unknown(text)),
    }
}

fn bare_address(place: &str) -> bool {
    let bracketed = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => place.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
    }
}

fn is_name(host: &str) -> bool {
    host.starts_with(|first: char| first.is_ascii_alphabetic())
        && host.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_'))
}

impl fmt::Display for ListenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { addr, tls: false } => write!(f, "{addr}"),
            Self::Tcp { addr, tls: true } => write!(f, "tls://{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenSpec {
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_alike() {
        for (text, shown) in [
            ("127.0.0.1:18889", "127.0.0.1:18889"),
            ("[::1]:0", "[::1]:0"),
            ("18889", "127.0.0.1:18889"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("tls://8443", "tls://127.0.0.1:8443"),
            ("tls://[::]:8443", "tls://[::]:8443"),
            ("unix:/run/wstap.sock", "unix:/run/wstap.sock"),
        ] {
            assert_eq!(text.parse::<ListenSpec>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_place_says_what_to_type() {
        for (text, hint) in [
            (":18889", "0.0.0.0:18889 to mean every address"),
            ("*:80", "0.0.0.0:80"),
            ("127.0.0.1", "127.0.0.1:18889"),
            ("[::1]", "[::1]:18889"),
            ("localhost:80", "127.0.0.1:80"),
            ("unix:run.sock", "absolute"),
            ("tls://unix:/a", "Unix"),
            ("99999", "tls://127.0.0.1:18889"),
            ("http://127.0.0.1:1", "tls://127.0.0.1:18889"),
            ("", "127.0.0.1:18889"),
        ] {
            let said = text.parse::<ListenSpec>().unwrap_err().to_string();
            assert!(said.contains(hint), "{text}: {said}");
        }
    }
}
