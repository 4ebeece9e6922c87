//! Sessions of a tap in front of a hop and of one behind it, joined: what the hop changed, how
//! long it took, and who ended the session first.
//!
//! Nothing is added to the traffic for it. The key of the handshake joins two records of one
//! session, else the sizes of its frames; the offset of the two clocks follows from the fact that
//! nothing arrives before it was sent.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod clock;
mod cut;
mod delay;
mod heads;
mod pairing;
mod print;
mod sharpen;

use serde::Serialize;

pub use clock::ClockOffset;
pub use cut::{Ended, EndedBy};
pub use delay::{Bounds, Delay};
pub use heads::Difference;
pub use pairing::By;
pub use print::text;
pub use sharpen::{Sharpened, sharpen};

use crate::session::{FrameFact, Record, SessionId, Verdict, Wall};

/// One session as one tap saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// With its verdict, if it was judged.
    pub record: Record,
    /// All of them, or the first ones.
    pub frames: Vec<FrameFact>,
}

/// The sessions of two taps.
#[derive(Clone, Debug, Serialize)]
pub struct Joined {
    /// The stores were named in the wrong order: what is called front here is the second one.
    pub swapped: bool,
    /// Clock of the tap behind, less that of the tap in front.
    pub clock: Option<ClockOffset>,
    pub pairs: Vec<Pair>,
    /// Sessions that only one of the taps saw.
    pub only_front: Vec<SessionId>,
    pub only_behind: Vec<SessionId>,
}

/// One session, seen twice.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    pub front: SessionId,
    pub behind: SessionId,
    pub by: By,
    pub started_at: Wall,
    pub request: Vec<Difference>,
    pub response: Vec<Difference>,
    /// Time in the hop from the client to the gateway.
    pub to_gateway: Option<Delay>,
    pub to_client: Option<Delay>,
    pub ended: Ended,
    pub sharpened: Option<Sharpened>,
    /// The verdicts of both records, with what the join knows.
    pub verdicts: [Option<Verdict>; 2],
}

/// What is known of the two clocks beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// Of two machines: their offset is estimated.
    Two,
    /// Both taps read one clock.
    One,
}

/// Joins the sessions of a tap in front of a hop and of one behind it.
pub fn join(front: &[Seen], behind: &[Seen], clocks: Clocks) -> Joined {
    let matched = pairing::pairs(front, behind);
    let reversed: Vec<_> = matched.iter().map(|found| found.reversed()).collect();
    let forward = clock::pooled(front, behind, &matched);
    let swapped = match (&forward, clock::pooled(behind, front, &reversed)) {
        (Some(as_said), Some(other)) => !as_said.consistent && other.consistent,
        (Some(_) | None, None) | (None, Some(_)) => false,
    };
    if swapped {
        Joined { swapped, ..in_order(behind, front, &reversed, clocks) }
    } else {
        in_order(front, behind, &matched, clocks)
    }
}

fn in_order(front: &[Seen], behind: &[Seen], matched: &[pairing::Match], clocks: Clocks) -> Joined {
    let clock = match clocks {
        Clocks::One => Some(ClockOffset::none()),
        Clocks::Two => clock::pooled(front, behind, matched),
    };
    let mut pairs: Vec<Pair> = matched
        .iter()
        .filter_map(|found| {
            let (a, b) = (front.get(found.front)?, behind.get(found.behind)?);
            Some(pair(a, b, found.by, clock, clocks))
        })
        .collect();
    pairs.sort_by_key(|pair| pair.started_at);
    let rest = |all: &[Seen], taken: &dyn Fn(&pairing::Match) -> usize| -> Vec<SessionId> {
        let is_taken = |at: usize| matched.iter().any(|found| taken(found) == at);
        let rest = all.iter().enumerate().filter(|(at, _)| !is_taken(*at));
        rest.map(|(_, seen)| seen.record.id).collect()
    };
    Joined {
        swapped: false,
        clock,
        only_front: rest(front, &|found| found.front),
        only_behind: rest(behind, &|found| found.behind),
        pairs,
    }
}

fn pair(a: &Seen, b: &Seen, by: By, pooled: Option<ClockOffset>, clocks: Clocks) -> Pair {
    let points = clock::Points::of(a, b);
    // Clocks drift: what holds for all sessions may not hold for one that was long ago.
    let clock = match (clocks, pooled) {
        (Clocks::Two, Some(pooled)) if pooled.consistent => Some(pooled),
        (Clocks::Two, Some(_) | None) => ClockOffset::of(&points),
        (Clocks::One, pooled) => pooled,
    };
    let (front, behind) = (&a.record, &b.record);
    let sharpened = sharpen(front, behind);
    let sharper = |record: &Record| {
        let verdict = record.verdict.as_ref()?;
        Some(sharpened.as_ref().map_or_else(|| verdict.clone(), |known| known.apply(verdict)))
    };
    Pair {
        front: front.id,
        behind: behind.id,
        by,
        started_at: front.started_at,
        request: heads::request(front, behind),
        response: heads::response(front, behind),
        to_gateway: clock.and_then(|clock| Delay::to_gateway(&points, clock)),
        to_client: clock.and_then(|clock| Delay::to_client(&points, clock)),
        ended: cut::ended(front, behind, clock),
        verdicts: [sharper(front), sharper(behind)],
        sharpened,
    }
}

#[cfg(test)]
mod tests;
