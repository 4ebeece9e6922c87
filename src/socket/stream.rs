//! One leg as the relay sees it: bytes in, bytes out, and its end.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsStream;

use super::{Counted, ErrorWatch, Failure, Raw};
use crate::session::{Leg, Offset, TcpSample, TlsRecords};

/// An open leg.
///
/// A write to a TLS leg may be accepted and still wait inside of TLS: `poll_flush` until it is
/// ready before waiting for anything else. On a plain leg flushing is free.
#[derive(Debug)]
pub enum Stream {
    Plain(Raw),
    Tls(Box<Tls>),
}

/// TLS in either role, and whether its end was said.
#[derive(Debug)]
pub struct Tls {
    inner: TlsStream<Counted>,
    close_notify: bool,
    /// What came after bytes that were still to be read.
    failed: Option<io::Error>,
}

impl Tls {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.failed.is_none() {
            match ready!(Pin::new(&mut self.inner).poll_read(cx, buf)) {
                Ok(()) => {
                    self.close_notify |= buf.filled().len() == before && buf.remaining() > 0;
                    return Poll::Ready(Ok(()));
                }
                Err(error) => self.failed = Some(error),
            }
        }
        // An alert that came in one read with data fails that read; the data came before it.
        let space = buf.initialize_unfilled();
        let read = match &mut self.inner {
            TlsStream::Client(client) => client.get_mut().1.reader().read(space),
            TlsStream::Server(server) => server.get_mut().1.reader().read(space),
        };
        match (read, self.failed.take()) {
            (Ok(count), failed) if count > 0 => {
                self.failed = failed;
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
            (_, Some(error)) => Poll::Ready(Err(error)),
            (read, None) => Poll::Ready(read.map(drop)),
        }
    }
}

/// How the direction towards a leg ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// FIN; on TLS after `close_notify`.
    Orderly,
    /// FIN after what was written; on TLS without `close_notify`.
    Truncate,
}

impl Stream {
    pub fn from_tls(inner: impl Into<TlsStream<Counted>>) -> Self {
        Self::Tls(Box::new(Tls { inner: inner.into(), close_notify: false, failed: None }))
    }

    /// Ends the direction towards this leg, after everything that was written. Reading goes on.
    /// Once begun it is polled with the same `how` until it is ready.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>, how: Finish) -> Poll<io::Result<()>> {
        match (self, how) {
            (Self::Plain(raw), Finish::Orderly | Finish::Truncate) => {
                Pin::new(raw).poll_shutdown(cx)
            }
            (Self::Tls(tls), Finish::Orderly) => Pin::new(&mut tls.inner).poll_shutdown(cx),
            (Self::Tls(tls), Finish::Truncate) => {
                ready!(Pin::new(&mut tls.inner).poll_flush(cx))?;
                Pin::new(tls.inner.get_mut().0).poll_shutdown(cx)
            }
        }
    }

    /// What an error of a read or write of any leg means.
    pub fn read_failure(error: &io::Error) -> Failure {
        Failure::of(error)
    }

    /// After a read of 0 on TLS: `close_notify` came. Without it the read fails instead.
    pub fn ended_with_close_notify(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.close_notify,
        }
    }

    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What the kernel knows of this connection; nothing on Unix sockets.
    pub fn sample(&self, leg: Leg, at: Offset) -> Option<TcpSample> {
        self.raw().sample(leg, at)
    }

    /// Bytes that were written and that the peer's kernel has not acknowledged.
    pub fn unsent(&self) -> Option<u32> {
        self.raw().unsent()
    }

    /// Takes the pending error of the socket. Read to the end first: afterwards a reset looks
    /// like a FIN.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.raw().take_error()
    }

    /// Resolves when the kernel reports an error; for legs that are not being read.
    pub fn watch_error(&self) -> io::Result<ErrorWatch> {
        self.raw().watch_error()
    }

    /// Makes dropping this leg send RST. Everything unsent is lost then; on Unix sockets, which
    /// know no reset of that kind, nothing changes.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.raw().set_zero_linger()
    }

    pub fn set_nodelay(&self) -> io::Result<()> {
        self.raw().set_nodelay()
    }

    /// Lets the kernel probe a silent peer: first after `every`, and then again each time.
    pub fn set_keepalive(&self, every: Duration) -> io::Result<()> {
        self.raw().set_keepalive(every)
    }

    /// TLS records so far: read, then written.
    pub fn tls_records(&self) -> Option<[TlsRecords; 2]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.inner.get_ref().0.records()),
        }
    }

    /// The peer's address; `unix` or `unix:/path` on Unix sockets.
    pub fn peer_name(&self) -> String {
        self.raw().peer_name()
    }

    /// Our own address of this connection.
    pub fn local_name(&self) -> String {
        self.raw().local_name()
    }

    fn raw(&self) -> &Raw {
        match self {
            Self::Plain(raw) => raw,
            Self::Tls(tls) => tls.inner.get_ref().0.raw(),
        }
    }
}

impl From<Raw> for Stream {
    fn from(raw: Raw) -> Self {
        Self::Plain(raw)
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(Raw::Tcp(tcp))
    }
}

impl From<UnixStream> for Stream {
    fn from(unix: UnixStream) -> Self {
        Self::Plain(Raw::Unix(unix))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_read(cx, buf),
            Self::Tls(tls) => tls.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.inner).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(&mut tls.inner).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut tls.inner).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx, Finish::Orderly)
    }
}
