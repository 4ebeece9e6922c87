//! Causes, close codes and reasons explained without a session, from the same data as verdicts.

use serde::Serialize;

use super::profile;
use super::rule::{Rule, Todo, When};
use super::values;
use crate::session::{Layer, Step};
use crate::websocket::close_code_name;

/// What a cause means, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub cause: String,
    pub layer: Layer,
    pub meaning: String,
    pub next: Vec<Step>,
}

/// What a close code means by its registration, and the causes that come with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodeExplanation {
    pub code: u16,
    pub name: String,
    pub meaning: String,
    pub causes: Vec<Explanation>,
}

/// Explains a cause by its slug.
pub fn explain_cause(slug: &str) -> Option<Explanation> {
    profile::all().find(|rule| rule.slug == slug).map(explanation)
}

/// Every cause there is, each once.
pub fn causes() -> Vec<Explanation> {
    let mut seen: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for rule in profile::all() {
        if !seen.contains(&rule.slug) {
            seen.push(rule.slug);
            all.push(explanation(rule));
        }
    }
    all
}

/// Explains a close code.
pub fn explain_code(code: u16) -> CodeExplanation {
    let slugs = COMMON.iter().filter(|(of, _)| *of == code).flat_map(|(_, slugs)| *slugs);
    let mut causes: Vec<Explanation> = slugs.filter_map(|slug| explain_cause(slug)).collect();
    for rule in profile::all() {
        let closes =
            rule.when.iter().any(|when| matches!(when, When::Closed(_, c, _) if *c == code));
        if closes && !causes.iter().any(|have| have.cause == rule.slug) {
            causes.push(explanation(rule));
        }
    }
    CodeExplanation {
        code,
        name: close_code_name(code).to_owned(),
        meaning: meaning(code).to_owned(),
        causes,
    }
}

/// Explains a reason, message or error text as a client prints it: the most specific text that is
/// found in it wins.
pub fn explain_reason(text: &str) -> Option<Explanation> {
    // A status as browsers and as Python print it.
    let text = ["response code: ", "connection: HTTP "]
        .iter()
        .fold(text.to_owned(), |text, words| text.replace(words, "server response: "));
    let known = |rule: &'static Rule| {
        rule.when.iter().filter_map(move |when| match *when {
            When::Says(part) | When::Said(part) | When::Closed(_, _, part) => Some((part, rule)),
            When::Code(code) | When::CodeAlone(code) | When::Detail(code, _, _) => {
                Some((code, rule))
            }
            When::CodeLike(_) | When::Fact(_) => None,
        })
    };
    let words =
        profile::all().flat_map(known).chain(WORDS.iter().filter_map(|(part, slug)| {
            Some((*part, profile::all().find(|rule| rule.slug == *slug)?))
        }));
    let mut best: Option<(&str, &Rule)> = None;
    for (part, rule) in words.filter(|(part, _)| !part.is_empty() && text.contains(part)) {
        if best.is_none_or(|(have, _)| part.len() > have.len()) {
            best = Some((part, rule));
        }
    }
    best.map(|(_, rule)| explanation(rule))
}

/// Codes whose causes are told by more than the code.
const COMMON: &[(u16, &[&str])] = &[
    (1000, &["connected", "handshake_timeout", "non_json_first_frame"]),
    (1001, &["client_going_away"]),
    (1002, &["ws_protocol_error", "protocol_mismatch", "corrupted_frame"]),
    (1003, &["unsupported_data"]),
    (1005, &["connected"]),
    (
        1006,
        &[
            "eof_without_close_frame",
            "reset_mid_session",
            "reset_before_hello",
            "upstream_refused",
            "upgrade_timeout",
            "heartbeat_timeout",
        ],
    ),
    (1007, &["ws_invalid_utf8", "corrupted_frame"]),
    (
        1008,
        &[
            "token_mismatch",
            "not_paired",
            "origin_not_allowed",
            "challenge_lost",
            "policy_violation",
        ],
    ),
    (1009, &["preauth_payload_too_large", "message_too_big"]),
    (1011, &["internal_error"]),
    (1012, &["gateway_shutdown"]),
    (1013, &["gateway_starting", "try_again_later"]),
    (4000, &["hello_lost", "tick_timeout"]),
];

