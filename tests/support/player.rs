//! Plays a recorded session trace through a proxy over loopback sockets, as both ends at once, and names every difference.
//!
//! The script keeps the recorded order: a step of one side runs only when everything the other side sent before it has
//! arrived. Sessions of kind `tls-opaque` are skipped, their bytes were not recorded. The proxy stands between the client
//! and whatever cut or dropped bytes in the recording: the client's own request goes in, a recorded drop towards the client
//! is never sent, and a cut by the recorder comes from the gateway.
//!
//! A test target brings it in with
//! `#[path = "../support"] mod support { pub(crate) mod player; }`.

mod compare;
mod end;
mod run;
mod script;
mod trace;
mod upstream;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use end::Ending;
pub(crate) use trace::{Side, Trace, main_session};
pub(crate) use upstream::Upstream;

/// How fast a trace is played and how long each step may take.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Recorded gaps are divided by this.
    pub(crate) speed: f64,
    /// Longest gap that is kept; `None` keeps all.
    pub(crate) max_gap: Option<Duration>,
    pub(crate) step_timeout: Duration,
    pub(crate) fin_timeout: Duration,
    /// Mask keys are not recorded; they are drawn from this.
    pub(crate) seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            speed: 1.0,
            max_gap: None,
            step_timeout: Duration::from_secs(10),
            fin_timeout: Duration::from_secs(2),
            seed: 0,
        }
    }
}

impl Options {
    fn gap(&self, milliseconds: f64) -> Duration {
        let gap = Duration::from_secs_f64(milliseconds.max(0.0) / 1000.0 / self.speed);
        self.max_gap.map_or(gap, |cap| gap.min(cap))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    RequestHead,
    ResponseHead,
    ClientBytes,
    GatewayBytes,
    Body,
    Remasked,
    Ending,
    FinNotPropagated,
    ProxyAnswered,
    NoUpstreamConnection,
    SendFailed,
    Timeout,
    NoTap,
}

impl ProblemKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequestHead => "request_head",
            Self::ResponseHead => "response_head",
            Self::ClientBytes => "c2s_bytes",
            Self::GatewayBytes => "s2c_bytes",
            Self::Body => "body",
            Self::Remasked => "remasked",
            Self::Ending => "ending",
            Self::FinNotPropagated => "fin_not_propagated",
            Self::ProxyAnswered => "proxy_answered",
            Self::NoUpstreamConnection => "no_upstream_connection",
            Self::SendFailed => "send_failed",
            Self::Timeout => "timeout",
            Self::NoTap => "no_tap",
        }
    }
}

/// One difference between what was sent and what came out of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    /// The side that saw it.
    pub(crate) side: Option<Side>,
    pub(crate) detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Some(side) => write!(f, "{} at the {side}: {}", self.kind.name(), self.detail),
            None => write!(f, "{}: {}", self.kind.name(), self.detail),
        }
    }
}

/// Bytes written by one end and read by the other.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

/// What came of one session of the trace.
#[derive(Debug)]
pub(crate) struct SessionResult {
    /// Index in the trace.
    pub(crate) session: usize,
    pub(crate) refused: bool,
    pub(crate) problems: Vec<Problem>,
    pub(crate) client_to_gateway: Traffic,
    pub(crate) gateway_to_client: Traffic,
    /// The end each side saw, client first.
    pub(crate) saw: [Option<Ending>; 2],
}

/// Plays every playable session; one result per session, in order.
pub(crate) fn play(
    trace: &Trace,
    tap: SocketAddr,
    upstream: &Upstream,
    options: &Options,
) -> Vec<SessionResult> {
    let playable = trace.playable();
    let Some(&first) = playable.first() else { return Vec::new() };
    let base = trace.sessions[first].started_at_ms;
    let recorded =
        playable.iter().map(|&index| trace.sessions[index].last_ms() - base).fold(0.0, f64::max);
    let deadline = Instant::now()
        + Duration::from_secs_f64(recorded / 1000.0 / options.speed)
        + Duration::from_mins(1);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let (mut previous, mut due) = (base, Instant::now());
        for &index in &playable {
            let session = &trace.sessions[index];
            due += options.gap(session.started_at_ms - previous);
            previous = previous.max(session.started_at_ms);
            thread::sleep(due.min(deadline).saturating_duration_since(Instant::now()));
            let script = script::build(session, options.seed ^ trace.seed(index));
            let refused = script.refused;
            upstream.set_listening(!refused);
            upstream.drain();
            // The run drops its sender once it holds its upstream connection, so the next session cannot take it.
            let (matched, until_matched) = mpsc::channel::<()>();
            let place = run::Place { tap, upstream, options, deadline };
            let thread = scope.spawn(move || run::run(index, session, script, place, matched));
            until_matched.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
            if refused {
                while !thread.is_finished() && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            threads.push(thread);
        }
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|e| resume_unwind(e)))
            .collect()
    })
}
