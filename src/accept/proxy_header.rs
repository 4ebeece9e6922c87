//! The PROXY protocol's header before the client's own bytes (HAProxy's proxy-protocol.txt).

use std::{io, net::IpAddr, str::FromStr, time::Duration};

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use ppp::{v1, v2};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::session::ProxyHeader;

/// proxy-protocol.txt §2.1: 107 bytes at most; the same section asks for patience up to 536.
const LONGEST_V1: usize = 536;
/// Without TLVs 216 bytes at most; with them this is plenty.
const LONGEST_V2_BODY: usize = 4096;
const V2_FIXED: usize = 16;
const V1_START: &[u8] = b"PROXY";

/// From whom a PROXY header is believed. Everybody else could write any address into it.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Without an address it is a Unix socket, which is only open to its owner.
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|ip| self.0.iter().any(|network| network.contains(&ip.to_canonical())))
    }
}

impl FromStr for TrustedProxies {
    type Err = ProxyHeaderError;

    /// Addresses and networks, separated by commas.
    fn from_str(text: &str) -> Result<Self, ProxyHeaderError> {
        let network = |one: &str| {
            let address = one.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| one.parse()).map_err(|_| ProxyHeaderError::Network(one.to_owned()))
        };
        text.split(',').map(|one| network(one.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// Why there is no header.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    #[error("`{0}` is no network; type for example 10.0.0.0/8 or 127.0.0.1")]
    Network(String),
    #[error("a PROXY protocol header was expected, but other bytes came")]
    Missing,
    #[error("the connection ended inside the PROXY protocol header")]
    Ended,
    #[error("the PROXY protocol header is longer than {0} bytes")]
    TooLong(usize),
    #[error("the PROXY protocol header is malformed: {0}")]
    V1(v1::BinaryParseError),
    #[error("the PROXY protocol header is malformed: {0}")]
    V2(v2::ParseError),
    #[error("the PROXY protocol header did not come within {0:?}")]
    TimedOut(Duration),
    #[error("reading the PROXY protocol header")]
    Read(#[from] io::Error),
}

/// Reads one header and gives back the bytes that came behind it.
pub async fn read_proxy_header(
    stream: &mut (impl AsyncRead + Unpin),
    patience: Duration,
) -> Result<(ProxyHeader, Bytes), ProxyHeaderError> {
    let read = tokio::time::timeout(patience, read(stream));
    read.await.map_err(|_| ProxyHeaderError::TimedOut(patience))?
}

async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<(ProxyHeader, Bytes), ProxyHeaderError> {
    let mut bytes = BytesMut::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(ProxyHeaderError::Ended);
        }
        if let Some((header, len)) = parse(&bytes)? {
            return Ok((header, bytes.split_off(len).freeze()));
        }
    }
}

/// The header and its length, or nothing as long as it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    if begins(bytes, v2::PROTOCOL_PREFIX) { parse_v2(bytes) } else { parse_v1(bytes) }
}

/// Whether these bytes are the start of something that starts so.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.starts_with(start) || start.starts_with(bytes)
}

fn parse_v1(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    if !begins(bytes, V1_START) {
        return Err(ProxyHeaderError::Missing);
    }
    let within = &bytes[..bytes.len().min(LONGEST_V1)];
    let Some(end) = within.windows(2).position(|two| two == b"\r\n") else {
        return if bytes.len() < LONGEST_V1 {
            Ok(None)
        } else {
            Err(ProxyHeaderError::TooLong(LONGEST_V1))
        };
    };
    let header = v1::Header::try_from(&bytes[..end + 2]).map_err(ProxyHeaderError::V1)?;
    let (source, destination) = match header.addresses {
        v1::Addresses::Unknown => (None, None),
        v1::Addresses::Tcp4(ip) => (
            Some(at(ip.source_address.into(), ip.source_port)),
            Some(at(ip.destination_address.into(), ip.destination_port)),
        ),
        v1::Addresses::Tcp6(ip) => (
            Some(at(ip.source_address.into(), ip.source_port)),
            Some(at(ip.destination_address.into(), ip.destination_port)),
        ),
    };
    Ok(Some((ProxyHeader { version: 1, source, destination }, end + 2)))
}

