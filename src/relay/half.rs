//! One direction: read into a lent buffer, write the same bytes at once, tell the watcher.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lent::{Held, LARGEST, Lent, SMALLEST};
use super::{Seen, Watch};
use crate::session::{Direction, Leg, TlsEnd};
use crate::socket::{Failure, Finish, Stream};

/// Reads and writes before the neighbours get their turn.
const ROUNDS: usize = 16;

/// One direction of a session. It owns a buffer only while the far side refuses bytes.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) direction: Direction,
    held: Option<Held>,
    /// TLS of the sink took bytes that its socket refuses.
    flushing: bool,
    read_size: usize,
    /// When bytes last came.
    pub(super) moved: Option<Instant>,
    /// How the source ended, and so how the sink is to be finished.
    source_ended: Option<Finish>,
    /// The end was passed on.
    finished: bool,
    sink: Sink,
    /// The other direction could not write to this one's source: its end is no FIN.
    source_broken: Option<Failure>,
}

/// Whether a direction can be written.
#[derive(Debug)]
enum Sink {
    Open,
    /// Writing failed. What the sink had sent before is still read by the other direction.
    Failed(Failure),
    /// The other direction knows of the failure.
    Gone,
}

/// Why a direction cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// A leg is dead.
    Dead(Leg, Failure),
    /// The exchange was over, and the client began another one with these bytes.
    Next(Vec<u8>),
}

/// The two streams of a direction.
pub(super) struct Ends<'a> {
    pub(super) from: &'a mut Stream,
    pub(super) to: &'a mut Stream,
}

impl Half {
    pub(super) const fn new(direction: Direction) -> Self {
        Self {
            direction,
            held: None,
            flushing: false,
            read_size: SMALLEST,
            moved: None,
            source_ended: None,
            finished: false,
            sink: Sink::Open,
            source_broken: None,
        }
    }

    /// Bytes that go before what is read.
    pub(super) fn hold(&mut self, first: Vec<u8>) {
        let len = first.len();
        self.held = (len > 0).then(|| Held::new(Lent::of(first), 0, len));
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) const fn source_ended(&self) -> bool {
        self.source_ended.is_some()
    }

