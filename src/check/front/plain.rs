//! Trial: plain requests beside the upgrades.

use std::sync::Arc;

use super::deviation::Deviation;
use super::head::{has_word, status};
use super::rig::Rig;
use super::trial::{Found, Takes, Trial};

pub(super) const TRIAL: Trial =
    Trial { name: "plain requests", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

const BODY: usize = 256 << 10;

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    match rig.exchange("GET", b"").await {
        Ok(exchanged) => {
            let heads = exchanged.heads;
            if let Some(arrived) = &heads.arrived
                && has_word(arrived, "connection", "upgrade")
            {
                let says = "plain requests arrive as if they asked for an upgrade: keep-alive \
                            breaks, and strict servers refuse them";
                let value = arrived.header_joined("connection").unwrap_or_default();
                let deviation = Deviation::warning("plain.connection_upgrade", says);
                found.push(
                    deviation.between("GET without Connection", format!("Connection: {value}")),
                );
            }
            let got = heads.received.as_ref().and_then(status);
            if heads.arrived.is_some() && (got != Some(200) || exchanged.body != "wstap") {
                let says = "the answer to a plain request is not the upstream's";
                let line = heads.received.as_ref().map_or("-", |head| head.start_line());
                let deviation = Deviation::info("plain.answer_changed", says);
                found.push(deviation.between("HTTP/1.1 200 OK", line));
            } else if heads.arrived.is_none() {
                let says = "plain requests on the WebSocket path do not reach the upstream";
                let line = heads.received.as_ref().map_or("-", |head| head.start_line());
                found.push(Deviation::info("plain.not_passed", says).between("GET", line));
            }
        }
        Err(broken) => {
            let says = "plain requests on the WebSocket path are not answered";
            found.push(Deviation::info("plain.not_passed", says).between("GET", broken.words()));
        }
    }
    let sent = "POST with a body of 256 KiB";
    let says = "request bodies are limited; WebSockets are not affected";
    match rig.exchange("POST", &vec![b'b'; BODY]).await {
        Ok(exchanged) => {
            let line = exchanged.heads.received.as_ref().map_or("-", |head| head.start_line());
            if line.contains(" 413") {
                found.push(Deviation::info("limit.request_body", says).between(sent, line));
            }
        }
        Err(broken) => {
            found.push(Deviation::info("limit.request_body", says).between(sent, broken.words()));
        }
    }
    Ok(found)
}
