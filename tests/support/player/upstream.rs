//! The gateway's port: listening, or bound with nobody listening, so that a dial is refused.

use super::end::End;
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::io::{ErrorKind, Result};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Made before the proxy, which is started with its port; refuses until a session is played.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    /// Keeps the port ours while nobody listens on it.
    _holder: Socket,
    listening: Mutex<Option<(Arc<Socket>, JoinHandle<()>)>>,
    arrivals: Arc<Arrivals>,
}

#[derive(Debug, Default)]
struct Arrivals {
    queue: Mutex<VecDeque<End>>,
    changed: Condvar,
}

impl Arrivals {
    fn queue(&self) -> MutexGuard<'_, VecDeque<End>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    pub(crate) fn new() -> Result<Self> {
        let holder = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = holder.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
        Ok(Self { address, _holder: holder, listening: Mutex::default(), arrivals: Arc::default() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Panics when the port, which is ours, cannot be listened on.
    pub(crate) fn set_listening(&self, on: bool) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if !on {
            if let Some((socket, acceptor)) = listening.take() {
                socket.shutdown(Shutdown::Both).ok();
                acceptor.join().ok();
            }
        } else if listening.is_none() {
            let socket = bound(self.address)
                .and_then(|socket| socket.listen(128).map(|()| Arc::new(socket)));
            let socket =
                socket.unwrap_or_else(|e| panic!("cannot listen on {}: {e}", self.address));
            let acceptor = thread::spawn({
                let (socket, arrivals) = (Arc::clone(&socket), Arc::clone(&self.arrivals));
                move || accept_all(&socket, &arrivals)
            });
            *listening = Some((socket, acceptor));
        }
    }

    /// Closes connections that belong to no session, such as a probe by the proxy.
    pub(super) fn drain(&self) {
        self.arrivals.queue().clear();
    }

    /// The next connection, waiting for at most `wait`.
    pub(super) fn next(&self, wait: Duration) -> Option<End> {
        let queue = self.arrivals.queue();
        let waited =
            self.arrivals.changed.wait_timeout_while(queue, wait, |queue| queue.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.pop_front()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.set_listening(false);
    }
}

fn bound(address: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // The holder and the listening socket share the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn accept_all(socket: &Socket, arrivals: &Arrivals) {
    loop {
        match socket.accept().and_then(|(connection, _)| End::new(connection.into())) {
            Ok(end) => {
                arrivals.queue().push_back(end);
                arrivals.changed.notify_all();
            }
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {
            }
            Err(_) => return,
        }
    }
}
