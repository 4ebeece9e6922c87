//! The upstream behind the proxy: takes whatever comes, and hands each request to the trial that
//! sent it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::head::{self, latin1};
use crate::accept::{Accept, Listener};
use crate::session::Head;
use crate::socket::Stream;
use crate::upgrade::{First, read_first};

/// For a head that has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than this of one request are as much of a finding as this.
const REPEATS: usize = 16;

/// A request that came through the proxy.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) stream: Stream,
    pub(super) head: Head,
    /// What came behind the head.
    pub(super) behind: Vec<u8>,
}

/// What came and is no request of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alien {
    Tls,
    Http2,
    ProxyProtocol,
}

#[derive(Debug)]
pub(super) struct Hub {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<HashMap<String, mpsc::Sender<Arrival>>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: u64,
    alien: Option<Alien>,
}

/// A trial's place at the hub.
#[derive(Debug)]
pub(super) struct Waiting {
    token: String,
    arrivals: mpsc::Receiver<Arrival>,
    shared: Arc<Shared>,
}

impl Hub {
    pub(super) fn start(mut listener: Listener) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Accept::Accepted(incoming) => {
                        lock(&theirs.seen).connections += 1;
                        tokio::spawn(receive(incoming.stream, Arc::clone(&theirs)));
                    }
                    Accept::Paused(error) => tracing::warn!(%error, "cannot accept for now"),
                    Accept::Resumed => {}
                }
            }
        });
        Self { shared, accepting }
    }

    /// Requests with this token will be handed out here.
    pub(super) fn expect(&self, token: &str) -> Waiting {
        let (sender, arrivals) = mpsc::channel(REPEATS);
        lock(&self.shared.waiting).insert(token.to_owned(), sender);
        Waiting { token: token.to_owned(), arrivals, shared: Arc::clone(&self.shared) }
    }

    /// Connections of any kind so far.
    pub(super) fn connections(&self) -> u64 {
        lock(&self.shared.seen).connections
    }

    /// Another protocol than HTTP/1 that the proxy spoke.
    pub(super) fn alien(&self) -> Option<Alien> {
        lock(&self.shared.seen).alien
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Waiting {
    pub(super) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&self.shared.waiting).remove(&self.token);
    }
}

async fn receive(mut stream: Stream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    let first = read_first(&mut stream, &mut buffer, PATIENCE).await;
    if let Some(alien) = Alien::of(&buffer) {
        lock(&shared.seen).alien.get_or_insert(alien);
    }
    let First::Head(found) = first else { return };
    let behind = buffer.split_off(found.len);
    let head = latin1(&buffer);
    let waiting = head::token(&head).and_then(|token| lock(&shared.waiting).get(&token).cloned());
    if let Some(trial) = waiting {
        if let Err(error) = trial.try_send(Arrival { stream, head, behind }) {
            tracing::debug!(%error, "a request that nobody waits for any more");
        }
        return;
    }
    // A health check of the proxy, most likely: it is to find this upstream alive.
    let answer = head::answer("200 OK", "");
    if let Err(error) = stream.write_all(answer.raw.as_bytes()).await {
        tracing::debug!(%error, "a stranger went away");
    }
}

impl Alien {
    fn of(bytes: &[u8]) -> Option<Self> {
        const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
        if bytes.starts_with(b"PRI * HTTP/2.0") {
            Some(Self::Http2)
        } else if bytes.starts_with(PROXY_V2) || bytes.starts_with(b"PROXY ") {
            Some(Self::ProxyProtocol)
        } else if bytes.starts_with(&[0x16, 0x03]) {
            Some(Self::Tls)
        } else {
            None
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
