//! The upstream connection of one client connection's ordinary requests, dialled anew when the
//! upstream has closed it meanwhile.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::Upload;
use crate::proxy::connection::Listening;
use crate::proxy::recording::Recording;
use crate::session::{Dial, DialFailure, Event, Leg, TlsFacts};
use crate::socket::Stream;
use crate::upgrade::{ResponseHead, ResponseReader};

/// How long a connection may outlive the cut. Without an exchange it ends by itself.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where ordinary requests go.
pub(super) struct Upstream {
    listening: Arc<Listening>,
    name: String,
    open: Option<Open>,
}

struct Open {
    sender: http1::SendRequest<Upload>,
    heads: Heads,
    dial: Dial,
    tls: Option<TlsFacts>,
}

/// A response whose body has not come yet, and its head as it was on the wire.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) head: Option<ResponseHead>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failed {
    Dial(DialFailure),
    Exchange(io::Error),
}

impl Upstream {
    pub(super) fn new(listening: Arc<Listening>) -> Self {
        let name = listening.route.dialer.upstream().to_string();
        Self { listening, name, open: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request and waits for the response's head. A connection that was closed before it
    /// took the request is replaced once.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Upload>,
        recording: &Recording,
    ) -> Result<Answered, Failed> {
        loop {
            let reused = self.open.as_ref().is_some_and(|open| !open.sender.is_closed());
            if !reused {
                self.open = Some(self.dial(recording).await?);
            }
            let Some(open) = &mut self.open else { continue };
            if reused {
                open.recorded_again(recording);
            }
            let is_head = request.method() == hyper::Method::HEAD;
            open.heads.expect(is_head);
            match open.sender.try_send_request(request).await {
                Ok(response) => return Ok(Answered { response, head: open.heads.take() }),
                Err(mut refused) => {
                    self.open = None;
                    match refused.take_message().filter(|_| reused) {
                        Some(again) => request = again,
                        None => return Err(Failed::Exchange(io_error(&refused.into_error()))),
                    }
                }
            }
        }
    }

    async fn dial(&self, recording: &Recording) -> Result<Open, Failed> {
        let dialled = self.listening.route.dialer.dial().await;
        let now = Instant::now();
        let (dial, tls) = (dialled.dial, dialled.tls);
        recording.fact(now, Event::Dial(dial.clone()));
        if let Some(facts) = &tls {
            recording.fact(now, Event::Tls { leg: Leg::Upstream, facts: facts.clone() });
        }
        let stream = dialled.result.map_err(Failed::Dial)?;
        let heads = Heads::default();
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(super::MAX_HEADERS)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(Seen { stream, heads: heads.clone() }))
            .await
            .map_err(|error| Failed::Exchange(io_error(&error)))?;
        let cut = self.listening.cut.clone();
        self.listening.tracker.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // Its errors reach the exchange that they break.
            tokio::select! {
                _ = &mut connection => return,
                () = cut.cancelled() => {}
            }
            // The exchange is dropped first, so that it records the cut and not a failure here.
            drop(tokio::time::timeout(FAREWELL, connection).await);
        });
        Ok(Open { sender, heads, dial, tls })
    }
}

impl Open {
    fn recorded_again(&self, recording: &Recording) {
        let now = Instant::now();
        recording.fact(now, Event::Dial(self.dial.clone()));
        if let Some(facts) = &self.tls {
            recording.fact(now, Event::Tls { leg: Leg::Upstream, facts: facts.clone() });
        }
        recording.note("upstream_reused", "sent on the upstream connection of an earlier request");
    }
}

/// The I/O error beneath a library's error, or that error by its words.
fn io_error(error: &hyper::Error) -> io::Error {
    let beneath = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    match beneath.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    }
}

/// Response heads as they come by, for one exchange at a time.
#[derive(Clone, Debug, Default)]
struct Heads(Arc<Mutex<Expected>>);

#[derive(Debug, Default)]
struct Expected {
    reader: Option<ResponseReader>,
    head: Option<ResponseHead>,
}

impl Heads {
    fn expect(&self, is_head: bool) {
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *expected = Expected { reader: Some(ResponseReader::new(is_head)), head: None };
    }

    fn feed(&self, bytes: &[u8]) {
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reader) = &mut expected.reader else { return };
        match reader.feed(bytes) {
            Ok(None) => {}
            Ok(Some((head, _))) => *expected = Expected { reader: None, head: Some(head) },
            Err(_) => expected.reader = None,
        }
    }

    fn take(&self) -> Option<ResponseHead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).head.take()
    }
}

/// The upstream's stream, with response heads noted as they come by.
struct Seen {
    stream: Stream,
    heads: Heads,
}

impl AsyncRead for Seen {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let seen = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut seen.stream).poll_read(cx, buf))?;
        seen.heads.feed(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Seen {
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
