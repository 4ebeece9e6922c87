//! How long things took from one tap to the other: exact where one clock is read, else bounds.

use serde::Serialize;

use super::clock::{ClockOffset, Points, millis};

/// Time in the hop, of heads and frames of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delay {
    /// Heads and frames that both taps saw.
    pub seen: usize,
    pub shortest: Bounds,
    pub median: Bounds,
    pub longest: Bounds,
}

/// A time that lies between two others, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    pub at_least_ms: f64,
    pub at_most_ms: f64,
}

impl Delay {
    pub(super) fn to_gateway(points: &Points, clock: ClockOffset) -> Option<Self> {
        let apart = points.to_gateway.iter().map(|(front, behind)| behind - front);
        Self::of(apart.collect(), |apart| [apart - clock.upper, apart - clock.lower])
    }

    pub(super) fn to_client(points: &Points, clock: ClockOffset) -> Option<Self> {
        let apart = points.to_client.iter().map(|(front, behind)| front - behind);
        Self::of(apart.collect(), |apart| [apart + clock.lower, apart + clock.upper])
    }

    fn of(mut apart: Vec<i64>, bounds: impl Fn(i64) -> [i64; 2]) -> Option<Self> {
        apart.sort_unstable();
        let between = |apart: Option<&i64>| {
            let [least, most] = bounds(*apart?);
            Some(Bounds { at_least_ms: millis(least.max(0)), at_most_ms: millis(most.max(0)) })
        };
        Some(Self {
            seen: apart.len(),
            shortest: between(apart.first())?,
            median: between(apart.get(apart.len() / 2))?,
            longest: between(apart.last())?,
        })
    }
}
