//! Trial: bytes in the segment of a head, behind it.

use std::sync::Arc;

use super::deviation::Deviation;
use super::frame::{self, TEXT};
use super::peer::Seen;
use super::rig::{Ask, Rig};
use super::trial::{Found, Takes, Trial, arrives};

pub(super) const TRIAL: Trial =
    Trial { name: "early bytes", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

const WORDS: &[u8] = b"early";

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = server_first(&rig).await?;
    found.extend(client_first(&rig).await?);
    Ok(found)
}

/// Servers greet at once: OpenClaw's challenge is in the segment of the 101.
async fn server_first(rig: &Rig) -> Found {
    let ask = Ask { with_answer: frame::bytes(TEXT, WORDS, false), ..Ask::default() };
    let mut opened = rig.open(ask).await?;
    let (seen, words) = arrives(&mut opened.client).await;
    if matches!(&seen, Seen::Frame(frame) if frame.payload == WORDS) {
        return Ok(Vec::new());
    }
    let says = "a frame that the upstream sends together with its 101 is lost";
    Ok(vec![
        Deviation::fault("early.server_frame_lost", says).between("a frame behind the 101", words),
    ])
}

/// A client must not send before the 101 (RFC 6455 §4.1), so this tells and is no finding.
async fn client_first(rig: &Rig) -> Found {
    let ask = Ask { behind: frame::bytes(TEXT, WORDS, true), ..Ask::default() };
    let says = "bytes that a client sends behind its request, before the 101, do not arrive";
    let lost = Deviation::info("early.client_bytes_lost", says);
    let mut opened = match rig.open(ask).await {
        Ok(opened) => opened,
        Err(broken) => return Ok(vec![lost.between("a frame behind the request", broken.words())]),
    };
    let (seen, words) = arrives(&mut opened.upstream).await;
    if matches!(&seen, Seen::Frame(frame) if frame.payload == WORDS) {
        return Ok(Vec::new());
    }
    Ok(vec![lost.between("a frame behind the request", words)])
}
