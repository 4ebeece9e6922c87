//! Bodies on their way through, counted; the end of a download is the end of its record.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::proxy::recording::Recording;
use crate::session::{Direction, Event, Finish, Traffic};

/// Bytes of a body so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
        if let Some(Ok(frame)) = &frame {
            upload.count.add(frame.data_ref().map_or(0, Bytes::len));
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

/// Closes a record when the download ends or is dropped.
#[derive(Debug)]
pub(super) struct Closing {
    recording: Option<Recording>,
    uploaded: Count,
    downloaded: u64,
    last: Option<Instant>,
}

impl Closing {
    pub(super) const fn new(recording: Recording, uploaded: Count) -> Self {
        Self { recording: Some(recording), uploaded, downloaded: 0, last: None }
    }

    fn close(&mut self, complete: bool, error: Option<String>) {
        let Some(recording) = self.recording.take() else { return };
        let uploaded = self.uploaded.get();
        for (direction, bytes) in
            [(Direction::ClientToServer, uploaded), (Direction::ServerToClient, self.downloaded)]
        {
            let last_byte = self.last.filter(|_| direction == Direction::ServerToClient);
            let last_byte = last_byte.map(|at| recording.at(at));
            let traffic = Box::new(Traffic { bytes, last_byte, ..Traffic::default() });
            recording.fact(Instant::now(), Event::Traffic { direction, traffic });
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
            Some(Err(error)) => closing.close(false, Some(format!("upstream: {error}"))),
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
        let error = (!complete).then(|| "the client left before the end of the body".to_owned());
        self.closing.close(complete, error);
    }
}
