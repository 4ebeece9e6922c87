//! Connecting to the first of several addresses that answers (RFC 8305 §5).

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::Instant};

use super::{dialer::since, shortage::patiently};
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
                let connected = patiently(|| TcpStream::connect(addr)).await.and_then(|tcp| {
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// A port that nobody listens at, and nobody else can take.
    fn closed() -> (Socket, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, addr)
    }

    #[tokio::test]
    async fn a_refusal_moves_on_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let refused = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, good.port()));
        let mut attempts = Vec::new();
        let (_, peer) = connect(vec![refused, good], Instant::now(), &mut attempts).await.unwrap();
        assert_eq!(peer, good);
        let errors: Vec<_> = attempts.iter().map(|one| one.error.as_deref()).collect();
        assert_eq!(errors, [Some("ECONNREFUSED"), None]);
    }

    #[tokio::test]
    async fn a_silent_address_is_overtaken() {
        let (hole, silent) = closed();
        hole.listen(0).unwrap();
        // Fill its backlog: further SYNs are dropped.
        let mut fillers = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(filler) = tokio::time::timeout(patience, TcpStream::connect(silent)).await {
            fillers.push(filler.unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let mut attempts = Vec::new();
        let (_, peer) = connect(vec![silent, good], Instant::now(), &mut attempts).await.unwrap();
        assert_eq!(peer, good);
        assert_eq!((attempts[0].took_ms, attempts[0].error.as_deref()), (None, None));
        assert!(attempts[1].took_ms.is_some());
        let waited = attempts[1].started_ms.since(attempts[0].started_ms);
        assert!(waited.micros() >= 250_000, "{waited}");
    }

    #[tokio::test]
    async fn no_answer_at_all_keeps_every_error() {
        let (_one, first) = closed();
        let (_other, second) = closed();
        let mut attempts = Vec::new();
        let errors = connect(vec![first, second], Instant::now(), &mut attempts).await.unwrap_err();
        let failed: Vec<SocketAddr> = errors.iter().map(|(addr, _)| *addr).collect();
        assert_eq!(failed, [first, second]);
    }
}
