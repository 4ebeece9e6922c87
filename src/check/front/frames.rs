//! Trial: frames of all sizes, and compressed ones, arrive as they were sent.

use std::sync::Arc;

use super::deviation::Deviation;
use super::frame::{self, BINARY, COMPRESSED_TEXT, Frame, PING, TEXT};
use super::peer::{End, Peer, Seen};
use super::rig::{Ask, Rig};
use super::trial::{Found, ON_THE_WAY, Takes, Trial};

pub(super) const TRIAL: Trial =
    Trial { name: "frames", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

struct Case {
    slug: &'static str,
    first: u8,
    len: usize,
    what: &'static str,
}

const CASES: &[Case] = &[
    Case { slug: "frames.small_lost", first: TEXT, len: 20, what: "a text of 20 bytes" },
    Case { slug: "frames.ping_lost", first: PING, len: 8, what: "a ping" },
    Case {
        slug: "frames.compressed_lost",
        first: COMPRESSED_TEXT,
        len: 40,
        what: "a compressed text",
    },
    Case { slug: "frames.64k_lost", first: BINARY, len: 64 << 10, what: "a frame of 64 KiB" },
    Case { slug: "frames.1m_lost", first: BINARY, len: 1 << 20, what: "a frame of 1 MiB" },
];

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    for from in [End::Client, End::Upstream] {
        let mut opened = rig.open(Ask::default()).await?;
        let (source, sink) = match from {
            End::Client => (&mut opened.client, &mut opened.upstream),
            End::Upstream => (&mut opened.upstream, &mut opened.client),
        };
        for case in CASES {
            if let Some(deviation) = case.pass(source, sink).await {
                found.push(deviation);
                break;
            }
        }
    }
    Ok(found)
}

impl Case {
    async fn pass(&self, source: &mut Peer, sink: &mut Peer) -> Option<Deviation> {
        let payload: Vec<u8> = (b'a'..=b'w').cycle().take(self.len).collect();
        let masked = source.end() == End::Client;
        let sent = Frame { first: self.first, masked, payload };
        let bytes = frame::bytes(self.first, &sent.payload, masked);
        // Sent and received at once: a frame may be larger than all buffers on its way.
        let (written, seen) =
            tokio::join!(source.send_bytes(&bytes), sink.next_within(2 * ON_THE_WAY));
        let way = format!("{} from the {}", self.what, source.end().name());
        let arrived = match seen {
            Seen::Frame(frame) if frame == sent => return None,
            Seen::Frame(frame) => {
                let says = "the proxy rewrites frames instead of passing them on";
                let arrived = frame::shown(&frame);
                return Some(Deviation::warning("frames.altered", says).between(way, arrived));
            }
            Seen::Gone(gone) => gone.name().to_owned(),
            Seen::Nothing => "nothing within 10 s".to_owned(),
        };
        let arrived = written.err().map_or(arrived, |error| format!("writing fails: {error}"));
        Some(
            Deviation::fault(self.slug, format!("{} does not arrive", self.what))
                .between(way, arrived),
        )
    }
}
