//! Heads of the test: what is sent, and whether what arrived is still an upgrade.

use crate::session::Head;
use crate::websocket::accept_for;

/// By this header a request is found again behind the proxy.
pub(super) const TOKEN: &str = "X-Wstap-Trial";

/// A head as it is on the wire.
pub(super) fn latin1(raw: &[u8]) -> Head {
    let text = raw.iter().map(|byte| char::from(*byte)).collect();
    Head { raw: text, bytes: raw.len(), redactions: Vec::new(), verbatim: true }
}

/// A head of a start line and headers.
pub(super) fn written(start: &str, headers: &[(String, String)]) -> Head {
    let mut raw = format!("{start}\r\n");
    for (name, value) in headers {
        raw.push_str(name);
        raw.push_str(": ");
        raw.push_str(value);
        raw.push_str("\r\n");
    }
    raw.push_str("\r\n");
    latin1(raw.as_bytes())
}

pub(super) fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// Whether a comma-separated header has this word.
pub(super) fn has_word(head: &Head, name: &str, word: &str) -> bool {
    let value = head.header_joined(name).unwrap_or_default();
    value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// Whether a server has to take this as an opening handshake (RFC 6455 §4.2.1).
pub(super) fn is_upgrade(head: &Head) -> bool {
    let start = head.start_line();
    start.starts_with("GET ")
        && start.ends_with(" HTTP/1.1")
        && has_word(head, "upgrade", "websocket")
        && has_word(head, "connection", "upgrade")
        && head.header("sec-websocket-key").is_some_and(|key| !key.is_empty())
        && head.header("sec-websocket-version") == Some("13")
}

pub(super) fn status(head: &Head) -> Option<u16> {
    let mut words = head.start_line().split(' ');
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse().ok()
}

/// The token of a request, from its header or, where that was taken out, from its query.
pub(super) fn token(head: &Head) -> Option<String> {
    if let Some(token) = head.header(TOKEN) {
        return Some(token.to_owned());
    }
    let target = head.start_line().split(' ').nth(1)?;
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|part| part.strip_prefix("wstap=")).map(str::to_owned)
}

/// The 101 that fits a request, with what the test wants in it.
pub(super) fn switching(request: &Head, more: &[(String, String)]) -> Head {
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let mut headers = vec![
        pair("Upgrade", "websocket"),
        pair("Connection", "Upgrade"),
        pair("Sec-WebSocket-Accept", accept_for(key)),
    ];
    headers.extend_from_slice(more);
    written("HTTP/1.1 101 Switching Protocols", &headers)
}

/// Any other answer, without keeping the connection.
pub(super) fn answer(status: &str, body: &str) -> Head {
    let headers = [pair("Content-Length", body.len().to_string()), pair("Connection", "close")];
    let mut head = written(&format!("HTTP/1.1 {status}"), &headers);
    head.raw.push_str(body);
    head
}
