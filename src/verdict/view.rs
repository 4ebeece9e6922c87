//! A record with what every rule asks for taken out once.

use super::rule::Finding;
use crate::session::{
    At, Calls, ConnectFacts, Control, Direction, Ending, EndingKind, HelloFacts, Leg, Offset,
    OpenClaw, Record, RefusalFacts, RequestFacts, ResponseFacts, State, TlsEnd,
};

/// A session as rules see it.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) record: &'a Record,
    /// The first Close frame of either side: the one that counts.
    pub(super) first_close: Option<Closing<'a>>,
    /// The first thing that ended a leg beneath WebSocket.
    pub(super) end: Option<End<'a>>,
    /// Whether a known limit fits how long it was silent or how old it was.
    pub(super) limit_fits: bool,
}

/// A Close frame with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing<'a> {
    pub(super) index: usize,
    pub(super) at: Offset,
    pub(super) from: Direction,
    pub(super) code: Option<u16>,
    pub(super) reason: &'a str,
}

impl Closing<'_> {
    pub(super) fn cite(self, finding: Finding) -> Finding {
        let who = match self.from {
            Direction::ClientToServer => "the client",
            Direction::ServerToClient => "the gateway",
        };
        let code = self.code.map_or_else(|| "without a code".to_owned(), |code| code.to_string());
        let what = format!("{who} closed first: {code} \"{}\"", self.reason);
        finding.cite(format!("control[{}]", self.index), what, Some(self.at))
    }

    /// A close that a contented client sends: empty, 1000 or 1001.
    pub(super) const fn is_orderly(self) -> bool {
        matches!(self.code, None | Some(1000 | 1001))
    }
}

/// How a leg ended, in the words that rules need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Fin,
    MidFrame,
    Reset,
    /// The kernel gave up, or TLS broke.
    Broken,
    /// wstap did it.
    Ours,
}

/// An ending with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    pub(super) index: usize,
    pub(super) how: How,
    pub(super) ending: &'a Ending,
}

impl End<'_> {
    pub(super) const fn leg(self) -> Leg {
        self.ending.leg
    }

    pub(super) fn cite(self, finding: Finding) -> Finding {
        let what =
            format!("the {} leg ended first: {}", self.leg().name(), self.ending.kind.name());
        finding
            .cite(format!("endings[{}]", self.index), what, Some(self.ending.at))
            .on(self.ending.leg)
    }
}

fn how(kind: &EndingKind) -> Option<How> {
    match kind {
        EndingKind::CloseFrame { .. } | EndingKind::ResetNotPassed => None,
        EndingKind::Fin | EndingKind::Tls { end: TlsEnd::CloseNotify | TlsEnd::Truncated } => {
            Some(How::Fin)
        }
        EndingKind::FinMidFrame { .. } => Some(How::MidFrame),
        EndingKind::Reset { .. } => Some(How::Reset),
        EndingKind::Failed { .. } | EndingKind::Tls { .. } => Some(How::Broken),
        EndingKind::CutByWstap { .. } => Some(How::Ours),
    }
}

