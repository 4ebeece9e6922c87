//! Both sides reached each other and do not speak the same protocol, or the client breaks the
//! opening exchange.

use super::rule::{Finding, Phase, Rule, Todo, When, look, run, set};
use super::view::{How, View};
use crate::session::{Direction, Leg, Offset};
use crate::session::{Layer, Who};

const fn protocol(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Protocol, who, says, next, when }
}

/// Below this a gateway's handshake timer cannot have fired.
const TIMER: Offset = Offset(1_000_000);

pub(super) const CONTROL_UI_BUILD_MISMATCH: Rule = protocol(
    "control_ui_build_mismatch",
    Who::Client,
    "The browser runs a cached Control UI of another build than the gateway.",
    &[look("reload the page without cache (Ctrl+Shift+R)")],
    &[When::Fact(build_mismatch), When::Said("protocol mismatch: Control UI updated")],
);

fn build_mismatch(view: &View<'_>) -> Option<Finding> {
    let refusal = view.refusal()?;
    let reload = refusal.details.as_ref()?.get("reloadRequired")?.as_bool()?;
    (reload && refusal.detail_code.as_deref() == Some("PROTOCOL_MISMATCH")).then(|| {
        Finding::certain()
            .cite("openclaw.refusal.detail_code", "PROTOCOL_MISMATCH", view.answer_at())
            .cite(
                "openclaw.refusal.details.reloadRequired",
                "the page must reload",
                view.answer_at(),
            )
            .on(Leg::Upstream)
    })
}

pub(super) const PROTOCOL_MISMATCH: Rule = protocol(
    "protocol_mismatch",
    Who::Client,
    "No common protocol: the client speaks {clientProtocol}, the gateway {expectedProtocol}.",
    &[
        run("compare the versions", "openclaw --version"),
        look("update the older of client ({clientVersion}) and gateway"),
    ],
    &[When::Code("PROTOCOL_MISMATCH"), When::Fact(old_mismatch), When::Said("protocol mismatch")],
);

/// Gateways up to 2026.4 give no code, only `expectedProtocol`.
fn old_mismatch(view: &View<'_>) -> Option<Finding> {
    let refusal = view.refusal().filter(|r| r.detail_code.is_none())?;
    let details = refusal.details.as_ref()?;
    let old = details["expectedProtocol"].is_u64() && details.get("clientMinProtocol").is_none();
    let close = view.gateway_close().filter(|c| c.code == Some(1002))?;
    let says =
        refusal.message.as_deref()? == "protocol mismatch" && close.reason == "protocol mismatch";
    (old && says).then(|| {
        let expected = "the gateway expects another protocol and says so without a code";
        close
            .cite(Finding::certain())
            .cite("openclaw.refusal.details.expectedProtocol", expected, view.answer_at())
            .on(Leg::Upstream)
    })
}

pub(super) const CLIENT_VERSION_MISMATCH: Rule = protocol(
    "client_version_mismatch",
    Who::Client,
    "The local node host is older than the gateway.",
    &[look("update the node host to the gateway's version and restart it")],
    &[When::Code("CLIENT_VERSION_MISMATCH"), When::Said("client version mismatch")],
);

pub(super) const INVALID_CONNECT_PARAMS: Rule = protocol(
    "invalid_connect_params",
    Who::Client,
    "The gateway's schema refuses the connect request: {message}",
    &[look(
        "the text names the field; bring client ({clientVersion}) and gateway to the same version",
    )],
    &[When::Says("invalid connect params")],
);

pub(super) const INVALID_ROLE: Rule = protocol(
    "invalid_role",
    Who::Client,
    "The client asks for the unknown role {role}.",
    &[look("the role must be operator or node")],
    &[When::Says("invalid role")],
);

pub(super) const FIRST_REQUEST_NOT_CONNECT: Rule = protocol(
    "first_request_not_connect",
    Who::Client,
    "The client's first request was not connect.",
    &[look("the client must send connect before anything else")],
    &[When::Says("invalid handshake: first request must be connect")],
);

pub(super) const INVALID_REQUEST_FRAME: Rule = protocol(
    "invalid_request_frame",
    Who::Client,
    "The client sent JSON that is not a request.",
    &[look("check the client: a request has type \"req\", id and method")],
    &[When::Closed(Phase::BeforeHello, 1008, "invalid request frame")],
);

