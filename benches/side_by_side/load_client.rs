//! The client side of the load: one process per sample, which prints one [`Outcome`] as JSON.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::frame;
use crate::handshake;
use crate::job::Job;
use crate::load_server::RECEIVED;

/// Sockets and buffers grow, branch predictors learn: nothing is timed before this has passed.
const WARM_UP: Duration = Duration::from_millis(150);
/// How long a proxy may take to deliver what it holds after the client has said that it is enough.
const DRAIN: Duration = Duration::from_secs(3);
const BUFFER: usize = 256 * 1024;
const PING: usize = 64;

/// What one sample saw.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Outcome {
    /// Frames, round trips or upgrades of the whole sample: what the proxy's CPU time is divided by.
    pub(crate) units: f64,
    /// Bytes (streams), round trips or upgrades per second of the timed window.
    pub(crate) per_second: f64,
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
    /// The proxy still held bytes when the client lost patience: `units` lacks them.
    pub(crate) backlog: bool,
}

/// What all kinds of load need to know.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) proxy: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) window: Duration,
}

pub(crate) async fn open(proxy: SocketAddr, job: Job) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let rest = handshake::upgrade(&mut stream, &proxy.to_string(), &job.to_string()).await?;
    Ok((stream, rest))
}

/// Runs the timed window: `count` at its start and end, per second.
async fn rate(
    window: Duration,
    count: impl AsyncFn() -> anyhow::Result<u64>,
) -> anyhow::Result<f64> {
    tokio::time::sleep(WARM_UP).await;
    let (first, start) = (count().await?, Instant::now());
    tokio::time::sleep(window).await;
    let (last, end) = (count().await?, Instant::now());
    Ok(as_f64(last - first) / (end - start).as_secs_f64())
}

/// Counts of a sample stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a sample stay far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Whether one of the tasks left bytes behind.
async fn any_backlog(mut tasks: JoinSet<anyhow::Result<Backlog>>) -> anyhow::Result<bool> {
    let mut any = false;
    while let Some(ended) = tasks.join_next().await {
        any |= matches!(ended??, Backlog::Left);
    }
    Ok(any)
}

/// What a stream left in the proxy.
enum Backlog {
    Nothing,
    Left,
}

impl Backlog {
    async fn after(drain: impl Future<Output = ()>) -> Self {
        match tokio::time::timeout(DRAIN, drain).await {
            Ok(()) => Self::Nothing,
            Err(_) => Self::Left,
        }
    }
}

/// The gateway sends, the client counts; afterwards the client ends its side and drains what is under way.
pub(crate) async fn down(load: Load, size: usize) -> anyhow::Result<Outcome> {
    let received = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..load.connections {
        let (stream, rest) = open(load.proxy, Job::Down { size, frames: 0 }).await?;
        received.fetch_add(rest.len() as u64, Ordering::Relaxed);
        tasks.spawn(drink(stream, Arc::clone(&received), Arc::clone(&stop)));
    }
    let per_second = rate(load.window, async || Ok(received.load(Ordering::Relaxed))).await?;
    stop.store(true, Ordering::Relaxed);
    let backlog = any_backlog(tasks).await?;
    let units =
        as_f64(received.load(Ordering::Relaxed)) / as_f64(frame::wire_len(size, false) as u64);
    Ok(Outcome { units, per_second, backlog, ..Outcome::default() })
}

async fn drink(
    mut stream: TcpStream,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Backlog> {
    let mut buffer = vec![0; BUFFER];
    while !stop.load(Ordering::Relaxed) {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the stream ended before it was told to");
        received.fetch_add(read as u64, Ordering::Relaxed);
    }
    stream.shutdown().await?;
    let drain = async {
        // A proxy that answers the end with a reset has ended as well.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            received.fetch_add(read as u64, Ordering::Relaxed);
        }
    };
    Ok(Backlog::after(drain).await)
}