impl<'a> View<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let first_close = first_close(record, |_| true);
        let end =
            record.endings.iter().enumerate().find_map(|(index, ending)| {
                how(&ending.kind).map(|how| End { index, how, ending })
            });
        Self { record, first_close, end, limit_fits: false }
    }

    pub(super) const fn request(&self) -> Option<&'a RequestFacts> {
        self.record.request.as_ref()
    }

    pub(super) const fn response(&self) -> Option<&'a ResponseFacts> {
        self.record.response.as_ref()
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.response().and_then(|r| r.status)
    }

    pub(super) fn upgraded(&self) -> bool {
        self.status() == Some(101)
    }

    pub(super) const fn openclaw(&self) -> Option<&'a OpenClaw> {
        self.record.openclaw.as_ref()
    }

    pub(super) fn connect(&self) -> Option<&'a ConnectFacts> {
        self.openclaw().and_then(|o| o.connect.as_ref())
    }

    pub(super) fn hello(&self) -> Option<&'a HelloFacts> {
        self.openclaw().and_then(|o| o.hello.as_ref())
    }

    pub(super) fn refusal(&self) -> Option<&'a RefusalFacts> {
        self.openclaw().and_then(|o| o.refusal.as_ref())
    }

    pub(super) fn calls(&self) -> Option<&'a Calls> {
        self.openclaw().map(|o| &o.calls)
    }

    pub(super) fn challenge_at(&self) -> Option<Offset> {
        self.openclaw().and_then(|o| o.challenge_at)
    }

    pub(super) fn connect_at(&self) -> Option<Offset> {
        self.openclaw().and_then(|o| o.connect_at)
    }

    pub(super) fn answer_at(&self) -> Option<Offset> {
        self.openclaw().and_then(|o| o.answer_at)
    }

    /// hello-ok was seen, or answered calls show that there was one.
    pub(super) fn greeted(&self) -> bool {
        self.hello().is_some()
            || self.calls().is_some_and(|calls| calls.answered + calls.orphans > 0)
    }

    /// `error.details.<key>` of the refusal, when it is text.
    pub(super) fn detail(&self, key: &str) -> Option<&'a str> {
        self.refusal()?.details.as_ref()?.get(key)?.as_str()
    }

    /// The opcode counts of text and binary frames of a direction.
    pub(super) fn data_frames(&self, direction: Direction) -> u64 {
        let counts = &self.record.frames.of(direction).by_opcode;
        counts.iter().filter(|c| matches!(c.opcode, 0x1 | 0x2)).map(|c| c.frames).sum()
    }

    /// Whether messages went in both directions.
    pub(super) fn spoke(&self) -> bool {
        Direction::BOTH.iter().all(|direction| self.data_frames(*direction) > 0)
    }

    pub(super) fn bytes(&self, direction: Direction) -> u64 {
        self.record.frames.of(direction).bytes
    }

    pub(super) const fn ended(&self) -> bool {
        matches!(self.record.state, State::Ended)
    }

    /// The end, when it was on this leg.
    pub(super) fn end_on(&self, leg: Leg) -> Option<End<'a>> {
        self.end.filter(|end| end.leg() == leg)
    }

    /// When the session ended, as far as a side ended it.
    pub(super) fn end_at(&self) -> Offset {
        let close = self.first_close.map(|c| c.at);
        let end = self.end.map(|e| e.ending.at);
        close.into_iter().chain(end).min().unwrap_or(self.record.duration_ms)
    }

    /// The oldest unanswered call, and how long it had waited.
    pub(super) fn waiting(&self) -> Option<(&'a crate::session::PendingCall, Offset)> {
        let call = self.calls()?.pending.first()?;
        Some((call, self.end_at().since(call.at)))
    }

    /// The first close, when the gateway sent it.
    pub(super) fn gateway_close(&self) -> Option<Closing<'a>> {
        self.first_close.filter(|c| c.from == Direction::ServerToClient)
    }

    /// The gateway's close, when it came first or answers a close that was itself faulty.
    pub(super) fn gateway_complaint(&self) -> Option<Closing<'a>> {
        let faulty =
            self.client_close().is_some()
                && self.record.violations.iter().any(|v| {
                    v.direction == Direction::ClientToServer && v.name.starts_with("close_")
                });
        let from_gateway = |direction| direction == Direction::ServerToClient;
        self.gateway_close()
            .or_else(|| faulty.then(|| first_close(self.record, from_gateway)).flatten())
    }

    /// The first close, when the client sent it.
    pub(super) fn client_close(&self) -> Option<Closing<'a>> {
        self.first_close.filter(|c| c.from == Direction::ClientToServer)
    }
}

fn first_close(record: &Record, from: impl Fn(Direction) -> bool) -> Option<Closing<'_>> {
    let closes = record.control.iter().enumerate().filter(|(_, c)| c.fact.opcode == 0x8);
    closes.map(|(index, c)| closing(index, c)).find(|close| from(close.from))
}

fn closing(index: usize, control: &At<Control>) -> Closing<'_> {
    let At { at, fact } = control;
    let (from, code) = (fact.direction, fact.code);
    Closing { index, at: *at, from, code, reason: &fact.payload }
}
