//! Silences: how long nothing had come when the session ended, and how regular keepalives were.

use serde::{Deserialize, Serialize};

use super::{At, Record};
use crate::session::{Control, Direction, Offset, Silence};

/// Silence of each direction, and of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// Time from the last byte of the client to the end of the session.
    pub c2s_at_end_ms: Option<Offset>,
    pub s2c_at_end_ms: Option<Offset>,
    /// Time from the last byte of either side to the end of the session.
    pub at_end_ms: Option<Offset>,
    pub c2s_longest: Option<Silence>,
    pub s2c_longest: Option<Silence>,
    pub c2s_pings: Option<Cadence>,
    pub s2c_pings: Option<Cadence>,
}

/// Pings of one direction, and the other side's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    pub pings: u64,
    /// Pongs that answered one of them.
    pub answered: u64,
    /// Shortest, median and longest time between two pings.
    pub every_ms: Option<[Offset; 3]>,
    /// Shortest, median and longest time from a ping to its pong, as seen here.
    pub rtt_ms: Option<[Offset; 3]>,
}

impl Idle {
    pub(super) fn of(record: &Record) -> Self {
        // The end is the first thing that ended a leg; later endings are its echo.
        let end = record.endings.iter().map(|e| e.at).min().unwrap_or(record.duration_ms);
        let since = |direction| record.frames.of(direction).last_byte.map(|last| end.since(last));
        let (c2s, s2c) = (since(Direction::ClientToServer), since(Direction::ServerToClient));
        Self {
            c2s_at_end_ms: c2s,
            s2c_at_end_ms: s2c,
            at_end_ms: [c2s, s2c].into_iter().flatten().min(),
            c2s_longest: record.frames.c2s.longest_silence,
            s2c_longest: record.frames.s2c.longest_silence,
            c2s_pings: Cadence::of(&record.control, Direction::ClientToServer),
            s2c_pings: Cadence::of(&record.control, Direction::ServerToClient),
        }
    }
}

impl Cadence {
    fn of(control: &[At<Control>], direction: Direction) -> Option<Self> {
        let pings: Vec<Offset> = control
            .iter()
            .filter(|c| c.fact.opcode == 0x9 && c.fact.direction == direction)
            .map(|c| c.at)
            .collect();
        let rtts: Vec<Offset> = control
            .iter()
            .filter(|c| c.fact.opcode == 0xa && c.fact.direction == direction.opposite())
            .filter_map(|c| c.fact.rtt_ms)
            .collect();
        let gaps = pings.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        (!pings.is_empty()).then(|| Self {
            pings: pings.len() as u64,
            answered: rtts.len() as u64,
            every_ms: spread(gaps),
            rtt_ms: spread(rtts),
        })
    }
}

/// Smallest, median and largest.
fn spread(mut times: Vec<Offset>) -> Option<[Offset; 3]> {
    times.sort_unstable();
    Some([*times.first()?, *times.get(times.len() / 2)?, *times.last()?])
}
