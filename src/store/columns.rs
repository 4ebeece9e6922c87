//! What listings filter by, taken from the events as they pass. Folding a whole record for every
//! session would cost the writer more than everything else it does.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::session::{Direction, EndingKind, Event, Finish, Head, Kind, Offset, State, Timed};

/// The state of one session's row. Kept while the session is open, so it is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) duration: Offset,
    pub(super) status: Option<u16>,
    pub(super) close: Option<FirstClose>,
    pub(super) ending: Option<&'static str>,
    /// Something that does not belong to a good session: our own answer, a broken rule.
    blemished: bool,
    /// An exchange that is not WebSocket failed.
    failed: bool,
    /// Written once and forgotten then.
    pub(super) texts: Option<Box<Texts>>,
}

/// The first Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstClose {
    pub(super) code: Option<u16>,
    pub(super) from: Direction,
}

/// The columns that are text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) listener: Option<String>,
    pub(super) client: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) path: Option<String>,
    pub(super) origin: Option<String>,
    /// Both ends of the upstream leg, when the upstream is our direct peer.
    pub(super) upstream_local: Option<String>,
    pub(super) upstream_peer: Option<String>,
    /// The connection's name in the gateway's log.
    pub(super) conn: Option<String>,
}

impl Columns {
    pub(super) fn apply(&mut self, timed: &Timed) {
        self.duration = self.duration.max(timed.at);
        match &timed.event {
            Event::Started(started) => {
                self.kind = started.kind;
                let texts = self.texts_mut();
                texts.listener = Some(started.listener.clone());
                texts.client = Some(started.client.clone());
            }
            Event::Dial(dial) => {
                let texts = self.texts_mut();
                texts.upstream = Some(dial.url.clone());
                if dial.via.is_none() {
                    texts.upstream_local.clone_from(&dial.local);
                    texts.upstream_peer.clone_from(&dial.peer);
                }
            }
            Event::Request { head, .. } => {
                let texts = self.texts_mut();
                texts.path = path(head).map(str::to_owned);
                texts.origin = head.header("origin").map(str::to_owned);
            }
            Event::Response { head, .. } => self.status = status(head),
            Event::OwnAnswer(answer) => {
                self.status = Some(answer.status);
                self.blemished = true;
            }
            Event::Control(control) => {
                if control.opcode == 0x8 && self.close.is_none() {
                    self.close = Some(FirstClose { code: control.code, from: control.direction });
                }
            }
            Event::Violated(_)
            | Event::NotWebsocket { .. }
            | Event::TlsFailed { .. }
            | Event::Refusal(_) => self.blemished = true,
            Event::Ending(ending) => {
                self.ending = self.ending.or_else(|| Some(ending.kind.name()));
                self.failed |= self.kind == Kind::Opaque && is_failure(&ending.kind);
            }
            Event::Hello(hello) => {
                if let Some(conn) = &hello.conn_id {
                    self.texts_mut().conn = Some(conn.clone());
                }
            }
            Event::Finished(finish) => self.finish(finish),
            Event::Tls { .. }
            | Event::ResponseBody { .. }
            | Event::Opaque(_)
            | Event::Captured(_)
            | Event::Envelope(_)
            | Event::Connect(_)
            | Event::Tcp(_)
            | Event::TlsRecords { .. }
            | Event::Gap(_)
            | Event::Note(_)
            | Event::Traffic { .. } => {}
        }
    }

    /// Whether it ended well, as far as the columns tell: what `show` without an id looks for.
    /// Only a stand-in: a verdict knows more, and takes the place of this once there is one.
    pub(super) fn well(&self) -> Option<bool> {
        let well = !self.blemished
            && match self.kind {
                Kind::Websocket => self.status == Some(101) && self.closed_well(),
                Kind::Http | Kind::Opaque => !self.failed,
            };
        match self.state {
            State::Open => None,
            State::Ended => Some(well),
            State::Interrupted => Some(false),
        }
    }

    fn closed_well(&self) -> bool {
        self.close.is_some_and(|close| match close.code {
            Some(code) => matches!(code, 1000 | 1001),
            None => close.from == Direction::ClientToServer,
        })
    }

    fn finish(&mut self, finish: &Finish) {
        self.state = State::Ended;
        self.failed |= self.kind == Kind::Http && finish.error.is_some();
    }

    fn texts_mut(&mut self) -> &mut Texts {
        self.texts.get_or_insert_default()
    }
}

/// Whether the connection broke, or was broken by us, instead of ending.
const fn is_failure(kind: &EndingKind) -> bool {
    match kind {
        EndingKind::Reset { .. } | EndingKind::Failed { .. } | EndingKind::CutByWstap { .. } => {
            true
        }
        EndingKind::CloseFrame { .. }
        | EndingKind::Fin
        | EndingKind::FinMidFrame { .. }
        | EndingKind::Tls { .. }
        | EndingKind::ResetNotPassed => false,
    }
}

/// The target without its query.
fn path(head: &Head) -> Option<&str> {
    head.start_line().split(' ').nth(1)?.split(['?', '#']).next()
}

fn status(head: &Head) -> Option<u16> {
    head.start_line().strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
