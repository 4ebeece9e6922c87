//! Reads from a client until it is clear what it wants.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::request::{Parsed, RequestHead};

/// What came first on a connection, or next.
#[derive(Debug)]
pub enum First {
    Head(RequestHead),
    /// Bytes that begin no HTTP/1 request.
    NotHttp,
    /// A head over the limits of framing.
    TooLong,
    /// A head that did not become complete in time.
    Slow,
    /// FIN; the buffer holds what came before.
    Ended,
    Failed(std::io::Error),
}

/// Reads into `buffer` (which may hold bytes already) until a whole head is at its beginning.
///
/// `patience` runs from the first byte: a connection without any byte waits as long as it likes,
/// as browsers open connections ahead of need.
///
/// # Cancel safety
/// Cancel safe: what was read is in `buffer`.
pub async fn read_first<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    patience: Duration,
) -> First {
    if buffer.is_empty() {
        buffer.reserve(2048);
        match stream.read_buf(buffer).await {
            Ok(0) => return First::Ended,
            Ok(_) => {}
            Err(error) => return First::Failed(error),
        }
    }
    match RequestHead::parse(buffer) {
        Parsed::Incomplete => {}
        parsed => return parsed.into(),
    }
    timeout(patience, rest_of_head(stream, buffer)).await.unwrap_or(First::Slow)
}

async fn rest_of_head<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> First {
    loop {
        let before = buffer.len();
        match stream.read_buf(buffer).await {
            Ok(0) => return First::Ended,
            Ok(_) => {}
            Err(error) => return First::Failed(error),
        }
        // A head ends, and shows that it is none, at the end of a line: bytes that come one by
        // one are not parsed one by one.
        if memchr::memchr(b'\n', &buffer[before..]).is_none()
            && buffer.len() < super::request::MAX_HEAD
        {
            continue;
        }
        match RequestHead::parse(buffer) {
            Parsed::Incomplete => {}
            parsed => return parsed.into(),
        }
    }
}

impl From<Parsed> for First {
    fn from(parsed: Parsed) -> Self {
        match parsed {
            Parsed::Head(head) => Self::Head(head),
            Parsed::NotHttp => Self::NotHttp,
            Parsed::TooLong => Self::TooLong,
            Parsed::Incomplete => Self::Slow,
        }
    }
}
