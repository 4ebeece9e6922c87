//! Trials that wait: how long a session may be silent, how old it may become, how long an answer
//! may take.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep_until};

use super::deviation::Deviation;
use super::frame::{self, PING, PONG, TEXT};
use super::peer::{Peer, Seen};
use super::rig::{Ask, How, Opened, Rig};
use super::trial::{Found, Takes, Trial, arrives};

pub(super) const SILENT: Trial =
    Trial { name: "silence", takes: Takes::Long, run: |rig| Box::pin(silent(rig)) };
pub(super) const PINGED: Trial =
    Trial { name: "pings", takes: Takes::Long, run: |rig| Box::pin(pinged(rig)) };
pub(super) const SLOW: Trial =
    Trial { name: "slow answer", takes: Takes::Long, run: |rig| Box::pin(slow(rig)) };

const PING_EVERY: Duration = Duration::from_secs(1);

/// Gateways take this long when they are busy.
const SLOW_ANSWER: Duration = Duration::from_secs(6);

/// A gateway that pings every 25 s lives with a limit above this.
const BEARABLE: Duration = Duration::from_secs(30);

/// What ended a session, and when: since the last byte, or since it opened.
pub(super) struct Cut {
    pub(super) after: Duration,
    pub(super) client: String,
    pub(super) upstream: String,
}

async fn silent(rig: Arc<Rig>) -> Found {
    let mut opened = rig.open(Ask::default()).await?;
    let last = exchange_texts(&mut opened).await;
    let Some(cut) = watch(&mut opened, last, rig.idle_max).await else { return Ok(Vec::new()) };
    let says = format!(
        "a silent session is cut after {:.1} s; pings have to be more frequent",
        cut.after.as_secs_f64()
    );
    let deviation = if cut.after < BEARABLE {
        Deviation::fault("idle.cut", says)
    } else {
        Deviation::warning("idle.cut", says)
    };
    Ok(vec![
        deviation.between(format!("nothing for {:.1} s", cut.after.as_secs_f64()), cut.words()),
    ])
}

async fn pinged(rig: Arc<Rig>) -> Found {
    let mut opened = rig.open(Ask::default()).await?;
    let began = Instant::now();
    let Some(cut) = ping_until(&mut opened, began, began + rig.idle_max).await else {
        return Ok(Vec::new());
    };
    let says = format!(
        "a session is cut after {:.1} s although both sides send: its age is limited",
        cut.after.as_secs_f64()
    );
    let deviation = Deviation::fault("idle.cut_despite_pings", says);
    Ok(vec![deviation.between("a ping and its pong every second", cut.words())])
}

async fn slow(rig: Arc<Rig>) -> Found {
    let delay = SLOW_ANSWER.min(rig.idle_max);
    let began = Instant::now();
    let broken = match rig.open(Ask { delay, ..Ask::default() }).await {
        Ok(_) => return Ok(Vec::new()),
        Err(broken) if broken.heads.arrived.is_none() => return Err(broken),
        Err(broken) => broken,
    };
    let took = match broken.how {
        How::Silent => String::new(),
        How::Dial(_) | How::Answered(_) | How::NotHttp(_) | How::Gone(_) => {
            format!(", {:.1} s after the request", began.elapsed().as_secs_f64())
        }
    };
    let says = "the proxy does not wait for an upstream that is slow to answer an upgrade";
    let sent = format!("a 101 after {} s", delay.as_secs());
    let deviation = Deviation::warning("upgrade.slow_answer", says);
    Ok(vec![deviation.between(sent, format!("{}{took}", broken.words()))])
}

/// A text each way, so that silence begins at a known time.
async fn exchange_texts(opened: &mut Opened) -> Instant {
    if opened.client.send(TEXT, b"last words").await.is_ok() {
        arrives(&mut opened.upstream).await;
    }
    if opened.upstream.send(TEXT, b"last words").await.is_ok() {
        arrives(&mut opened.client).await;
    }
    Instant::now()
}

/// Waits for an end on either side, and then a moment for the other one.
async fn watch(opened: &mut Opened, since: Instant, longest: Duration) -> Option<Cut> {
    let Opened { client, upstream, .. } = opened;
    let (side, seen) = tokio::select! {
        seen = client.next() => ("client", seen),
        seen = upstream.next() => ("upstream", seen),
        () = sleep_until(since + longest) => return None,
    };
    Some(cut(opened, since, side, &seen).await)
}

/// Pings each second, and answers, until an end or the deadline.
pub(super) async fn ping_until(
    opened: &mut Opened,
    since: Instant,
    deadline: Instant,
) -> Option<Cut> {
    let mut ticks = interval(PING_EVERY);
    loop {
        let Opened { client, upstream, .. } = opened;
        let (side, seen) = tokio::select! {
            seen = client.next() => ("client", seen),
            seen = upstream.next() => {
                if is_ping(&seen) {
                    note(upstream.send(PONG, b"wstap").await);
                    continue;
                }
                ("upstream", seen)
            }
            _ = ticks.tick() => {
                note(client.send(PING, b"wstap").await);
                continue;
            }
            () = sleep_until(deadline) => return None,
        };
        let is_pong = matches!(&seen, Seen::Frame(frame) if frame.first == PONG);
        if !is_pong {
            return Some(cut(opened, since, side, &seen).await);
        }
    }
}

async fn cut(opened: &mut Opened, since: Instant, side: &str, seen: &Seen) -> Cut {
    let after = since.elapsed();
    let first = words(seen);
    let other = if side == "client" { &mut opened.upstream } else { &mut opened.client };
    let second = end_of(other, since).await;
    let first = format!("{first} after {:.1} s", after.as_secs_f64());
    let (client, upstream) = if side == "client" { (first, second) } else { (second, first) };
    Cut { after, client, upstream }
}

/// What the other side sees, pings and pongs passed over.
async fn end_of(peer: &mut Peer, since: Instant) -> String {
    loop {
        let (seen, words) = arrives(peer).await;
        let keepalive = matches!(&seen, Seen::Frame(frame) if matches!(frame.first, PING | PONG));
        match seen {
            Seen::Nothing => return "still open 5 s later".to_owned(),
            Seen::Frame(_) if keepalive => {}
            Seen::Frame(_) | Seen::Gone(_) => {
                return format!("{words} after {:.1} s", since.elapsed().as_secs_f64());
            }
        }
    }
}

impl Cut {
    pub(super) fn words(&self) -> String {
        format!("client: {}; upstream: {}", self.client, self.upstream)
    }
}

fn is_ping(seen: &Seen) -> bool {
    matches!(seen, Seen::Frame(frame) if frame.first == PING)
}

fn words(seen: &Seen) -> String {
    match seen {
        Seen::Frame(frame) => frame::shown(frame),
        Seen::Gone(gone) => gone.name().to_owned(),
        Seen::Nothing => "nothing".to_owned(),
    }
}

/// What cannot be written shows as an end at the next read.
fn note(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a session that is going");
    }
}