/// Words of clients and of closes that rules test by more than their text.
const WORDS: &[(&str, &str)] = &[
    ("connect challenge timeout", "challenge_lost"),
    ("connect challenge missing nonce", "challenge_without_nonce"),
    ("connect timeout", "hello_lost"),
    ("tick timeout", "tick_timeout"),
    ("service restart", "gateway_shutdown"),
    ("slow consumer", "slow_consumer"),
    ("invalid-handshake", "invalid_handshake_worker"),
    ("proxy_attribution_required", "proxy_attribution_required"),
    ("Proxy client attribution is required", "proxy_attribution_required"),
    ("Too many unauthenticated sockets", "too_many_unauthenticated_sockets"),
    ("Gateway websocket admission closed", "gateway_restarting"),
    ("missing scope", "missing_scope"),
    ("ECONNREFUSED", "upstream_refused"),
    ("ERR_CONNECTION_REFUSED", "upstream_refused"),
    ("Connection refused", "upstream_refused"),
    ("ENOTFOUND", "upstream_no_such_host"),
    ("EAI_AGAIN", "upstream_no_such_host"),
    ("ERR_NAME_NOT_RESOLVED", "upstream_no_such_host"),
    ("Name or service not known", "upstream_no_such_host"),
    ("ETIMEDOUT", "upstream_timeout"),
    ("ERR_CONNECTION_TIMED_OUT", "upstream_timeout"),
    ("EHOSTUNREACH", "upstream_unreachable"),
    ("ENETUNREACH", "upstream_unreachable"),
    ("ECONNRESET", "reset_mid_session"),
    ("ERR_CONNECTION_RESET", "reset_mid_session"),
    ("socket hang up", "upstream_empty_reply"),
    ("ERR_EMPTY_RESPONSE", "upstream_empty_reply"),
    ("Invalid frame header", "ws_protocol_error"),
    ("Invalid WebSocket frame", "ws_protocol_error"),
    ("Max payload size exceeded", "message_too_big"),
    ("unable to verify the first certificate", "tls_cert_untrusted"),
    ("certificate has expired", "tls_cert_untrusted"),
    ("ERR_CERT_", "tls_cert_untrusted"),
    ("abnormal closure", "eof_without_close_frame"),
    ("wrong version number", "tls_to_plaintext"),
    ("self-signed certificate", "tls_cert_untrusted"),
    ("gateway timeout after", "upgrade_timeout"),
    ("origin missing or invalid", "origin_missing_or_invalid"),
    ("(HTTP 200)", "upgrade_stripped"),
    ("(HTTP 502)", "http_502"),
    ("(HTTP 504)", "http_504"),
    ("server response: 200", "http_200_not_websocket"),
    ("server response: 301", "http_redirect"),
    ("server response: 302", "http_redirect"),
    ("server response: 308", "http_redirect"),
    ("server response: 400", "http_400_upgrade"),
    ("server response: 401", "http_401_upgrade"),
    ("server response: 403", "http_403_reverse_proxy"),
    ("server response: 404", "http_404_upgrade"),
    ("server response: 405", "http_405_upgrade"),
    ("server response: 429", "http_429_upgrade"),
    ("server response: 502", "http_502"),
    ("server response: 503", "http_503"),
    ("server response: 504", "http_504"),
];

