//! Trial: one upgrade reaches the upstream once, whatever the upstream does to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::deviation::Deviation;
use super::head;
use super::peer::{End, Peer};
use super::rig::{Ask, Rig};
use super::trial::{Found, Takes, Trial};

pub(super) const TRIAL: Trial =
    Trial { name: "retries", takes: Takes::Moments, run: |rig| Box::pin(run(rig)) };

/// How long further copies are waited for.
const WATCHED: Duration = Duration::from_millis(2500);

#[derive(Clone, Copy)]
enum Refusal {
    Fin,
    Reset,
    Status,
}

async fn run(rig: Arc<Rig>) -> Found {
    let mut found = Vec::new();
    for refusal in [Refusal::Fin, Refusal::Reset, Refusal::Status] {
        let copies = copies(&rig, refusal).await?;
        if copies > 1 {
            let says = "one upgrade reaches the upstream more than once when it fails: the \
                        gateway counts attempts that no client made";
            let sent = format!("one upgrade, {}", refusal.words());
            let deviation = Deviation::warning("retry.upgrade_repeated", says);
            found.push(deviation.between(sent, format!("{copies} upgrades")));
        }
    }
    Ok(found)
}

impl Refusal {
    const fn words(self) -> &'static str {
        match self {
            Self::Fin => "which the upstream ends with FIN instead of an answer",
            Self::Reset => "which the upstream resets instead of answering",
            Self::Status => "which the upstream answers with 503",
        }
    }
}

async fn copies(rig: &Rig, refusal: Refusal) -> Result<usize, Box<super::rig::Broken>> {
    let (_client, mut waiting, _) = rig.begin(&Ask::default()).await?;
    let mut copies = 0;
    let deadline = Instant::now() + WATCHED;
    while let Ok(Some(arrival)) = timeout_at(deadline, waiting.next()).await {
        copies += 1;
        let mut upstream = Peer::new(arrival.stream, arrival.behind, End::Upstream);
        let done = match refusal {
            Refusal::Fin => upstream.finish().await,
            Refusal::Reset => upstream.reset(),
            Refusal::Status => {
                let answer = head::answer("503 Service Unavailable", "");
                upstream.send_bytes(answer.raw.as_bytes()).await
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "the proxy gave the request up first");
        }
    }
    Ok(copies)
}
