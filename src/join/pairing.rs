//! Which record of one tap is which of the other.

use std::collections::HashMap;

use serde::Serialize;

use super::Seen;
use super::clock::{Points, of};
use crate::session::{Direction, Kind};

/// How two records were found to be one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The handshake's key, which is random.
    Key,
    /// The sizes and kinds of their frames, which fit no other session.
    Frames,
    /// The same, and of several that fit the nearest in time.
    FramesAndTime,
}

/// Two places in the lists of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) front: usize,
    pub(super) behind: usize,
    pub(super) by: By,
}

/// Fewer frames are alike in too many sessions.
const FRAMES: usize = 3;

impl Match {
    pub(super) const fn reversed(self) -> Self {
        Self { front: self.behind, behind: self.front, by: self.by }
    }
}

pub(super) fn pairs(front: &[Seen], behind: &[Seen]) -> Vec<Match> {
    let mut found = by_key(front, behind);
    let left = |all: &[Seen], taken: &dyn Fn(&Match) -> usize| -> Vec<usize> {
        (0..all.len()).filter(|at| found.iter().all(|one| taken(one) != *at)).collect()
    };
    let (a, b) = (left(front, &|one| one.front), left(behind, &|one| one.behind));
    let offset = offset(front, behind, &found);
    found.extend(by_frames((front, &a), (behind, &b), offset));
    found
}

fn by_key(front: &[Seen], behind: &[Seen]) -> Vec<Match> {
    let mut keys: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, seen) in behind.iter().enumerate() {
        if let Some(key) = key(seen) {
            keys.entry(key).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (at, seen) in front.iter().enumerate() {
        // One upgrade that a hop repeats comes more than once: the last one is the one that
        // went on. A client that reuses its key comes in order.
        let Some(candidates) = key(seen).and_then(|key| keys.get_mut(key)) else { continue };
        let later = front.iter().skip(at + 1).filter(|other| key(other) == key(seen)).count();
        let take = candidates.len().saturating_sub(later + 1);
        if candidates.is_empty() {
            continue;
        }
        let behind = candidates.remove(take.min(candidates.len() - 1));
        candidates.drain(..take.min(candidates.len()));
        found.push(Match { front: at, behind, by: By::Key });
    }
    found
}

fn key(seen: &Seen) -> Option<&str> {
    let request = seen.record.request.as_ref()?;
    request.sec_websocket_key.as_deref().filter(|key| !key.is_empty())
}

/// Clock behind less clock in front, as far as joined sessions tell.
fn offset(front: &[Seen], behind: &[Seen], found: &[Match]) -> i64 {
    let clock = super::clock::pooled(front, behind, found);
    clock.map_or(0, |clock| clock.lower.midpoint(clock.upper))
}

fn by_frames(
    (front, a): (&[Seen], &[usize]),
    (behind, b): (&[Seen], &[usize]),
    offset: i64,
) -> Vec<Match> {
    let mut fitting: Vec<(i64, usize, usize)> = Vec::new();
    for &x in a {
        for &y in b {
            let (Some(one), Some(other)) = (front.get(x), behind.get(y)) else { continue };
            if alike(one, other) {
                let apart = other.record.started_at.0 - one.record.started_at.0 - offset;
                fitting.push((apart.abs(), x, y));
            }
        }
    }
    fitting.sort_unstable();
    let alone = |x: usize, y: usize| {
        fitting.iter().filter(|(_, one, other)| *one == x || *other == y).count() == 1
    };
    let mut found: Vec<Match> = Vec::new();
    for &(_, x, y) in &fitting {
        if found.iter().any(|one| one.front == x || one.behind == y) {
            continue;
        }
        let by = if alone(x, y) { By::Frames } else { By::FramesAndTime };
        found.push(Match { front: x, behind: y, by });
    }
    found
}

/// Whether both saw the same frames, up to where one of them ended.
fn alike(one: &Seen, other: &Seen) -> bool {
    if one.record.kind != Kind::Websocket || other.record.kind != Kind::Websocket {
        return false;
    }
    let same = |direction| {
        let (mut x, mut y) = (of(one, direction), of(other, direction));
        x.by_ref().zip(y.by_ref()).all(|(x, y)| x.first == y.first && x.len == y.len)
    };
    let points = Points::of(one, other);
    // Both heads are among the points.
    let frames = (points.to_gateway.len() + points.to_client.len()).saturating_sub(2);
    let longer = one.frames.len().max(other.frames.len());
    Direction::BOTH.into_iter().all(same) && frames >= FRAMES && frames * 10 >= longer * 9
}
