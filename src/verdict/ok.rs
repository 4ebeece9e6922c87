//! Nothing failed, or nothing that the wire can show.

use super::rule::{Finding, Rule, Todo, When, look, run};
use super::view::{Closing, How, View};
use crate::session::{Direction, Kind, Leg, State};
use crate::session::{Layer, Who};

const fn quiet(
    slug: &'static str,
    layer: Layer,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer, who: Who::Client, says, next, when }
}

/// hello-ok, and an orderly end by the client. Certain only if every call was answered: a lost
/// answer would be the finding.
fn orderly(view: &View<'_>) -> Option<Finding> {
    if !view.greeted() {
        return None;
    }
    let Some(close) = view.first_close else {
        return (view.record.state == State::Open && view.end.is_none())
            .then(|| Finding::likely().because("so far: the session is open"));
    };
    if !close.is_orderly() {
        return None;
    }
    let by_client = close.from == Direction::ClientToServer;
    let finding = match (view.hello().is_some() && by_client, unsettled(view, close)) {
        (true, None) => Finding::certain(),
        (true, Some(why)) => Finding::likely().because(why),
        (false, _) => Finding::possible(),
    };
    let finding = close
        .cite(finding)
        .because_if(!by_client, "the gateway closed first, in good order")
        .on(close.from.source());
    Some(match view.answer_at().filter(|_| view.hello().is_some()) {
        Some(at) => finding.cite("openclaw.hello", "hello-ok was delivered", Some(at)),
        None => {
            finding.because("hello-ok itself was not seen; answered calls show that it was sent")
        }
    })
}

/// What may hide a lost call behind an orderly end.
fn unsettled(view: &View<'_>, close: Closing<'_>) -> Option<&'static str> {
    let calls = view.calls()?;
    let read = calls.requests + u64::from(view.connect_at().is_some());
    let idle = close.at.since(view.answer_at()?).micros() >= 3_000_000;
    if !calls.pending.is_empty() {
        return Some("the client left with calls unanswered, after a short wait");
    }
    let lost = calls.requests > calls.answered + calls.pending.len() as u64;
    if lost || calls.orphans > 0 || view.data_frames(Direction::ClientToServer) > read {
        return Some("not every call of the client could be read");
    }
    (calls.requests == 0 && close.code.is_none() && idle)
        .then_some("the client called nothing for seconds before it left")
}

pub(super) const SCOPES_CLEARED: Rule = quiet(
    "connected_scopes_cleared",
    Layer::Ok,
    "Connected, but of the scopes asked for ({scopes}) the gateway granted none.",
    &[
        look("for a probe this is by design"),
        run("else pair the client's device, so that it keeps its scopes", "openclaw devices list"),
        look("or dial the gateway over loopback without forwarded headers"),
    ],
    &[When::Fact(|view| {
        let asked = view.connect().is_some_and(|c| !c.scopes.is_empty());
        let none = view.hello().is_some_and(|h| h.scopes.as_ref().is_some_and(Vec::is_empty));
        let finding = (asked && none).then(|| orderly(view))??;
        Some(finding.cite("openclaw.hello.scopes", "no scope was granted", view.answer_at()).cite(
            "openclaw.connect.scopes",
            "scopes were asked for",
            view.connect_at(),
        ))
    })],
);

pub(super) const GOING_AWAY: Rule = quiet(
    "client_going_away",
    Layer::Ok,
    "Connected; the page was closed or left.",
    &[],
    &[When::Fact(|view| {
        view.client_close().filter(|c| c.code == Some(1001))?;
        orderly(view)
    })],
);

pub(super) const CONNECTED: Rule = quiet(
    "connected",
    Layer::Ok,
    "Connected, and ended in good order.",
    &[],
    &[When::Fact(orderly)],
);

