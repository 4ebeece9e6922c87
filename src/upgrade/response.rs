//! Response heads found in the bytes that the upstream sends, interim ones passed over.

use httparse::Status;

use super::request::{MAX_HEAD, MAX_HEADERS};
use super::{Body, BodyLength};

/// A final response head, or a 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    /// The head as it was on the wire.
    pub raw: Vec<u8>,
    /// Statuses of the interim responses (RFC 9110 §15.2) before it.
    pub interim: Vec<u16>,
    /// The value of Sec-WebSocket-Extensions.
    pub extensions: Option<String>,
    pub body: BodyLength,
    /// After the body the connection may carry another exchange (RFC 9112 §9.3).
    pub persistent: bool,
}

/// Collects bytes until a response head is complete.
#[derive(Debug, Default)]
pub struct ResponseReader {
    buffer: Vec<u8>,
    interim: Vec<u16>,
    to_head_request: bool,
}

/// What the bytes so far are.
#[derive(Debug)]
pub(super) enum Parsed {
    Head(ResponseHead, usize),
    Interim(u16, usize),
    Incomplete,
    NotHttp,
}

impl ResponseReader {
    /// For the answer to a request; to HEAD there is no body.
    pub fn new(to_head_request: bool) -> Self {
        Self { to_head_request, ..Self::default() }
    }

    /// Takes the next bytes. When the head is complete: the head and how many of *these* bytes
    /// belong to it. When this is no HTTP/1 response: `Err` with all the bytes so far.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, Vec<u8>> {
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.parse() {
                Parsed::Head(mut head, len) => {
                    head.interim = std::mem::take(&mut self.interim);
                    let behind = self.buffer.len() - len;
                    self.buffer = Vec::new();
                    return Ok(Some((head, bytes.len() - behind)));
                }
                Parsed::Interim(status, len) => {
                    self.interim.push(status);
                    self.buffer.drain(..len);
                }
                Parsed::Incomplete if self.buffer.len() < MAX_HEAD => return Ok(None),
                Parsed::Incomplete | Parsed::NotHttp => {
                    return Err(std::mem::take(&mut self.buffer));
                }
            }
        }
    }

    /// Bytes of a head that never became complete.
    pub fn incomplete(&self) -> &[u8] {
        &self.buffer
    }

    fn parse(&self) -> Parsed {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&self.buffer) {
            Ok(Status::Complete(len)) => self.read(&response, len),
            Ok(Status::Partial) => Parsed::Incomplete,
            Err(httparse::Error::TooManyHeaders) => {
                let mut headers = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
                let mut response = httparse::Response::new(&mut headers);
                match response.parse(&self.buffer) {
                    Ok(Status::Complete(len)) => self.read(&response, len),
                    Ok(Status::Partial) => Parsed::Incomplete,
                    Err(_) => Parsed::NotHttp,
                }
            }
            Err(_) => Parsed::NotHttp,
        }
    }

    fn read(&self, response: &httparse::Response<'_, '_>, len: usize) -> Parsed {
        let Some(status) = response.code else { return Parsed::NotHttp };
        if (100..200).contains(&status) && status != 101 {
            return Parsed::Interim(status, len);
        }
        let value = |name: &str| {
            let found = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
            found.map(|h| String::from_utf8_lossy(h.value).into_owned())
        };
        // RFC 9112 §6.3: no body whatever the headers say.
        let bodiless = self.to_head_request || matches!(status, 101 | 204 | 304);
        let body = if bodiless {
            BodyLength::None
        } else {
            BodyLength::announced(response.headers).unwrap_or(BodyLength::UntilClose)
        };
        let connection = value("connection").unwrap_or_default().to_ascii_lowercase();
        let says = |word: &str| connection.split(',').any(|token| token.trim() == word);
        let persistent =
            if response.version == Some(1) { !says("close") } else { says("keep-alive") };
        Parsed::Head(
            ResponseHead {
                status,
                raw: self.buffer[..len].to_vec(),
                interim: Vec::new(),
                extensions: value("sec-websocket-extensions"),
                body,
                persistent: persistent && body != BodyLength::UntilClose,
            },
            len,
        )
    }
}

impl ResponseHead {
    /// A follower of this head's body.
    pub const fn follow_body(&self) -> Body {
        Body::new(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_cut_anywhere_is_found_with_what_follows_it() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let head = "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-EXTENSIONS: x\r\n\r\n";
        let stream = [interim.as_bytes(), head.as_bytes(), &[0x81, 0x00]].concat();
        for cut in 0..stream.len() {
            let mut reader = ResponseReader::new(false);
            let (a, b) = stream.split_at(cut);
            let (found, used) = if let Some((found, used)) = reader.feed(a).unwrap() {
                (found, used)
            } else {
                let (found, used) = reader.feed(b).unwrap().unwrap();
                (found, used + a.len())
            };
            assert_eq!(used, stream.len() - 2, "cut at {cut}");
            assert_eq!((found.status, &*found.interim), (101, &[103][..]));
            assert_eq!(found.raw, head.as_bytes());
            assert_eq!(found.extensions.as_deref(), Some("x"));
        }
    }

    #[test]
    fn bodies_and_persistence_follow_the_head() {
        let read =
            |text: &str| ResponseReader::new(false).feed(text.as_bytes()).unwrap().unwrap().0;
        let head = read("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n");
        assert_eq!((head.body, head.persistent), (BodyLength::Length(5), true));
        let head = read("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        assert_eq!((head.body, head.persistent), (BodyLength::UntilClose, false));
        let head = read("HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!((head.body, head.persistent), (BodyLength::Chunked, true));
        assert!(ResponseReader::new(false).feed(b"\x15\x03\x01").is_err());
        assert!(!read("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n").persistent);
    }
}
