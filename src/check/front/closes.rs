//! Trial: each kind of Close is passed on in both directions, and the FIN behind it.

use std::sync::Arc;

use super::deviation::Deviation;
use super::frame::{self, CLOSE};
use super::peer::{End, Seen};
use super::rig::{Ask, Rig};
use super::trial::{Found, Takes, Trial, arrives};

pub(super) const TRIAL: Trial =
    Trial { name: "closes", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

const KINDS: [Option<(u16, &str)>; 5] = [
    None,
    Some((1000, "")),
    Some((1001, "going away")),
    Some((1008, "pairing required")),
    Some((4000, "tick timeout")),
];

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    for kind in KINDS {
        for from in [End::Client, End::Upstream] {
            found.extend(close(&rig, kind, from).await?);
        }
    }
    Ok(found)
}

async fn close(rig: &Rig, kind: Option<(u16, &str)>, from: End) -> Found {
    let mut opened = rig.open(Ask::default()).await?;
    let (source, sink) = match from {
        End::Client => (&mut opened.client, &mut opened.upstream),
        End::Upstream => (&mut opened.upstream, &mut opened.client),
    };
    let payload = kind.map(|(code, reason)| frame::close_payload(code, reason)).unwrap_or_default();
    let sent = frame::Frame { first: CLOSE, masked: from == End::Client, payload };
    let what = format!("{} from the {}", frame::shown(&sent), from.name());
    if let Err(error) = source.send(CLOSE, &sent.payload).await {
        let says = "the session was gone before it was closed";
        return Ok(vec![
            Deviation::fault("ending.close_changed", says).between(what, error.to_string()),
        ]);
    }
    let (seen, words) = arrives(sink).await;
    if seen != Seen::Frame(sent.clone()) {
        let says = "a Close does not arrive as it was sent: the other side reports another code";
        return Ok(vec![Deviation::fault("ending.close_changed", says).between(what, words)]);
    }
    // The answer to a Close, and then the end of the connection (RFC 6455 §7.1.1).
    let answered = sink.send(CLOSE, &sent.payload).await;
    let (seen, words) = arrives(source).await;
    let is_answer = matches!(&seen, Seen::Frame(frame) if frame.payload == sent.payload);
    if answered.is_err() || !is_answer {
        let says = "the answer to a Close does not come back";
        let sent = format!("the answer to {what}");
        return Ok(vec![Deviation::warning("ending.close_answer_lost", says).between(sent, words)]);
    }
    // Servers end TCP first.
    let finished = opened.upstream.finish().await;
    let (seen, words) = arrives(&mut opened.client).await;
    if finished.is_err() || !matches!(seen, Seen::Gone(_)) {
        let says = "the end of TCP behind a Close does not reach the client, which waits for it";
        let sent = format!("FIN of the upstream after {what}");
        return Ok(vec![
            Deviation::fault("ending.fin_after_close_lost", says).between(sent, words),
        ]);
    }
    Ok(Vec::new())
}
