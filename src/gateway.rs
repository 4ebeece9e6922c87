//! A stand-in for the OpenClaw gateway: its opening exchange, its refusals and its ways to fail.
//!
//! It serves the demo and the tests, and gives the wire shapes of the recorded gateway.

mod call;
mod challenge;
pub mod client;
mod connect;
mod credentials;
mod devices;
mod ending;
mod head;
mod hello;
mod ingress;
mod page;
mod policy;
mod proof;
mod reception;
mod refusal;
mod schema;
mod session;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use crate::openclaw::DeviceKey;
pub use devices::Pending;
pub use policy::{
    Announcement, Auth, Ending, LocalPairing, Misbehaviour, PairedDevice, Policy, Startup, When,
};

/// How long accepting pauses when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running stand-in gateway. Dropping it ends all its sessions.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    address: SocketAddr,
    _ends_with_it: DropGuard,
}

impl Gateway {
    /// Serves the listener by this policy until stopped or dropped.
    pub fn start(listener: TcpListener, policy: Policy) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let cancel = CancellationToken::new();
        let shared = Arc::new(Shared::new(policy, cancel.clone()));
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, Arc::clone(&shared), tasks.clone()));
        Ok(Self { shared, tasks, address, _ends_with_it: cancel.drop_guard() })
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends every session without a word and waits until the last one is gone.
    pub async fn stop(self) {
        self.shared.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Tells every session about the shutdown, then closes it with 1012.
    pub fn restart(&self) {
        self.shared.signal(Signal::Restart);
    }

    /// Takes effect for new sessions. A changed secret ends those that live by the old one.
    pub fn set_policy(&self, policy: Policy) {
        let old = self.shared.policy.swap(Arc::new(policy));
        if old.auth != self.shared.policy.load().auth {
            self.shared.auth_generation.fetch_add(1, Ordering::Relaxed);
            self.shared.signal(Signal::AuthChanged);
        }
    }

    /// Lets the next upgrade go wrong in this way; several queue up.
    pub fn misbehave_next(&self, misbehaviour: Misbehaviour) {
        self.shared.state().next.push_back(misbehaviour);
    }

    /// Pairs the device of a pending request; false if there is no such request.
    pub fn approve(&self, request_id: &str) -> bool {
        let now = challenge::now_ms();
        let approved = self.shared.state().devices.approve(request_id, now);
        approved.is_some()
    }

    /// Devices that wait for approval, oldest first.
    pub fn pending(&self) -> Vec<Pending> {
        self.shared.state().devices.pending().to_vec()
    }

    /// Unpairs a device and closes its sessions with 4001.
    pub fn remove_device(&self, device_id: &str) -> bool {
        let removed = self.shared.state().devices.remove(device_id);
        if removed {
            self.shared.signal(Signal::DeviceRemoved(device_id.to_owned()));
        }
        removed
    }

    /// Sessions that are past hello and not over yet.
    pub fn welcomed(&self) -> usize {
        self.shared.welcomed.load(Ordering::Relaxed)
    }
}

/// What all sessions are told at once.
#[derive(Debug, Clone)]
enum Signal {
    Restart,
    AuthChanged,
    DeviceRemoved(String),
}

#[derive(Debug)]
struct Shared {
    policy: ArcSwap<Policy>,
    auth_generation: AtomicU64,
    welcomed: AtomicUsize,
    state: Mutex<State>,
    signals: broadcast::Sender<Signal>,
    cancel: CancellationToken,
    boot_id: String,
    started: Instant,
}

#[derive(Debug)]
struct State {
    devices: devices::Devices,
    preauth: HashMap<IpAddr, u32>,
    next: VecDeque<Misbehaviour>,
}

impl Shared {
    fn new(policy: Policy, cancel: CancellationToken) -> Self {
        Self {
            state: Mutex::new(State {
                devices: devices::Devices::new(&policy),
                preauth: HashMap::new(),
                next: VecDeque::new(),
            }),
            policy: ArcSwap::from_pointee(policy),
            auth_generation: AtomicU64::new(0),
            welcomed: AtomicUsize::new(0),
            signals: broadcast::channel(16).0,
            cancel,
            boot_id: challenge::uuid(),
            started: Instant::now(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        // With no session open there is nobody to tell.
        let _listeners = self.signals.send(signal);
    }
}

/// One unauthenticated socket of an address, counted until it is dropped.
#[derive(Debug)]
struct Unauthenticated {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Unauthenticated {
    /// `None` when the address has used up its budget.
    fn admit(shared: &Arc<Shared>, address: IpAddr, limit: u32) -> Option<Self> {
        let mut state = shared.state();
        let count = state.preauth.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Self { shared: Arc::clone(shared), address })
    }
}

impl Drop for Unauthenticated {
    fn drop(&mut self) {
        if let Some(count) = self.shared.state().preauth.get_mut(&self.address) {
            *count = count.saturating_sub(1);
        }
    }
}

/// One session past hello, counted until it is dropped.
#[derive(Debug)]
struct Welcomed(Arc<Shared>);

impl Welcomed {
    fn count(shared: &Arc<Shared>) -> Self {
        shared.welcomed.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Welcomed {
    fn drop(&mut self) {
        self.0.welcomed.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker) {
    let cancel = shared.cancel.clone();
    let serve = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let shared = Arc::clone(&shared);
                    tasks.spawn(async move {
                        let cancel = shared.cancel.clone();
                        let reception = reception::serve(stream, peer, shared);
                        cancel.run_until_cancelled(Box::pin(reception)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the stand-in gateway cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    cancel.run_until_cancelled(serve).await;
}