/// What a code says by itself (RFC 6455 §7.4.1, IANA), and what it does not say.
const fn meaning(code: u16) -> &'static str {
    match code {
        1000 => {
            "Closed in good order; before hello-ok an OpenClaw gateway means that it gave up waiting."
        }
        1001 => "The side that sent it goes away: a page left, or a server or proxy that reloads.",
        1002 => {
            "A frame broke the protocol; with a reason, an OpenClaw gateway means its own protocol's version."
        }
        1005 => {
            "Never on the wire: the Close frame had no code. An OpenClaw CLI ends like this when all went well."
        }
        1006 => "Never on the wire: no Close frame came at all. It says nothing of why.",
        1008 => "A rule of the gateway: the reason, or better the error before it, says which.",
        1009 => "A message was too large for the side that closed.",
        1012 => "The gateway stops or restarts.",
        1013 => "Not now: the gateway is starting or stopping.",
        1015 => "Never on the wire: TLS was not established.",
        4000 => "An OpenClaw client waited too long.",
        4001 => "The gateway withdrew the admission of a connected client.",
        4008 => {
            "An OpenClaw page reports that connect failed: look at what the gateway said before."
        }
        4013 => "An OpenClaw page reports that the gateway was starting.",
        3000..=3999 => "Registered by a library or framework.",
        4002..=4999 => "The application's own.",
        _ => "See RFC 6455, section 7.4.",
    }
}

fn explanation(rule: &'static Rule) -> Explanation {
    let plain = |text: &str| values::fill(text, values::without_session);
    let unknown = values::without_session;
    Explanation {
        cause: rule.slug.to_owned(),
        layer: rule.layer,
        meaning: plain(rule.says),
        next: rule.next.iter().map(|todo| step(todo, unknown)).collect(),
    }
}

/// A step with its names filled in.
pub(super) fn step(todo: &Todo, value: impl Fn(&str) -> Option<String>) -> Step {
    let word = |name: &str| value(name).map(values::shell_word);
    let setting = |name: &str| value(name).and_then(values::setting_word);
    Step {
        text: values::fill(todo.text, &value),
        command: todo.command.map(|text| values::fill(text, word)),
        // A setting that only some sessions have is empty in the others.
        config: todo
            .config
            .map(|text| values::fill(text, setting))
            .filter(|config| !config.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_reasons_and_causes_are_explained() {
        assert!(explain_code(1006).meaning.starts_with("Never on the wire"));
        assert!(explain_code(4001).causes.iter().any(|c| c.cause == "device_removed"));
        let reason = "unauthorized: gateway token mismatch (set gateway.remote.token to match gateway.auth.token)";
        assert_eq!(explain_reason(reason).map(|e| e.cause).as_deref(), Some("token_mismatch"));
        let cli = "gateway closed (1008): pairing required: device is asking for more scopes than";
        assert_eq!(explain_reason(cli).map(|e| e.cause).as_deref(), Some("scope_upgrade"));
        assert_eq!(explain_reason("no such thing"), None);
        let rows = [
            ("Unexpected server response: 502", "http_502"),
            ("Error during WebSocket handshake: Unexpected response code: 502", "http_502"),
            ("server rejected WebSocket connection: HTTP 502", "http_502"),
            ("getaddrinfo ENOTFOUND gateway", "upstream_no_such_host"),
            ("connect ETIMEDOUT 192.0.2.1:18789", "upstream_timeout"),
            ("socket hang up", "upstream_empty_reply"),
            ("RangeError: Max payload size exceeded", "message_too_big"),
        ];
        for (text, cause) in rows {
            assert_eq!(explain_reason(text).map(|e| e.cause).as_deref(), Some(cause), "{text}");
        }
        assert_eq!(explain_cause("http_502").map(|e| e.layer), Some(Layer::Transport));
    }

    #[test]
    fn every_word_leads_to_a_cause() {
        for (word, slug) in WORDS {
            assert!(explain_cause(slug).is_some(), "{word}");
        }
        for (code, slugs) in COMMON {
            for slug in *slugs {
                assert!(explain_cause(slug).is_some(), "{code} {slug}");
            }
        }
    }
}
