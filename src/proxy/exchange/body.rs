//! Bodies on their way through, counted; the end of a download is the end of its record.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::proxy::recording::Recording;
use crate::relay::Seen;
use crate::session::{Direction, Ending, EndingKind, Event, Finish, Leg, Traffic};
use crate::socket::Stream;

/// What became of a request's body so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<Uploaded>);

#[derive(Debug, Default)]
struct Uploaded {
    bytes: AtomicU64,
    /// How the client broke it off.
    broken: OnceLock<EndingKind>,
}

impl Count {
    fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    fn broken_by(&self, error: &hyper::Error) {
        self.0.broken.get_or_init(|| broken_off(error));
    }

    pub(super) fn broken(&self) -> Option<EndingKind> {
        self.0.broken.get().cloned()
    }
}

/// How the sender of a body broke it off.
fn broken_off(error: &hyper::Error) -> EndingKind {
    let beneath = std::error::Error::source(error);
    match beneath.and_then(|error| error.downcast_ref::<io::Error>()) {
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => EndingKind::Fin,
        Some(error) => Seen::of(&Stream::read_failure(error), 0).kind(""),
        None if error.is_incomplete_message() => EndingKind::Fin,
        None => EndingKind::Failed { error: error.to_string() },
    }
}

/// A request's body.
#[derive(Debug)]
pub(super) struct Upload {
    body: Incoming,
    count: Count,
}

impl Upload {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, count: Count::default() }
    }

    pub(super) fn counter(&self) -> Count {
        self.count.clone()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let upload = self.get_mut();
        let frame = ready!(Pin::new(&mut upload.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => upload.count.add(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(error)) => upload.count.broken_by(error),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body. Whatever ends it, the record is closed.
#[derive(Debug)]
pub(super) struct Download {
    body: Incoming,
    closing: Closing,
}

/// What ended all exchanges of a connection from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct CutShort(Arc<OnceLock<EndingKind>>);

impl CutShort {
    pub(super) fn by(&self, kind: EndingKind) {
        self.0.get_or_init(|| kind);
    }

    pub(super) fn kind(&self) -> Option<EndingKind> {
        self.0.get().cloned()
    }
}

/// Closes a record when the download ends, or when the exchange is dropped before that.
#[derive(Debug)]
pub(super) struct Closing {
    recording: Recording,
    uploaded: Count,
    downloaded: u64,
    last: Option<Instant>,
    cut_short: CutShort,
    closed: bool,
}

impl Closing {
    pub(super) const fn new(recording: Recording, uploaded: Count, cut_short: CutShort) -> Self {
        Self { recording, uploaded, downloaded: 0, last: None, cut_short, closed: false }
    }

    pub(super) const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Whoever takes the record over closes it.
    pub(super) const fn take_over(&mut self) -> &Recording {
        self.closed = true;
        &self.recording
    }

    fn upstream_ended(&self, kind: EndingKind) {
        if !self.closed && self.cut_short.0.get().is_none() {
            let now = Instant::now();
            let ending = Ending { leg: Leg::Upstream, at: self.recording.at(now), kind };
            self.recording.fact(now, Event::Ending(ending));
        }
    }

    fn close(&mut self, complete: bool, error: Option<String>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let now = Instant::now();
        let recording = &self.recording;
        if let Some(kind) = self.cut_short.kind().filter(|_| !complete) {
            let ending = Ending { leg: Leg::Downstream, at: recording.at(now), kind };
            recording.fact(now, Event::Ending(ending));
        }
        let uploaded = self.uploaded.get();
        for (direction, bytes) in
            [(Direction::ClientToServer, uploaded), (Direction::ServerToClient, self.downloaded)]
        {
            let last_byte = self.last.filter(|_| direction == Direction::ServerToClient);
            let last_byte = last_byte.map(|at| recording.at(at));
            let traffic = Box::new(Traffic { bytes, last_byte, ..Traffic::default() });
            recording.fact(now, Event::Traffic { direction, traffic });
        }
        let finish = Finish {
            complete: Some(complete),
            body_c2s: Some(uploaded),
            body_s2c: Some(self.downloaded),
            error,
            reused: false,
        };
        recording.finish(&[], finish);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.close(false, Some("the exchange was dropped before its end".to_owned()));
    }
}

impl Download {
    pub(super) const fn new(body: Incoming, closing: Closing) -> Self {
        Self { body, closing }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let download = self.get_mut();
        let frame = ready!(Pin::new(&mut download.body).poll_frame(cx));
        let closing = &mut download.closing;
        match &frame {
            Some(Ok(frame)) => {
                closing.downloaded += frame.data_ref().map_or(0, Bytes::len) as u64;
                closing.last = Some(Instant::now());
            }
            Some(Err(error)) => {
                closing.upstream_ended(broken_off(error));
                closing.close(false, Some(format!("upstream: {error}")));
            }
            None => closing.close(true, None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let complete = self.body.is_end_stream();
        let error = (!complete).then(|| "broken off before the end of the body".to_owned());
        self.closing.close(complete, error);
    }
}