pub(super) const INVALID_HANDSHAKE_WORKER: Rule = protocol(
    "invalid_handshake_worker",
    Who::Client,
    "A worker identity came to the main path.",
    &[look("point the worker at its own path, /__openclaw__/worker")],
    &[When::Fact(worker_on_main_path)],
);

fn worker_on_main_path(view: &View<'_>) -> Option<Finding> {
    let close = view.gateway_close().filter(|c| c.reason == "invalid-handshake")?;
    (!on_worker_path(view) && close.code == Some(1008) && view.refusal().is_none())
        .then(|| close.cite(Finding::certain()).on(Leg::Upstream))
}

pub(super) fn on_worker_path(view: &View<'_>) -> bool {
    view.request().is_some_and(|r| r.path().starts_with("/__openclaw__/worker"))
}

pub(super) const TOO_MANY_PENDING_FRAMES: Rule = protocol(
    "too_many_pending_frames",
    Who::Client,
    "The client sent more than fifteen frames before it was admitted.",
    &[look("the client must wait for hello-ok before it sends calls")],
    &[When::Closed(Phase::BeforeHello, 1008, "too many pending handshake frames")],
);

pub(super) const PREAUTH_PAYLOAD_TOO_LARGE: Rule = protocol(
    "preauth_payload_too_large",
    Who::Client,
    "The client sent more than 64 KiB in one message before it was admitted.",
    &[look("shrink the connect request")],
    &[When::Fact(preauth_too_large), When::Says("preauth payload too large")],
);

fn preauth_too_large(view: &View<'_>) -> Option<Finding> {
    let close = view.gateway_close().filter(|c| c.code == Some(1009) && !view.greeted())?;
    let sole = view.data_frames(Direction::ClientToServer) <= 1;
    (view.refusal().is_none()).then(|| {
        close
            .cite(Finding::certain_if(sole && view.challenge_at().is_some()))
            .because_if(
                !sole,
                "more than one message came before it; the answer to the first may be lost",
            )
            .on(Leg::Upstream)
    })
}

pub(super) const NON_JSON_FIRST_FRAME: Rule = protocol(
    "non_json_first_frame",
    Who::Client,
    "The client's first message is not JSON.",
    &[look("this client does not speak to OpenClaw gateways; check its address")],
    &[When::Fact(non_json)],
);

fn non_json(view: &View<'_>) -> Option<Finding> {
    let close = silent_close(view)?;
    let frames = view.data_frames(Direction::ClientToServer);
    // A request that could be read was JSON: then it is not known what the gateway disliked.
    let request = view.calls().is_some_and(|calls| calls.requests > 0);
    let finding = if request { Finding::possible() } else { Finding::certain() };
    (frames > 0 && view.connect_at().is_none()).then(|| {
        close
            .cite(finding)
            .because_if(
                request,
                "a request came that wstap could read: not every message was foreign",
            )
            .cite(
                "frames.c2s.by_opcode",
                format!("{frames} message(s) before it, none a connect"),
                None,
            )
            .on(Leg::Upstream)
    })
}

/// Close 1000 without a reason before hello: the gateway's way to give up on a client.
fn silent_close<'a>(view: &View<'a>) -> Option<super::view::Closing<'a>> {
    let silent = |c: &super::view::Closing<'_>| c.code == Some(1000) && c.reason.is_empty();
    view.gateway_close().filter(|c| silent(c) && !view.greeted() && view.refusal().is_none())
}

pub(super) const HANDSHAKE_TIMEOUT: Rule = protocol(
    "handshake_timeout",
    Who::Client,
    "The gateway waited {age} for connect and gave up; it says so as 1000 without a reason.",
    &[
        look("look at the client: did it get the challenge, is it stuck?"),
        set("a slow client needs more time, on the gateway", "OPENCLAW_HANDSHAKE_TIMEOUT_MS=30000"),
    ],
    &[When::Fact(handshake_timeout)],
);

