//! The `{names}` in a rule's texts, and what a session puts in their place.

use std::fmt::Write;

use super::view::View;
use crate::session::Culprit;
use crate::session::{Direction, Leg, Offset};

/// What stands for a name in texts that belong to no session.
pub(super) fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

/// Puts values in place of `{names}`; a name without a value is shown as `<name>`.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        out.push_str(&value(name).unwrap_or_else(|| placeholder(name)));
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// A value as one word of a shell command: what a peer sent is pasted, never run.
pub(super) fn shell_word(value: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@%+=,[]".contains(c);
    if !value.is_empty() && !value.starts_with('-') && value.chars().all(plain) {
        return value;
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// A value inside the quotes of a setting; one that would leave them is not repeated.
pub(super) fn setting_word(value: String) -> Option<String> {
    let leaves = |c: char| matches!(c, '"' | '\\') || c.is_control();
    (!value.contains(leaves)).then_some(value)
}

/// What stands for a name where no session is looked at.
pub(super) fn without_session(name: &str) -> Option<String> {
    let advice =
        "compare the silence before the end with the idle limits of the proxies on the way";
    match name {
        "culprit" => Some(advice.to_owned()),
        "directive" => Some(String::new()),
        _ => None,
    }
}

/// The value of a name in this session.
pub(super) fn of(view: &View<'_>, culprits: &[Culprit], name: &str) -> Option<String> {
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    match name {
        "culprit" => Some(culprits.first().map_or_else(
            || "no known idle or lifetime limit fits the time of the end".to_owned(),
            |c| format!("{} fits the time of the end", c.name),
        )),
        "age" => {
            let ended = view.end.map(|e| e.ending.at);
            ended.or_else(|| view.first_close.map(|c| c.at)).map(|t| t.to_string())
        }
        "code" => {
            Some(view.first_close?.code.map_or_else(|| "no code".to_owned(), |c| c.to_string()))
        }
        "reason" => view.first_close.map(|c| c.reason.to_owned()),
        "opaque" => view.record.opaque.as_ref().map(|o| o.what.clone()),
        "ownWhy" => Some(view.record.own_answer.as_ref()?.why.clone()),
        "cutWhy" => match &view.end?.ending.kind {
            crate::session::EndingKind::CutByWstap { why } => text(why),
            _ => None,
        },
        "exchangeFailure" => {
            if let Some(own) = &view.record.own_answer {
                return Some(format!("wstap answered {}, {}", own.status, own.why));
            }
            let error = view.record.exchange.as_ref().and_then(|e| e.error.clone());
            let status = view.status().map(|status| status.to_string());
            let both: Vec<String> = status.into_iter().chain(error).collect();
            Some(if both.is_empty() { "no answer".to_owned() } else { both.join(", ") })
        }
        "violation" => Some(
            view.record.violations.first().map_or("none that wstap saw", |v| &v.name).to_owned(),
        ),
        "violationSide" => Some(match view.record.violations.first()?.direction {
            Direction::ClientToServer => "the client".to_owned(),
            Direction::ServerToClient => "the gateway".to_owned(),
        }),
        "serverSilence" => view.record.idle.s2c_at_end_ms.map(|t| t.to_string()),
        "directive" => Some(culprits.first().map(|c| c.directive.clone()).unwrap_or_default()),
        "dialerAddress" => dialer(view),
        _ => head(view, name).or_else(|| place(view, name)).or_else(|| openclaw(view, name)),
    }
}

/// Values of the two heads.
fn head(view: &View<'_>, name: &str) -> Option<String> {
    let request = view.request();
    let response = view.response();
    match name {
        "path" => request.map(|r| r.path().to_owned()),
        "host" => request?.host.clone(),
        "origin" => request?.origin.clone(),
        "forwarding" => {
            let mut names = String::new();
            for name in request?.forwarding.keys() {
                let comma = if names.is_empty() { "" } else { ", " };
                // Writing into a String cannot fail.
                write!(names, "{comma}{name}").ok()?;
            }
            Some(if names.is_empty() { "none passed here".to_owned() } else { names })
        }
        "forwardedBy" if request?.forwarding.keys().all(|name| name == "via") => {
            let named = response.and_then(|r| r.server.as_deref());
            let by = named.map_or_else(String::new, |name| format!(" ({name})"));
            Some(format!(
                "what stands between wstap and the gateway{by} adds it; nginx: proxy_set_header X-Forwarded-For \"\";"
            ))
        }
        "forwardedBy" => head(view, "forwarding"),
        "status" => response?.status.map(|s| s.to_string()),
        "server" => {
            let named = response.and_then(|r| r.server.clone().or_else(|| r.via.clone()));
            Some(named.unwrap_or_else(|| "which does not name itself".to_owned()))
        }
        "location" => response?.location.clone(),
        "subprotocol" => response?.subprotocol.clone(),
        "body" => response?.body.as_ref().map(|b| b.trim().chars().take(120).collect()),
        "retryAfter" => {
            let ms = view.refusal().and_then(|r| r.retry_after_ms);
            let seconds = || response.and_then(|r| r.retry_after.as_deref()).and_then(delay);
            Some(
                ms.map(|ms| Offset(ms.saturating_mul(1000)).to_string())
                    .or_else(seconds)
                    .unwrap_or_else(|| "a few seconds".to_owned()),
            )
        }
        _ => None,
    }
}

/// Retry-After is a number of seconds or a date (RFC 9110 §10.2.3).
fn delay(value: &str) -> Option<String> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let date = value.len() <= 40 && value.ends_with(" GMT");
    if digits { Some(format!("{value} s")) } else { date.then(|| format!("until {value}")) }
}

/// Where the upstream is.
fn place(view: &View<'_>, name: &str) -> Option<String> {
    let dial = view.record.upstream.dial.as_ref()?;
    let bare = dial.url.split_once("://").map_or(dial.url.as_str(), |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or_default();
    let tls = dial.url.starts_with("wss") || dial.url.starts_with("https");
    match name {
        "upstream" => Some(if dial.url.is_empty() { dial.peer.clone()? } else { dial.url.clone() }),
        "url" => Some(format!("{}://{bare}", if tls { "wss" } else { "ws" })),
        "upstreamSocket" => dial.url.strip_prefix("unix:").map(str::to_owned),
        "upstreamHost" => address(bare),
        "port" => {
            let of_peer = dial.peer.as_deref().and_then(|p| p.rsplit_once(':'));
            let port = bare.rsplit_once(':').or(of_peer).map(|(_, port)| port.to_owned());
            Some(port.unwrap_or_else(|| if tls { "443" } else { "80" }.to_owned()))
        }
        _ => None,
    }
}

/// Who dials the gateway with forwarded headers, as far as that is known: a header that did not
/// pass here is added behind wstap.
fn dialer(view: &View<'_>) -> Option<String> {
    let passed = forwards(view);
    let local = view.record.upstream.dial.as_ref()?.local.as_deref()?;
    if passed { address(local) } else { None }
}

/// Whether a forwarded header left wstap: one that came, or one that its own options made.
pub(super) fn forwards(view: &View<'_>) -> bool {
    let names = ["forwarded", "x-real-ip"];
    let made = |header: &str| {
        let header = header.to_ascii_lowercase();
        header.starts_with("x-forwarded-") || names.contains(&&*header)
    };
    view.request().is_some_and(|request| {
        request.forwarding.keys().any(|name| name != "via")
            || request.changes.iter().any(|change| made(&change.header))
    })
}

/// An address without its port.
fn address(text: &str) -> Option<String> {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    (!host.is_empty()).then(|| host.trim_matches(['[', ']']).to_owned())
}

/// Values of the opening exchange and of calls.
fn openclaw(view: &View<'_>, name: &str) -> Option<String> {
    let list = |values: &[String]| {
        if values.is_empty() { "none".to_owned() } else { values.join(", ") }
    };
    match name {
        "requestId" => request_id(view),
        "deviceId" => {
            let told = || view.detail("deviceId").filter(|id| !id.is_empty()).map(str::to_owned);
            view.connect().and_then(|c| c.device_id.clone()).or_else(told)
        }
        "role" => {
            view.detail("requestedRole").map(str::to_owned).or_else(|| view.connect()?.role.clone())
        }
        "scopes" => Some(list(&view.connect()?.scopes)),
        "grantedScopes" => view.hello()?.scopes.as_deref().map(list),
        "credentials" => {
            let names: Vec<String> =
                view.connect()?.credentials.iter().map(|c| c.name.clone()).collect();
            Some(list(&names))
        }
        "clientVersion" => view.connect()?.client_version.clone(),
        "clientProtocol" => {
            let connect = view.connect()?;
            Some(format!("{} to {}", connect.min_protocol?, connect.max_protocol?))
        }
        "expectedProtocol" => {
            view.refusal()?.details.as_ref()?.get("expectedProtocol").map(ToString::to_string)
        }
        "maxPayload" => view.hello()?.max_payload.map(|n| n.to_string()),
        "message" => {
            let said = view.refusal().and_then(|r| r.message.clone());
            said.or_else(|| Some(view.first_close?.reason.to_owned()))
                .map(|text| or(text, "no message"))
        }
        "errorCode" => Some(or(view.refusal()?.code.clone().unwrap_or_default(), "no code")),
        "detailCode" => {
            Some(or(view.refusal()?.detail_code.clone().unwrap_or_default(), "no details code"))
        }
        "authReason" => {
            Some(or(view.detail("authReason").unwrap_or_default().to_owned(), "no reason given"))
        }
        "refusedMethod" => super::auth::forbidden(view)?.1.method.clone(),
        "pendingMethod" => view.waiting()?.0.method.clone(),
        "pendingWait" => Some(view.waiting()?.1.to_string()),
        "pendingCalls" => Some(view.calls()?.pending.len().to_string()),
        "connectWait" => Some(view.end_at().since(view.connect_at()?).to_string()),
        _ => None,
    }
}

fn or(text: String, else_say: &str) -> String {
    if text.trim().is_empty() { else_say.to_owned() } else { text }
}

/// From the details, or from the text, where a close reason may have cut it off.
fn request_id(view: &View<'_>) -> Option<String> {
    if let Some(id) = view.detail("requestId").filter(|id| !id.trim().is_empty()) {
        return Some(id.to_owned());
    }
    let message = view.refusal().and_then(|r| r.message.as_deref());
    let texts = message.into_iter().chain(view.first_close.map(|c| c.reason));
    texts
        .filter_map(|text| text.split_once("(requestId: "))
        .find_map(|(_, after)| after.split_once(')').map(|(id, _)| id.to_owned()))
}

/// The leg whose side a person would look at, when a rule names none.
pub(super) fn leg_of(view: &View<'_>) -> Option<Leg> {
    view.first_close.map(|c| c.from.source()).or_else(|| view.end.map(super::view::End::leg))
}
