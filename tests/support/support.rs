//! What the targets with outside programs share: child processes with an owner, free ports,
//! waiting with a deadline, and the tap itself as a child.

pub(crate) mod child;
pub(crate) mod record;
pub(crate) mod tap;
pub(crate) mod warden;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// A loopback port that was free a moment ago. Only for programs that cannot bind port 0 and say
/// which one they got; whoever uses it must be ready to find it taken.
///
/// Some of them take ten seconds to bind it. So it lies below the ports that the kernel gives to
/// whoever asks for any (32768 and up), and no two callers of a process are given the same.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = fastrand::u16(12_000..32_000);
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}

/// A loopback port that refuses connections as long as this is kept.
#[derive(Debug)]
pub(crate) struct ClosedPort {
    pub(crate) addr: SocketAddr,
    /// Bound and never listened on, so that nobody else gets the port.
    _socket: Socket,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a loopback port");
        let addr = socket.local_addr().expect("its address").as_socket().expect("an IP address");
        Self { addr, _socket: socket }
    }
}

/// Asks until `question` has an answer, or fails the test saying `what` did not happen.
pub(crate) fn wait_for<T>(
    what: &str,
    within: Duration,
    mut question: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
