//! Request heads off the wire, and the exact heads that answer an upgrade.
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;

/// A request head, names and values as they came.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: u8,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(super) fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    pub(super) fn is_upgrade(&self) -> bool {
        self.header("Upgrade").is_some() && self.connection_has("upgrade")
    }

    pub(super) fn keeps_alive(&self) -> bool {
        match self.version {
            0 => self.connection_has("keep-alive"),
            _ => !self.connection_has("close"),
        }
    }

    /// `None` when the body is chunked: the caller closes instead of framing it.
    pub(super) fn body_length(&self) -> Option<usize> {
        if self.header("Transfer-Encoding").is_some() {
            return None;
        }
        match self.header("Content-Length") {
            Some(length) => length.trim().parse().ok(),
            None => Some(0),
        }
    }

    fn connection_has(&self, token: &str) -> bool {
        self.header("Connection")
            .is_some_and(|value| value.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
    }
}

pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// What reading a head came to.
#[derive(Debug)]
pub(super) enum Arrival {
    Head(Head),
    Malformed,
    /// The peer left before a whole head arrived.
    Gone,
}

/// Reads one head; bytes behind it stay in `buffer`.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> io::Result<Arrival> {
    loop {
        match parse(buffer) {
            Parsed::Whole(head, length) => {
                buffer.drain(..length);
                return Ok(Arrival::Head(head));
            }
            Parsed::Partial if buffer.len() < MAX_HEAD => {}
            Parsed::Partial | Parsed::Malformed => return Ok(Arrival::Malformed),
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Arrival::Gone);
        }
    }
}

enum Parsed {
    Whole(Head, usize),
    Partial,
    Malformed,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let head = Head {
                method: request.method.unwrap_or_default().to_owned(),
                target: request.path.unwrap_or_default().to_owned(),
                version: request.version.unwrap_or(1),
                headers: owned(request.headers),
            };
            Parsed::Whole(head, length)
        }
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(_) => Parsed::Malformed,
    }
}

pub(super) fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned()))
        .collect()
}

/// The 101 of the gateway: these headers, in this order and case.
pub(super) fn switching_protocols(head: &Head, accept: &str) -> String {
    let mut text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    let offered = head.header("Sec-WebSocket-Protocol").and_then(|value| value.split(',').next());
    if let Some(first) = offered {
        text.push_str("Sec-WebSocket-Protocol: ");
        text.push_str(first.trim());
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text
}

/// The accept value of a good upgrade, or the answer to a broken one.
pub(super) fn accept_key(head: &Head) -> Result<String, String> {
    let upgrade = head.header("Upgrade").unwrap_or_default();
    let key = head.header("Sec-WebSocket-Key").unwrap_or_default();
    let version = head.header("Sec-WebSocket-Version").unwrap_or_default();
    if head.method != "GET" {
        return Err(broken("405 Method Not Allowed", "Invalid HTTP method", ""));
    }
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(broken("400 Bad Request", "Invalid Upgrade header", ""));
    }
    // RFC 6455 section 4.1: 16 bytes in base64 are 22 characters and two pads.
    if key.len() != 24 || !key.ends_with("==") {
        return Err(broken("400 Bad Request", "Missing or invalid Sec-WebSocket-Key header", ""));
    }
    if version != "13" && version != "8" {
        return Err(broken(
            "400 Bad Request",
            "Missing or invalid Sec-WebSocket-Version header",
            "Sec-WebSocket-Version: 13, 8\r\n",
        ));
    }
    Ok(derive_accept_key(key.as_bytes()))
}

fn broken(status: &str, body: &str, extra: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{extra}\r\n{body}",
        body.len()
    )
}

/// An answer of nothing but its status.
pub(super) fn bare(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n")
}

/// The 403 for forwarded headers nobody vouches for.
pub(super) fn attribution_required() -> String {
    let body = r#"{"error":{"message":"Proxy client attribution is required. Configure gateway.trustedProxies narrowly and make the proxy overwrite or safely rebuild forwarded client headers.","type":"proxy_attribution_required"}}"#;
    format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The 503 of a full budget of unauthenticated sockets.
pub(super) fn too_many_sockets() -> String {
    let body = "Too many unauthenticated sockets";
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer another server in the gateway's place might give.
pub(super) fn foreign(status: u16, content_type: &str, body: &str) -> String {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Unknown");
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_is_read_to_its_last_byte_and_no_further() {
        let mut wire: &[u8] = b"GET /x?y HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\nrest";
        let mut buffer = Vec::new();
        let Arrival::Head(head) = read(&mut wire, &mut buffer).await.unwrap() else {
            panic!("no head");
        };
        assert_eq!((head.path(), head.is_upgrade()), ("/x", true));
        assert_eq!(buffer, b"rest");
    }

    #[tokio::test]
    async fn what_is_not_http_is_malformed_and_a_short_head_is_gone() {
        let mut hello: &[u8] = b"\x16\x03\x01\x02\x00\x01";
        let arrival = read(&mut hello, &mut Vec::new()).await.unwrap();
        assert!(matches!(arrival, Arrival::Malformed));
        let mut short: &[u8] = b"GET / HTTP/1.1\r\nHost:";
        let arrival = read(&mut short, &mut Vec::new()).await.unwrap();
        assert!(matches!(arrival, Arrival::Gone));
    }
}
