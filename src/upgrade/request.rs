//! One request head: its length, what it asks for, and where its body ends.

use httparse::Status;

use super::BodyLength;

/// The longest head that is framed. Longer ones go on as bytes, and the upstream answers them.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// Headers per head that are framed; beyond, as for [`MAX_HEAD`].
pub(super) const MAX_HEADERS: usize = 1024;

/// Most heads have few headers: room on the stack.
const USUAL_HEADERS: usize = 64;

/// What a request wants of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The WebSocket protocol, or something that was meant to be: an `Upgrade` that names it, or
    /// any header of the opening handshake (RFC 6455 §4.1).
    WebSocket,
    /// Some other protocol (`Upgrade`, CONNECT), a target or a framing of the body that cannot be
    /// represented, or an expectation that only the upstream may answer (RFC 9110 §10.1.1):
    /// passed on as bytes.
    Bytes,
    /// An ordinary exchange.
    Exchange,
}

/// A complete request head at the beginning of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Bytes up to and with the empty line.
    pub len: usize,
    pub asks: Asks,
    pub body: BodyLength,
    /// HEAD has a response without a body (RFC 9110 §9.3.2).
    pub is_head: bool,
}

/// What the beginning of a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Head(RequestHead),
    Incomplete,
    NotHttp,
    TooLong,
}

impl RequestHead {
    /// Looks for a head at the beginning of `buffer`.
    pub(super) fn parse(buffer: &[u8]) -> Parsed {
        let mut usual = [httparse::EMPTY_HEADER; USUAL_HEADERS];
        match Self::parse_with(buffer, &mut usual) {
            Err(httparse::Error::TooManyHeaders) => {
                let mut many = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
                match Self::parse_with(buffer, &mut many) {
                    Err(httparse::Error::TooManyHeaders) => Parsed::TooLong,
                    Err(_) => Parsed::NotHttp,
                    Ok(parsed) => parsed,
                }
            }
            Err(_) => Parsed::NotHttp,
            Ok(parsed) => parsed,
        }
    }

    fn parse_with<'a>(
        buffer: &'a [u8],
        headers: &mut [httparse::Header<'a>],
    ) -> Result<Parsed, httparse::Error> {
        let mut request = httparse::Request::new(headers);
        match request.parse(buffer)? {
            Status::Complete(len) => Ok(Parsed::Head(Self {
                len,
                asks: asks(&request),
                body: BodyLength::announced(request.headers).unwrap_or(BodyLength::None),
                is_head: request.method == Some("HEAD"),
            })),
            Status::Partial if buffer.len() >= MAX_HEAD => Ok(Parsed::TooLong),
            Status::Partial => Ok(Parsed::Incomplete),
        }
    }
}

fn asks(request: &httparse::Request<'_, '_>) -> Asks {
    let (mut upgrade, mut expects) = (false, false);
    for header in &*request.headers {
        let name = header.name.as_bytes();
        if name.eq_ignore_ascii_case(b"upgrade") {
            upgrade = true;
            let mut protocols = header.value.split(|b| *b == b',');
            if protocols.any(|p| p.trim_ascii().eq_ignore_ascii_case(b"websocket")) {
                return Asks::WebSocket;
            }
        }
        expects |= name.eq_ignore_ascii_case(b"expect");
        if name.len() > 14 && name[..14].eq_ignore_ascii_case(b"sec-websocket-") {
            return Asks::WebSocket;
        }
    }
    let target = request.path.unwrap_or_default();
    let representable = target.parse::<http::Uri>().is_ok() && target.bytes().all(is_uri_byte);
    let other = upgrade || expects || request.method == Some("CONNECT");
    if other || !representable || !is_plainly_framed(request) {
        Asks::Bytes
    } else {
        Asks::Exchange
    }
}

/// Whether everybody would find the same end of the body (RFC 9112 §6.3). Where not, it is the
/// upstream that decides, and that refuses.
fn is_plainly_framed(request: &httparse::Request<'_, '_>) -> bool {
    let (mut length, mut coding) = (None, None);
    for header in &*request.headers {
        let place = match header.name.as_bytes() {
            name if name.eq_ignore_ascii_case(b"content-length") => &mut length,
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => &mut coding,
            _ => continue,
        };
        if place.replace(header.value.trim_ascii()).is_some() {
            return false;
        }
    }
    match (length, coding) {
        (None, None) => true,
        (Some(digits), None) => {
            (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        (None, Some(coding)) => {
            request.version == Some(1) && coding.eq_ignore_ascii_case(b"chunked")
        }
        (Some(_), Some(_)) => false,
    }
}

/// What RFC 3986 lets stand in a request target. Servers take more, libraries do not.
const fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b':'
                | b'/'
                | b'?'
                | b'['
                | b']'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b'%'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks_of(text: &str) -> Asks {
        match RequestHead::parse(text.as_bytes()) {
            Parsed::Head(head) => {
                assert_eq!(head.len, text.len());
                head.asks
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn upgrades_are_told_from_exchanges() {
        assert_eq!(asks_of("GET / HTTP/1.1\r\nuPgRade: h2c, WebSocket\r\n\r\n"), Asks::WebSocket);
        assert_eq!(asks_of("POST / HTTP/1.1\r\nsec-websocket-KEY: x\r\n\r\n"), Asks::WebSocket);
        assert_eq!(asks_of("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"), Asks::Bytes);
        assert_eq!(asks_of("CONNECT a:1 HTTP/1.1\r\n\r\n"), Asks::Bytes);
        assert_eq!(asks_of("PUT / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"), Asks::Bytes);
        assert_eq!(asks_of("GET /a\"b HTTP/1.1\r\n\r\n"), Asks::Bytes);
        assert_eq!(asks_of("GET /a#b HTTP/1.1\r\n\r\n"), Asks::Bytes);
        assert_eq!(asks_of("GET /healthz HTTP/1.0\r\n\r\n"), Asks::Exchange);
        for (framing, asks) in [
            ("Content-Length: 2", Asks::Exchange),
            ("transfer-encoding: Chunked", Asks::Exchange),
            ("Content-Length: +2", Asks::Bytes),
            ("Content-Length: x", Asks::Bytes),
            ("Content-Length: 2, 2", Asks::Bytes),
            ("Content-Length: 2\r\nContent-Length: 3", Asks::Bytes),
            ("Content-Length: 2\r\nTransfer-Encoding: chunked", Asks::Bytes),
            ("Transfer-Encoding: gzip", Asks::Bytes),
        ] {
            let head = format!("POST / HTTP/1.1\r\n{framing}\r\n\r\n");
            assert_eq!(asks_of(&head), asks, "{framing}");
        }
    }

    #[test]
    fn what_is_no_head_is_told_as_soon_as_it_shows() {
        assert_eq!(RequestHead::parse(b"HELLO\r\n\r\n"), Parsed::NotHttp);
        assert_eq!(RequestHead::parse(b"\x16\x03\x01"), Parsed::NotHttp);
        assert_eq!(RequestHead::parse(b"SSH-2.0-x\r\n"), Parsed::NotHttp);
        assert_eq!(RequestHead::parse(b"GET / HT"), Parsed::Incomplete);
        let mut many = b"GET / HTTP/1.1\r\n".to_vec();
        many.extend(b"A: b\r\n".repeat(MAX_HEADERS));
        many.extend(b"\r\n");
        assert!(matches!(RequestHead::parse(&many), Parsed::Head(_)));
        many.truncate(many.len() - 2);
        many.extend(b"A: b\r\n".repeat(10_000));
        assert_eq!(RequestHead::parse(&many), Parsed::TooLong);
    }
}
