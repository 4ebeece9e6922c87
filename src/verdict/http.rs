//! The upgrade got an HTTP answer that is not 101.

mod gateway;

use std::ops::Range;

pub(super) use gateway::{
    BAD_WEBSOCKET_KEY, BAD_WEBSOCKET_VERSION, GATEWAY_RESTARTING, GATEWAY_UNAVAILABLE,
    HTTP_400_UPGRADE, HTTP_401_UPGRADE, HTTP_404_UPGRADE, HTTP_405_UPGRADE, HTTP_429_UPGRADE,
    PROXY_ATTRIBUTION_REQUIRED, TOO_MANY_UNAUTHENTICATED,
};

use super::rule::{Finding, Rule, Todo, When, look, run, set};
use super::view::View;
use crate::session::{Direction, Kind, Leg, ResponseFacts};
use crate::session::{Layer, Who};

const fn http(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    fact: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Transport, who, says, next, when: fact }
}

/// The refusing response, when it has this status.
fn status<'a>(view: &View<'a>, status: u16) -> Option<&'a ResponseFacts> {
    status_in(view, status..status + 1)
}

fn status_in<'a>(view: &View<'a>, range: Range<u16>) -> Option<&'a ResponseFacts> {
    let judged = view.record.kind == Kind::Websocket && view.record.own_answer.is_none();
    view.response().filter(|r| judged && r.status.is_some_and(|status| range.contains(&status)))
}

fn body(response: &ResponseFacts) -> &str {
    response.body.as_deref().unwrap_or_default().trim()
}

/// OpenClaw sends neither Server nor WWW-Authenticate nor a page with an upgrade's refusal.
fn is_foreign(response: &ResponseFacts) -> bool {
    let named = response.server.is_some() || response.www_authenticate.is_some();
    named || response.via.is_some() || is_page(response)
}

/// By the body alone: the gateway's plain texts go out as text/html, too.
fn is_page(response: &ResponseFacts) -> bool {
    body(response).starts_with('<')
}

fn cite(finding: Finding, response: &ResponseFacts) -> Finding {
    let what = response.head.start_line().to_owned();
    finding.cite("response.status", what, Some(response.at)).on(Leg::Upstream)
}

/// Certain by its Server header, else likely.
fn foreign(response: &ResponseFacts) -> Finding {
    let finding = cite(Finding::certain_if(response.server.is_some()), response);
    match &response.server {
        Some(server) => {
            finding.cite("response.server", format!("Server: {server}"), Some(response.at))
        }
        None => finding.because("no Server header: who answered is not known"),
    }
}

/// An answer of the gateway's own, known by its body.
fn own(response: &ResponseFacts) -> Finding {
    let text = body(response).chars().take(80).collect::<String>();
    cite(Finding::certain(), response).cite("response.body", text, Some(response.at))
}

pub(super) const UPGRADE_STRIPPED: Rule = http(
    "upgrade_stripped",
    Who::FrontProxy,
    "Something on the way dropped the Upgrade or Connection header, and the gateway answered as to a plain request.",
    &[
        set(
            "nginx, in the location of the gateway",
            "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";",
        ),
        look("other proxies: pass Upgrade and Connection on, speak HTTP/1.1 to the gateway"),
    ],
    &[When::Fact(stripped_behind), When::Fact(stripped_before)],
);

/// A whole upgrade went out, and the answer is one to a request without it.
fn stripped_behind(view: &View<'_>) -> Option<Finding> {
    let request = view.request()?;
    let asks = |c: &str| c.to_ascii_lowercase().contains("upgrade");
    let whole = request.connection.as_deref().is_some_and(asks) && request.upgrade.is_some();
    let leg = if whole { Leg::Upstream } else { Leg::Downstream };
    if let Some(response) = status(view, 200) {
        // The gateway's own page, whoever passed it on.
        let page = body(response).contains("data-openclaw-");
        return page.then(|| own(response).by(Who::FrontProxy).on(leg));
    }
    if let Some(response) = status(view, 400) {
        let own_words = body(response) == "Bad Request" && !is_foreign(response);
        return own_words.then(|| own(response).on(leg));
    }
    let response = status(view, 426)?;
    Some(
        cite(Finding::likely(), response)
            .because("426 answers a request without Upgrade; this one had it when it passed wstap"),
    )
}

