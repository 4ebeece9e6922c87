//! A socket beneath TLS that counts the records which pass, both ways.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Raw;
use crate::session::{RecordCounter, TlsRecords};

/// What rustls reads from and writes to.
#[derive(Debug)]
pub struct Counted {
    raw: Raw,
    /// Bytes that were read from the socket before TLS began.
    unread: Bytes,
    read: RecordCounter,
    written: RecordCounter,
}

impl Counted {
    /// `unread` are bytes of the TLS stream that somebody has taken from the socket already.
    pub fn new(raw: Raw, unread: Bytes) -> Self {
        Self { raw, unread, read: RecordCounter::default(), written: RecordCounter::default() }
    }

    pub(super) const fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Read, then written.
    pub const fn records(&self) -> [TlsRecords; 2] {
        [self.read.records(), self.written.records()]
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.unread.is_empty() {
            ready!(Pin::new(&mut this.raw).poll_read(cx, buf))?;
        } else {
            let len = this.unread.len().min(buf.remaining());
            buf.put_slice(&this.unread[..len]);
            this.unread.advance(len);
        }
        this.read.feed(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.raw).poll_write(cx, buf))?;
        this.written.feed(&buf[..sent]);
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.raw).poll_write_vectored(cx, bufs))?;
        let mut left = sent;
        for buf in bufs {
            let len = left.min(buf.len());
            this.written.feed(&buf[..len]);
            left -= len;
        }
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.raw.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().raw).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().raw).poll_shutdown(cx)
    }
}
