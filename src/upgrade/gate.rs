//! Lets ordinary requests through to an HTTP library, one whole request at a time, and stops
//! before anything else: the library never sees a byte of an upgrade request.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::request::Parsed;
use super::{Asks, Body, Edited, RequestHead};

/// How much is read from the client at a time.
const READ: usize = 16 << 10;

/// Rewrites a head as the options ask.
pub type EditHead = Box<dyn Fn(&[u8]) -> Edited + Send + Sync>;

/// Heads that were let through and not served yet, oldest first.
pub type Passed = Arc<Mutex<VecDeque<PassedHead>>>;

/// A request head as it came, and what was changed in it.
#[derive(Debug)]
pub struct PassedHead {
    pub at: Instant,
    pub raw: Vec<u8>,
    pub edited: Edited,
}

/// Resolves when no further request is wanted.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// A client's stream as an HTTP library sees it.
pub struct Gate<S> {
    stream: S,
    /// Read from the client and not let through yet.
    pending: Vec<u8>,
    /// Let through and not taken by the library yet.
    ready: VecDeque<u8>,
    body: Body,
    /// The next request is none for the library, or the client has ended.
    stopped: bool,
    edit: EditHead,
    passed: Passed,
    stop: Stop,
}

impl<S> std::fmt::Debug for Gate<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// `pending` is what was read already: it begins with a whole request head.
    pub fn new(stream: S, pending: Vec<u8>, edit: EditHead, passed: Passed, stop: Stop) -> Self {
        Self {
            stream,
            pending,
            ready: VecDeque::new(),
            body: Body::new(super::BodyLength::None),
            stopped: false,
            edit,
            passed,
            stop,
        }
    }

    /// The client ended, or began something that may not pass.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The stream and the bytes that were not let through.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.pending)
    }

    /// Moves what may pass from `pending` to `ready`. True when more of the client is needed.
    fn let_through(&mut self) -> bool {
        while !self.pending.is_empty() {
            if !self.body.is_done() {
                let ready = &mut self.ready;
                let used = self.body.feed(&self.pending, |_| {});
                ready.extend(self.pending.drain(..used));
                continue;
            }
            match RequestHead::parse(&self.pending) {
                // Whoever sent half of the next request may wait for the answer to this one.
                Parsed::Incomplete => return self.ready.is_empty(),
                Parsed::Head(head) if head.asks == Asks::Exchange => self.pass(head),
                Parsed::Head(_) | Parsed::NotHttp | Parsed::TooLong => {
                    self.stopped = true;
                    return false;
                }
            }
        }
        self.ready.is_empty()
    }

    fn pass(&mut self, head: RequestHead) {
        let raw: Vec<u8> = self.pending.drain(..head.len).collect();
        let edited = (self.edit)(&raw);
        self.ready.extend(&edited.raw);
        self.body = Body::new(head.body);
        let passed = PassedHead { at: Instant::now(), raw, edited };
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).push_back(passed);
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let between_requests = self.pending.is_empty() && self.body.is_done();
        if between_requests && self.stop.as_mut().poll(cx).is_ready() {
            self.stopped = true;
            return Poll::Ready(Ok(()));
        }
        let before = self.pending.len();
        self.pending.resize(before + READ, 0);
        let mut space = ReadBuf::new(&mut self.pending[before..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.pending.truncate(before + count);
        ready!(polled)?;
        self.stopped |= count == 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        while gate.ready.is_empty() && !gate.stopped && gate.let_through() {
            ready!(gate.fill(cx))?;
        }
        // An empty read is the end, for the library; what is pending is not lost.
        let (front, _) = gate.ready.as_slices();
        let count = front.len().min(buf.remaining());
        buf.put_slice(&front[..count]);
        gate.ready.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::upgrade::Edits;

    fn gate<'a>(input: &'a [u8], passed: &Passed) -> Gate<&'a [u8]> {
        let edit = Box::new(|head: &[u8]| Edits::default().apply(head, None, false));
        Gate::new(input, Vec::new(), edit, Arc::clone(passed), Box::pin(std::future::pending()))
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_the_next_request() {
        let (mut client, tap) = tokio::io::duplex(1024);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let edit = Box::new(|head: &[u8]| Edits::default().apply(head, None, false));
        let stop = Box::pin(async {});
        let mut gate =
            Gate::new(tap, b"GET /a HTTP/1.1\r\n\r\n".to_vec(), edit, Passed::default(), stop);
        let mut seen = Vec::new();
        gate.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"GET /a HTTP/1.1\r\n\r\n");
        assert!(gate.is_stopped());
    }

    #[tokio::test]
    async fn a_request_does_not_wait_for_the_end_of_the_next_one() {
        for behind in ["GET /b HT", "\r\n"] {
            let first = "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
            let (mut client, tap) = tokio::io::duplex(1024);
            let edit = Box::new(|head: &[u8]| Edits::default().apply(head, None, false));
            let never = Box::pin(std::future::pending());
            let mut gate =
                Gate::new(tap, format!("{first}{behind}").into(), edit, Passed::default(), never);
            let mut seen = vec![0; first.len()];
            gate.read_exact(&mut seen).await.unwrap();
            assert_eq!(seen, first.as_bytes());
            tokio::io::AsyncWriteExt::shutdown(&mut client).await.unwrap();
            assert_eq!(gate.read(&mut seen).await.unwrap(), 0);
            assert_eq!(gate.into_parts().1, behind.as_bytes());
        }
    }

    #[tokio::test]
    async fn exchanges_pass_and_an_upgrade_is_kept_back() {
        let plain = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
                      PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\
                      GET /c HTTP/1.1\r\n\r\n";
        let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nearly";
        let passed = Passed::default();
        let input = [&plain[..], &upgrade[..]].concat();
        let mut gate = gate(&input, &passed);
        let mut seen = Vec::new();
        gate.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, plain);
        let (rest, kept) = gate.into_parts();
        assert_eq!([&kept[..], rest].concat(), upgrade);
        assert_eq!(passed.lock().unwrap().len(), 3);
    }
}
