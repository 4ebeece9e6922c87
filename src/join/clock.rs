//! How far two clocks are apart, from frames that both taps saw: as in NTP, a frame towards the
//! gateway bounds the offset from above, one towards the client from below.

use serde::Serialize;

use super::Seen;
use super::pairing::Match;
use crate::session::{Direction, FrameFact, Offset, Wall};

/// Clock of the tap behind less clock of the tap in front, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClockOffset {
    /// Microseconds.
    #[serde(skip)]
    pub lower: i64,
    #[serde(skip)]
    pub upper: i64,
    pub estimate_ms: f64,
    /// The true offset is no farther from the estimate than this.
    pub uncertainty_ms: f64,
    /// False when no single offset fits everything that was seen: the clocks drift, one was set,
    /// or the taps stand in the other order.
    pub consistent: bool,
}

/// Times of one thing at both taps, in microseconds of their own clocks: in front, behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Points {
    pub(super) to_gateway: Vec<(i64, i64)>,
    pub(super) to_client: Vec<(i64, i64)>,
}

/// More is the resolution of two clocks that are read at different places of a read.
const TOLERANCE: i64 = 200;

impl Points {
    pub(super) fn of(front: &Seen, behind: &Seen) -> Self {
        let (a, b) = (&front.record, &behind.record);
        let wall = |start: Wall, at: Offset| start.plus(at).0;
        let both = |at_a: Option<Offset>, at_b: Option<Offset>| {
            let (at_a, at_b) = (at_a?, at_b?);
            Some((wall(a.started_at, at_a), wall(b.started_at, at_b)))
        };
        let request = both(a.request.as_ref().map(|r| r.at), b.request.as_ref().map(|r| r.at));
        let response = both(a.response.as_ref().map(|r| r.at), b.response.as_ref().map(|r| r.at));
        let frames = |direction| -> Vec<(i64, i64)> {
            of(front, direction)
                .zip(of(behind, direction))
                .take_while(|(x, y)| x.first == y.first && x.len == y.len)
                .map(|(x, y)| (wall(a.started_at, x.at), wall(b.started_at, y.at)))
                .collect()
        };
        let with = |head: Option<(i64, i64)>, direction| {
            head.into_iter().chain(frames(direction)).collect()
        };
        Self {
            to_gateway: with(request, Direction::ClientToServer),
            to_client: with(response, Direction::ServerToClient),
        }
    }

    /// Bounds of the offset: lower, upper.
    fn bounds(&self) -> Option<(i64, i64)> {
        let upper = self.to_gateway.iter().map(|(front, behind)| behind - front).min()?;
        let lower = self.to_client.iter().map(|(front, behind)| behind - front).max()?;
        Some((lower, upper))
    }
}

pub(super) fn of(seen: &Seen, direction: Direction) -> impl Iterator<Item = &FrameFact> {
    seen.frames.iter().filter(move |frame| frame.direction == direction)
}

impl ClockOffset {
    /// Of one clock that both read.
    pub(super) const fn none() -> Self {
        Self { lower: 0, upper: 0, estimate_ms: 0.0, uncertainty_ms: 0.0, consistent: true }
    }

    pub(super) fn of(points: &Points) -> Option<Self> {
        points.bounds().map(Self::between)
    }

    fn between((lower, upper): (i64, i64)) -> Self {
        let consistent = lower <= upper + TOLERANCE;
        let (lower, upper) = (lower.min(upper), lower.max(upper));
        Self {
            lower,
            upper,
            estimate_ms: millis(lower.midpoint(upper)),
            uncertainty_ms: millis(upper - lower) / 2.0,
            consistent,
        }
    }
}

/// One offset for all pairs.
pub(super) fn pooled(front: &[Seen], behind: &[Seen], matched: &[Match]) -> Option<ClockOffset> {
    let each = matched.iter().filter_map(|found| {
        Points::of(front.get(found.front)?, behind.get(found.behind)?).bounds()
    });
    let all = each.reduce(|all, one| (all.0.max(one.0), all.1.min(one.1)))?;
    Some(ClockOffset::between(all))
}

#[expect(clippy::cast_precision_loss, reason = "52 bits of microseconds are 142 years")]
pub(super) fn millis(micros: i64) -> f64 {
    micros as f64 / 1000.0
}
