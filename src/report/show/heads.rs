//! Both heads as they were on the wire, and what they mean.

use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::quantity::bytes;
use crate::session::{Head, Record, Redaction, ResponseFacts};

pub(super) fn request(page: &mut Page, record: &Record, _: &Clock) {
    let Some(request) = &record.request else { return };
    page.section(&format!("Request, {} after the start", request.at));
    verbatim(page, &request.head);
    for change in &request.changes {
        let value = change.value.as_deref().map_or_else(String::new, |v| format!(": {v}"));
        let text = format!("{} {}{value} ({})", change.header, change.what, change.option);
        page.row("changed on its way", &text);
    }
    let before = record.client.earlier_requests;
    if before > 0 {
        page.row("on its connection", &format!("after {before} earlier"));
    }
    if let Some(header) = &record.client.proxy_header {
        let source = header.source.as_deref().unwrap_or("unknown");
        let destination = header.destination.as_deref().unwrap_or("unknown");
        let text = format!("version {}: {source} -> {destination}", header.version);
        page.row("PROXY header", &text);
    }
}

pub(super) fn response(page: &mut Page, record: &Record, _: &Clock) {
    if let Some(answer) = &record.own_answer {
        page.section("Answer, by wstap itself");
        page.row("status", &answer.status.to_string());
        page.row("leg", answer.leg.name());
        page.row("why", &answer.why);
    }
    let Some(response) = &record.response else { return };
    page.section(&format!("Response, {} after the start", response.at));
    verbatim(page, &response.head);
    if !response.interim.is_empty() {
        let statuses: Vec<String> = response.interim.iter().map(u16::to_string).collect();
        page.row("interim before it", &statuses.join(", "));
    }
    page.maybe("subprotocol", response.subprotocol.as_deref());
    page.maybe("extensions", response.extensions.as_deref());
    match response.accept_ok {
        Some(true) => page.row("accept", "fits the request's key"),
        Some(false) => page.row("accept", "does NOT fit the request's key"),
        None => {}
    }
    if let Some(body) = &response.body {
        let size = response.body_bytes.map_or_else(String::new, bytes);
        page.row("body", &format!("{size}, begins:"));
        body.lines().take(40).for_each(|line| page.under(line));
    }
    if let Some(exchange) = &record.exchange {
        let body = |n: Option<u64>| n.map_or_else(String::new, bytes);
        page.row("request body", &body(exchange.body_c2s));
        page.row("response body", &body(exchange.body_s2c));
        page.maybe("failed", exchange.error.as_deref());
    }
}

/// Status and reason, as the status line says them.
pub(super) fn answer(response: &ResponseFacts) -> String {
    match response.status {
        Some(status) => {
            let reason = response.reason.as_deref().unwrap_or_default();
            format!("{status} {reason}").trim_end().to_owned()
        }
        None => "not an HTTP response".to_owned(),
    }
}

/// A word only where the accept value is wrong.
pub(super) const fn accept(response: &ResponseFacts) -> &'static str {
    match response.accept_ok {
        Some(false) => ", Sec-WebSocket-Accept does NOT fit the key",
        Some(true) | None => "",
    }
}

fn verbatim(page: &mut Page, head: &Head) {
    for line in head.raw.split_inclusive('\n').filter(|line| *line != "\r\n") {
        match line.strip_suffix("\r\n") {
            Some(line) => page.line(line),
            // RFC 9112 §2.2 lets a recipient take it, which is worth seeing.
            None => page.line(&format!("{}  [bare LF]", line.trim_end_matches('\n'))),
        }
    }
    let rebuilt = if head.verbatim { "" } else { ", rebuilt: order and spaces may differ" };
    page.row("head", &format!("{}{rebuilt}", bytes(head.bytes as u64)));
    redactions(page, &head.redactions);
}

pub(super) fn redactions(page: &mut Page, redactions: &[Redaction]) {
    for redaction in redactions {
        let Redaction { field, len, fingerprint } = redaction;
        let text = format!("{field}: {len} B, fingerprint {fingerprint}");
        page.row("redacted", &text);
    }
}
