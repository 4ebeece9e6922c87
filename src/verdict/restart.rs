//! The gateway is starting, restarting or stopping, and says so.

use super::rule::{Finding, Phase, Rule, Todo, When, look, run};
use super::view::View;
use crate::session::{Direction, Leg};
use crate::session::{Layer, Who};

const fn restart(
    slug: &'static str,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Transport, who: Who::Gateway, says, next, when }
}

/// UNAVAILABLE with one of these reasons, and the close 1013 that goes with it.
pub(super) fn unavailable(view: &View<'_>, reasons: &[&str]) -> Option<Finding> {
    let refusal = view.refusal().filter(|r| r.code.as_deref() == Some("UNAVAILABLE"))?;
    let reason = view.detail("reason").filter(|have| reasons.contains(have))?;
    let close = view.gateway_close().filter(|c| c.code == Some(1013));
    let finding = Finding::certain_if(close.is_some())
        .cite("openclaw.refusal.details.reason", reason, view.answer_at())
        .cite("openclaw.refusal.code", "UNAVAILABLE", view.answer_at())
        .because_if(refusal.retryable == Some(true), "the gateway says that trying again helps");
    Some(close.into_iter().fold(finding, |f, close| close.cite(f)).on(Leg::Upstream))
}

pub(super) const GATEWAY_STARTING: Rule = restart(
    "gateway_starting",
    "The gateway is still starting.",
    &[
        look("try again after {retryAfter}"),
        run("see when it is ready", "curl -sS http://{upstreamHost}:{port}/readyz"),
    ],
    &[When::Fact(|view| unavailable(view, &["startup-sidecars"])), When::Said("gateway starting")],
);

pub(super) const GATEWAY_SHUTDOWN: Rule = restart(
    "gateway_shutdown",
    "The gateway was stopped or restarted in good order.",
    &[
        run("wait until it is back, then reconnect", "openclaw gateway status"),
        look("who restarted it: a config change that needs it, a deploy, or an operator"),
    ],
    &[When::Fact(shutdown)],
);

fn shutdown(view: &View<'_>) -> Option<Finding> {
    if view.refusal().is_some() {
        return None;
    }
    let announced = view.calls().and_then(|calls| calls.shutdown_at);
    let close = view.gateway_close().filter(|c| c.code == Some(1012));
    let worded = close.is_some_and(|c| c.reason == "service restart");
    if let Some(close) = close {
        let words = matches!(close.reason, "service restart" | "gateway-shutdown");
        let other = !words && !close.reason.is_empty() && announced.is_none();
        if other {
            return None;
        }
        return Some(close.cite(Finding::certain_if(words)).on(Leg::Upstream));
    }
    let over = view.ended() && view.gateway_close().is_none();
    let at = announced.filter(|_| over && !worded)?;
    let what = "the gateway announced its shutdown";
    Some(
        Finding::likely()
            .because("no Close frame of the gateway came after the announcement")
            .cite("openclaw.calls.shutdown_at", what, Some(at))
            .on(Leg::Upstream),
    )
}

pub(super) const NODE_CHANGED: Rule = restart(
    "node_capabilities_changed",
    "The gateway closed because what it knows of this client changed: \"{reason}\".",
    &[look("let the client reconnect; nothing is broken")],
    &[
        When::Closed(Phase::Any, 1012, "node capabilities changed"),
        When::Closed(Phase::Any, 1012, "browser identity route changed"),
    ],
);

pub(super) const NODE_RECONNECTS: Rule = Rule {
    slug: "node_reconnects",
    layer: Layer::Other,
    who: Who::Client,
    says: "The node closed to reconnect with changed facts of its own: \"{reason}\".",
    next: &[look("nothing to do: it connects again by itself")],
    when: &[When::Fact(|view| {
        let close = view.client_close().filter(|c| c.code == Some(1012))?;
        ["node manifest changed", "gateway protocol upgraded"]
            .contains(&close.reason)
            .then(|| close.cite(Finding::certain()).on(Direction::ClientToServer.source()))
    })],
};
