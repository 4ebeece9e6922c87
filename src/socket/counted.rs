//! A socket beneath TLS that counts the records which pass, both ways.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Raw;
use crate::session::TlsRecords;

/// The outer type of records that carry data, and of everything that TLS 1.3 hides (RFC 8446 §5.1).
const APPLICATION_DATA: u8 = 23;

/// What rustls reads from and writes to.
#[derive(Debug)]
pub struct Counted {
    raw: Raw,
    /// Bytes that were read from the socket before TLS began.
    unread: Bytes,
    read: RecordScanner,
    written: RecordScanner,
}

impl Counted {
    /// `unread` are bytes of the TLS stream that somebody has taken from the socket already.
    pub fn new(raw: Raw, unread: Bytes) -> Self {
        Self { raw, unread, read: RecordScanner::default(), written: RecordScanner::default() }
    }

    pub(super) const fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Read, then written.
    pub fn records(&self) -> [TlsRecords; 2] {
        [self.read.totals, self.written.totals]
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
        this.read.scan(&buf.filled()[before..]);
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
        this.written.scan(&buf[..sent]);
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
            this.written.scan(&buf[..len]);
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

/// Walks from record header to record header (RFC 8446 §5.1: type, version, length).
#[derive(Debug, Default)]
struct RecordScanner {
    header: [u8; 5],
    have: u8,
    body_left: u16,
    totals: TlsRecords,
}

impl RecordScanner {
    fn scan(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            if self.body_left > 0 {
                let len = bytes.len().min(usize::from(self.body_left));
                self.body_left -= u16::try_from(len).unwrap_or(self.body_left);
                bytes = &bytes[len..];
                continue;
            }
            self.header[usize::from(self.have)] = *first;
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == 5 {
                self.begin_record();
            }
        }
    }

    fn begin_record(&mut self) {
        let [kind, _, _, high, low] = self.header;
        let len = u16::from_be_bytes([high, low]);
        self.have = 0;
        self.body_left = len;
        self.totals.records += 1;
        self.totals.bytes += u64::from(len);
        self.totals.largest = self.totals.largest.max(len);
        self.totals.non_application += u64::from(kind != APPLICATION_DATA);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_cut_anywhere_count_alike() {
        let mut wire = vec![22, 3, 1, 0, 3, 1, 2, 3];
        wire.extend([23, 3, 3, 1, 0]);
        wire.extend([0; 256]);
        wire.extend([21, 3, 3, 0, 0]);
        let expected = TlsRecords { records: 3, bytes: 259, largest: 256, non_application: 2 };
        for step in 1..=wire.len() {
            let mut scanner = RecordScanner::default();
            wire.chunks(step).for_each(|chunk| scanner.scan(chunk));
            assert_eq!(scanner.totals, expected, "chunks of {step}");
        }
    }
}
