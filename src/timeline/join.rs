//! Which session a line speaks of. Two keys are exact: the two addresses of our connection to the
//! gateway, while it lasted, and the name that the gateway gave it. Nothing is joined by time
//! alone.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::gateway_log::{Conn, Endpoints, LogLine};
use crate::session::{Record, SessionId, Wall};

/// Both clocks are cut to milliseconds, by us when read from JSON and by the gateway always.
const STAMP: i64 = 2_000;

/// How long after the end of a session the gateway may still speak of it. A port is given again
/// much later, and when it is, the session that has it then is nearer.
const AFTERWARDS: i64 = 2_000_000;

/// What a session has that lines can be joined by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub id: SessionId,
    pub from: Wall,
    /// `Wall(i64::MAX)` while it is open.
    pub until: Wall,
    /// Our address on the upstream leg; absent when the gateway is not our direct peer.
    pub local: Option<SocketAddr>,
    /// The address we dialled.
    pub peer: Option<SocketAddr>,
    /// What `hello-ok` said.
    pub conn: Option<Conn>,
}

/// By what a line was joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Our address and port, while we had them.
    Port,
    /// The gateway's name for the connection.
    Conn,
}

/// A line and its session, as positions in what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub line: usize,
    pub span: usize,
    pub by: By,
}

/// Lines with their sessions, and how many found one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// In the order of the lines.
    pub links: Vec<Link>,
    /// Lines that name a connection, so that they could be joined.
    pub naming: usize,
    /// Sessions to which a line was joined.
    pub sessions: usize,
}

impl Span {
    /// Microseconds by which a line can lie outside of its session.
    pub const SLACK: i64 = AFTERWARDS + STAMP;

    /// The same as a store says it of a recorded session.
    pub fn of(record: &Record) -> Self {
        let dial = record.upstream.dial.as_ref().filter(|dial| dial.via.is_none());
        let hello = record.openclaw.as_ref().and_then(|openclaw| openclaw.hello.as_ref());
        Self {
            id: record.id,
            from: record.started_at,
            until: record.started_at.plus(record.duration_ms),
            local: dial.and_then(|dial| Self::addr(dial.local.as_deref()?)),
            peer: dial.and_then(|dial| Self::addr(dial.peer.as_deref()?)),
            conn: hello.and_then(|hello| hello.conn_id.as_deref()).map(Conn::new),
        }
    }

    /// An address as both sides write it: IPv4 stays IPv4 on a socket for both.
    pub fn addr(text: &str) -> Option<SocketAddr> {
        let addr: SocketAddr = text.parse().ok()?;
        Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }

    /// When a line that is joined by the port can have been written.
    pub fn window(&self) -> [Wall; 2] {
        let until = self.until.0.saturating_add(Self::SLACK);
        [Wall(self.from.0.saturating_sub(STAMP)), Wall(until)]
    }

    /// How far outside of the session a moment is; none when too far.
    fn distance(&self, at: Wall) -> Option<i64> {
        let before = self.from.0.saturating_sub(at.0).saturating_sub(STAMP).max(0);
        let after = at.0.saturating_sub(self.until.0).saturating_sub(STAMP).max(0);
        (before == 0 && after <= AFTERWARDS).then_some(after)
    }

    fn had(&self, ends: Endpoints) -> bool {
        let gateway = self.peer.zip(ends.local);
        self.local == Some(ends.remote) && gateway.is_none_or(|(ours, its)| ours == its)
    }

    fn is_called_otherwise(&self, line: &LogLine) -> bool {
        self.conn.as_ref().zip(line.conn.as_ref()).is_some_and(|(ours, its)| {
            if its.is_full() { ours != its } else { ours.short() != its.short() }
        })
    }
}

/// Joins lines to sessions.
pub fn join(spans: &[Span], lines: &[LogLine]) -> Joined {
    let mut names = Names::default();
    let mut by_port: HashMap<SocketAddr, Vec<usize>> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        if let Some(conn) = &span.conn {
            names.learn(conn, at);
        }
        if let Some(local) = span.local {
            by_port.entry(local).or_default().push(at);
        }
    }
    let ports: Vec<Option<usize>> = lines
        .iter()
        .map(|line| {
            let of_port = by_port.get(&line.peer?.remote)?;
            nearest(of_port.iter().copied(), spans, line)
        })
        .collect();
    // A line with the addresses lends its name to those that have only that.
    for (line, span) in lines.iter().zip(&ports) {
        if let (Some(conn), Some(span)) = (&line.conn, span) {
            names.learn(conn, *span);
        }
    }
    let mut joined = Joined::default();
    let mut told = vec![false; spans.len()];
    for (at, (line, port)) in lines.iter().zip(ports).enumerate() {
        joined.naming += usize::from(line.conn.is_some() || line.peer.is_some());
        let named = line.conn.as_ref().and_then(|conn| names.find(conn));
        let by_port = port.map(|span| (span, By::Port));
        let Some((span, by)) = by_port.or_else(|| named.map(|span| (span, By::Conn))) else {
            continue;
        };
        told[span] = true;
        joined.links.push(Link { line: at, span, by });
    }
    joined.sessions = told.iter().filter(|told| **told).count();
    joined
}

/// The session that had the line's addresses at its time; none when two are equally near.
fn nearest(
    candidates: impl Iterator<Item = usize>,
    spans: &[Span],
    line: &LogLine,
) -> Option<usize> {
    let (ends, at) = (line.peer?, line.at?);
    let mut best: Option<(i64, usize)> = None;
    let mut tied = false;
    for index in candidates {
        let span = &spans[index];
        if !span.had(ends) || span.is_called_otherwise(line) {
            continue;
        }
        let Some(distance) = span.distance(at) else { continue };
        tied = best.is_some_and(|(nearest, _)| nearest == distance);
        if best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, index));
        }
    }
    best.filter(|_| !tied).map(|(_, index)| index)
}

/// Names of connections, in full and shortened. One that two sessions share names neither.
#[derive(Debug, Default)]
struct Names(HashMap<Conn, Option<usize>>);

impl Names {
    fn learn(&mut self, conn: &Conn, span: usize) {
        if conn.is_full() {
            self.add(conn.clone(), span);
        }
        self.add(conn.short(), span);
    }

    fn add(&mut self, conn: Conn, span: usize) {
        let known = self.0.entry(conn).or_insert(Some(span));
        if *known != Some(span) {
            *known = None;
        }
    }

    fn find(&self, conn: &Conn) -> Option<usize> {
        let key = if conn.is_full() { conn.clone() } else { conn.short() };
        self.0.get(&key).copied().flatten()
    }
}

#[cfg(test)]
mod tests;