/// The client sends, the server counts.
pub(crate) async fn up(load: Load, size: usize, server: SocketAddr) -> anyhow::Result<Outcome> {
    let block: Arc<[u8]> = frame::block(size, true).into();
    let stop = Arc::new(AtomicBool::new(false));
    let before = received_by(server).await?;
    let mut tasks = JoinSet::new();
    for _ in 0..load.connections {
        let (stream, _) = open(load.proxy, Job::Up).await?;
        tasks.spawn(pour(stream, Arc::clone(&block), Arc::clone(&stop)));
    }
    let per_second = rate(load.window, async || received_by(server).await).await?;
    stop.store(true, Ordering::Relaxed);
    let backlog = any_backlog(tasks).await?;
    let bytes = received_by(server).await? - before;
    let units = as_f64(bytes) / as_f64(frame::wire_len(size, true) as u64);
    Ok(Outcome { units, per_second, backlog, ..Outcome::default() })
}

async fn pour(
    mut stream: TcpStream,
    block: Arc<[u8]>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Backlog> {
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&block).await?;
    }
    stream.shutdown().await?;
    Ok(Backlog::after(async {
        // The sink closes when it has read everything; a reset instead of a FIN is an end too.
        let _end = stream.read_to_end(&mut Vec::new()).await;
    })
    .await)
}

async fn received_by(server: SocketAddr) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("GET {RECEIVED} HTTP/1.1\r\n\r\n").as_bytes()).await?;
    let mut count = String::new();
    stream.read_to_string(&mut count).await?;
    count.parse().context("an odd count from the load server")
}

/// Ping-pong of 64 B text frames.
pub(crate) async fn echo(load: Load) -> anyhow::Result<Outcome> {
    let trips = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let timed_from = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for _ in 0..load.connections {
        let (stream, _) = open(load.proxy, Job::Echo).await?;
        tasks.spawn(play(stream, Arc::clone(&trips), Arc::clone(&stop), timed_from));
    }
    let per_second = rate(load.window, async || Ok(trips.load(Ordering::Relaxed))).await?;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    times.sort_unstable();
    let units = as_f64(trips.load(Ordering::Relaxed));
    let (p50_ns, p99_ns) = (quantile(&times, 50)?, quantile(&times, 99)?);
    Ok(Outcome { units, per_second, p50_ns, p99_ns, backlog: false })
}

fn quantile(sorted: &[u64], percent: usize) -> anyhow::Result<f64> {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().map(as_f64).context("not one round trip in the window")
}

async fn play(
    mut stream: TcpStream,
    trips: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    timed_from: Instant,
) -> anyhow::Result<Vec<u64>> {
    let ping = frame::text(&frame::payload(PING), true);
    let expected = frame::text(&frame::payload(PING), false);
    let mut answer = vec![0; expected.len()];
    let mut times = Vec::with_capacity(64 * 1024);
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        stream.write_all(&ping).await?;
        stream.read_exact(&mut answer).await?;
        if start >= timed_from {
            times.push(u64::try_from(start.elapsed().as_nanos())?);
        }
        ensure!(answer == expected, "the echo differs from what was sent");
        trips.fetch_add(1, Ordering::Relaxed);
    }
    Ok(times)
}

/// Connect, upgrade, close with a FIN; `connections` at a time.
pub(crate) async fn upgrades(load: Load) -> anyhow::Result<Outcome> {
    let done = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..load.connections {
        let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                drop(open(load.proxy, Job::Echo).await?);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Backlog::Nothing)
        });
    }
    let per_second = rate(load.window, async || Ok(done.load(Ordering::Relaxed))).await?;
    stop.store(true, Ordering::Relaxed);
    let backlog = any_backlog(tasks).await?;
    let units = as_f64(done.load(Ordering::Relaxed));
    Ok(Outcome { units, per_second, backlog, ..Outcome::default() })
}

/// One session of `frames` frames of `size` bytes, read to its last byte.
pub(crate) async fn bulk(proxy: SocketAddr, size: usize, frames: u64) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let (mut stream, rest) = open(proxy, Job::Down { size, frames }).await?;
    let total = frames * frame::wire_len(size, false) as u64;
    let mut received = rest.len() as u64;
    let mut buffer = vec![0; BUFFER];
    while received < total {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the stream ended {} bytes early", total - received);
        received += read as u64;
    }
    let per_second = as_f64(received) / start.elapsed().as_secs_f64();
    Ok(Outcome { units: as_f64(frames), per_second, ..Outcome::default() })
}
