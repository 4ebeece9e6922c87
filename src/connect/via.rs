//! A proxy between us and the upstream: how it is written, and how it is asked for a tunnel.

mod http_connect;
mod socks5;

use std::{fmt, str::FromStr};

use http::Uri;
use thiserror::Error;

use super::causes::failure;
use crate::{
    session::{DialFailure, DialStep, Via},
    socket::{Raw, errno_name},
};

/// A proxy to dial through.
#[derive(Clone, PartialEq, Eq)]
pub struct ViaSpec {
    pub(super) protocol: Protocol,
    pub(super) host: String,
    pub(super) port: u16,
    credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    HttpConnect,
    Socks5,
}

/// Has no `Debug`, so that it is never printed.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: String,
    password: String,
}

/// What is wrong with a proxy's URL. It never repeats the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ViaError {
    #[error("a proxy is typed as http://[user:password@]host:port or socks5://host:port")]
    NotAUrl,
    #[error("only http:// and socks5:// proxies can be dialled through")]
    Scheme,
    #[error("user name and password of a SOCKS5 proxy are 1 to 255 bytes each (RFC 1929)")]
    Credentials,
    #[error("a proxy cannot lead to a Unix socket; leave the proxy out")]
    UnixUpstream,
}

impl FromStr for ViaSpec {
    type Err = ViaError;

    fn from_str(text: &str) -> Result<Self, ViaError> {
        let (scheme, rest) = text.split_once("://").ok_or(ViaError::NotAUrl)?;
        let (protocol, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Protocol::HttpConnect, 80),
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            _ => return Err(ViaError::Scheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        let uri: Uri = format!("http://{place}").parse().map_err(|_| ViaError::NotAUrl)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ViaError::NotAUrl)?;
        if place.contains(['/', '?', '#']) || (place.len() > host.len() && uri.port().is_none()) {
            return Err(ViaError::NotAUrl);
        }
        let credentials = userinfo.map(Credentials::of).transpose()?;
        if protocol == Protocol::Socks5
            && credentials.as_ref().is_some_and(|credentials| !credentials.fit_socks())
        {
            return Err(ViaError::Credentials);
        }
        Ok(Self {
            protocol,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
            credentials,
        })
    }
}

impl Credentials {
    fn of(userinfo: &str) -> Result<Self, ViaError> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        Ok(Self { user: decoded(user)?, password: decoded(password)? })
    }

    fn fit_socks(&self) -> bool {
        [&self.user, &self.password].iter().all(|part| (1..=255).contains(&part.len()))
    }
}

/// Percent-decoding of RFC 3986 §2.1.
fn decoded(text: &str) -> Result<String, ViaError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(ViaError::NotAUrl)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| ViaError::NotAUrl)
}

impl fmt::Display for ViaSpec {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::HttpConnect => "http",
            Protocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", authority(&self.host, self.port))
    }
}

impl fmt::Debug for ViaSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViaSpec({self})")
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl ViaSpec {
    /// The record of a tunnel that nobody has answered yet.
    pub(super) fn record(&self, host: &str, port: u16) -> Via {
        let protocol = match self.protocol {
            Protocol::HttpConnect => "http_connect",
            Protocol::Socks5 => "socks5",
        };
        Via {
            protocol: protocol.to_owned(),
            proxy: authority(&self.host, self.port),
            target: authority(host, port),
            status: None,
        }
    }

    /// Asks for a tunnel to the target and writes what the proxy said to `status`.
    pub(super) async fn tunnel(
        &self,
        raw: &mut Raw,
        (host, port): (&str, u16),
        status: &mut Option<u16>,
    ) -> Result<(), DialFailure> {
        let proxy = authority(&self.host, self.port);
        let target = authority(host, port);
        let credentials = self.credentials.as_ref();
        let answer = match self.protocol {
            Protocol::HttpConnect => http_connect::ask(raw, &target, credentials, status).await,
            Protocol::Socks5 => socks5::ask(raw, (host, port), credentials, status).await,
        };
        answer.map_err(|refusal| refusal.into_failure(&proxy, &target))
    }
}

/// Why there is no tunnel.
#[derive(Debug)]
enum Refusal {
    /// The proxy said no, in its words.
    Answered(String),
    /// It said something that is not of its protocol.
    NotTheProtocol(&'static str),
    Closed,
    Io(std::io::Error),
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return Self::Closed;
        }
        Self::Io(error)
    }
}

impl Refusal {
    fn into_failure(self, proxy: &str, target: &str) -> DialFailure {
        let step = DialStep::Via;
        match self {
            Self::Answered(words) => {
                let detail = format!("the proxy {proxy} refused a tunnel to {target}: {words}");
                failure(step, "via_refused", detail)
            }
            Self::NotTheProtocol(what) => {
                failure(step, "via_refused", format!("the proxy {proxy} {what}"))
            }
            Self::Closed => {
                let detail =
                    format!("the proxy {proxy} closed the connection when asked for {target}");
                failure(step, "via_refused", detail)
            }
            Self::Io(error) => {
                let detail = format!("the proxy {proxy} failed: {}", errno_name(&error));
                failure(step, super::causes::cause_of(&error), detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_their_passwords_never_printed() {
        let via: ViaSpec = "http://me:p%40ss@proxy:3128".parse().unwrap();
        assert_eq!((via.host.as_str(), via.port), ("proxy", 3128));
        assert_eq!(via.credentials.as_ref().unwrap().password, "p@ss");
        assert_eq!(via.to_string(), "http://proxy:3128");
        assert!(!format!("{via:?}").contains("ss"));
        let via: ViaSpec = "socks5://[::1]".parse().unwrap();
        assert_eq!((via.host.as_str(), via.port), ("::1", 1080));
        assert_eq!(via.to_string(), "socks5://[::1]:1080");
    }

    #[test]
    fn what_is_no_proxy_says_what_to_type() {
        for (text, error) in [
            ("proxy:3128", ViaError::NotAUrl),
            ("https://proxy:3128", ViaError::Scheme),
            ("http://proxy:port", ViaError::NotAUrl),
            ("http://proxy:3128/path", ViaError::NotAUrl),
            ("http://%zz@proxy:3128", ViaError::NotAUrl),
            ("socks5://user@proxy", ViaError::Credentials),
        ] {
            assert_eq!(text.parse::<ViaSpec>(), Err(error), "{text}");
        }
    }
}
