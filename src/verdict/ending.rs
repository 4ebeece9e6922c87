//! How TCP ended, where nothing on top of it says why.

use super::rule::{Finding, Phase, Rule, Todo, When, look, run, set};
use super::view::{How, View};
use crate::session::{Confidence, Direction, Leg, Offset};
use crate::session::{Layer, Who};

const fn ending(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Transport, who, says, next, when }
}

/// Past the opening exchange, where there is one to be known of.
fn settled(view: &View<'_>) -> bool {
    view.hello().is_some() || (view.openclaw().is_none() && view.spoke())
}

/// A call that waits longer than this was not left behind by a client in a hurry.
const PATIENCE: Offset = Offset(3_000_000);

/// An answer to `connect` may take so long without anything being lost.
const BRIEF: Offset = Offset(1_000_000);

/// Two missed pings of 25 s, less the timer's slack.
const SILENT: Offset = Offset(49_000_000);

pub(super) const HEARTBEAT_TIMEOUT: Rule = ending(
    "heartbeat_timeout",
    Who::Client,
    "The client did not answer the gateway's pings, and the gateway dropped it.",
    &[
        look("the client hangs, or its event loop is blocked"),
        look("or a proxy between them swallows control frames"),
    ],
    &[When::Fact(heartbeat)],
);

fn heartbeat(view: &View<'_>) -> Option<Finding> {
    let end = view.end_on(Leg::Upstream).filter(|_| view.first_close.is_none())?;
    let control = &view.record.control;
    let answered = control
        .iter()
        .rposition(|c| c.fact.opcode == 0xa && c.fact.direction == Direction::ClientToServer);
    let silent_since = answered.map_or(0, |at| at + 1);
    let (index, ping) = control
        .iter()
        .enumerate()
        .skip(silent_since)
        .find(|(_, c)| c.fact.opcode == 0x9 && c.fact.direction == Direction::ServerToClient)?;
    let silence = end.ending.at.since(ping.at);
    (silence >= SILENT && view.greeted()).then(|| {
        let what = format!("a ping that got no pong in {silence}");
        end.cite(Finding::certain())
            .cite(format!("control[{index}]"), what, Some(ping.at))
            .on(Leg::Downstream)
    })
}

pub(super) const EOF_WITHOUT_CLOSE: Rule = ending(
    "eof_without_close_frame",
    Who::Unknown,
    "The gateway's side ended TCP without a Close frame; clients report it as 1006.",
    &[
        set("{culprit}", "{directive}"),
        run("see whether the gateway died: does the port still answer?", "openclaw gateway status"),
        run("if it died, see why", "journalctl -k | grep -i oom"),
    ],
    &[When::Fact(eof)],
);

fn eof(view: &View<'_>) -> Option<Finding> {
    let end = view.end_on(Leg::Upstream).filter(|e| e.how == How::Fin)?;
    let hello = view.greeted() || view.openclaw().is_none();
    if !view.upgraded() || !hello || view.first_close.is_some() {
        return None;
    }
    let waiting = view.waiting().is_some_and(|(_, waited)| waited >= PATIENCE);
    let sending = view.record.frames.c2s.cut_frame.is_some();
    let known = settled(view);
    let finding = end
        .cite(Finding::certain_if(known && !waiting && !sending && !view.limit_fits))
        .because("a gateway process that was killed (gateway_killed) looks the same; see whether its port refuses now")
        .because_if(view.limit_fits, "a known limit fits the time, see culprits")
        .because_if(waiting, "a call had waited for seconds: the gateway may have hung before")
        .because_if(sending, "the client was in the middle of a frame");
    Some(front(view, finding))
}

/// A server that names itself in the 101 stands between wstap and the gateway.
fn front(view: &View<'_>, finding: Finding) -> Finding {
    match view.response().and_then(|r| r.server.as_ref().or(r.via.as_ref())) {
        Some(name) => finding
            .by(Who::FrontProxy)
            .because(format!("the 101 came through {name}: it may have cut, or passed a cut on")),
        None => finding,
    }
}

