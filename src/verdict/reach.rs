//! The upstream was not reached, or gave no HTTP answer; and what wstap answered itself.

use super::rule::{Finding, Rule, Todo, When, look, run};
use super::view::{How, View};
use crate::session::{Direction, Kind, Leg};
use crate::session::{Layer, Who};

const fn reach(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Transport, who, says, next, when }
}

/// The dial failed with this word.
fn dial(view: &View<'_>, cause: &str) -> Option<Finding> {
    let dial = view.record.upstream.dial.as_ref()?;
    let failure = dial.failure.as_ref().filter(|f| f.cause == cause)?;
    Some(
        Finding::certain()
            .cite("upstream.failure", failure.detail.clone(), dial.connect_ms)
            .on(Leg::Upstream),
    )
}

pub(super) const UPSTREAM_REFUSED: Rule = reach(
    "upstream_refused",
    Who::Gateway,
    "Nothing listens at {upstream}: the connection was refused.",
    &[
        run("see whether the gateway runs, and on which port", "openclaw gateway status"),
        run("start it", "openclaw gateway run --port {port}"),
    ],
    &[When::Fact(|view| dial(view, "refused"))],
);

pub(super) const UPSTREAM_TIMEOUT: Rule = reach(
    "upstream_timeout",
    Who::Network,
    "{upstream} did not answer the connection attempt in time.",
    &[
        run("see whether the host is up", "ping {upstreamHost}"),
        look("a firewall that drops, or a wrong address, looks like this"),
    ],
    &[When::Fact(|view| dial(view, "timeout"))],
);

pub(super) const UPSTREAM_NO_SUCH_HOST: Rule = reach(
    "upstream_no_such_host",
    Who::Network,
    "The name {upstreamHost} does not resolve.",
    &[
        run("ask the resolver", "getent hosts {upstreamHost}"),
        look("in Compose the name is the service's; both must share a network"),
    ],
    &[When::Fact(|view| dial(view, "no_such_host"))],
);

pub(super) const UPSTREAM_UNREACHABLE: Rule = reach(
    "upstream_unreachable",
    Who::Network,
    "There is no route to {upstream}.",
    &[run("see the route", "ip route get {upstreamHost}")],
    &[When::Fact(|view| dial(view, "unreachable"))],
);

pub(super) const UPSTREAM_TLS_UNTRUSTED: Rule = reach(
    "upstream_tls_untrusted",
    Who::Gateway,
    "The certificate of {upstream} is not trusted by wstap.",
    &[
        look("give wstap the certificate's CA, or its fingerprint"),
        look("check that the name in the URL is the certificate's"),
    ],
    &[When::Fact(|view| dial(view, "certificate"))],
);

pub(super) const UPSTREAM_TLS_FAILED: Rule = reach(
    "upstream_tls_failed",
    Who::Gateway,
    "TLS with {upstream} failed; a server without TLS looks like this.",
    &[look("use ws:// or http:// for the upstream, or enable gateway.tls on the gateway")],
    &[When::Fact(|view| dial(view, "tls"))],
);

pub(super) const VIA_REFUSED: Rule = reach(
    "via_refused",
    Who::Network,
    "The proxy on the way to {upstream} refused to connect to it.",
    &[look("check the proxy's rules and credentials, or dial without it")],
    &[When::Fact(|view| dial(view, "via_refused"))],
);

pub(super) const UPSTREAM_SOCKET_MISSING: Rule = reach(
    "upstream_socket_missing",
    Who::Gateway,
    "The socket file of {upstream} is missing or may not be opened.",
    &[run("look at it", "ls -l {upstreamSocket}")],
    &[When::Fact(|view| dial(view, "no_such_file")), When::Fact(|view| dial(view, "permission"))],
);

pub(super) const UPSTREAM_RESET: Rule = reach(
    "upstream_reset",
    Who::Gateway,
    "{upstream} reset the connection before it answered.",
    &[
        run("see who listens on that port", "ss -ltnp sport = :{port}"),
        look("look at the gateway's log at that time"),
    ],
    &[
        When::Fact(|view| dial(view, "reset")),
        When::Fact(|view| {
            let end = view.end_on(Leg::Upstream).filter(|e| e.how == How::Reset)?;
            unanswered(view).then(|| end.cite(Finding::certain()))
        }),
    ],
);

