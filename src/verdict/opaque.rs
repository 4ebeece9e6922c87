//! TLS that wstap passes on unread.

use super::rule::{Finding, Rule, Todo, When, look, set};
use super::view::{How, View};
use crate::session::{Direction, Leg};
use crate::session::{Layer, Who};

const fn opaque(
    slug: &'static str,
    who: Who,
    says: &'static str,
    next: &'static [Todo],
    when: &'static [When],
) -> Rule {
    Rule { slug, layer: Layer::Transport, who, says, next, when }
}

/// Handshake records of a client that gave up carry less than a Finished message.
const ALERT: u64 = 40;

fn is_tls(view: &View<'_>) -> bool {
    view.record.opaque.as_ref().is_some_and(|o| o.what == "tls_client_hello")
}

fn hello(view: &View<'_>, finding: Finding) -> Finding {
    let name = view.record.opaque.as_ref().and_then(|o| o.sni.as_deref()).unwrap_or("no name");
    finding.cite("opaque.what", format!("a TLS ClientHello for {name}"), None)
}

/// Whether the upstream's bytes are TLS records: a TLS server's first byte says so.
fn answers_tls(view: &View<'_>) -> bool {
    view.record.frames.s2c.tls_records.is_some_and(|r| r.records > 0)
}

pub(super) const TLS_TO_PLAINTEXT: Rule = opaque(
    "tls_to_plaintext",
    Who::Client,
    "The client speaks TLS to a gateway that does not.",
    &[
        look("use ws:// in the client"),
        set("or enable TLS on the gateway", "gateway.tls.enabled = true"),
    ],
    &[When::Fact(|view| {
        let bytes = view.bytes(Direction::ServerToClient);
        let answered = bytes > 0 || view.status().is_some();
        (is_tls(view) && answered && !answers_tls(view)).then(|| {
            let finding = hello(view, Finding::certain()).on(Leg::Downstream);
            match view.response() {
                Some(r) => finding.cite("response.status", r.head.start_line(), Some(r.at)),
                None => {
                    finding.cite("frames.s2c.bytes", format!("{bytes} bytes, none of TLS"), None)
                }
            }
        })
    })],
);

pub(super) const TLS_CERT_UNTRUSTED: Rule = opaque(
    "tls_cert_untrusted",
    Who::Client,
    "The client broke TLS off when it saw the gateway's certificate.",
    &[
        look("give the client the certificate's fingerprint or CA"),
        look("the CLI pins the certificate by itself when its target is the local configuration"),
    ],
    &[When::Fact(|view| {
        let left = view.end_on(Leg::Downstream).filter(|_| is_tls(view))?;
        let sent = view.record.frames.c2s.tls_records?;
        let broke_off =
            answers_tls(view) && sent.bytes.saturating_sub(u64::from(sent.largest)) <= ALERT;
        broke_off.then(|| left.cite(hello(view, Finding::certain_if(left.how == How::Fin))))
    })],
);

pub(super) const TLS_NO_ANSWER: Rule = opaque(
    "tls_no_answer",
    Who::Gateway,
    "The upstream gave no answer to the client's TLS.",
    &[look("see who listens at {upstream}"), look("look at the gateway's log at that time")],
    &[When::Fact(|view| {
        let end =
            view.end.filter(|_| is_tls(view) && view.bytes(Direction::ServerToClient) == 0)?;
        Some(end.cite(hello(view, Finding::likely())))
    })],
);

pub(super) const TLS_RESET: Rule = opaque(
    "reset_mid_session",
    Who::Network,
    "The encrypted connection was reset.",
    &[look("terminate TLS at wstap to see more")],
    &[When::Fact(|view| {
        let end = view.end.filter(|e| is_tls(view) && matches!(e.how, How::Reset | How::Broken))?;
        Some(end.cite(Finding::likely()))
    })],
);

pub(super) const TLS_RELAYED: Rule = Rule {
    layer: Layer::Ok,
    ..opaque(
        "connected",
        Who::Client,
        "TLS was established and data went both ways; what it was cannot be read here.",
        &[look("to judge the session itself, terminate TLS at wstap")],
        &[When::Fact(|view| {
            let both = Direction::BOTH.iter().all(|d| view.bytes(*d) > 0);
            (is_tls(view) && both).then(|| {
                hello(view, Finding::likely())
                    .because("only the outside of an encrypted stream was seen")
                    .on(Leg::Downstream)
            })
        })],
    )
};

/// Those whose causes other rules find too.
pub(super) const SEALED: &[&Rule] = &[&TLS_RESET, &TLS_RELAYED];

pub(super) const NOT_JUDGED: Rule = Rule {
    layer: Layer::Unknown,
    ..opaque(
        "not_http",
        Who::Client,
        "The client's bytes could not be read as HTTP or TLS ({opaque}).",
        &[look("check what the client is pointed at")],
        &[When::Fact(|view| {
            let facts = view.record.opaque.as_ref()?;
            Some(
                Finding::possible()
                    .cite("opaque.what", facts.what.clone(), None)
                    .on(Leg::Downstream),
            )
        })],
    )
};
