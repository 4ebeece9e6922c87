//! One sample: one load client against one running system.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::cpu;
use crate::idle::READY;
use crate::load_client::Outcome;
use crate::peers::Lineup;
use crate::process::{Process, first_line};
use crate::rows::{Metric, Row, Work};

/// Work that a system puts off (records on their way to disk) still belongs to the sample.
const SETTLE: Duration = Duration::from_millis(300);
/// Before memory is read: batches are written, freed buffers have gone back.
const REST: Duration = Duration::from_secs(2);
const STREAMS: &str = "4";
const UPGRADES_AT_ONCE: &str = "16";
const STREAM_FRAME: u64 = 1024 * 1024;
/// A system that hoards a stream is stopped here, before it takes the machine down.
const MEMORY_LIMIT: u64 = 2 * 1024 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_mins(2);

/// How large the samples are.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) window: Duration,
    pub(crate) idle_sessions: usize,
    pub(crate) stream_mib: u64,
}

/// What one sample gave.
pub(crate) struct Sample {
    pub(crate) figures: Vec<(Metric, f64)>,
    /// The system still works on what it took in.
    pub(crate) backlog: bool,
}

pub(crate) fn take(
    row: Row,
    lineup: &Lineup,
    scale: Scale,
    trust: Option<&Path>,
) -> anyhow::Result<Sample> {
    let size = |size: usize| size.to_string();
    match row.work() {
        Work::Down(bytes) => timed(row, lineup, scale, &["down", STREAMS, &size(bytes)]),
        Work::Up(bytes) => timed(row, lineup, scale, &["up", STREAMS, &size(bytes)]),
        Work::Echo(connections) => timed(row, lineup, scale, &["echo", &size(connections)]),
        Work::Upgrades => timed(row, lineup, scale, &["upgrades", UPGRADES_AT_ONCE]),
        Work::Idle => idle(lineup, scale.idle_sessions, trust),
        Work::Stream => stream(lineup, scale.stream_mib),
    }
}

/// Rates of the window, and all CPU time from before the first connection until after the last.
fn timed(row: Row, lineup: &Lineup, scale: Scale, kind: &[&str]) -> anyhow::Result<Sample> {
    let window = scale.window.as_millis().to_string();
    let server = lineup.server.to_string();
    let mut arguments = kind.to_vec();
    arguments.extend(["--window-ms", &window]);
    if matches!(row.work(), Work::Up(_)) {
        arguments.extend(["--server", &server]);
    }
    let before = cpu::on_cpu_ns(lineup.pid())?;
    let outcome = finish(client(lineup, &arguments)?)?;
    std::thread::sleep(SETTLE);
    let spent = cpu::on_cpu_ns(lineup.pid())?.saturating_sub(before);
    let cpu_ns = as_f64(spent) / outcome.units;
    let figures = row.metrics().iter().map(|&metric| (metric, figure(metric, &outcome, cpu_ns)));
    Ok(Sample { figures: figures.collect(), backlog: outcome.backlog })
}

fn figure(metric: Metric, outcome: &Outcome, cpu_ns: f64) -> f64 {
    match metric {
        Metric::MegabytesPerSecond => outcome.per_second / 1e6,
        Metric::CpuNs => cpu_ns,
        Metric::CpuUs => cpu_ns / 1e3,
        Metric::P50Us => outcome.p50_ns / 1e3,
        Metric::P99Us => outcome.p99_ns / 1e3,
        Metric::PerSecond => outcome.per_second,
        // Memory has samples of its own, below.
        Metric::KibPerSession | Metric::PeakMib => f64::NAN,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds and bytes of a sample stay far below 2^53"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// A load client against this system; its answer comes on stdout, its complaint on stderr.
fn client(lineup: &Lineup, arguments: &[&str]) -> anyhow::Result<Process> {
    let proxy = lineup.front.to_string();
    let arguments = ["load", "--proxy", &proxy].into_iter().chain(arguments.iter().copied());
    Process::spawn(&std::env::current_exe()?, arguments, |command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    })
}

fn finish(mut client: Process) -> anyhow::Result<Outcome> {
    let mut answer = String::new();
    let mut complaint = String::new();
    client.take_stdout()?.read_to_string(&mut answer)?;
    client.take_stderr()?.read_to_string(&mut complaint)?;
    if client.wait().is_err() {
        bail!("the load failed: {}", complaint.trim());
    }
    serde_json::from_str(&answer).context("an odd answer from the load client")
}

fn idle(lineup: &Lineup, sessions: usize, trust: Option<&Path>) -> anyhow::Result<Sample> {
    // The first session pays for what is made once: pools, caches, the TLS machinery.
    let _first = hold(lineup, 1, trust)?;
    std::thread::sleep(REST);
    let before = cpu::pss_bytes(lineup.pid())?;
    let _all = hold(lineup, sessions, trust)?;
    std::thread::sleep(REST);
    let grown = cpu::pss_bytes(lineup.pid())?.saturating_sub(before);
    let each = as_f64(grown) / 1024.0 / as_f64(sessions as u64);
    Ok(Sample { figures: vec![(Metric::KibPerSession, each)], backlog: false })
}

fn hold(lineup: &Lineup, sessions: usize, trust: Option<&Path>) -> anyhow::Result<Process> {
    let count = sessions.to_string();
    let mut arguments = vec!["idle", &count];
    let trust = trust.map(|file| file.display().to_string());
    if let Some(trust) = &trust {
        arguments.extend(["--trust", trust]);
    }
    let mut client = client(lineup, &arguments)?;
    let ready =
        first_line(client.take_stdout()?, PATIENCE, |line| (line.trim() == READY).then_some(()));
    if ready.is_err() {
        let mut complaint = String::new();
        client.close_stdin();
        client.take_stderr()?.read_to_string(&mut complaint)?;
        bail!("{sessions} sessions could not be held: {}", complaint.trim());
    }
    Ok(client)
}

fn stream(lineup: &Lineup, mib: u64) -> anyhow::Result<Sample> {
    let frames = mib.to_string();
    let size = STREAM_FRAME.to_string();
    let mut client = client(lineup, &["bulk", &size, &frames])?;
    let mut peak = 0;
    while client.is_running()? {
        peak = peak.max(cpu::pss_bytes(lineup.pid())?);
        if peak > MEMORY_LIMIT {
            bail!("stopped at {} MiB", MEMORY_LIMIT / 1024 / 1024);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let outcome = finish(client)?;
    let figures = vec![
        (Metric::PeakMib, as_f64(peak) / 1024.0 / 1024.0),
        (Metric::MegabytesPerSecond, outcome.per_second / 1e6),
    ];
    Ok(Sample { figures, backlog: false })
}
