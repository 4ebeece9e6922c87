//! One end of a session under test: bytes and frames out, frames and ends in.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::frame::{self, Frame};
use super::head::latin1;
use crate::session::Head;
use crate::socket::{Failure, Stream};
use crate::upgrade::ResponseReader;

/// Interim answers and the head behind them; one that never ends is no head.
const HEADS_READ: usize = 256 << 10;

/// More of a body tells nothing new.
const BODY_READ: usize = 8 << 20;

/// Which end of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In front of the proxy.
    Client,
    /// Behind it.
    Upstream,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Fin,
    Reset,
}

/// What came, or that nothing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Frame(Frame),
    Gone(Gone),
    Nothing,
}

/// What a client got for its request.
#[derive(Debug)]
pub(super) enum Answer {
    Head(Head),
    NotHttp(Vec<u8>),
    Gone(Gone),
}

#[derive(Debug)]
pub(super) struct Peer {
    stream: Stream,
    buffer: Vec<u8>,
    end: End,
    gone: Option<Gone>,
}

impl End {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

impl Gone {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fin => "FIN",
            Self::Reset => "RST",
        }
    }
}

impl Peer {
    pub(super) const fn new(stream: Stream, early: Vec<u8>, end: End) -> Self {
        Self { stream, buffer: early, end, gone: None }
    }

    pub(super) const fn end(&self) -> End {
        self.end
    }

    pub(super) async fn send(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        let masked = self.end == End::Client;
        self.send_bytes(&frame::bytes(first, payload, masked)).await
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// FIN; reading goes on.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// RST.
    pub(super) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// The next frame or the end.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read is kept.
    pub(super) async fn next(&mut self) -> Seen {
        loop {
            if let Some(frame) = frame::take(&mut self.buffer) {
                return Seen::Frame(frame);
            }
            if let Some(gone) = self.fill().await {
                return Seen::Gone(gone);
            }
        }
    }

    pub(super) async fn next_within(&mut self, within: Duration) -> Seen {
        timeout(within, self.next()).await.unwrap_or(Seen::Nothing)
    }

    /// How long until the buffer holds so many bytes; nothing if they do not come in time.
    pub(super) async fn have(&mut self, bytes: usize, within: Duration) -> Option<Duration> {
        let began = Instant::now();
        let filled = timeout(within, async {
            while self.buffer.len() < bytes {
                if self.fill().await.is_some() {
                    return false;
                }
            }
            true
        });
        filled.await.unwrap_or(false).then(|| began.elapsed())
    }

    /// The final response head; what follows it stays for [`Self::next`].
    ///
    /// # Cancel safety
    /// Cancel safe: what was read is kept.
    pub(super) async fn answer(&mut self) -> Answer {
        loop {
            match ResponseReader::new(false).feed(&self.buffer) {
                Ok(Some((head, used))) => {
                    self.buffer.drain(..used);
                    return Answer::Head(latin1(&head.raw));
                }
                Ok(None) if self.buffer.len() >= HEADS_READ => {
                    return Answer::NotHttp(std::mem::take(&mut self.buffer));
                }
                Ok(None) => {}
                Err(bytes) => return Answer::NotHttp(bytes),
            }
            if let Some(gone) = self.fill().await {
                let partial = std::mem::take(&mut self.buffer);
                return if partial.is_empty() {
                    Answer::Gone(gone)
                } else {
                    Answer::NotHttp(partial)
                };
            }
        }
    }

    /// What comes up to the end, for bodies of answers.
    pub(super) async fn rest(&mut self, within: Duration) -> Vec<u8> {
        let read = async { while self.buffer.len() < BODY_READ && self.fill().await.is_none() {} };
        // Bodies that end by their length leave the connection open.
        drop(timeout(within, read).await);
        std::mem::take(&mut self.buffer)
    }

    async fn fill(&mut self) -> Option<Gone> {
        if self.gone.is_none() {
            self.buffer.reserve(16 << 10);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => self.gone = Some(Gone::Fin),
                Ok(_) => {}
                Err(error) => {
                    self.gone = Some(match Failure::of(&error) {
                        Failure::TlsTruncated => Gone::Fin,
                        Failure::Reset
                        | Failure::TlsAlert(_)
                        | Failure::TlsBroken(_)
                        | Failure::Kernel(_) => Gone::Reset,
                    });
                }
            }
        }
        self.gone
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Sends `bytes` over and over, until nobody reads.
    async fn flood(bytes: &'static [u8]) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            while tcp.write_all(&bytes.repeat(1024)).await.is_ok() {}
        });
        Peer::new(TcpStream::connect(addr).await.unwrap().into(), Vec::new(), End::Client)
    }

    #[tokio::test]
    async fn answers_and_bodies_without_end_are_given_up() {
        let mut interim = flood(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        let answer = timeout(Duration::from_mins(1), interim.answer()).await;
        assert!(matches!(answer, Ok(Answer::NotHttp(_))), "{answer:?}");
        let mut body = flood(b"a body that never ends ").await;
        let read = body.rest(Duration::from_mins(1)).await;
        assert!((BODY_READ..BODY_READ + (4 << 20)).contains(&read.len()), "{}", read.len());
    }
}