pub(super) const UPSTREAM_EMPTY_REPLY: Rule = reach(
    "upstream_empty_reply",
    Who::Gateway,
    "{upstream} accepted the connection and closed it without a byte.",
    &[
        look(
            "if the gateway has TLS (gateway.tls.enabled), use wss:// or https:// for the upstream",
        ),
        run("see who listens on that port", "ss -ltnp sport = :{port}"),
        run("ask for a TLS answer", "openssl s_client -connect {upstreamHost}:{port}"),
    ],
    &[When::Fact(|view| {
        let end = view.end_on(Leg::Upstream).filter(|e| e.how == How::Fin)?;
        let finding = Finding::certain()
            .because("a TLS server that was spoken to without TLS (plaintext_to_tls) looks the same; only a TLS probe of the port tells");
        unanswered(view).then(|| end.cite(finding))
    })],
);

/// An HTTP request went out and not a byte came back.
fn unanswered(view: &View<'_>) -> bool {
    let nothing = view.response().is_none() && view.bytes(Direction::ServerToClient) == 0;
    nothing && view.record.kind != Kind::Opaque && view.request().is_some()
}

pub(super) const UPGRADE_TIMEOUT: Rule = reach(
    "upgrade_timeout",
    Who::Gateway,
    "The upgrade got no answer, and the client gave up after {age}.",
    &[
        run(
            "see whether the gateway still answers",
            "curl -sS -m 5 http://{upstreamHost}:{port}/healthz",
        ),
        look("if not, it hangs: restart it; if so, look for a firewall or proxy that drops"),
    ],
    &[When::Fact(upgrade_timeout)],
);

fn upgrade_timeout(view: &View<'_>) -> Option<Finding> {
    let end = view.end_on(Leg::Downstream).filter(|e| matches!(e.how, How::Fin | How::Reset))?;
    let asked = view.record.kind == Kind::Websocket && view.request().is_some();
    let late = view.response().is_some_and(|r| r.at > end.ending.at);
    if !asked || !(view.response().is_none() || late) || view.record.own_answer.is_some() {
        return None;
    }
    let waited = end.ending.at.since(view.request()?.at);
    let patient = waited.micros() >= 500_000;
    Some(
        end.cite(Finding::certain_if(patient))
            .because_if(!patient, "the client did not wait long")
            .because_if(late, "an answer came after the client had left; it does not count")
            .on(Leg::Upstream),
    )
}

pub(super) const UPSTREAM_NOT_REACHED: Rule = reach(
    "upstream_not_reached",
    Who::Unknown,
    "wstap could not serve the request from {upstream}: {ownWhy}.",
    &[run("see whether the gateway runs", "openclaw gateway status")],
    &[
        When::Fact(|view| {
            let answer = view.record.own_answer.as_ref().filter(|a| a.leg == Leg::Upstream)?;
            Some(Finding::likely().cite("own_answer", answer.why.clone(), None).on(Leg::Upstream))
        }),
        When::Fact(|view| {
            let failure = view.record.upstream.dial.as_ref()?.failure.as_ref()?;
            let finding =
                Finding::possible().cite("upstream.failure", failure.detail.clone(), None);
            Some(finding.on(Leg::Upstream))
        }),
    ],
);

pub(super) const REFUSED_BY_WSTAP: Rule = reach(
    "refused_by_wstap",
    Who::Wstap,
    "wstap itself refused the client: {ownWhy}.",
    &[look("see the options of this tap")],
    &[When::Fact(|view| {
        let answer = view.record.own_answer.as_ref().filter(|a| a.leg == Leg::Downstream)?;
        Some(Finding::certain().cite("own_answer", answer.why.clone(), None).on(Leg::Downstream))
    })],
);

pub(super) const CLIENT_TLS_FAILED: Rule = reach(
    "client_tls_failed",
    Who::Client,
    "TLS between client and wstap was not established.",
    &[look("let the client trust wstap's certificate, or use ws:// to the tap")],
    &[When::Fact(|view| {
        let error = view.record.client.tls_error.clone()?;
        Some(Finding::certain().cite("client.tls_error", error, None).on(Leg::Downstream))
    })],
);

pub(super) const CUT_BY_WSTAP: Rule = reach(
    "cut_by_wstap",
    Who::Wstap,
    "wstap itself ended the session: {cutWhy}.",
    &[look(
        "a fault rule, a limit or the end of the tap did this; it is no finding on the gateway",
    )],
    &[When::Fact(|view| {
        let end = view.end.filter(|e| e.how == How::Ours)?;
        let earlier = view.first_close.is_some_and(|c| c.at < end.ending.at);
        (!earlier).then(|| end.cite(Finding::certain()))
    })],
);
