//! Listeners, clients, and how a run begins and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Console;
use super::connection::{self, Listening};
use super::gateway_log::GatewayLog;
use super::judge::Judge;
use super::place::place;
use super::recording::Tools;
use super::settings::{Route, Settings};
use crate::accept::{Accept, BindError, Listener};
use crate::store::{Recorder, StoreError, TapInfo, Writer};

/// How long nobody may come before a line says why that may be.
const LONELY: Duration = Duration::from_secs(15);

/// What sessions are given after the drain, to record that they were cut.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Why a proxy could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProxyError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error(
        "the upstream {upstream} is our own listener {listener}: every request would come back \
         here for ever; give the gateway's own address with --upstream"
    )]
    OwnListener { upstream: String, listener: String },
}

/// A listener that was bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// As `127.0.0.1:18889`, with the port that was really bound.
    pub name: String,
    pub addr: Option<std::net::SocketAddr>,
    pub tls: bool,
    pub upstream: String,
    /// What inserting wstap here changes.
    pub place: String,
}

/// A proxy with bound listeners and an open store.
#[derive(Debug)]
pub struct Proxy {
    listeners: Vec<(Listener, Arc<Listening>)>,
    bound: Vec<Bound>,
    tools: Arc<Tools>,
    writer: Writer,
    judge: Judge,
    gateway_log: Option<GatewayLog>,
    drain: Duration,
    stopping: CancellationToken,
    cut: CancellationToken,
    tracker: TaskTracker,
    /// Tasks that are no connection: nobody waits for them to end by themselves.
    chores: TaskTracker,
}

impl Proxy {
    /// Binds every listener and opens the store; must be called within a tokio runtime.
    pub fn bind(settings: Settings, console: Console) -> Result<Self, ProxyError> {
        let Settings { routes, store, store_settings, redactor, observe, limits, .. } = settings;
        let listeners = routes
            .iter()
            .map(|route| Listener::bind(&route.listen))
            .collect::<Result<Vec<_>, _>>()?;
        for route in &routes {
            refuse_own_listener(route, &listeners)?;
        }
        let bound: Vec<Bound> =
            routes.iter().zip(&listeners).map(|(route, listener)| bound(route, listener)).collect();
        let info = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "routes": bound.iter().map(|bound| json!({
                "listener": bound.name, "upstream": bound.upstream, "place": bound.place,
            })).collect::<Vec<_>>(),
        });
        let (recorder, writer) = Recorder::open(&store, &TapInfo { info }, store_settings)?;
        let judge = Judge::start(&store, limits).map_err(ProxyError::Thread)?;
        let gateway_log = settings
            .gateway_log
            .map(|file| GatewayLog::follow(&file, &store, redactor.clone(), console.clone()));
        let gateway_log = gateway_log.transpose()?;
        let tools = Arc::new(Tools { recorder, redactor, console, observe });
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        let tracker = TaskTracker::new();
        let listening = |(route, listener): (Route, Listener)| {
            let listening = Listening {
                tools: Arc::clone(&tools),
                name: listener.name().to_owned(),
                head_patience: settings.head_patience,
                keepalive: settings.keepalive,
                stopping: stopping.clone(),
                cut: cut.clone(),
                tracker: tracker.clone(),
                clients: AtomicU64::new(0),
                route,
            };
            (listener, Arc::new(listening))
        };
        let listeners = routes.into_iter().zip(listeners).map(listening).collect();
        let (drain, chores) = (settings.drain, TaskTracker::new());
        Ok(Self {
            listeners,
            bound,
            tools,
            writer,
            judge,
            gateway_log,
            drain,
            stopping,
            cut,
            tracker,
            chores,
        })
    }

    /// The listeners, in the order of the routes.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Reads certificates again, whenever `reload` says so.
    pub fn reload_on(&self, mut reload: tokio::sync::mpsc::Receiver<()>) {
        let all: Vec<_> = self.listeners.iter().map(|(_, l)| Arc::clone(l)).collect();
        let console = self.tools.console.clone();
        let cut = self.cut.clone();
        self.chores.spawn(async move {
            while let Some(Some(())) = cut.run_until_cancelled(reload.recv()).await {
                for listening in &all {
                    console.say(&listening.reload());
                }
            }
        });
    }

    /// Serves until `stop`; then takes no more clients and lets sessions end by themselves for
    /// the drain time, or until `now`. What is open then is cut, and marked as cut by wstap.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        now: impl Future<Output = ()>,
    ) -> Result<(), ProxyError> {
        let Self { listeners, tools, writer, judge, gateway_log, .. } = self;
        let Self { drain, stopping, cut, tracker, chores, .. } = self;
        let all: Vec<_> = listeners.iter().map(|(_, listening)| Arc::clone(listening)).collect();
        let accepting = TaskTracker::new();
        for (listener, listening) in listeners {
            accepting.spawn(accept(listener, listening, stopping.clone()));
        }
        accepting.spawn(stopping.clone().run_until_cancelled_owned(say_if_lonely(all)));
        accepting.close();
        stop.await;
        stopping.cancel();
        accepting.wait().await;
        tracker.close();
        let open = tracker.len();
        if open > 0 {
            tools.console.say(&format!(
                "stopping: {open} open connections have {} to end by themselves",
                humantime::format_duration(drain)
            ));
        }
        tokio::select! {
            () = tracker.wait() => {}
            () = tokio::time::sleep(drain) => {}
            () = now => {}
        }
        cut.cancel();
        chores.close();
        chores.wait().await;
        // Past this a session's record stays open, and the next reader calls it interrupted.
        drop(tokio::time::timeout(LAST_WORDS, tracker.wait()).await);
        let close = move || {
            if let Some(gateway_log) = gateway_log {
                gateway_log.close();
            }
            let closed = writer.close();
            judge.finish();
            closed
        };
        let closed = tokio::task::spawn_blocking(close).await;
        closed.unwrap_or(Err(StoreError::Unfinished))?;
        Ok(())
    }
}

