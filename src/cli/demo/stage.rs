//! What the demo plays on: the stand-in gateway, the reverse proxy, and a tap before both.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::front;
use super::scenarios::{IDLE_LIMIT, Midway, Route, Scenario};
use crate::accept::ListenSpec;
use crate::connect::{DialSettings, Dialer};
use crate::gateway::client::Seen;
use crate::gateway::{Gateway, Policy};
use crate::observe::{self, Capture};
use crate::proxy::{self, Console, Proxy, ProxyError, Settings};
use crate::redact::{FingerprintKey, Redactor};
use crate::store;
use crate::upgrade::Edits;
use crate::verdict::Limits;

/// How long the tap waits for what a client left behind.
const DRAIN: Duration = Duration::from_millis(500);

/// How much of a message is kept: more than the stand-in ever says.
const MESSAGE_LIMIT: usize = 16 << 10;

/// Everything that runs during the demo.
pub(super) struct Stage {
    gateway: Gateway,
    _front: AbortOnDropHandle<()>,
    tap: JoinHandle<Result<(), ProxyError>>,
    stop: CancellationToken,
    /// The tap's listeners: to the gateway itself, and to the reverse proxy before it.
    listeners: [SocketAddr; 2],
}

impl Stage {
    pub(super) async fn set(store: &Path) -> anyhow::Result<Self> {
        let gateway = Gateway::start(loopback().await?, Policy::token(""))?;
        let listener = loopback().await?;
        let front_addr = listener.local_addr()?;
        let front = tokio::spawn(front::serve(listener, gateway.addr(), IDLE_LIMIT));
        let routes = [gateway.addr(), front_addr].map(route).into_iter();
        let settings = settings(routes.collect::<anyhow::Result<_>>()?, store)?;
        let proxy = Proxy::bind(settings, Console::quiet())?;
        let addresses: Vec<_> = proxy.bound().iter().filter_map(|bound| bound.addr).collect();
        let listeners = addresses.try_into().ok().context("the tap did not bind two ports")?;
        let stop = CancellationToken::new();
        let tap = tokio::spawn(proxy.run(stop.clone().cancelled_owned(), std::future::pending()));
        Ok(Self { gateway, _front: AbortOnDropHandle::new(front), tap, stop, listeners })
    }

    /// Where clients come in, and where the gateway is.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.address(Route::Direct), self.gateway.addr())
    }

    /// Plays a scenario to its end, and says what its client saw.
    pub(super) async fn play(&self, scenario: &Scenario) -> std::io::Result<Seen> {
        // What happens midway is for this one's session alone.
        self.until_welcomed(|sessions| sessions == 0).await;
        self.gateway.set_policy(scenario.policy());
        let script = scenario.script();
        let client = Box::pin(script.run(self.address(scenario.route)));
        let midway = async {
            self.midway(scenario.midway).await;
            std::future::pending().await
        };
        tokio::select! {
            seen = client => seen,
            seen = midway => seen,
        }
    }

    /// Ends the tap; the store is complete then.
    pub(super) async fn strike(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.tap.await??;
        self.gateway.stop().await;
        Ok(())
    }

    async fn midway(&self, what: Midway) {
        match what {
            Midway::Nothing => {}
            Midway::Restart => {
                self.until_welcomed(|sessions| sessions > 0).await;
                // Long enough for the client's call.
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.gateway.restart();
            }
        }
    }

    async fn until_welcomed(&self, enough: impl Fn(usize) -> bool) {
        while !enough(self.gateway.welcomed()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    const fn address(&self, route: Route) -> SocketAddr {
        let [direct, fronted] = self.listeners;
        match route {
            Route::Direct => direct,
            Route::BehindFront => fronted,
        }
    }
}

async fn loopback() -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

fn route(upstream: SocketAddr) -> anyhow::Result<proxy::Route> {
    let upstream = format!("ws://{upstream}").parse()?;
    Ok(proxy::Route {
        listen: ListenSpec::Tcp { addr: (Ipv4Addr::LOCALHOST, 0).into(), tls: false },
        tls: None,
        proxy_protocol: None,
        dialer: Dialer::new(upstream, DialSettings::default())?,
        edits: Edits::default(),
    })
}

fn settings(routes: Vec<proxy::Route>, store: &Path) -> anyhow::Result<Settings> {
    // Made for this run: there is nothing outside of it to compare its fingerprints with.
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).ok().context("no randomness")?;
    Ok(Settings {
        routes,
        store: store.to_owned(),
        store_settings: store::Settings::default(),
        gateway_log: None,
        redactor: Redactor::new(FingerprintKey::new(key), true),
        observe: observe::Settings { capture: Capture::Handshake, message_limit: MESSAGE_LIMIT },
        drain: DRAIN,
        head_patience: Duration::from_secs(10),
        keepalive: None,
        limits: Limits::standard().clone(),
    })
}