fn parse_v2(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    let Some(&[high, low]) = bytes.get(V2_FIXED - 2..V2_FIXED) else { return Ok(None) };
    let body = usize::from(u16::from_be_bytes([high, low]));
    if body > LONGEST_V2_BODY {
        return Err(ProxyHeaderError::TooLong(V2_FIXED + LONGEST_V2_BODY));
    }
    let len = V2_FIXED + body;
    let Some(whole) = bytes.get(..len) else { return Ok(None) };
    let header = v2::Header::try_from(whole).map_err(ProxyHeaderError::V2)?;
    let (source, destination) = match (header.command, header.addresses) {
        // §2.2: a LOCAL connection is the proxy's own; its addresses mean nothing.
        (v2::Command::Local, _) | (v2::Command::Proxy, v2::Addresses::Unspecified) => (None, None),
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => (
            Some(at(ip.source_address.into(), ip.source_port)),
            Some(at(ip.destination_address.into(), ip.destination_port)),
        ),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => (
            Some(at(ip.source_address.into(), ip.source_port)),
            Some(at(ip.destination_address.into(), ip.destination_port)),
        ),
        (v2::Command::Proxy, v2::Addresses::Unix(_)) => {
            (Some("unix".to_owned()), Some("unix".to_owned()))
        }
    };
    Ok(Some((ProxyHeader { version: 2, source, destination }, len)))
}

fn at(ip: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &[u8] = b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 18889\r\n";
    const PATIENCE: Duration = Duration::from_secs(20);

    fn v2() -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x21, 0x11, 0, 15, 192, 0, 2, 7, 127, 0, 0, 1, 0x13, 0x88, 0x49, 0xc9]);
        header.extend([0x04, 0, 0]);
        header
    }

    #[tokio::test]
    async fn headers_cut_anywhere_leave_exactly_what_follows() {
        for (version, header) in [(1, V1.to_vec()), (2, v2())] {
            let wire = [header.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            for cut in 1..wire.len() {
                let mut stream = wire[..cut].chain(&wire[cut..]);
                let (found, rest) = read_proxy_header(&mut stream, PATIENCE).await.unwrap();
                let expected = ProxyHeader {
                    version,
                    source: Some("192.0.2.7:5000".to_owned()),
                    destination: Some("127.0.0.1:18889".to_owned()),
                };
                assert_eq!(found, expected);
                let read = wire.len() - rest.len();
                assert!(read == header.len() || read - header.len() >= wire.len() - cut);
                assert!(wire[header.len()..].starts_with(&rest));
            }
        }
    }

    #[tokio::test]
    async fn local_and_unknown_have_no_addresses() {
        let mut local = v2();
        local[12] = 0x20;
        for mut wire in [local.as_slice(), b"PROXY UNKNOWN\r\n"] {
            let (found, rest) = read_proxy_header(&mut wire, PATIENCE).await.unwrap();
            assert_eq!((found.source, found.destination), (None, None));
            assert!(rest.is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_told_apart() {
        let endless = [b"PROXY ".as_slice(), &[b'x'; 1000]].concat();
        let mut huge = v2::PROTOCOL_PREFIX.to_vec();
        huge.extend([0x21, 0x11, 0xff, 0xff]);
        for (wire, said) in [
            (b"GET / HTTP/1.1\r\n\r\n".as_slice(), "other bytes came"),
            (b"PROXY TCP4 1.2.3", "ended inside"),
            (b"", "ended inside"),
            (&endless, "longer than 536"),
            (&huge, "longer than 4112"),
            (b"PROXY TCP4 nonsense here 1 2\r\n", "malformed"),
        ] {
            let mut stream = wire;
            let error = read_proxy_header(&mut stream, PATIENCE).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn only_named_networks_are_trusted() {
        let trusted: TrustedProxies = "10.0.0.0/8, 127.0.0.1,::1".parse().unwrap();
        for (ip, yes) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("127.0.0.2", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(trusted.trusts(Some(ip.parse().unwrap())), yes, "{ip}");
        }
        assert!("10.0.0.0/99".parse::<TrustedProxies>().is_err());
    }
}
