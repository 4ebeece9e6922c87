//! Trial: half of a frame goes on before the other half has come.

use std::sync::Arc;
use std::time::Duration;

use super::deviation::Deviation;
use super::frame::{self, BINARY};
use super::peer::{End, Peer};
use super::rig::{Ask, Rig};
use super::trial::{Found, ON_THE_WAY, Takes, Trial};

pub(super) const TRIAL: Trial =
    Trial { name: "buffering", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

/// More than this is not the way but a wait. A busy machine is forgiven [`TRIES`] times.
const DELAY: Duration = Duration::from_millis(500);
const TRIES: usize = 3;

/// The first half of the small one is its header and a few bytes.
const SIZES: [usize; 2] = [40, 32 << 10];

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    for from in [End::Client, End::Upstream] {
        let mut opened = rig.open(Ask::default()).await?;
        let (source, sink, slug) = match from {
            End::Client => (&mut opened.client, &mut opened.upstream, "buffering.client_to_server"),
            End::Upstream => {
                (&mut opened.upstream, &mut opened.client, "buffering.server_to_client")
            }
        };
        for size in SIZES {
            let Some(delay) = half(source, sink, size).await else { continue };
            let says = "frames are held back until more of them has come";
            let sent = format!("half a frame of {size} bytes from the {}", from.name());
            found.push(Deviation::fault(slug, says).between(sent, delay));
            break;
        }
    }
    Ok(found)
}

/// The shortest of some delays, if all were too long.
async fn half(source: &mut Peer, sink: &mut Peer, size: usize) -> Option<String> {
    let payload = vec![b'h'; size];
    let bytes = frame::bytes(BINARY, &payload, source.end() == End::Client);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut shortest: Option<Duration> = None;
    for _ in 0..TRIES {
        if let Err(error) = source.send_bytes(first).await {
            return Some(format!("writing fails: {error}"));
        }
        let delay = sink.have(first.len(), ON_THE_WAY).await;
        if delay.is_some_and(|delay| delay <= DELAY) {
            shortest = delay;
        }
        if let Err(error) = source.send_bytes(second).await {
            return Some(format!("writing fails: {error}"));
        }
        sink.next_within(ON_THE_WAY).await;
        if shortest.is_some() {
            return None;
        }
        if delay.is_none() {
            return Some("it goes on only when the other half comes".to_owned());
        }
    }
    Some(format!("it goes on after more than {} ms", DELAY.as_millis()))
}
