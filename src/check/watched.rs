//! A stream whose bytes are seen on their way, in both directions, with how it ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::eye::{Eye, How};
use crate::session::{Direction, Leg};
use crate::socket::Stream;

/// Our leg to the gateway.
#[derive(Debug)]
pub(super) struct Watched {
    stream: Stream,
    eye: Eye,
}

impl Watched {
    /// `early` came behind the 101 and was read already.
    pub(super) fn new(stream: Stream, eye: Eye, early: &[u8]) -> Self {
        eye.bytes(Direction::ServerToClient, early);
        Self { stream, eye }
    }

    fn failed(&self, error: io::Error) -> io::Error {
        self.eye.ended(Leg::Upstream, &How::Failed(Stream::read_failure(&error)));
        error
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf)).map_err(|e| this.failed(e))?;
        match &buf.filled()[before..] {
            [] if room > 0 => this.eye.ended(Leg::Upstream, &How::Fin),
            bytes => this.eye.bytes(Direction::ServerToClient, bytes),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A failed write is left to the read behind it, which still may find a Close frame.
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.eye.bytes(Direction::ClientToServer, &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.eye.ended(Leg::Downstream, &How::Fin);
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
