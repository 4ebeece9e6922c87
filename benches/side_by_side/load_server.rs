//! The server side of the load: one process per measured system, so that its counts belong to that system alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::frame::{self, Front};
use crate::handshake;
use crate::job::Job;

/// Asked directly, not through the proxy: how many bytes the sinks have read so far.
pub(crate) const RECEIVED: &str = "/received";

/// Serves for ever; the first line on stdout is the port.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    super::announce(listener.local_addr()?.port())?;
    let received = Arc::new(AtomicU64::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            // A proxy that cuts a session is seen by the load client; nothing is decided here.
            let _ended = session(stream, &received).await;
        });
    }
}

async fn session(mut stream: TcpStream, received: &AtomicU64) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let Some(head) = handshake::read_head(&mut stream).await? else {
        return Ok(());
    };
    let path = head.path().context("a request without a path")?;
    if path == RECEIVED {
        let count = received.load(Ordering::Relaxed);
        stream.write_all(count.to_string().as_bytes()).await?;
        return Ok(());
    }
    let job: Job = path.parse()?;
    handshake::accept(&mut stream, &head).await?;
    match job {
        Job::Down { size, frames } => down(stream, size, frames).await,
        Job::Up => sink(stream, received).await,
        Job::Echo => echo(stream).await,
    }
}

/// Sends until `frames` are out or the client says that it has enough: any byte or a FIN.
async fn down(stream: TcpStream, size: usize, frames: u64) -> anyhow::Result<()> {
    let (read, write) = stream.into_split();
    let enough = Arc::new(AtomicBool::new(false));
    let listening = tokio::spawn(wait_for_client(read, Arc::clone(&enough)));
    let sent = send(write, size, frames, &enough).await;
    listening.await?;
    sent
}

async fn wait_for_client(mut read: OwnedReadHalf, enough: Arc<AtomicBool>) {
    let mut one = [0; 1];
    // Whatever came, a byte, a FIN or an error: it is the end of sending.
    let _outcome = read.read(&mut one).await;
    enough.store(true, Ordering::Relaxed);
}

async fn send(
    mut write: OwnedWriteHalf,
    size: usize,
    frames: u64,
    enough: &AtomicBool,
) -> anyhow::Result<()> {
    let block = frame::block(size, false);
    let mut left = match frames {
        0 => usize::MAX,
        frames => usize::try_from(frames)?.saturating_mul(frame::wire_len(size, false)),
    };
    while left > 0 && !enough.load(Ordering::Relaxed) {
        let part = &block[..block.len().min(left)];
        write.write_all(part).await?;
        left -= part.len();
    }
    write.shutdown().await?;
    Ok(())
}

async fn sink(mut stream: TcpStream, received: &AtomicU64) -> anyhow::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        received.fetch_add(read as u64, Ordering::Relaxed);
    }
}

async fn echo(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut waiting = Vec::with_capacity(512);
    loop {
        match frame::front(&waiting) {
            Front::Incomplete => {
                if stream.read_buf(&mut waiting).await? == 0 {
                    return Ok(());
                }
            }
            Front::Short(payload, used) => {
                waiting.drain(..used);
                stream.write_all(&frame::text(&payload, false)).await?;
            }
            Front::Stop => return Ok(()),
        }
    }
}