/// A WebSocket key without an Upgrade header reached wstap.
fn stripped_before(view: &View<'_>) -> Option<Finding> {
    let request =
        view.request().filter(|r| view.record.kind == Kind::Http && r.upgrade.is_none())?;
    request.sec_websocket_key.as_ref()?;
    let what = "a Sec-WebSocket-Key came without Upgrade";
    Some(
        Finding::certain()
            .cite("request.sec_websocket_key", what, Some(request.at))
            .on(Leg::Downstream),
    )
}

pub(super) const HTTP_200_NOT_WEBSOCKET: Rule = http(
    "http_200_not_websocket",
    Who::FrontProxy,
    "A web server ({server}) answered the upgrade with a page.",
    &[look("check host and port"), look("check the reverse proxy's location block for {path}")],
    &[When::Fact(|view| {
        let ok = status_in(view, 200..300)?;
        Some(foreign(ok))
    })],
);

pub(super) const HTTP_REDIRECT: Rule = http(
    "http_redirect",
    Who::FrontProxy,
    "The server redirects to {location}; WebSocket clients do not follow.",
    &[look("use the target as the URL: {location}"), look("often it is http to https: use wss://")],
    &[When::Fact(|view| {
        let moved = status_in(view, 300..400)?;
        let location = moved.location.as_deref();
        let finding = cite(Finding::certain_if(location.is_some()), moved);
        Some(match location {
            Some(target) => finding.cite("response.location", target, Some(moved.at)),
            None => finding,
        })
    })],
);

pub(super) const HTTP_400_MALFORMED: Rule = http(
    "http_400_malformed",
    Who::Client,
    "The server does not take the request for HTTP.",
    &[look("the client speaks something else; check what it is pointed at")],
    &[
        When::Fact(|view| {
            let response = status(view, 400).filter(|r| !is_foreign(r))?;
            body(response).is_empty().then(|| cite(Finding::likely(), response))
        }),
        When::Fact(not_http),
    ],
);

fn not_http(view: &View<'_>) -> Option<Finding> {
    let facts = view.record.opaque.as_ref().filter(|o| o.what == "not_http")?;
    // With a request it was the upstream's answer that is not HTTP.
    if view.request().is_some() {
        return None;
    }
    let refused = view.status() == Some(400);
    let finding = Finding::certain_if(refused || view.bytes(Direction::ServerToClient) > 0)
        .cite("opaque.what", facts.what.clone(), None)
        .on(Leg::Downstream);
    Some(finding.because_if(!refused, "the server's answer is not known"))
}

pub(super) const HTTP_400_REVERSE_PROXY: Rule = http(
    "http_400_reverse_proxy",
    Who::FrontProxy,
    "Another server ({server}) calls the request bad.",
    &[look("look at its error log; header buffers that are too small for cookies do this")],
    &[When::Fact(|view| status(view, 400).map(foreign))],
);

pub(super) const HTTP_401_REVERSE_PROXY: Rule = Rule {
    layer: Layer::Auth,
    ..http(
        "http_401_reverse_proxy",
        Who::FrontProxy,
        "Another server ({server}) asks for a login before the gateway is reached.",
        &[
            set(
                "exempt the gateway's path from the reverse proxy's own login (nginx)",
                "auth_basic off; auth_request off;",
            ),
            look("or give the client that login"),
        ],
        &[When::Fact(|view| {
            let response = status(view, 401).filter(|r| is_foreign(r))?;
            let both = response.server.is_some() && response.www_authenticate.is_some();
            let finding = cite(Finding::certain_if(both), response);
            let finding = response.server.iter().fold(finding, |f, server| {
                f.cite("response.server", format!("Server: {server}"), Some(response.at))
            });
            Some(response.www_authenticate.iter().fold(finding, |f, ask| {
                f.cite("response.www_authenticate", ask.clone(), Some(response.at))
            }))
        })],
    )
};

pub(super) const HTTP_403_REVERSE_PROXY: Rule = http(
    "http_403_reverse_proxy",
    Who::FrontProxy,
    "Another server ({server}) forbade the upgrade.",
    &[
        look("look at its access rules; Envoy needs upgrade_configs: websocket"),
        look("OpenClaw answers 403 only with its own JSON error"),
    ],
    &[When::Fact(|view| status(view, 403).map(foreign))],
);

pub(super) const HTTP_404_WRONG_SERVER: Rule = http(
    "http_404_wrong_server",
    Who::FrontProxy,
    "Another server ({server}) does not know the path {path}.",
    &[look("check host, port and the reverse proxy's route for {path}")],
    &[When::Fact(|view| {
        let response = status(view, 404)?;
        (is_foreign(response) || !body(response).is_empty()).then(|| foreign(response))
    })],
);

