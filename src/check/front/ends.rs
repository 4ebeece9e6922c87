//! Trial: FIN and RST without a Close, in both directions, and what a half-closed session can do.

use std::sync::Arc;

use super::deviation::Deviation;
use super::frame::TEXT;
use super::peer::{End, Gone, Seen};
use super::rig::{Ask, Opened, Rig};
use super::trial::{Found, Takes, Trial, arrives};

pub(super) const TRIAL: Trial =
    Trial { name: "ends", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

const WORDS: &[u8] = b"after the FIN";

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    for from in [End::Client, End::Upstream] {
        let opened = rig.open(Ask::default()).await?;
        found.extend(fin(opened, from).await);
        let opened = rig.open(Ask::default()).await?;
        found.extend(reset(opened, from).await);
    }
    Ok(found)
}

async fn fin(mut opened: Opened, from: End) -> Vec<Deviation> {
    let (source, sink) = match from {
        End::Client => (&mut opened.client, &mut opened.upstream),
        End::Upstream => (&mut opened.upstream, &mut opened.client),
    };
    let sent = format!("FIN of the {}, without a Close", from.name());
    if let Err(error) = source.finish().await {
        let says = "the session was gone before its FIN";
        return vec![Deviation::fault("ending.fin_lost", says).between(sent, error.to_string())];
    }
    match arrives(sink).await {
        (Seen::Gone(Gone::Fin), _) => {}
        (Seen::Gone(Gone::Reset), words) => {
            let says = "a FIN arrives as a reset";
            return vec![Deviation::warning("ending.fin_becomes_reset", says).between(sent, words)];
        }
        (Seen::Frame(frame), words) => {
            let says = "the proxy makes a Close of its own where there was none";
            let slug = "ending.close_invented";
            drop(frame);
            return vec![Deviation::warning(slug, says).between(sent, words)];
        }
        (Seen::Nothing, words) => {
            let says = "the other side does not learn that this one is gone";
            return vec![Deviation::fault("ending.fin_lost", says).between(sent, words)];
        }
    }
    // The other direction is still open as far as TCP goes.
    let written = sink.send(TEXT, WORDS).await;
    let (seen, words) = arrives(source).await;
    let came = matches!(&seen, Seen::Frame(frame) if frame.payload == WORDS);
    if written.is_ok() && came {
        return Vec::new();
    }
    let says = "a FIN of one side ends both directions; few WebSocket programs rely on more";
    let sent = format!("a text after the FIN of the {}", from.name());
    vec![Deviation::info("ending.half_close_cut", says).between(sent, words)]
}

async fn reset(opened: Opened, from: End) -> Vec<Deviation> {
    let (source, mut sink) = match from {
        End::Client => (opened.client, opened.upstream),
        End::Upstream => (opened.upstream, opened.client),
    };
    let sent = format!("RST of the {}", from.name());
    if let Err(error) = source.reset() {
        let says = "the session was gone before its RST";
        return vec![Deviation::fault("ending.reset_lost", says).between(sent, error.to_string())];
    }
    let (seen, words) = arrives(&mut sink).await;
    let deviation = match seen {
        Seen::Gone(Gone::Reset) => return Vec::new(),
        Seen::Gone(Gone::Fin) => {
            Deviation::info("ending.reset_becomes_fin", "a reset arrives as a FIN")
        }
        Seen::Frame(_) => {
            let says = "the proxy makes a Close of its own where there was none";
            Deviation::warning("ending.close_invented", says)
        }
        Seen::Nothing => {
            let says = "the other side does not learn that this one is gone";
            Deviation::fault("ending.reset_lost", says)
        }
    };
    vec![deviation.between(sent, words)]
}