pub(super) const RESET_MID_SESSION: Rule = ending(
    "reset_mid_session",
    Who::Network,
    "The gateway's side reset the connection in the middle of the session.",
    &[
        set("{culprit}", "{directive}"),
        look("look for a firewall or proxy that drops idle or long connections"),
        look("look at the gateway's log at that time"),
    ],
    &[When::Fact(|view| {
        let end =
            view.end_on(Leg::Upstream).filter(|e| matches!(e.how, How::Reset | How::Broken))?;
        let on = view.upgraded() && (view.greeted() || view.openclaw().is_none());
        let sure = end.how == How::Reset && view.hello().is_some() && !view.limit_fits;
        (on && view.first_close.is_none()).then(|| front(view, end.cite(Finding::certain_if(sure))))
    })],
);

pub(super) const RESET_BEFORE_HELLO: Rule = ending(
    "reset_before_hello",
    Who::Gateway,
    "The gateway's side dropped the connection before it answered connect.",
    &[
        look("look at the gateway's log for this connection"),
        run("see whether it still runs", "openclaw gateway status"),
    ],
    &[When::Fact(|view| {
        let end = view.end_on(Leg::Upstream)?;
        let open = view.upgraded() && !view.greeted() && view.refusal().is_none();
        if !open || view.first_close.is_some() || end.how == How::Ours {
            return None;
        }
        let asked = view.connect_at().filter(|_| view.challenge_at().is_some());
        let sole = view.data_frames(Direction::ServerToClient) <= 1;
        let sure = asked.is_some() && sole && end.how == How::Reset;
        let finding = end.cite(Finding::certain_if(sure));
        let finding = match view.connect_at() {
            Some(at) => finding.cite("openclaw.connect_at", "connect was sent", Some(at)),
            None => finding.because("connect had not been sent"),
        };
        Some(finding.because_if(end.how != How::Reset, "it ended by FIN, not by a reset"))
    })],
);

pub(super) const CLIENT_RESET_PRE_HELLO: Rule = ending(
    "client_reset_pre_hello",
    Who::Client,
    "The client reset the connection before it sent connect.",
    &[look("look at the client's log: it crashed, or gave up on the handshake")],
    &[When::Fact(|view| {
        let end =
            view.end_on(Leg::Downstream).filter(|e| matches!(e.how, How::Reset | How::Broken))?;
        let early = view.upgraded() && view.connect_at().is_none() && !view.greeted();
        let sure = end.how == How::Reset && view.challenge_at().is_some();
        (early && view.first_close.is_none()).then(|| end.cite(Finding::certain_if(sure)))
    })],
);

/// The idle limit of a proxy in front of wstap looks like the end of a client: after a silence that
/// somebody may have set a limit to, it may have been either. Proxies keep their limits late when
/// they are busy, so the length of the silence proves nothing.
fn cut_before(view: &View<'_>, mut finding: Finding, ended: Offset) -> Finding {
    let frames = &view.record.frames;
    let silence = frames.c2s.last_byte.max(frames.s2c.last_byte).map(|last| ended.since(last));
    let long = |silence: &Offset| silence.micros() >= 2_000_000;
    let Some(silence) = silence.filter(|silence| view.limit_fits || long(silence)) else {
        return finding;
    };
    finding.confidence = finding.confidence.min(Confidence::Likely);
    let proxied = view.request().is_some_and(|request| !request.forwarding.is_empty())
        || view.record.client.proxy_header.is_some();
    finding.by(if proxied { Who::FrontProxy } else { Who::Unknown }).because(format!(
        "nothing was sent for {silence}: the idle limit of a proxy between the client and wstap looks the same"
    ))
}

pub(super) const CLIENT_FIN: Rule = ending(
    "client_fin_no_close_frame",
    Who::Client,
    "The client ended TCP without a Close frame: it was killed, crashed, or closed the socket.",
    &[look("harmless if it was stopped on purpose; else look at the client's log")],
    &[When::Fact(|view| {
        let end =
            view.end_on(Leg::Downstream).filter(|e| matches!(e.how, How::Fin | How::MidFrame))?;
        let on = view.upgraded() && (view.greeted() || view.openclaw().is_none());
        if !on || view.first_close.is_some() {
            return None;
        }
        let finding = cut_before(view, end.cite(Finding::certain_if(settled(view))), end.ending.at);
        Some(match view.answer_at().filter(|_| view.hello().is_some()) {
            Some(at) => finding.cite("openclaw.hello", "hello-ok was delivered", Some(at)),
            None => finding,
        })
    })],
);

