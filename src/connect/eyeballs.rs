//! Connecting to the first of several addresses that answers (RFC 8305 §5).

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::Instant};

use super::dialer::since;
use crate::{session::Attempt, socket::errno_name};

/// RFC 8305 §8: the Connection Attempt Delay.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects with Nagle's algorithm off. `attempts` is complete at each moment, so that a caller
/// who gives up still knows what was tried.
///
/// # Errors
/// The error of each address, in the order in which they failed.
pub(super) async fn connect(
    addresses: Vec<SocketAddr>,
    began: Instant,
    attempts: &mut Vec<Attempt>,
) -> Result<(TcpStream, SocketAddr), Vec<(SocketAddr, io::Error)>> {
    let mut waiting: VecDeque<SocketAddr> = addresses.into();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        if let Some(addr) = waiting.pop_front() {
            let number = attempts.len();
            attempts.push(Attempt { addr, started_ms: since(began), took_ms: None, error: None });
            running.push(async move {
                let started = Instant::now();
                let connected = TcpStream::connect(addr).await.and_then(|tcp| {
                    tcp.set_nodelay(true)?;
                    Ok(tcp)
                });
                (number, addr, started, connected)
            });
        }
        if running.is_empty() {
            return Err(failed);
        }
        let next = tokio::select! {
            next = running.next() => next,
            () = tokio::time::sleep(STAGGER), if !waiting.is_empty() => None,
        };
        let Some((number, addr, started, connected)) = next else { continue };
        if let Some(attempt) = attempts.get_mut(number) {
            attempt.took_ms = Some(since(started));
            attempt.error = connected.as_ref().err().map(errno_name);
        }
        match connected {
            Ok(tcp) => return Ok((tcp, addr)),
            Err(error) => failed.push((addr, error)),
        }
    }
}