pub(super) const HTTP_429_REVERSE_PROXY: Rule = http(
    "http_429_reverse_proxy",
    Who::FrontProxy,
    "Another server ({server}) limits the rate of requests.",
    &[set(
        "relax its limit for the gateway's path (nginx)",
        "limit_req_zone … rate=…; limit_req … burst=…;",
    )],
    &[When::Fact(|view| status(view, 429).map(foreign))],
);

const UPSTREAM_OF: &[Todo] = &[
    look("check the upstream address in the reverse proxy's configuration ({server})"),
    run("see whether the gateway runs", "openclaw gateway status"),
];

pub(super) const HTTP_502: Rule = http(
    "http_502",
    Who::FrontProxy,
    "The reverse proxy ({server}) cannot reach the gateway behind it.",
    UPSTREAM_OF,
    &[When::Fact(|view| status(view, 502).map(foreign))],
);

pub(super) const HTTP_503: Rule = http(
    "http_503",
    Who::FrontProxy,
    "A server on the way ({server}) is not available: no backend, or a limit is reached.",
    UPSTREAM_OF,
    &[When::Fact(|view| status(view, 503).map(foreign))],
);

pub(super) const HTTP_504: Rule = http(
    "http_504",
    Who::FrontProxy,
    "The reverse proxy ({server}) got no answer from the gateway in time.",
    &[
        run("see whether the gateway hangs", "openclaw gateway status"),
        set("if it is only slow (nginx)", "proxy_read_timeout 3600s;"),
    ],
    &[When::Fact(|view| status(view, 504).map(foreign))],
);

pub(super) const HTTP_5XX: Rule = http(
    "http_server_error",
    Who::Unknown,
    "The server answered the upgrade with {status}.",
    &[look("look at the log of {server}")],
    &[When::Fact(|view| status_in(view, 500..600).map(|r| cite(Finding::likely(), r)))],
);

pub(super) const HTTP_REFUSED: Rule = http(
    "http_refused",
    Who::Unknown,
    "The server refused the upgrade with {status}.",
    &[look("check host, port and path; look at the log of {server}")],
    &[When::Fact(|view| {
        let response = view.response().filter(|r| r.status.is_some_and(|s| s != 101))?;
        let judged = view.record.kind == Kind::Websocket && view.record.own_answer.is_none();
        judged.then(|| cite(Finding::possible(), response))
    })],
);

pub(super) const NOT_HTTP_ANSWER: Rule = http(
    "answer_not_http",
    Who::Unknown,
    "What listens at {upstream} does not speak HTTP/1.1.",
    &[look("check the port; an HTTP/2-only or TLS listener does this")],
    &[When::Fact(garbled_status), When::Fact(garbled_answer)],
);

fn garbled_status(view: &View<'_>) -> Option<Finding> {
    let judged = view.record.kind == Kind::Websocket && view.record.own_answer.is_none();
    let response = view.response().filter(|r| judged && r.status.is_none())?;
    let line = response.head.start_line().chars().take(60).collect::<String>();
    Some(Finding::certain().cite("response.head.raw", line, Some(response.at)).on(Leg::Upstream))
}

/// wstap could not read a head in what the upstream sent.
fn garbled_answer(view: &View<'_>) -> Option<Finding> {
    view.record.opaque.as_ref().filter(|o| o.what == "not_http")?;
    (view.request().is_some() && view.response().is_none()).then(|| {
        let bytes = view.bytes(Direction::ServerToClient);
        let what = format!("{bytes} bytes that are no HTTP answer");
        Finding::certain_if(bytes > 0)
            .cite("opaque.what", what, None)
            .on(Leg::Upstream)
            .because("an HTTP/2-only, TLS or other listener does this")
    })
}

pub(super) const BAD_ACCEPT_HASH: Rule = http(
    "bad_accept_hash",
    Who::FrontProxy,
    "The 101 carries a Sec-WebSocket-Accept that does not fit the client's key.",
    &[look("a proxy or cache answers in the server's place: by-pass it")],
    &[When::Fact(|view| {
        let response = view.response().filter(|r| r.accept_ok == Some(false))?;
        let used = view.data_frames(Direction::ClientToServer) > 0 || view.hello().is_some();
        let have = response.sec_websocket_accept.clone().unwrap_or_else(|| "none".to_owned());
        (!used).then(|| {
            let what = format!("Sec-WebSocket-Accept: {have}");
            Finding::certain().cite("response.accept_ok", what, Some(response.at)).on(Leg::Upstream)
        })
    })],
);
