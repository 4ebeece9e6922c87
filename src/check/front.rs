//! Is at once the client in front of a proxy and the upstream behind it, sends upgrades and plain
//! requests through it, and says what it did other than passing bytes on.

mod buffering;
mod closes;
mod compare;
mod deviation;
mod directives;
mod early;
mod ends;
mod frame;
mod frames;
mod handshake;
mod head;
mod hub;
mod idle;
mod limits;
mod opening;
mod peer;
mod plain;
mod print;
mod proxy;
mod reload;
mod report;
mod retries;
mod rig;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use deviation::{Deviation, Severity};
pub use print::{front_junit, front_markdown, front_table};
pub use proxy::{Proxy, Recognised};
pub use reload::Reload;
pub use report::{FrontReport, Performed};

use self::hub::Hub;
use self::opening::Opening;
use self::rig::Rig;
use self::trial::{Found, Takes, Trial};
use crate::accept::Listener;
use crate::check::place::Place;
use crate::check::target::{Reach, Target};
use crate::check::visit::Caller;
use crate::connect::DialerError;

/// Every trial, in the order of the report.
const TRIALS: &[Trial] = &[
    early::TRIAL,
    frames::TRIAL,
    buffering::TRIAL,
    closes::TRIAL,
    ends::TRIAL,
    limits::TRIAL,
    plain::TRIAL,
    retries::TRIAL,
    idle::SILENT,
    idle::PINGED,
    idle::SLOW,
];

/// Short trials at once. More would measure this machine instead of the proxy.
const AT_ONCE: usize = 3;

/// What is to be checked, and how.
#[derive(Debug)]
pub struct FrontSettings {
    pub target: Target,
    pub reach: Reach,
    /// Where the proxy expects its upstream.
    pub listener: Listener,
    /// How long silence is measured; nothing leaves the waiting trials out.
    pub idle_max: Option<Duration>,
    /// The proxy, where the user knows it better.
    pub proxy: Option<Proxy>,
    pub reload: Option<Reload>,
    /// Is told what the user has to do, and when.
    pub tell: fn(&str),
}

/// Why nothing can be said of the proxy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CouldNotRun {
    #[error(transparent)]
    Dialer(#[from] DialerError),
    #[error("the proxy at {through} cannot be reached: {detail}")]
    Unreachable { through: String, detail: String },
    #[error(
        "the proxy at {through} gave {got}, and nothing arrived at {listen}; point its upstream \
         there (nginx: proxy_pass http://{listen}; Caddy: reverse_proxy {listen}; HAProxy: server \
         s {listen}; Traefik: url: http://{listen}; Envoy: a cluster with {listen}; Apache: \
         ProxyPass / http://{listen}/ upgrade=websocket) and run this again"
    )]
    NothingArrived { through: String, listen: String, got: String },
    #[error("the proxy at {through} answers with TLS; type wss:// instead of ws://")]
    SpeaksTls { through: String },
}

/// Runs every trial.
pub async fn front(settings: FrontSettings) -> Result<FrontReport, CouldNotRun> {
    let FrontSettings { target, reach, listener, idle_max, proxy, reload, tell } = settings;
    let caller = Caller::new(&target, &reach)?;
    let place = listener.local_addr().map(|addr| addr.to_string());
    let listen = place.unwrap_or_else(|| listener.name().to_owned());
    let mut report = FrontReport::of(Place::here(), target.shown(), listen);
    let hub = Hub::start(listener);
    let rig = Rig::new(caller, hub, idle_max.unwrap_or_default());
    let rig = Arc::new(rig);

    let began = Instant::now();
    let Opening { deviations, opened, seen, page } = opening::open(&rig, &report).await?;
    let own_answer = rig.provoke().await;
    report.take(handshake::NAME, Ok(deviations), began.elapsed());
    let heads: Vec<_> = seen.iter().collect();
    report.recognised(proxy, proxy::recognise(&heads, own_answer.as_ref(), &page));
    if !opened {
        for trial in TRIALS {
            report.left_out(trial.name, "no session could be opened");
        }
        report.conclude();
        return Ok(report);
    }
    perform(&rig, idle_max.is_some(), &mut report).await;
    if let Some(reload) = reload {
        tell("reload the proxy now");
        let began = Instant::now();
        let found = reload::watch(&rig, reload).await;
        report.take(reload::NAME, found, began.elapsed());
    }
    report.conclude();
    Ok(report)
}

/// Runs the trials at once, and those that got no session again when the others are over.
async fn perform(rig: &Arc<Rig>, waits: bool, report: &mut FrontReport) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for trial in TRIALS {
        if trial.takes == Takes::Long && !waits {
            report.left_out(trial.name, "--quick");
            continue;
        }
        let (rig, turns) = (Arc::clone(rig), Arc::clone(&turns));
        running.spawn(async move {
            let turn = match trial.takes {
                // A closed semaphore would let it run at once, which does no harm.
                Takes::Moments => turns.acquire_owned().await.ok(),
                Takes::Long => None,
            };
            let began = Instant::now();
            let found: Found = (trial.run)(rig).await;
            drop(turn);
            (trial, found, began.elapsed())
        });
    }
    let mut again = Vec::new();
    while let Some(done) = running.join_next().await {
        let Ok((trial, found, took)) = done else { continue };
        match found {
            Ok(deviations) => report.take(trial.name, Ok(deviations), took),
            Err(broken) => again.push((trial, broken)),
        }
    }
    for (trial, broken) in again {
        let began = Instant::now();
        let found = (trial.run)(Arc::clone(rig)).await;
        if found.is_ok() {
            report.not_at_once(trial.name, &broken);
        }
        report.take(trial.name, found, began.elapsed());
    }
    let place = |name: &str| TRIALS.iter().position(|trial| trial.name == name);
    report.performed.sort_by_key(|performed| place(performed.trial));
}

#[cfg(test)]
mod tests;