fn handshake_timeout(view: &View<'_>) -> Option<Finding> {
    let close = silent_close(view)?;
    let challenged = view.challenge_at()?;
    let waited = close.at.since(challenged);
    if view.connect_at().is_some() {
        let late =
            "connect had come: the gateway was too busy to answer it before its own timer fired";
        return Some(
            close.cite(Finding::likely()).because(late).by(Who::Gateway).on(Leg::Upstream),
        );
    }
    let finding = if waited >= TIMER { Finding::certain() } else { Finding::possible() };
    let early = "it came too soon after the challenge for any timer";
    Some(close.cite(finding).because_if(waited < TIMER, early).on(Leg::Upstream))
}

pub(super) const WORKER_INGRESS_PATH: Rule = protocol(
    "worker_ingress_path",
    Who::Client,
    "The path {path} is the workers' entrance, which never sends a challenge.",
    &[look("use the path / instead")],
    &[When::Fact(worker_path)],
);

fn worker_path(view: &View<'_>) -> Option<Finding> {
    let silent = view.challenge_at().is_none() && view.hello().is_none();
    let over = view.end.is_some() || view.first_close.is_some();
    (view.upgraded() && on_worker_path(view) && silent && over).then(|| {
        let ended = view.gateway_close().map_or("", |c| c.reason);
        Finding::certain()
            .because_if(!ended.is_empty(), "the worker entrance closed with its own words")
            .cite("request.target", "the workers' path", view.request().map(|r| r.at))
            .on(Leg::Downstream)
    })
}

pub(super) const NOT_AN_OPENCLAW_GATEWAY: Rule = protocol(
    "not_an_openclaw_gateway",
    Who::Client,
    "A WebSocket server answered at {upstream} and sent no challenge: it is no OpenClaw gateway, or it hangs.",
    &[
        run("ask the gateway's host where it listens", "openclaw gateway status"),
        look("check host and port of the upstream"),
    ],
    &[When::Fact(no_gateway)],
);

fn no_gateway(view: &View<'_>) -> Option<Finding> {
    let silent = view.upgraded() && view.challenge_at().is_none() && view.connect_at().is_none();
    if !silent || view.greeted() || view.refusal().is_some() {
        return None;
    }
    if view.data_frames(Direction::ClientToServer) > 0 {
        return None;
    }
    let upgraded = view.response()?.at;
    let closed = view.client_close().filter(|c| c.is_orderly());
    let left = view.end_on(Leg::Downstream).filter(|e| e.how == How::Fin);
    if view.first_close.is_some() && closed.is_none() {
        return None;
    }
    let waited = closed.map(|c| c.at).or_else(|| left.map(|e| e.ending.at))?.since(upgraded);
    let sure = waited >= TIMER && closed.is_some();
    let finding = if sure { Finding::likely() } else { Finding::possible() };
    let finding = finding
        .because("an OpenClaw gateway sends its challenge with the 101; the client waited for it and left")
        .because("a gateway process that hangs right after the 101 looks the same");
    let finding = match (closed, left) {
        (Some(close), _) => close.cite(finding),
        (None, Some(left)) => left.cite(finding),
        (None, None) => finding,
    };
    Some(finding.on(Leg::Upstream))
}

pub(super) const CHALLENGE_WITHOUT_NONCE: Rule = protocol(
    "challenge_without_nonce",
    Who::Unknown,
    "The client found no nonce in the challenge.",
    &[look("find what rewrites frames between client and gateway; update the older side")],
    &[When::Fact(|view| {
        let close = view.client_close()?;
        close
            .reason
            .starts_with("connect challenge missing nonce")
            .then(|| close.cite(Finding::certain()).on(Leg::Downstream))
    })],
);

pub(super) const CONNECT_REFUSED: Rule = Rule {
    slug: "connect_refused",
    layer: Layer::Unknown,
    who: Who::Unknown,
    says: "The gateway refused connect: {errorCode} {detailCode} \"{message}\".",
    next: &[look("the gateway's log says more; these rules do not know this refusal")],
    when: &[When::Fact(connect_refused)],
};

fn connect_refused(view: &View<'_>) -> Option<Finding> {
    let refusal = view.refusal()?;
    let what = refusal.message.as_deref().unwrap_or("without a message").to_owned();
    Some(
        Finding::possible()
            .because("neither its code nor its message is known to these rules")
            .cite("openclaw.refusal", what, view.answer_at())
            .on(Leg::Upstream),
    )
}
