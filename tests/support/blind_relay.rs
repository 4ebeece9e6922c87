//! A small relay that knows no protocol: bytes as they come, FIN as FIN, RST as RST; or one that breaks exactly one of these.

use socket2::SockRef;
use std::io::{Read as _, Result, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The one thing the relay does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Alters the last byte of what the gateway sends after its head.
    AlterByte,
    /// Takes this header out of the request.
    DropHeader(&'static str),
    ResetAsFin,
    FinAsReset,
    SwallowFin,
    /// Ends both ways after so many bytes from the gateway.
    CloseAfter(usize),
    /// Answers 502 when the gateway refuses.
    AnswerRefusal,
}

/// Listens until dropped.
#[derive(Debug)]
pub(crate) struct BlindRelay {
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
}

impl BlindRelay {
    pub(crate) fn start(upstream: SocketAddr, fault: Fault) -> Result<Self> {
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
        let acceptor = thread::spawn({
            let listener = Arc::clone(&listener);
            move || accept_all(&listener, upstream, fault)
        });
        Ok(Self { listener, acceptor: Some(acceptor) })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Drop for BlindRelay {
    fn drop(&mut self) {
        SockRef::from(&*self.listener).shutdown(Shutdown::Both).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

fn accept_all(listener: &TcpListener, upstream: SocketAddr, fault: Fault) {
    thread::scope(|scope| {
        while let Ok((client, _)) = listener.accept() {
            scope.spawn(move || relay(&client, upstream, fault));
        }
    });
}

fn relay(mut client: &TcpStream, upstream: SocketAddr, fault: Fault) {
    let Ok(gateway) = TcpStream::connect(upstream) else {
        if fault == Fault::AnswerRefusal {
            // Unread bytes would turn the close into a RST that could overtake the answer.
            let request = client.read(&mut [0; 16384]);
            let answered =
                request.and_then(|_| client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"));
            answered.ok();
        }
        return;
    };
    let was_reset = AtomicBool::new(false);
    let up = Pump { from: client, to: &gateway, upwards: true, fault, was_reset: &was_reset };
    let down = Pump { from: &gateway, to: client, upwards: false, fault, was_reset: &was_reset };
    client.set_nodelay(true).ok();
    gateway.set_nodelay(true).ok();
    thread::scope(|scope| {
        scope.spawn(move || up.run());
        down.run();
    });
}

/// One direction of one connection.
struct Pump<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    upwards: bool,
    fault: Fault,
    was_reset: &'a AtomicBool,
}

impl Pump<'_> {
    fn run(&self) {
        let mut chunk = vec![0; 65536];
        let (mut passed, mut head) = (0, Vec::new());
        loop {
            let (mut from, mut to) = (self.from, self.to);
            let mut data = match from.read(&mut chunk) {
                Ok(0) => return self.fin(),
                Ok(count) => chunk[..count].to_vec(),
                Err(_) => return self.reset(self.to),
            };
            match self.fault {
                Fault::AlterByte if !self.upwards && !data.ends_with(b"\r\n\r\n") => {
                    let last = data.len() - 1;
                    data[last] ^= 1;
                }
                Fault::DropHeader(name) if self.upwards && passed == 0 => {
                    head.append(&mut data);
                    if head.windows(4).any(|window| window == b"\r\n\r\n") {
                        data = without_header(&head, name);
                    }
                }
                Fault::CloseAfter(limit) if !self.upwards => data.truncate(limit - passed),
                Fault::None
                | Fault::AlterByte
                | Fault::DropHeader(_)
                | Fault::ResetAsFin
                | Fault::FinAsReset
                | Fault::SwallowFin
                | Fault::CloseAfter(_)
                | Fault::AnswerRefusal => {}
            }
            passed += data.len();
            if to.write_all(&data).is_err() {
                return self.reset(self.from);
            }
            if !self.upwards && self.fault == Fault::CloseAfter(passed) {
                to.shutdown(Shutdown::Both).ok();
                from.shutdown(Shutdown::Both).ok();
                return;
            }
        }
    }

    fn fin(&self) {
        // A reset wakes the other direction by an end of its own making, which no one sent.
        if self.was_reset.load(Ordering::SeqCst) || self.fault == Fault::SwallowFin {
            return;
        }
        if self.fault == Fault::FinAsReset {
            return self.reset(self.to);
        }
        self.to.shutdown(Shutdown::Write).ok();
    }

    /// Turns the close of `end`, which follows when both directions are done, into a RST.
    fn reset(&self, end: &TcpStream) {
        if self.fault == Fault::ResetAsFin {
            end.shutdown(Shutdown::Write).ok();
            return;
        }
        self.was_reset.store(true, Ordering::SeqCst);
        SockRef::from(end).set_linger(Some(Duration::ZERO)).ok();
        end.shutdown(Shutdown::Read).ok();
    }
}

fn without_header(head: &[u8], name: &str) -> Vec<u8> {
    let is_kept = |line: &&[u8]| !line.to_ascii_lowercase().starts_with(name.as_bytes());
    head.split_inclusive(|&byte| byte == b'\n').filter(is_kept).collect::<Vec<_>>().concat()
}