fn refuse_own_listener(route: &Route, listeners: &[Listener]) -> Result<(), ProxyError> {
    let upstream = route.dialer.upstream();
    let own = listeners.iter().find(|listener| {
        listener.local_addr().is_some_and(|addr| upstream.reaches(addr))
            || listener.path().is_some_and(|path| upstream.reaches_path(path))
    });
    match own.filter(|_| route.dialer.via().is_none()) {
        Some(listener) => Err(ProxyError::OwnListener {
            upstream: upstream.to_string(),
            listener: listener.name().to_owned(),
        }),
        None => Ok(()),
    }
}

fn bound(route: &Route, listener: &Listener) -> Bound {
    Bound {
        name: listener.name().to_owned(),
        addr: listener.local_addr(),
        tls: route.tls.is_some(),
        upstream: route.dialer.upstream().to_string(),
        place: place(route),
    }
}

async fn accept(mut listener: Listener, listening: Arc<Listening>, stopping: CancellationToken) {
    let console = listening.tools.console.clone();
    while let Some(accept) = stopping.run_until_cancelled(listener.accept()).await {
        match accept {
            Accept::Accepted(incoming) => {
                listening.clients.fetch_add(1, Ordering::Relaxed);
                let serve = connection::serve(Arc::clone(&listening), incoming);
                listening.tracker.spawn(serve);
            }
            Accept::Paused(error) => console.say(&format!(
                "{} accepts no clients for now: {error}; raise the limit with ulimit -n",
                listening.name
            )),
            Accept::Resumed => console.say(&format!("{} accepts clients again", listening.name)),
        }
    }
}

/// One line, if nobody came: the client may not be dialling us at all.
async fn say_if_lonely(all: Vec<Arc<Listening>>) {
    tokio::time::sleep(LONELY).await;
    if all.iter().all(|listening| listening.clients.load(Ordering::Relaxed) == 0)
        && let Some(first) = all.first()
    {
        first.tools.console.say(
            "nobody has connected yet: the OpenClaw CLI dials the port of its own config unless \
             OPENCLAW_GATEWAY_PORT or --url says otherwise, and a Control UI page served from \
             another port is another origin to the gateway, hence unpaired",
        );
    }
}
