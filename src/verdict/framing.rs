//! WebSocket framing broke: faulty frames, frames cut off, messages too large.

use super::rule::{Finding, Rule, Todo, When, look, set};
use super::view::{How, View};
use crate::session::{Direction, Leg, Violated};
use crate::session::{Layer, Who};

const fn framing(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Transport, who, says, next, when }
}

/// The first breach of RFC 6455 that wstap saw in this direction.
fn violation<'a>(view: &View<'a>, direction: Direction) -> Option<(usize, &'a Violated)> {
    view.record.violations.iter().enumerate().find(|(_, v)| v.direction == direction)
}

fn cite_violation(finding: Finding, (index, broken): (usize, &Violated)) -> Finding {
    let what = format!("frame {} {}: {}", broken.frame, broken.direction.name(), broken.name);
    finding.cite(format!("violations[{index}]"), what, None)
}

pub(super) const WS_PROTOCOL_ERROR: Rule = framing(
    "ws_protocol_error",
    Who::Client,
    "A frame breaks RFC 6455 ({violation}).",
    &[
        look("find what alters frames between {violationSide} and wstap"),
        look("or fix what sends them"),
    ],
    &[When::Fact(refused_by_gateway), When::Fact(refused_by_client), When::Fact(broken_off)],
);

/// The gateway closed with 1002 and no reason: its WebSocket library did.
fn refused_by_gateway(view: &View<'_>) -> Option<Finding> {
    let close = view.gateway_complaint()?;
    if close.code != Some(1002) || !close.reason.is_empty() || view.refusal().is_some() {
        return None;
    }
    let seen = violation(view, Direction::ClientToServer);
    let finding = close.cite(Finding::certain_if(seen.is_some())).on(Leg::Downstream);
    Some(match seen {
        Some(seen) => cite_violation(finding, seen),
        None => finding
            .because(
                "the client's frames were good when they passed wstap: they were altered behind it",
            )
            .by(Who::Network)
            .on(Leg::Upstream),
    })
}

/// The client closed with 1002, and the gateway's frames were bad already here.
fn refused_by_client(view: &View<'_>) -> Option<Finding> {
    let close = view.client_close().filter(|c| matches!(c.code, Some(1002 | 1007)))?;
    let seen = violation(view, Direction::ServerToClient)?;
    let finding = cite_violation(close.cite(Finding::certain()), seen);
    Some(finding.by(Who::Gateway).on(Leg::Upstream))
}

/// No close says so, but the last thing of a leg was a broken frame.
fn broken_off(view: &View<'_>) -> Option<Finding> {
    let end = view.end.filter(|_| view.first_close.is_none() && view.refusal().is_none())?;
    let seen = violation(view, end.leg().other().reads())?;
    let finding = cite_violation(end.cite(Finding::likely()), seen);
    Some(finding.because("the other side ended the connection without saying why"))
}

pub(super) const WS_INVALID_UTF8: Rule = framing(
    "ws_invalid_utf8",
    Who::Client,
    "The server takes a message of the client for malformed text (1007).",
    &[
        look("fix the client: bytes that are not text belong into binary frames"),
        look("or find what alters frames on the way"),
    ],
    &[When::Fact(invalid_utf8)],
);

/// 1007 is for any data that does not fit its type (RFC 6455 §7.4.1): only what wstap saw tells.
fn invalid_utf8(view: &View<'_>) -> Option<Finding> {
    let close = view.gateway_complaint().filter(|c| c.code == Some(1007))?;
    let mut broken = view.record.violations.iter().enumerate();
    let seen =
        broken.find(|(_, v)| v.direction == Direction::ClientToServer && v.name == "text_not_utf8");
    Some(match seen {
        Some(seen) => cite_violation(close.cite(Finding::certain()).on(Leg::Downstream), seen),
        None => close
            .cite(Finding::possible())
            .because("the client's text was UTF-8 when it passed wstap: it was altered behind it, or the server means its content")
            .by(Who::Unknown)
            .on(Leg::Upstream),
    })
}

pub(super) const CORRUPTED_FRAME: Rule = framing(
    "corrupted_frame",
    Who::Network,
    "The client took a frame of the gateway for damaged; it was good when it passed wstap.",
    &[look(
        "find what alters bytes between wstap and the client: a proxy that compresses, a TLS box",
    )],
    &[When::Fact(|view| {
        let close = view.client_close()?;
        let protocol = matches!(close.code, Some(1002 | 1007));
        if !(protocol || close.code == Some(1009)) {
            return None;
        }
        let sure = protocol && close.reason.is_empty();
        let finding = close.cite(Finding::certain_if(sure)).on(Leg::Downstream);
        Some(finding.because_if(!protocol, "a damaged length makes a message look too big"))
    })],
);

pub(super) const MESSAGE_TOO_BIG: Rule = framing(
    "message_too_big",
    Who::Client,
    "The client sent a message larger than the gateway takes ({maxPayload} bytes).",
    &[look("send smaller requests"), set("the limit is the gateway's", "policy.maxPayload")],
    &[When::Fact(|view| {
        let close = view.gateway_close().filter(|c| c.code == Some(1009) && view.greeted())?;
        Some(close.cite(Finding::certain()).on(Leg::Downstream))
    })],
);

pub(super) const TRUNCATED_FRAME: Rule = framing(
    "truncated_frame",
    Who::Client,
    "The client ended in the middle of a frame.",
    &[look("the client crashed or was killed while it sent: look at its log")],
    &[When::Fact(|view| {
        let end = view.end_on(Leg::Downstream).filter(|_| view.gateway_close().is_none())?;
        let cut = end.how == How::MidFrame
            || (end.how == How::Fin && view.record.frames.c2s.cut_frame.is_some());
        cut.then(|| end.cite(Finding::certain()))
    })],
);

pub(super) const SLOW_CONSUMER: Rule = framing(
    "slow_consumer",
    Who::Client,
    "The client did not read fast enough; the gateway had too much queued and dropped it.",
    &[
        look("the client must read while it works"),
        look("ask for less at once; {pendingCalls} call(s) were waiting"),
    ],
    &[When::Fact(slow_close), When::Fact(slow_end)],
);

fn slow_close(view: &View<'_>) -> Option<Finding> {
    let close = view.gateway_close().filter(|c| c.code == Some(1008))?;
    matches!(close.reason, "slow consumer" | "slow-consumer")
        .then(|| close.cite(Finding::certain()).on(Leg::Downstream))
}

/// The gateway's close stands behind the backlog: the wire shows an end inside a frame.
fn slow_end(view: &View<'_>) -> Option<Finding> {
    let end = view.end_on(Leg::Upstream).filter(|_| view.first_close.is_none())?;
    let traffic = &view.record.frames.s2c;
    let cut = end.how == How::MidFrame || traffic.cut_frame.is_some();
    if !cut || !view.upgraded() {
        return None;
    }
    // A gateway drops a client at 50 MiB queued; what fits into socket buffers proves nothing.
    let much = traffic.bytes >= 1 << 20 && view.greeted();
    let finding = if much { Finding::certain() } else { Finding::possible() };
    let finding = end.cite(finding.because_if(
        !much,
        "little had been sent: a gateway killed while it wrote, or a cut on the way, looks the same",
    ));
    let finding = if much {
        finding.cite("frames.s2c.bytes", format!("{} bytes had come", traffic.bytes), None)
    } else {
        finding.by(Who::Unknown)
    };
    Some(finding.on(Leg::Downstream))
}