pub(super) const SUBPROTOCOL_ECHO: Rule = quiet(
    "subprotocol_echo",
    Layer::Other,
    "The gateway echoed the offered subprotocol {subprotocol}, and the client left at once.",
    &[look("do not offer a subprotocol to an OpenClaw gateway")],
    &[When::Fact(|view| {
        let chosen = view.response()?.subprotocol.as_deref()?;
        let end = view.end_on(Leg::Downstream).filter(|e| e.how == How::Fin)?;
        let mute = view.data_frames(Direction::ClientToServer) == 0 && view.first_close.is_none();
        let soon = end.ending.at.since(view.response()?.at).micros() < 1_000_000;
        (view.upgraded() && mute).then(|| {
            let what = format!("Sec-WebSocket-Protocol: {chosen}");
            end.cite(Finding::certain_if(soon)).cite(
                "response.subprotocol",
                what,
                view.response().map(|r| r.at),
            )
        })
    })],
);

pub(super) const CLIENT_LEFT: Rule = quiet(
    "client_left_before_connect",
    Layer::Other,
    "The client left before it sent connect; nothing failed that the wire can show.",
    &[look("a page that was closed, or a check that only opens the port, does this")],
    &[When::Fact(|view| {
        let mute = view.upgraded() && view.connect_at().is_none() && !view.greeted();
        if !mute || view.refusal().is_some() {
            return None;
        }
        let finding = Finding::likely();
        if let Some(close) = view.client_close() {
            return close.is_orderly().then(|| close.cite(finding).on(Leg::Downstream));
        }
        let end = view.end_on(Leg::Downstream).filter(|e| e.how == How::Fin)?;
        view.first_close.is_none().then(|| end.cite(finding))
    })],
);

pub(super) const NO_REQUEST: Rule = quiet(
    "no_request",
    Layer::Other,
    "The client connected, and no whole request came.",
    &[look("a health check or a port scan does this")],
    &[When::Fact(|view| {
        let facts = view.record.opaque.as_ref()?;
        let broken_off = matches!(facts.what.as_str(), "slow_head" | "incomplete_head")
            && view.bytes(Direction::ServerToClient) == 0;
        (facts.what == "no_bytes" || broken_off).then(|| {
            Finding::certain_if(facts.what == "no_bytes").cite(
                "opaque.what",
                facts.what.clone(),
                None,
            )
        })
    })],
);

pub(super) const HTTP_FAILED: Rule = quiet(
    "http_exchange_failed",
    Layer::None,
    "A plain HTTP request failed: {exchangeFailure}.",
    &[look("it is no WebSocket session; look at the log of who answered ({server})")],
    &[When::Fact(http_failed)],
);

fn http_failed(view: &View<'_>) -> Option<Finding> {
    if view.record.kind != Kind::Http {
        return None;
    }
    let finding = Finding::certain().by(Who::Unknown).on(Leg::Upstream);
    if let Some(failure) = view.record.upstream.dial.as_ref().and_then(|d| d.failure.as_ref()) {
        return Some(finding.cite("upstream.failure", failure.detail.clone(), None));
    }
    if let Some(answer) = &view.record.own_answer {
        return Some(finding.by(Who::Wstap).on(answer.leg).cite(
            "own_answer",
            answer.why.clone(),
            None,
        ));
    }
    if let Some(error) = view.record.exchange.as_ref().and_then(|e| e.error.as_ref()) {
        return Some(finding.cite("exchange.error", error.clone(), None));
    }
    let response = view.response()?;
    let attribution =
        response.body.as_deref().is_some_and(|b| b.contains("proxy_attribution_required"));
    let failed = response.status.is_none_or(|s| s >= 500 || (s == 403 && attribution));
    let who = if response.server.is_some() { Who::FrontProxy } else { Who::Unknown };
    failed.then(|| {
        finding.by(who).cite("response.status", response.head.start_line(), Some(response.at))
    })
}

pub(super) const HTTP_EXCHANGE: Rule = quiet(
    "http_exchange",
    Layer::None,
    "A plain HTTP request, not a WebSocket session.",
    &[],
    &[When::Fact(|view| {
        let request = view.request().filter(|_| view.record.kind == Kind::Http)?;
        let what = request.head.start_line();
        Some(Finding::certain().cite("request", what, Some(request.at)).on(Leg::Downstream))
    })],
);
