//! Known idle and lifetime limits, compared with how long a session was silent and how old it
//! was. One session proves nothing: the answer is a ranked list.

use std::sync::LazyLock;

use serde::Deserialize;

use super::view::{How, View};
use crate::session::{Confidence, Culprit};
use crate::session::{Direction, Leg, Offset};

/// A table of limits. Users add rows of their own.
#[derive(Clone, Debug, Default)]
pub struct Limits(Vec<Limit>);

/// One row of `limits.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    name: String,
    /// What to set, as that program writes it.
    directive: String,
    ms: u64,
    clock: Clock,
    /// How a cut by it looks: `fin`, `rst`, `http_504`, `close_<code>`.
    ends: Vec<String>,
    /// Parts of Server or Via that name the program, in lower case.
    marks: Vec<String>,
    hop: Hop,
    source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Clock {
    /// Neither side sent.
    Idle,
    /// The server did not send.
    IdleServer,
    IdleClient,
    /// Absolute life.
    Age,
    /// From the 101 to the end, without hello.
    Handshake,
    SinceHello,
    /// From the request to the answer.
    Response,
    /// After a reload, whatever the session did.
    Drain,
}

impl Clock {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::IdleServer => "idle_server",
            Self::IdleClient => "idle_client",
            Self::Age => "age",
            Self::Handshake => "handshake",
            Self::SinceHello => "since_hello",
            Self::Response => "response",
            Self::Drain => "drain",
        }
    }

    const fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::IdleServer | Self::IdleClient)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hop {
    Front,
    Gateway,
    Client,
}

static STANDARD: LazyLock<Limits> =
    LazyLock::new(|| Limits::parse(include_str!("limits.json")).unwrap_or_default());

impl Limits {
    /// The rows that come with wstap.
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// Reads rows in the form of `limits.json`.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(Self)
    }

    /// These rows and those of `other`.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The rows that fit this session, best first.
    pub(super) fn rank(&self, view: &View<'_>) -> Vec<Culprit> {
        let Some(cut) = Cut::of(view) else { return Vec::new() };
        let mut fitting: Vec<(f64, Culprit)> =
            self.0.iter().filter_map(|limit| limit.fit(&cut)).collect();
        if fitting.is_empty() {
            fitting.extend(self.0.iter().filter_map(|limit| limit.configured(&cut)));
            fitting.dedup_by(|a, b| a.1.name == b.1.name);
        }
        fitting.sort_by(|a, b| b.0.total_cmp(&a.0));
        fitting.truncate(Self::SHOWN);
        fitting.into_iter().map(|(_, culprit)| culprit).collect()
    }

    const SHOWN: usize = 6;
}

/// What is known of a cut: the clocks, how it ended, who names himself.
struct Cut {
    idle: Option<Offset>,
    idle_server: Option<Offset>,
    idle_client: Option<Offset>,
    age: Option<Offset>,
    since_upgrade: Option<Offset>,
    handshake: Option<Offset>,
    since_hello: Option<Offset>,
    response: Option<Offset>,
    end: String,
    leg: Leg,
    /// Server and Via, in lower case.
    names: String,
    pings: bool,
}

/// Shorter times come about by themselves.
const SHORTEST: Offset = Offset(2_000_000);

impl Cut {
    fn of(view: &View<'_>) -> Option<Self> {
        let response = view.response();
        let (end, leg, at) = ending(view)?;
        let upgraded = response.filter(|r| r.status == Some(101)).map(|r| r.at);
        let since = |from: Option<Offset>| from.map(|from| at.since(from));
        let last = |direction| view.record.frames.of(direction).last_byte;
        let (c2s, s2c) = (last(Direction::ClientToServer), last(Direction::ServerToClient));
        let named = response.iter().flat_map(|r| [&r.server, &r.via]).flatten();
        let via = view.request().and_then(|r| r.forwarding.get("via"));
        let names: String = named.chain(via).map(|n| n.to_ascii_lowercase() + " ").collect();
        Some(Self {
            idle: since(c2s.max(s2c).max(upgraded)).filter(|_| upgraded.is_some()),
            idle_server: since(s2c.max(upgraded)).filter(|_| upgraded.is_some()),
            idle_client: since(c2s.max(upgraded)).filter(|_| upgraded.is_some()),
            age: upgraded.map(|_| at),
            since_upgrade: since(upgraded),
            handshake: since(upgraded).filter(|_| !view.greeted()),
            since_hello: since(view.answer_at().filter(|_| view.hello().is_some())),
            response: response.zip(view.request()).map(|(r, q)| r.at.since(q.at)),
            end,
            leg,
            names,
            pings: view.record.control.iter().any(|c| c.fact.opcode == 0x9),
        })
    }
}

/// How, on which leg and when it was cut; `None` for ends that no timer makes.
fn ending(view: &View<'_>) -> Option<(String, Leg, Offset)> {
    if view.refusal().is_some() {
        return None;
    }
    if view.status() == Some(504) {
        let response = view.response()?;
        return Some(("http_504".to_owned(), Leg::Upstream, response.at));
    }
    if let Some(close) = view.first_close {
        let by_client = close.from == Direction::ClientToServer;
        let timed = !by_client || close.code.is_some_and(|code| code == 1008 || code >= 4000);
        let code = close.code.filter(|_| timed)?;
        return Some((format!("close_{code}"), close.from.source(), close.at));
    }
    let end = view.end.filter(|_| view.upgraded())?;
    let name = match end.how {
        How::Fin => "fin",
        How::Reset => "rst",
        How::MidFrame | How::Broken | How::Ours => return None,
    };
    Some((name.to_owned(), end.leg(), end.ending.at))
}