    /// Bytes wait, so the source is not being read.
    pub(super) const fn is_stalled(&self) -> bool {
        self.held.is_some() || self.flushing
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.rest().len() as u64)
    }

    /// Takes over that writing to this direction's source failed: what it sent before is read,
    /// and then it is dead. True when there was such a failure.
    pub(super) fn learn_of(&mut self, other: &mut Self) -> bool {
        if self.source_broken.is_some() || !matches!(other.sink, Sink::Failed(_)) {
            return false;
        }
        if let Sink::Failed(failure) = std::mem::replace(&mut other.sink, Sink::Gone) {
            self.source_broken = Some(failure);
        }
        true
    }

    /// The source that failed as a sink, once nothing more is read from it.
    pub(super) fn dead_source(&mut self) -> Option<(Leg, Failure)> {
        let failure = self.source_broken.take_if(|_| self.source_ended.is_some())?;
        Some((self.direction.source(), failure))
    }

    /// Moves bytes until one side is not ready, and then passes the end on.
    pub(super) fn drive(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_>,
        watch: &mut impl Watch,
        hand_back: bool,
    ) -> Poll<Result<(), Stop>> {
        if self.finished {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..ROUNDS {
            if self.sink_is_lost() {
                return Poll::Pending; // the other direction says how the sink ended
            }
            ready!(self.write_held(cx, ends.to));
            if self.sink_is_lost() {
                return Poll::Pending;
            }
            if let Some(how) = self.source_ended {
                return self.pass_end_on(cx, ends.to, how);
            }
            let mut buffer = Lent::take();
            let read = ready!(self.read(cx, ends.from, &mut buffer));
            let now = Instant::now();
            match read {
                Ok(0) => {
                    if let Some(failure) = self.source_broken.take() {
                        return Poll::Ready(Err(Stop::Dead(self.direction.source(), failure)));
                    }
                    self.end_of_source(ends.from, now, watch);
                }
                Ok(count) if hand_back && watch.exchange_over() => {
                    return Poll::Ready(Err(Stop::Next(buffer[..count].to_vec())));
                }
                Ok(count) => {
                    self.moved = Some(now);
                    let sent = self.write_now(cx, ends.to, &buffer[..count]);
                    watch.chunk(self.direction, now, &buffer[..count]);
                    self.adapt(count, sent);
                    if sent < count {
                        self.held = Some(Held::new(buffer, sent, count));
                    }
                }
                Err(error) => {
                    let failure = Stream::read_failure(&error);
                    if let Some(stop) = self.failed_read(failure, now, watch) {
                        return Poll::Ready(Err(stop));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// After the source died: moves what it had sent before. Ready when nothing is left that can
    /// be moved; the number of bytes that were moved is told to the watcher.
    pub(super) fn drain(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_>,
        watch: &mut impl Watch,
    ) -> Poll<()> {
        if self.finished || self.sink_is_lost() {
            return Poll::Ready(());
        }
        loop {
            ready!(self.write_held(cx, ends.to));
            if self.sink_is_lost() || self.source_ended() {
                return Poll::Ready(());
            }
            let mut buffer = Lent::take();
            match self.read(cx, ends.from, &mut buffer) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    let sent = self.write_now(cx, ends.to, &buffer[..count]);
                    watch.chunk(self.direction, Instant::now(), &buffer[..count]);
                    if sent < count {
                        self.held = Some(Held::new(buffer, sent, count));
                    }
                }
                // A dead socket gives nothing more: an error, an end, or not ready for ever.
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
    }

    const fn sink_is_lost(&self) -> bool {
        matches!(self.sink, Sink::Failed(_) | Sink::Gone)
    }

    fn write_held(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<()> {
        while let Some(held) = &mut self.held {
            match ready!(Pin::new(&mut *to).poll_write(cx, held.rest())) {
                Ok(count) => held.written(count),
                Err(error) => {
                    self.sink = Sink::Failed(Stream::read_failure(&error));
                    return Poll::Ready(());
                }
            }
            if held.rest().is_empty() {
                self.held = None;
            }
        }
        if to.is_tls() {
            // TLS may still hold ciphertext of what it took.
            let flushed = Pin::new(&mut *to).poll_flush(cx);
            self.flushing = flushed.is_pending();
            if let Err(error) = ready!(flushed) {
                self.sink = Sink::Failed(Stream::read_failure(&error));
            }
        }
        Poll::Ready(())
    }

    fn pass_end_on(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Stream,
        how: Finish,
    ) -> Poll<Result<(), Stop>> {
        // A sink that is gone already cannot be finished; its own end says so.
        match ready!(to.poll_finish(cx, how)) {
            Ok(()) => {}
            Err(error) => self.sink = Sink::Failed(Stream::read_failure(&error)),
        }
        self.finished = true;
        Poll::Ready(Ok(()))
    }

    fn read(
        &self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        buffer: &mut Lent,
    ) -> Poll<io::Result<usize>> {
        let size = self.read_size.min(buffer.len());
        let mut space = ReadBuf::new(&mut buffer[..size]);
        ready!(Pin::new(from).poll_read(cx, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }

    fn write_now(&mut self, cx: &mut Context<'_>, to: &mut Stream, bytes: &[u8]) -> usize {
        match Pin::new(&mut *to).poll_write(cx, bytes) {
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(error)) => {
                self.sink = Sink::Failed(Stream::read_failure(&error));
                0
            }
            Poll::Pending => 0,
        }
    }

    /// Full reads that are written whole grow the buffer; a short write shrinks it.
    fn adapt(&mut self, read: usize, sent: usize) {
        if sent < read {
            self.read_size = (self.read_size / 2).max(SMALLEST);
        } else if read == self.read_size {
            self.read_size = (self.read_size * 2).min(LARGEST);
        }
    }

    fn end_of_source(&mut self, from: &Stream, now: Instant, watch: &mut impl Watch) {
        let leg = self.direction.source();
        if from.is_tls() {
            watch.ended(leg, now, Seen::Tls(TlsEnd::CloseNotify));
        } else {
            watch.ended(leg, now, Seen::Fin);
        }
        self.source_ended = Some(Finish::Orderly);
    }

    /// TLS that ended wrongly ends this direction; anything else ends the leg.
    fn failed_read(
        &mut self,
        failure: Failure,
        now: Instant,
        watch: &mut impl Watch,
    ) -> Option<Stop> {
        let leg = self.direction.source();
        match failure {
            Failure::Reset | Failure::Kernel(_) => Some(Stop::Dead(leg, failure)),
            Failure::TlsTruncated | Failure::TlsAlert(_) | Failure::TlsBroken(_) => {
                watch.ended(leg, now, Seen::of(&failure, 0));
                self.source_ended = Some(Finish::Truncate);
                None
            }
        }
    }
}