pub(super) const CLIENT_RESET: Rule = ending(
    "client_reset_mid_session",
    Who::Client,
    "The client's side reset the connection in the middle of the session.",
    &[look("look at the client's log, and at what stands between it and wstap")],
    &[When::Fact(|view| {
        let end =
            view.end_on(Leg::Downstream).filter(|e| matches!(e.how, How::Reset | How::Broken))?;
        let sure = end.how == How::Reset && settled(view);
        let on = view.upgraded() && view.first_close.is_none();
        on.then(|| cut_before(view, end.cite(Finding::certain_if(sure)), end.ending.at))
    })],
);

pub(super) const CHALLENGE_LOST: Rule = ending(
    "challenge_lost",
    Who::Network,
    "The gateway's challenge did not reach the client.",
    &[
        look("find what holds frames back between gateway and client: a proxy that buffers"),
        set("nginx", "proxy_buffering off;"),
    ],
    &[When::Fact(challenge_lost)],
);

fn challenge_lost(view: &View<'_>) -> Option<Finding> {
    if view.connect_at().is_some() || view.greeted() || !view.upgraded() {
        return None;
    }
    let seen = view.challenge_at().is_some();
    if let Some(close) = view.client_close().filter(|c| c.code == Some(1008)) {
        let says = close.reason.starts_with("connect challenge timeout");
        if !says && (seen || close.reason.starts_with("connect challenge missing")) {
            return None;
        }
        let leg = if seen { Leg::Downstream } else { Leg::Upstream };
        return Some(
            close
                .cite(Finding::certain_if(says))
                .because_if(seen, "it passed wstap, so it was lost between wstap and the client")
                .on(leg),
        );
    }
    let close = view.gateway_close().filter(|c| c.code == Some(1000) && c.reason.is_empty())?;
    let mute =
        view.data_frames(Direction::ClientToServer) == 0 && !seen && view.openclaw().is_some();
    mute.then(|| {
        close
            .cite(Finding::possible())
            .because("the gateway gave up on a client that never saw its challenge")
    })
}

pub(super) const HELLO_LOST: Rule = ending(
    "hello_lost",
    Who::Network,
    "The answer to connect did not reach the client, which waited {connectWait} and left.",
    &[
        look("find what holds frames back between gateway and client: a proxy that buffers"),
        look("or the gateway was too busy to answer: look at its load"),
    ],
    &[When::Fact(hello_lost)],
);

fn hello_lost(view: &View<'_>) -> Option<Finding> {
    if view.refusal().is_some() || !view.upgraded() {
        return None;
    }
    if let Some(close) = view.client_close().filter(|c| c.code == Some(4000)) {
        let says = close.reason == "connect timeout";
        let seen = view.greeted();
        if !says && seen {
            return None;
        }
        let asked = view.connect_at();
        let finding = close
            .cite(Finding::certain_if(says && asked.is_some()))
            .because_if(seen, "it passed wstap, so it was lost between wstap and the client")
            .on(if seen { Leg::Downstream } else { Leg::Upstream });
        return Some(match asked {
            Some(at) => finding.cite("openclaw.connect_at", "connect was sent", Some(at)),
            None => finding,
        });
    }
    let asked = view.connect_at().filter(|_| !view.greeted())?;
    let orderly = view.client_close().filter(|c| c.is_orderly());
    let left = view.end_on(Leg::Downstream).filter(|_| view.first_close.is_none());
    let finding = match (orderly, left) {
        (Some(close), _) if close.at.since(asked) >= BRIEF => close.cite(Finding::likely()),
        (Some(close), _) => close
            .cite(Finding::possible())
            .because("the client left so soon that an answer need not have been late"),
        (None, Some(end)) => end.cite(Finding::possible()),
        (None, None) => return None,
    };
    let what = "connect was sent and not answered";
    Some(finding.cite("openclaw.connect_at", what, Some(asked)).on(Leg::Upstream))
}

