//! Both directions of a session in one future, and what becomes of it when a leg dies.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::half::{Ends, Half, Stop};
use super::teardown::tear_down;
use super::{Seen, Watch};
use crate::session::{Direction, Leg};
use crate::socket::{ErrorWatch, Failure, Stream};

/// How long a leg goes unread before its errors are watched for by other means. Short stalls are
/// part of every bulk transfer and must cost nothing.
const UNREAD: Duration = Duration::from_millis(100);

/// When the kernel's view of both legs is first recorded; then after twice the time, each time,
/// up to [`SLOWEST_SAMPLE`]. No timer runs for it: it is due with the next byte.
const FIRST_SAMPLE: Duration = Duration::from_secs(2);
const SLOWEST_SAMPLE: Duration = Duration::from_mins(1);

/// How the relay ended.
#[derive(Debug)]
pub enum End {
    /// Both directions ended, or a leg died and the other one was told.
    Over,
    /// The exchange was over and the client goes on with these bytes.
    Next(Vec<u8>),
    /// Cut by the token.
    Cut,
}

/// What a relay may do besides relaying.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Ends the session at once.
    pub cut: &'a CancellationToken,
    /// What goes to the upstream before anything that is read.
    pub first: Vec<u8>,
    /// Hand bytes of the client back once the watcher says that the exchange is over.
    pub hand_back: bool,
}

/// Relays until both directions have ended or a leg is dead, and passes each end on as it came.
///
/// # Cancel safety
/// Not cancel safe: bytes that were read and not yet written are lost with the future.
pub async fn relay<W: Watch>(
    down: &mut Stream,
    up: &mut Stream,
    watch: &mut W,
    settings: Settings<'_>,
) -> End {
    let mut duplex = Duplex::new();
    duplex.half(Direction::ClientToServer).hold(settings.first);
    let moved = std::future::poll_fn(|cx| {
        duplex.poll(cx, &mut Legs { down, up }, watch, settings.hand_back)
    });
    let stopped = tokio::select! {
        biased;
        stopped = moved => stopped,
        () = settings.cut.cancelled() => Stopped::Cut,
    };
    match stopped {
        Stopped::Finished => End::Over,
        Stopped::Next(bytes) => End::Next(bytes),
        Stopped::Cut => {
            let now = Instant::now();
            watch.ended(Leg::Downstream, now, Seen::Cut);
            watch.ended(Leg::Upstream, now, Seen::Cut);
            End::Cut
        }
        Stopped::Dead(leg, failure) => {
            duplex.unread = [None, None]; // their duplicates would keep the sockets open
            let direction = leg.reads();
            let far_source_ended = duplex.half(direction.opposite()).source_ended();
            let half = duplex.half(direction);
            let mut legs = Legs { down, up };
            Box::pin(tear_down(half, legs.of(direction), &failure, far_source_ended, watch)).await;
            End::Over
        }
    }
}

enum Stopped {
    Finished,
    Next(Vec<u8>),
    Cut,
    Dead(Leg, Failure),
}

struct Legs<'a> {
    down: &'a mut Stream,
    up: &'a mut Stream,
}

impl Legs<'_> {
    fn of(&mut self, direction: Direction) -> Ends<'_> {
        match direction {
            Direction::ClientToServer => Ends { from: self.down, to: self.up },
            Direction::ServerToClient => Ends { from: self.up, to: self.down },
        }
    }

    fn leg(&self, leg: Leg) -> &Stream {
        match leg {
            Leg::Downstream => self.down,
            Leg::Upstream => self.up,
        }
    }
}

/// Waits for the error of a leg that is not being read.
enum Unread {
    /// Perhaps it will be read again soon.
    Soon(Pin<Box<Sleep>>),
    Watched(ErrorWatch),
}

struct Duplex {
    /// By [`Direction::index`].
    halves: [Half; 2],
    /// For the client's leg and the upstream leg, while they are not read.
    unread: [Option<Unread>; 2],
    /// When the sockets are looked at again, and the time until then.
    sample_at: Instant,
    sample_after: Duration,
}

impl Duplex {
    fn new() -> Self {
        Self {
            halves: Direction::BOTH.map(Half::new),
            unread: [None, None],
            sample_at: Instant::now() + FIRST_SAMPLE,
            sample_after: FIRST_SAMPLE,
        }
    }

    const fn half(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction.index()]
    }

    fn poll<W: Watch>(
        &mut self,
        cx: &mut Context<'_>,
        legs: &mut Legs<'_>,
        watch: &mut W,
        hand_back: bool,
    ) -> Poll<Stopped> {
        loop {
            let mut learned = false;
            for direction in Direction::BOTH {
                let mut ends = legs.of(direction);
                let half = self.half(direction);
                let hand_back = hand_back && direction == Direction::ClientToServer;
                match half.drive(cx, &mut ends, watch, hand_back) {
                    Poll::Ready(Err(Stop::Dead(leg, failure))) => {
                        return Poll::Ready(Stopped::Dead(leg, failure));
                    }
                    Poll::Ready(Err(Stop::Next(bytes))) => {
                        return Poll::Ready(Stopped::Next(bytes));
                    }
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                // At once: a socket tells its error once, and reads as ended afterwards.
                let [c2s, s2c] = &mut self.halves;
                learned |= c2s.learn_of(s2c) | s2c.learn_of(c2s);
            }
            if !learned {
                break;
            }
            let [c2s, s2c] = &mut self.halves;
            // A sink that failed after its own end was read has nothing more to say.
            for half in [c2s, s2c] {
                if let Some((leg, failure)) = half.dead_source() {
                    return Poll::Ready(Stopped::Dead(leg, failure));
                }
            }
        }
        self.sample(legs, watch);
        if self.halves.iter().all(Half::is_finished) {
            return Poll::Ready(Stopped::Finished);
        }
        for leg in [Leg::Downstream, Leg::Upstream] {
            if let Poll::Ready(failure) = self.poll_unread(cx, legs, leg) {
                return Poll::Ready(Stopped::Dead(leg, failure));
            }
        }
        Poll::Pending
    }

    fn sample(&mut self, legs: &Legs<'_>, watch: &mut impl Watch) {
        let moved = self.halves.iter().filter_map(|half| half.moved).max();
        let Some(now) = moved.filter(|moved| *moved >= self.sample_at) else { return };
        for leg in [Leg::Downstream, Leg::Upstream] {
            watch.sample(now, leg, legs.leg(leg));
        }
        self.sample_after = (self.sample_after * 2).min(SLOWEST_SAMPLE);
        self.sample_at = now + self.sample_after;
    }

    /// A leg that is not read, because its FIN was seen or the far side is slow, can die unseen.
    fn poll_unread(&mut self, cx: &mut Context<'_>, legs: &Legs<'_>, leg: Leg) -> Poll<Failure> {
        let index = leg.reads().index();
        let (half, place) = (&self.halves[index], &mut self.unread[index]);
        if !half.is_stalled() && !half.source_ended() {
            *place = None;
            return Poll::Pending;
        }
        loop {
            match place {
                None => {
                    *place = Some(Unread::Soon(Box::pin(tokio::time::sleep(UNREAD))));
                }
                Some(Unread::Soon(sleep)) => {
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    // Without descriptors for a duplicate the leg is read again later, or never.
                    match legs.leg(leg).watch_error() {
                        Ok(watch) => *place = Some(Unread::Watched(watch)),
                        Err(_) => sleep.as_mut().reset(tokio::time::Instant::now() + UNREAD),
                    }
                }
                Some(Unread::Watched(watch)) => return Pin::new(watch).poll(cx),
            }
        }
    }
}