impl Limit {
    fn measured(&self, cut: &Cut) -> Option<Offset> {
        let nearest = |times: [Option<Offset>; 2]| {
            times.into_iter().flatten().min_by_key(|t| t.micros().abs_diff(self.ms * 1000))
        };
        match self.clock {
            Clock::Idle => cut.idle,
            Clock::IdleServer => cut.idle_server,
            Clock::IdleClient => cut.idle_client,
            Clock::Age => nearest([cut.age, cut.since_upgrade]),
            Clock::Handshake => cut.handshake,
            Clock::SinceHello => cut.since_hello,
            Clock::Response => cut.response,
            Clock::Drain => None,
        }
    }

    fn marked(&self, cut: &Cut) -> bool {
        self.marks.iter().any(|mark| cut.names.contains(mark.as_str()))
    }

    fn ends_so(&self, cut: &Cut) -> bool {
        self.ends.contains(&cut.end)
    }

    /// Whether the place of the cut can be this program's.
    fn on_leg(&self, cut: &Cut) -> bool {
        match self.hop {
            Hop::Front => true,
            Hop::Gateway => cut.leg == Leg::Upstream,
            Hop::Client => cut.leg == Leg::Downstream,
        }
    }

    fn fit(&self, cut: &Cut) -> Option<(f64, Culprit)> {
        if !self.on_leg(cut) {
            return None;
        }
        let drained = self.clock == Clock::Drain && self.marked(cut) && cut.end == "close_1001";
        if drained && self.ends_so(cut) {
            return Some((2.0, self.culprit(cut, cut.age.unwrap_or_default(), self.ms)));
        }
        let measured = self.measured(cut).filter(|m| *m >= SHORTEST)?;
        let (off, limit) = (millis(measured) - Offset(self.ms * 1000).millis(), self.ms);
        let tolerance = (Offset(limit * 1000).millis() * 0.02).max(500.0);
        // A Close frame is a signature: a row that does not send it is out.
        let framed = cut.end.starts_with("close_") || cut.end.starts_with("http_");
        if off.abs() > tolerance
            || (framed || self.ends.iter().all(|e| e.contains('_'))) && !self.ends_so(cut)
        {
            return None;
        }
        let mut score = 1.0 - off.abs() / tolerance / 2.0;
        score += if self.ends_so(cut) { 0.5 } else { -0.5 };
        score += match (self.marked(cut), self.marks.is_empty(), cut.names.is_empty()) {
            (true, _, _) => 2.0,
            (false, true, _) => 0.5,
            (false, false, true) => 0.0,
            (false, false, false) => -1.0,
        };
        Some((score, self.culprit(cut, measured, limit)))
    }

    /// A program that names itself, and a round time: its limit may have been set to that.
    fn configured(&self, cut: &Cut) -> Option<(f64, Culprit)> {
        let measured = self.measured(cut).filter(|m| *m >= SHORTEST)?;
        let seconds = (millis(measured) / 1000.0).round();
        let round = (millis(measured) - seconds * 1000.0).abs() <= 150.0;
        let fits = self.clock.is_idle() || self.clock == Clock::Response;
        if !(round && fits && self.marked(cut) && self.ends_so(cut)) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let limit = (seconds * 1000.0) as u64;
        let mut culprit = self.culprit(cut, measured, limit);
        culprit
            .fits
            .push("no default fits, but it may have been set to this round time".to_owned());
        Some((1.0, culprit))
    }

    fn culprit(&self, cut: &Cut, measured: Offset, limit: u64) -> Culprit {
        let mut fits = Vec::new();
        if self.marked(cut) {
            fits.push(format!("the answer's headers name it: {}", cut.names.trim_end()));
        }
        if self.ends_so(cut) {
            fits.push(format!("it ends connections so: {}", cut.end));
        }
        if self.clock.is_idle() && cut.pings {
            fits.push("pings were seen before, and stopped or came too seldom".to_owned());
        }
        fits.push(format!("the {} leg ended first", cut.leg.name()));
        Culprit {
            name: self.name.clone(),
            directive: self.directive.clone(),
            clock: self.clock.name().to_owned(),
            limit_ms: Offset(limit.saturating_mul(1000)),
            measured_ms: measured,
            confidence: Confidence::Possible,
            fits,
            source: self.source.clone(),
        }
    }
}

fn millis(time: Offset) -> f64 {
    time.millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_extended() {
        let own = r#"[{"name":"our box","directive":"idle","ms":42000,"clock":"idle","ends":["fin"],
            "marks":[],"hop":"front","source":"its manual"}]"#;
        let standard = Limits::standard().clone();
        assert!(standard.0.len() > 30);
        assert!(standard.0.iter().all(|row| !row.source.is_empty() && !row.directive.is_empty()));
        let rows = standard.0.len();
        assert_eq!(standard.with(Limits::parse(own).unwrap()).0.len(), rows + 1);
        assert!(Limits::parse(r#"[{"nam":"x"}]"#).is_err());
    }
}