pub(super) const RPC_RESPONSE_LOST: Rule = ending(
    "rpc_response_lost",
    Who::Gateway,
    "The call {pendingMethod} had no answer for {pendingWait}, and the client gave up.",
    &[look("look in the gateway's log for that call; look at its load")],
    &[When::Fact(|view| {
        let (call, waited) = view.waiting().filter(|(_, waited)| *waited >= PATIENCE)?;
        let close = view.client_close().filter(|c| c.is_orderly() && view.greeted())?;
        let after = view.record.frames.s2c.last_data_frame.is_some_and(|last| last > call.at);
        let sure = !after && view.hello().is_some();
        let method = call.method.as_deref().unwrap_or("a call");
        Some(
            close
                .cite(Finding::certain_if(sure))
                .because_if(after, "the gateway went on sending other frames")
                .cite(
                    "openclaw.calls.pending[0]",
                    format!("{method} waited {waited}"),
                    Some(call.at),
                )
                .on(Leg::Upstream),
        )
    })],
);

pub(super) const TICK_TIMEOUT: Rule = ending(
    "tick_timeout",
    Who::Network,
    "The client heard nothing from the gateway for {serverSilence} and closed.",
    &[
        look("the gateway hangs, or something holds its frames back"),
        run("see whether the gateway answers", "openclaw gateway status"),
    ],
    &[When::Fact(|view| {
        let close = view.client_close().filter(|c| c.code == Some(4000) && view.greeted())?;
        let says = close.reason == "tick timeout";
        (says || close.reason != "connect timeout")
            .then(|| close.cite(Finding::certain_if(says)).on(Leg::Upstream))
    })],
);

pub(super) const SERVER_GOING_AWAY: Rule = ending(
    "server_going_away",
    Who::FrontProxy,
    "The gateway's side closed with 1001: a proxy that reloads its configuration does this.",
    &[
        set("Caddy: keep streams over a reload", "stream_close_delay 5m"),
        look("see who reloaded or stopped the proxy then"),
    ],
    &[When::Closed(Phase::Any, 1001, "")],
);

pub(super) const GATEWAY_CLOSED_FIRST: Rule = Rule {
    slug: "gateway_closed",
    layer: Layer::Unknown,
    who: Who::Gateway,
    says: "The gateway closed with {code} \"{reason}\", which these rules do not know.",
    next: &[look("the gateway's log says more")],
    when: &[When::Fact(|view| {
        let close = view.gateway_close().filter(|c| !c.is_orderly())?;
        Some(close.cite(Finding::possible()).on(Leg::Upstream))
    })],
};

pub(super) const CLIENT_CLOSED_ODDLY: Rule = Rule {
    slug: "client_closed",
    layer: Layer::Unknown,
    who: Who::Client,
    says: "The client closed with {code} \"{reason}\"; why is not on the wire.",
    next: &[look(
        "a client's close often repeats one that it was about to get: look at the gateway's log",
    )],
    when: &[When::Fact(|view| {
        let close = view.client_close().filter(|c| !c.is_orderly())?;
        Some(close.cite(Finding::possible()).on(Leg::Downstream))
    })],
};

pub(super) const ENDED_UNSEEN: Rule = Rule {
    slug: "end_not_seen",
    layer: Layer::Unknown,
    who: Who::Unknown,
    says: "How the session ended was not seen.",
    next: &[look("wstap stopped while the session was open, or the record is not complete")],
    when: &[When::Fact(|view| {
        (!matches!(view.record.state, crate::session::State::Open)).then(Finding::possible)
    })],
};

pub(super) const STILL_OPEN: Rule = Rule {
    slug: "still_open",
    layer: Layer::Unknown,
    who: Who::Unknown,
    says: "The session is open; nothing can be said of it yet.",
    next: &[look("wait, or look again")],
    when: &[When::Fact(|_| Some(Finding::possible()))],
};
