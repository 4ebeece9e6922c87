//! Which rules apply: those that know OpenClaw, or those that know only the RFCs.

mod generic;
mod openclaw;

use super::opaque;
use super::rule::Rule;
use super::view::View;
use crate::session::{Direction, RequestFacts};

/// How a session was recognised as OpenClaw's, if it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// By its opening exchange, or by words that only OpenClaw uses.
    Openclaw,
    /// By the shape of the client's request alone; other programs make the same.
    LooksLikeOpenclaw,
    No,
}

/// The rules for this session, in their order.
pub(super) fn rules(view: &View<'_>) -> (&'static [&'static Rule], Known) {
    let known = recognise(view);
    match known {
        Known::Openclaw | Known::LooksLikeOpenclaw => (openclaw::RULES, known),
        Known::No => (generic::RULES, known),
    }
}

/// Every rule; for explanations. Those of encrypted streams share causes with others, and say
/// less of them.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    let sealed = |rule: &&Rule| opaque::SEALED.iter().any(|sealed| sealed.says == rule.says);
    let plain = openclaw::RULES.iter().chain(generic::RULES).copied();
    plain.filter(move |rule| !sealed(rule)).chain(opaque::SEALED.iter().copied())
}

fn recognise(view: &View<'_>) -> Known {
    let exchange = view.openclaw().is_some_and(|o| {
        o.challenge_at.is_some()
            || o.connect_at.is_some()
            || o.hello.is_some()
            || o.refusal.is_some()
    });
    let words = view.first_close.is_some_and(|c| {
        c.from == Direction::ClientToServer && c.reason.starts_with("connect challenge")
    });
    let body = view.response().and_then(|r| r.body.as_deref()).unwrap_or_default();
    let page = body.contains("data-openclaw-") || body.contains("proxy_attribution_required");
    if exchange || words || page {
        return Known::Openclaw;
    }
    let looks = view.request().is_some_and(|r| is_cli(r) || is_own_path(r) || on_own_port(view));
    // A client that sent data without a challenge speaks another protocol.
    let speaks = view.upgraded() && view.data_frames(Direction::ClientToServer) > 0;
    if looks && !speaks { Known::LooksLikeOpenclaw } else { Known::No }
}

/// The request of Node's `ws` library as OpenClaw's CLI and nodes make it.
fn is_cli(request: &RequestFacts) -> bool {
    const ORDER: [&str; 6] = [
        "sec-websocket-version",
        "sec-websocket-key",
        "connection",
        "upgrade",
        "sec-websocket-extensions",
        "host",
    ];
    let mut names = request.head.headers().map(|(name, _)| name);
    let ordered =
        ORDER.iter().all(|want| names.next().is_some_and(|n| n.eq_ignore_ascii_case(want)));
    let bare = request.origin.is_none() && request.user_agent.is_none();
    ordered && bare && request.sec_websocket_protocol.is_none()
}

fn is_own_path(request: &RequestFacts) -> bool {
    request.path().starts_with("/__openclaw__/")
}

/// The gateway's usual port, in the dialled address or in Host.
fn on_own_port(view: &View<'_>) -> bool {
    let dial = view.record.upstream.dial.as_ref();
    let host = view.request().and_then(|r| r.host.as_deref());
    let url = dial.map(|d| d.url.trim_end_matches('/'));
    [host, url].into_iter().flatten().any(|text| text.ends_with(":18789"))
}
