//! One dial after another of the same upstream, each with its own record.

use std::{path::Path, time::Duration};

use tokio::{net::UnixStream, time::Instant};

use super::{
    addresses::{Addresses, interleaved},
    causes::{cause_of, connect_failure, failure},
    eyeballs,
    upstream::{Place, Upstream},
};
use crate::{
    session::{Dial, DialFailure, DialStep, Offset, TlsFacts},
    socket::Stream,
};

/// Dials one upstream, as often as asked.
#[derive(Debug)]
pub struct Dialer {
    upstream: Upstream,
    addresses: Addresses,
    connect_timeout: Duration,
    keepalive: Option<Duration>,
}

/// What came of one dial.
#[derive(Debug)]
pub struct Dialled {
    pub result: Result<Stream, DialFailure>,
    /// The record of it; its `failure` is that of `result`.
    pub dial: Dial,
    pub tls: Option<TlsFacts>,
}

impl Dialer {
    /// `connect_timeout` is for a whole dial, from the name to the end of the TLS handshake.
    pub fn new(upstream: Upstream, connect_timeout: Duration) -> Self {
        let addresses = Addresses::of(upstream.host().unwrap_or_default());
        Self { upstream, addresses, connect_timeout, keepalive: None }
    }

    /// TCP keepalive on what is dialled.
    #[must_use]
    pub const fn keepalive(mut self, every: Duration) -> Self {
        self.keepalive = Some(every);
        self
    }

    pub const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// # Cancel safety
    /// Dropping it gives the dial up; its record is lost with it.
    pub async fn dial(&self) -> Dialled {
        let began = Instant::now();
        let mut progress = Progress::begin(&self.upstream);
        let deadline = began + self.connect_timeout;
        let steps = Box::pin(self.steps(began, &mut progress));
        let result = match tokio::time::timeout_at(deadline, steps).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(progress.step)),
        };
        let Progress { mut dial, tls, .. } = progress;
        dial.failure = result.as_ref().err().cloned();
        Dialled { result, dial, tls }
    }

    async fn steps(&self, began: Instant, progress: &mut Progress) -> Result<Stream, DialFailure> {
        let stream = match &self.upstream.place {
            Place::Unix(path) => unix(path).await?,
            Place::Host(_, port) => self.tcp(*port, began, progress).await?,
        };
        progress.dial.connect_ms = Some(since(began));
        progress.dial.local = Some(stream.local_name());
        Ok(stream)
    }

    async fn tcp(
        &self,
        port: u16,
        began: Instant,
        progress: &mut Progress,
    ) -> Result<Stream, DialFailure> {
        progress.step = DialStep::Resolve;
        let dial = &mut progress.dial;
        dial.resolved = match self.addresses.literal() {
            Some(ip) => vec![ip],
            None => {
                let answer = self.addresses.resolve().await;
                dial.resolve_ms = Some(since(began));
                answer.map_err(|error| no_such_host(&self.upstream, &error))?.to_vec()
            }
        };
        progress.step = DialStep::Connect;
        let addresses = interleaved(&dial.resolved, port);
        let (tcp, peer) = eyeballs::connect(addresses, began, &mut dial.attempts)
            .await
            .map_err(|errors| all_failed(&self.upstream, &errors))?;
        dial.peer = Some(peer.to_string());
        let stream = Stream::from(tcp);
        if let Some(every) = self.keepalive
            && let Err(error) = stream.set_keepalive(every)
        {
            tracing::warn!(%error, "TCP keepalive could not be set on the upstream leg");
        }
        Ok(stream)
    }

    fn timed_out(&self, step: DialStep) -> DialFailure {
        let what = match step {
            DialStep::Resolve => "resolving the name of",
            DialStep::Connect => "connecting to",
            DialStep::Via => "the proxy in front of",
            DialStep::Tls => "the TLS handshake with",
        };
        let limit = humantime::format_duration(self.connect_timeout);
        failure(step, "timeout", format!("{what} {} took longer than {limit}", self.upstream))
    }
}

/// How far a dial has come; it outlives the steps when their time is up.
struct Progress {
    dial: Dial,
    tls: Option<TlsFacts>,
    step: DialStep,
}

impl Progress {
    fn begin(upstream: &Upstream) -> Self {
        let dial = Dial { url: upstream.to_string(), ..Dial::default() };
        Self { dial, tls: None, step: DialStep::Connect }
    }
}

async fn unix(path: &Path) -> Result<Stream, DialFailure> {
    match UnixStream::connect(path).await {
        Ok(unix) => Ok(unix.into()),
        Err(error) => Err(connect_failure(&format!("unix:{}", path.display()), &error)),
    }
}

fn no_such_host(upstream: &Upstream, error: &std::io::Error) -> DialFailure {
    let host = upstream.host().unwrap_or_default();
    let detail = format!("the name {host} could not be resolved: {error}");
    failure(DialStep::Resolve, "no_such_host", detail)
}

/// The cause that says most of why no address answered.
fn all_failed(
    upstream: &Upstream,
    errors: &[(std::net::SocketAddr, std::io::Error)],
) -> DialFailure {
    const TELLING: [&str; 5] = ["refused", "reset", "timeout", "permission", "unreachable"];
    let rank = |cause| TELLING.iter().position(|known| *known == cause).unwrap_or(TELLING.len());
    let Some((addr, error)) = errors.iter().min_by_key(|(_, error)| rank(cause_of(error))) else {
        let detail = format!("{upstream} has no address");
        return failure(DialStep::Resolve, "no_such_host", detail);
    };
    let mut failed = connect_failure(&addr.to_string(), error);
    if errors.len() > 1 {
        failed.detail = format!("none of {} addresses answered; {}", errors.len(), failed.detail);
    }
    failed
}

/// Time since `then`.
pub(super) fn since(then: Instant) -> Offset {
    Offset::from_micros(u64::try_from(then.elapsed().as_micros()).unwrap_or(u64::MAX))
}
