//! One dial after another of the same upstream, each with its own record.

use std::{path::Path, time::Duration};

use thiserror::Error;
use tokio::{net::UnixStream, time::Instant};

use super::{
    addresses::{Addresses, interleaved},
    causes::{cause_of, connect_failure, failure},
    eyeballs,
    shortage::patiently,
    tls::{ClientTls, ClientTlsError, ClientTlsSettings},
    upstream::{Place, Upstream},
    via::{ViaError, ViaSpec},
};
use crate::{
    session::{Dial, DialFailure, DialStep, Offset, TlsFacts},
    socket::{Raw, Stream},
};

/// How an upstream is to be dialled.
#[derive(Clone, Debug)]
pub struct DialSettings {
    pub via: Option<ViaSpec>,
    /// Read only when the upstream's URL asks for TLS.
    pub tls: ClientTlsSettings,
    /// For a whole dial, from the name to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// TCP keepalive on what is dialled.
    pub keepalive: Option<Duration>,
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            via: None,
            tls: ClientTlsSettings::default(),
            connect_timeout: Duration::from_secs(10),
            keepalive: None,
        }
    }
}

/// Why an upstream cannot be dialled as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialerError {
    #[error(transparent)]
    Tls(#[from] ClientTlsError),
    #[error(transparent)]
    Via(#[from] ViaError),
}

/// Dials one upstream, as often as asked.
#[derive(Debug)]
pub struct Dialer {
    upstream: Upstream,
    via: Option<ViaSpec>,
    tls: Option<ClientTls>,
    /// Of the proxy when there is one, for then the upstream's name is the proxy's to resolve.
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
    /// After a failed handshake too, as far as it had come.
    pub tls: Option<TlsFacts>,
}

impl Dialer {
    /// Reads the certificates that it needs.
    pub fn new(upstream: Upstream, settings: DialSettings) -> Result<Self, DialerError> {
        let DialSettings { via, tls, connect_timeout, keepalive } = settings;
        if via.is_some() && upstream.host().is_none() {
            return Err(ViaError::UnixUpstream.into());
        }
        let host = upstream.host().unwrap_or_default();
        let tls = upstream.is_tls().then(|| ClientTls::new(&tls, host)).transpose()?;
        let addresses = Addresses::of(via.as_ref().map_or(host, |via| &via.host));
        Ok(Self { upstream, via, tls, addresses, connect_timeout, keepalive })
    }

    pub const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub const fn via(&self) -> Option<&ViaSpec> {
        self.via.as_ref()
    }

    /// # Cancel safety
    /// Dropping it gives the dial up; its record is lost with it.
    pub async fn dial(&self) -> Dialled {
        let began = Instant::now();
        let mut progress = Progress::begin(&self.upstream);
        let deadline = began + self.connect_timeout;
        // On the heap, so that a session's future is not as large as its dial.
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
        let mut raw = match &self.upstream.place {
            Place::Unix(path) => unix(path, progress).await?,
            Place::Host(_, port) => {
                let port = self.via.as_ref().map_or(*port, |via| via.port);
                self.tcp(port, began, progress).await.map_err(|failed| self.blame(failed))?
            }
        };
        progress.dial.local = Some(raw.local_name());
        if let (Some(via), Place::Host(host, port)) = (&self.via, &self.upstream.place) {
            progress.step = DialStep::Via;
            let record = progress.dial.via.insert(via.record(host, *port));
            via.tunnel(&mut raw, (host, *port), &mut record.status).await?;
        }
        let Some(tls) = &self.tls else { return Ok(raw.into()) };
        progress.step = DialStep::Tls;
        tls.connect(raw, &mut progress.tls).await
    }

    async fn tcp(
        &self,
        port: u16,
        began: Instant,
        progress: &mut Progress,
    ) -> Result<Raw, DialFailure> {
        progress.step = DialStep::Resolve;
        let dial = &mut progress.dial;
        dial.resolved = if let Some(ip) = self.addresses.literal() {
            vec![ip]
        } else {
            let answer = self.addresses.resolve().await;
            dial.resolve_ms = Some(since(began));
            answer.map_err(|error| no_such_host(self.addresses.host(), &error))?.to_vec()
        };
        progress.step = DialStep::Connect;
        let addresses = interleaved(&dial.resolved, port);
        let resolved = Instant::now();
        let (tcp, peer) = eyeballs::connect(addresses, began, &mut dial.attempts)
            .await
            .map_err(|errors| all_failed(self.addresses.host(), &errors))?;
        dial.connect_ms = Some(since(resolved));
        dial.peer = Some(peer.to_string());
        let raw = Raw::Tcp(tcp);
        if let Some(every) = self.keepalive
            && let Err(error) = raw.set_keepalive(every)
        {
            tracing::warn!(%error, "TCP keepalive could not be set on the upstream leg");
        }
        Ok(raw)
    }

    /// A proxy that cannot be reached says nothing of the upstream.
    fn blame(&self, failed: DialFailure) -> DialFailure {
        match &self.via {
            None => failed,
            Some(via) => DialFailure {
                step: DialStep::Via,
                detail: format!("the proxy {via} cannot be reached: {}", failed.detail),
                ..failed
            },
        }
    }

    fn timed_out(&self, step: DialStep) -> DialFailure {
        let what = match step {
            DialStep::Resolve => "resolving the name of",
            DialStep::Connect => "connecting to",
            DialStep::Via => "a tunnel through the proxy to",
            DialStep::Tls => "the TLS handshake with",
        };
        let limit = humantime::format_duration(self.connect_timeout);
        let timed_out = |place: &str| {
            failure(step, "timeout", format!("{what} {place} took longer than {limit}"))
        };
        match (&self.via, step) {
            (Some(via), DialStep::Resolve | DialStep::Connect) => {
                self.blame(timed_out(&via.to_string()))
            }
            (Some(_), DialStep::Via | DialStep::Tls) | (None, _) => {
                timed_out(&self.upstream.to_string())
            }
        }
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

async fn unix(path: &Path, progress: &mut Progress) -> Result<Raw, DialFailure> {
    let began = Instant::now();
    let place = format!("unix:{}", path.display());
    let unix = patiently(|| UnixStream::connect(path))
        .await
        .map_err(|error| connect_failure(&place, &error))?;
    progress.dial.connect_ms = Some(since(began));
    progress.dial.peer = Some(place);
    Ok(Raw::Unix(unix))
}

fn no_such_host(host: &str, error: &std::io::Error) -> DialFailure {
    let detail = format!("the name {host} could not be resolved: {error}");
    failure(DialStep::Resolve, "no_such_host", detail)
}

/// The cause that says most of why no address answered.
fn all_failed(host: &str, errors: &[(std::net::SocketAddr, std::io::Error)]) -> DialFailure {
    const TELLING: [&str; 5] = ["refused", "reset", "timeout", "permission", "unreachable"];
    let rank = |cause| TELLING.iter().position(|known| *known == cause).unwrap_or(TELLING.len());
    let Some((addr, error)) = errors.iter().min_by_key(|(_, error)| rank(cause_of(error))) else {
        let detail = format!("the name {host} has no address");
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
