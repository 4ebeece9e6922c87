//! The gateway's own answers to an upgrade, known by their bodies.

use super::{body, cite, http, is_foreign, own, status};
use crate::session::ResponseFacts;
use crate::session::{Layer, Who};
use crate::verdict::restart;
use crate::verdict::rule::{Finding, Phase, Rule, Todo, When, look, run, set};
use crate::verdict::values;
use crate::verdict::view::View;

fn text(view: &View<'_>, code: u16, starts: &str) -> Option<Finding> {
    let response = status(view, code).filter(|r| !is_foreign(r))?;
    body(response).starts_with(starts).then(|| own(response))
}

fn error_type(response: &ResponseFacts) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(body(response)).ok()?;
    Some(json.get("error")?.get("type")?.as_str()?.to_owned())
}

const TRUST: &[Todo] = &[
    set(
        "list the address that dials the gateway, and nothing wider",
        "gateway.trustedProxies = [\"{dialerAddress}\"]",
    ),
    look("and let the first proxy send the client's real address in X-Forwarded-For"),
    look("or send no forwarded header at all: {forwardedBy}"),
];

pub(in crate::verdict) const PROXY_ATTRIBUTION_REQUIRED: Rule = http(
    "proxy_attribution_required",
    Who::FrontProxy,
    "The gateway refuses forwarded headers ({forwarding}) from a proxy that it does not trust.",
    TRUST,
    &[
        When::Fact(|view| {
            let response = status(view, 403)?;
            let finding =
                (error_type(response)? == "proxy_attribution_required").then(|| own(response))?;
            let sent = values::forwards(view);
            Some(if sent {
                finding
            } else {
                finding.because("no forwarded header passed wstap: something between wstap and the gateway adds it")
            })
        }),
        When::Closed(Phase::Any, 1008, "gateway ingress attribution required"),
    ],
);

pub(in crate::verdict) const HTTP_400_UPGRADE: Rule = http(
    "http_400_upgrade",
    Who::Client,
    "The Upgrade header is not websocket.",
    &[look("fix the client, or the proxy that changes the header")],
    &[When::Fact(|view| text(view, 400, "Invalid Upgrade header"))],
);

pub(in crate::verdict) const BAD_WEBSOCKET_VERSION: Rule = http(
    "bad_websocket_version",
    Who::Client,
    "Sec-WebSocket-Version is missing or not 13.",
    &[look("fix the client, or the proxy that changes the header")],
    &[When::Fact(|view| text(view, 400, "Missing or invalid Sec-WebSocket-Version"))],
);

pub(in crate::verdict) const BAD_WEBSOCKET_KEY: Rule = http(
    "bad_websocket_key",
    Who::Client,
    "Sec-WebSocket-Key is missing or invalid.",
    &[look("fix the client, or the proxy that drops the header")],
    &[When::Fact(|view| text(view, 400, "Missing or invalid Sec-WebSocket-Key"))],
);

pub(in crate::verdict) const HTTP_401_UPGRADE: Rule = Rule {
    layer: Layer::Auth,
    ..http(
        "http_401_upgrade",
        Who::Client,
        "The gateway protects the path {path} and got no valid bearer token or ticket.",
        &[
            look("use the main path / for clients"),
            look("or send the bearer token or ticket of that path"),
        ],
        &[When::Fact(protected_path)],
    )
};

pub(in crate::verdict) const HTTP_404_UPGRADE: Rule = http(
    "http_404_upgrade",
    Who::Client,
    "The gateway does not know the path {path}.",
    &[look("use the path /, or /__openclaw__/worker for a worker")],
    &[When::Fact(|view| {
        let response = status(view, 404)?;
        let known = view.request().is_some_and(|r| r.path().starts_with("/__openclaw__/"));
        let finding = cite(Finding::certain_if(known), response);
        Some(match view.request().filter(|_| known) {
            Some(request) => {
                finding.cite("request.target", request.target.clone(), Some(request.at))
            }
            None => finding.because("OpenClaw upgrades any other path: this may be another server"),
        })
    })],
);

pub(in crate::verdict) const HTTP_405_UPGRADE: Rule = http(
    "http_405_upgrade",
    Who::Client,
    "The upgrade did not use GET.",
    &[look("fix the client: RFC 6455 asks for GET")],
    &[
        When::Fact(|view| text(view, 405, "Invalid HTTP method")),
        When::Fact(|view| status(view, 405).map(|r| cite(Finding::likely(), r))),
    ],
);

