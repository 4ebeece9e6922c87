//! What a close code says where nothing is known of the protocol above (RFC 6455 §7.4).

use super::rule::{Finding, Rule, Todo, When, look};
use super::view::View;
use crate::session::{Direction, State};
use crate::session::{Layer, Who};

const fn coded(
    slug: &'static str,
    layer: Layer,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer, who: Who::Unknown, says, next, when }
}

/// The first close had this code.
fn closed(view: &View<'_>, codes: &[u16]) -> Option<Finding> {
    let close = view.first_close.filter(|c| c.code.is_some_and(|code| codes.contains(&code)))?;
    let who = match close.from {
        Direction::ClientToServer => Who::Client,
        Direction::ServerToClient => Who::Gateway,
    };
    Some(close.cite(Finding::likely()).by(who).on(close.from.source()))
}

pub(super) const CONNECTED: Rule = Rule {
    slug: "connected",
    layer: Layer::Ok,
    who: Who::Client,
    says: "Connected, and closed in good order.",
    next: &[],
    when: &[When::Fact(|view| {
        if !view.upgraded() {
            return None;
        }
        match view.first_close {
            Some(close) => close.is_orderly().then(|| {
                let by_client = close.from == Direction::ClientToServer;
                close.cite(Finding::certain_if(by_client && view.spoke())).on(close.from.source())
            }),
            None => (view.record.state == State::Open && view.end.is_none())
                .then(|| Finding::likely().because("so far: the session is open")),
        }
    })],
};

pub(super) const GOING_AWAY: Rule = Rule {
    slug: "client_going_away",
    layer: Layer::Ok,
    who: Who::Client,
    says: "Connected; the page was closed or left.",
    next: &[],
    when: &[When::Fact(|view| {
        let close = view.client_close().filter(|c| c.code == Some(1001))?;
        view.upgraded()
            .then(|| close.cite(Finding::certain_if(view.spoke())).on(close.from.source()))
    })],
};

pub(super) const UNSUPPORTED_DATA: Rule = coded(
    "unsupported_data",
    Layer::Protocol,
    "One side got a kind of message that it does not take (1003).",
    &[look("compare what both sides expect: text or binary")],
    &[When::Fact(|view| closed(view, &[1003, 1010]))],
);

pub(super) const POLICY_VIOLATION: Rule = coded(
    "policy_violation",
    Layer::Unknown,
    "Closed with 1008 \"{reason}\": a rule of the server, often credentials or origin.",
    &[look("look at the server's log; compare token and origin ({origin})")],
    &[When::Fact(|view| closed(view, &[1008]))],
);

pub(super) const INTERNAL_ERROR: Rule = coded(
    "internal_error",
    Layer::Transport,
    "Closed with {code}: an error inside the server or the server behind it.",
    &[look("look at the server's log at that time")],
    &[When::Fact(|view| closed(view, &[1011, 1014]))],
);

pub(super) const TRY_AGAIN_LATER: Rule = coded(
    "try_again_later",
    Layer::Transport,
    "The server is overloaded or not ready (1013).",
    &[look("wait and try again")],
    &[When::Fact(|view| closed(view, &[1013]))],
);

pub(super) const UNAUTHORIZED_CLOSE: Rule = coded(
    "unauthorized_close",
    Layer::Auth,
    "The server refuses the credentials ({code}).",
    &[look("check the token that the client sends")],
    &[When::Fact(|view| closed(view, &[3000, 3003]))],
);

pub(super) const PRIVATE_CODE: Rule = coded(
    "private_close_code",
    Layer::Unknown,
    "Closed with the application's own code {code} \"{reason}\".",
    &[look("its meaning is in the application's documentation")],
    &[When::Fact(|view| {
        let close = view.first_close.filter(|c| c.code.is_some_and(|code| code >= 3000))?;
        closed(view, &[close.code?])
    })],
);

/// Without hello-ok the phase is not known: any 1009 counts.
pub(super) const MESSAGE_TOO_BIG: Rule = coded(
    "message_too_big",
    Layer::Transport,
    "A message was larger than the other side takes (1009).",
    &[look("send smaller messages, or raise the limit of the side that closed")],
    &[When::Fact(|view| closed(view, &[1009]))],
);
