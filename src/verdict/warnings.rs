//! What did not decide a session, and will matter: shown beside any verdict.

use std::net::IpAddr;

use super::view::View;
use crate::session::Warning;
use crate::session::{Direction, Kind, Unstored};

/// Every warning that this session deserves.
pub(super) fn of(view: &View<'_>, generic: bool) -> Vec<Warning> {
    let checks: [fn(&View<'_>) -> Option<Warning>; 10] = [
        scopes_cleared,
        became_local,
        listener_open,
        host_differs,
        forwarded_headers,
        wrong_accept,
        changed_by_options,
        unverified_certificate,
        unstored_text,
        recording_gap,
    ];
    let compression = if generic { compression_stripped(view) } else { None };
    checks.iter().filter_map(|check| check(view)).chain(compression).collect()
}

fn warn(slug: &str, refers: &str, text: impl Into<String>) -> Warning {
    Warning { slug: slug.to_owned(), text: text.into(), refers: refers.to_owned() }
}

fn scopes_cleared(view: &View<'_>) -> Option<Warning> {
    let asked = view.connect().is_some_and(|c| !c.scopes.is_empty());
    let none = view.hello()?.scopes.as_ref().is_some_and(Vec::is_empty);
    let text = "the gateway granted none of the scopes asked for: most calls will be refused";
    (asked && none).then(|| warn("scopes_cleared", "openclaw.hello.scopes", text))
}

/// The IP address in `ip:port`, `[ip]:port` or `ip`.
fn ip(text: &str) -> Option<IpAddr> {
    if let Ok(addr) = text.parse::<std::net::SocketAddr>() {
        return Some(addr.ip().to_canonical());
    }
    text.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn is_loopback(text: &str) -> bool {
    ip(text).is_some_and(|ip| ip.is_loopback())
}

/// wstap dials the gateway over loopback and adds nothing, so the gateway takes it for local.
fn dials_loopback(view: &View<'_>) -> bool {
    let peer = view.record.upstream.dial.as_ref().and_then(|d| d.peer.as_deref());
    let forwarded = view.request().is_some_and(|r| r.forwarding.keys().any(|name| name != "via"));
    peer.is_some_and(is_loopback) && !forwarded
}

fn became_local(view: &View<'_>) -> Option<Warning> {
    let remote = ip(&view.record.client.addr).is_some_and(|ip| !ip.is_loopback());
    let text = "the client is remote, but the gateway sees wstap's loopback address and takes it for local: \
                pairing and scope checks that it would meet without wstap are hidden";
    let hidden = view.hello().is_some() && remote && dials_loopback(view);
    hidden.then(|| warn("became_local_through_wstap", "client.addr", text))
}

fn listener_open(view: &View<'_>) -> Option<Warning> {
    let open = ip(&view.record.client.listener).is_some_and(|ip| !ip.is_loopback());
    let text =
        "this listener is open to other machines, and all who use it are local to the gateway";
    let local = view.openclaw().is_some() && dials_loopback(view);
    (open && local).then(|| warn("listener_grants_locality", "client.listener", text))
}

/// The host and port of an origin.
fn host_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

fn host_differs(view: &View<'_>) -> Option<Warning> {
    let request = view.request()?;
    let forwarded = request.forwarding.get("x-forwarded-host").map(String::as_str);
    let origin = request.origin.as_deref().filter(|o| *o != "null").map(host_of);
    let host = request.host.as_deref()?;
    let meant = forwarded.or(origin).filter(|meant| !meant.eq_ignore_ascii_case(host))?;
    Some(warn(
        "host_differs",
        "request.host",
        format!(
            "Host is {host}, the page came from {meant}: a proxy rewrites Host, or the page is foreign; same-origin checks fail"
        ),
    ))
}

fn forwarded_headers(view: &View<'_>) -> Option<Warning> {
    let request = view.request()?;
    let names: Vec<&str> =
        request.forwarding.keys().map(String::as_str).filter(|name| *name != "via").collect();
    if names.is_empty() || view.status() == Some(403) {
        return None;
    }
    Some(warn(
        "forwarded_headers",
        "request.forwarding",
        format!(
            "{} came along: to an OpenClaw gateway the client is remote, or refused unless the proxy is trusted",
            names.join(", ")
        ),
    ))
}

fn wrong_accept(view: &View<'_>) -> Option<Warning> {
    let wrong = view.response()?.accept_ok == Some(false);
    let text = "Sec-WebSocket-Accept does not fit the key; clients that check it will refuse";
    wrong.then(|| warn("wrong_accept", "response.accept_ok", text))
}

fn changed_by_options(view: &View<'_>) -> Option<Warning> {
    let changes = &view.request()?.changes;
    let names: Vec<String> =
        changes.iter().map(|c| format!("{} {} ({})", c.header, c.what, c.option)).collect();
    if names.is_empty() {
        return None;
    }
    let text = format!("wstap changed the request: {}", names.join(", "));
    Some(warn("changed_by_options", "request.changes", text))
}

/// No server must accept an offer, so only the marks of a meddling hop count: a browser always
/// offers compression, and RSV1 without an extension is compressed data that nobody agreed on.
fn compression_stripped(view: &View<'_>) -> Option<Warning> {
    if view.record.kind != Kind::Websocket {
        return None;
    }
    let request = view.request()?;
    let offered = request.sec_websocket_extensions.is_some();
    let browser = request.user_agent.as_deref().is_some_and(|ua| ua.starts_with("Mozilla/"));
    if browser && !offered {
        let text = "a browser offers compression, and the offer did not arrive here: a hop strips Sec-WebSocket-Extensions";
        return Some(warn("compression_stripped", "request.sec_websocket_extensions", text));
    }
    let response = view.response().filter(|r| r.status == Some(101))?;
    let rsv1 = Direction::BOTH.iter().any(|d| view.record.frames.of(*d).rsv1 > 0);
    let text = match (offered, response.extensions.is_some(), rsv1) {
        (false, true, _) => "the server chose an extension that no offer of which arrived here",
        (_, false, true) => "compressed frames came without an agreed extension",
        (_, _, _) => return None,
    };
    Some(warn("compression_half_negotiated", "response.extensions", text))
}

fn unverified_certificate(view: &View<'_>) -> Option<Warning> {
    let unverified = view.record.upstream.tls.as_ref()?.verified == Some(false);
    let text = "the upstream's certificate was not verified";
    unverified.then(|| warn("certificate_unverified", "upstream.tls.verified", text))
}

fn unstored_text(view: &View<'_>) -> Option<Warning> {
    let hides = [Some(Unstored::UnparsableJson), Some(Unstored::TooLong)];
    let unread = view.record.messages.iter().filter(|m| hides.contains(&m.fact.unstored)).count();
    let text = format!("{unread} message(s) could not be searched for secrets and were not stored");
    (unread > 0).then(|| warn("text_not_stored", "messages", text))
}

fn recording_gap(view: &View<'_>) -> Option<Warning> {
    let gap = view.record.gap?;
    let text = format!("the recorder lost {} event(s) and {} frame(s)", gap.events, gap.frames);
    Some(warn("recording_gap", "gap", text))
}