pub(in crate::verdict) const HTTP_429_UPGRADE: Rule = Rule {
    layer: Layer::Auth,
    ..http(
        "http_429_upgrade",
        Who::Client,
        "The gateway has locked this address out on {path} after failed attempts.",
        &[look("wait {retryAfter}, then fix the secret that the client sends")],
        &[When::Fact(|view| {
            let response = status(view, 429).filter(|r| !is_foreign(r))?;
            (error_type(response)? == "rate_limited").then(|| own(response))
        })],
    )
};

pub(in crate::verdict) const TOO_MANY_UNAUTHENTICATED: Rule = http(
    "too_many_unauthenticated_sockets",
    Who::Client,
    "32 connections of this address wait at the gateway without having sent connect.",
    &[
        look("find the client that opens connections and never sends connect"),
        look("behind one proxy or tap all clients share this limit"),
        set("raise it on the gateway", "OPENCLAW_MAX_PREAUTH_CONNECTIONS_PER_IP=128"),
    ],
    &[When::Fact(|view| text(view, 503, "Too many unauthenticated sockets"))],
);

pub(in crate::verdict) const GATEWAY_RESTARTING: Rule = http(
    "gateway_restarting",
    Who::Gateway,
    "The gateway is restarting or suspending and admits nobody.",
    &[
        look("wait {retryAfter} and try again"),
        run("see when it is back", "openclaw gateway status"),
    ],
    &[
        When::Fact(|view| text(view, 503, "Gateway websocket admission closed")),
        When::Fact(|view| text(view, 503, "Worker websocket admission closed")),
        When::Fact(|view| {
            restart::unavailable(view, &["gateway-restarting", "gateway-suspending"])
        }),
        When::Closed(Phase::Any, 1013, "gateway restart in progress"),
        When::Closed(Phase::Any, 1013, "gateway suspension in progress"),
    ],
);

pub(in crate::verdict) const GATEWAY_UNAVAILABLE: Rule = http(
    "gateway_unavailable",
    Who::Gateway,
    "The gateway runs and cannot take WebSocket connections: {body}",
    &[
        run(
            "a package replaced under a running gateway needs a restart",
            "openclaw gateway restart",
        ),
        look("look at the gateway's log"),
    ],
    &[
        When::Fact(|view| text(view, 503, "Gateway websocket handlers unavailable")),
        When::Fact(|view| text(view, 503, "Worker websocket ingress unavailable")),
        When::Fact(|view| text(view, 503, "desktop observe unavailable")),
        When::Fact(|view| text(view, 503, "node desktop attach unavailable")),
        When::Fact(|view| text(view, 503, "node portal attach unavailable")),
        When::Fact(|view| {
            let response = status(view, 503).filter(|r| !is_foreign(r))?;
            body(response).is_empty().then(|| {
                cite(Finding::likely(), response)
                    .because("an empty 503 is the gateway's answer to an error of its own")
            })
        }),
        When::Closed(Phase::Any, 1011, "gateway message handler unavailable"),
        When::Closed(Phase::Any, 1008, "gateway message handler loading"),
        When::Closed(Phase::Any, 1011, "gateway install changed"),
        When::Closed(Phase::Any, 1011, "unsupported Gateway WebSocket receiver"),
        When::Says("gateway install changed"),
        When::Says("gateway message handler unavailable"),
    ],
);

/// Paths that the gateway is known to protect by a bearer token or a ticket.
const PROTECTED: [&str; 5] = [
    "/api/channels",
    "/__openclaw__/cap/",
    "/desktop/observe",
    "/node-desktop/attach",
    "/node-portal/attach",
];

fn protected_path(view: &View<'_>) -> Option<Finding> {
    let response = status(view, 401)?;
    let request = view.request()?;
    let known = PROTECTED.iter().any(|path| request.path().starts_with(path));
    let finding = cite(Finding::certain_if(known), response);
    Some(if known {
        finding.cite("request.target", request.target.clone(), Some(request.at))
    } else {
        finding.because(
            "the answer looks like the gateway's, but the path is none it is known to protect",
        )
    })
}
