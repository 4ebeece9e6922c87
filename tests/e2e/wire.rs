//! One blocking connection, plain or TLS, that tells exactly which bytes and which end came.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use ring::digest;
use socket2::SockRef;

use crate::support::wait_for;

/// How long anything that has to come may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How a peer ended its direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN; on TLS after `close_notify`.
    Fin,
    /// FIN without `close_notify`.
    Truncated,
    Reset,
    Alert(String),
}

/// The socket beneath.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection. Reads fail the test when nothing comes for [`PATIENCE`].
#[derive(Debug)]
pub(crate) struct Conn {
    socket: Socket,
    tls: Option<Box<rustls::Connection>>,
    /// Read and not asked for yet.
    pending: Vec<u8>,
}

impl Conn {
    pub(crate) fn new(socket: Socket) -> Self {
        match &socket {
            Socket::Tcp(tcp) => {
                tcp.set_nodelay(true).unwrap();
                tcp.set_read_timeout(Some(PATIENCE)).unwrap();
                tcp.set_write_timeout(Some(PATIENCE)).unwrap();
            }
            Socket::Unix(unix) => {
                unix.set_read_timeout(Some(PATIENCE)).unwrap();
                unix.set_write_timeout(Some(PATIENCE)).unwrap();
            }
        }
        Self { socket, tls: None, pending: Vec::new() }
    }

    pub(crate) fn tcp(addr: SocketAddr) -> Self {
        Self::new(Socket::Tcp(TcpStream::connect(addr).unwrap()))
    }

    pub(crate) fn unix(path: &Path) -> Self {
        Self::new(Socket::Unix(UnixStream::connect(path).unwrap()))
    }

    /// A connection that leads nowhere.
    pub(crate) fn nowhere() -> Self {
        Self::new(Socket::Unix(UnixStream::pair().unwrap().0))
    }

    /// Speaks TLS from here on; the handshake is done when this returns.
    pub(crate) fn with_tls(mut self, tls: impl Into<rustls::Connection>) -> Self {
        self.try_tls(tls).expect("a TLS handshake");
        self
    }

    /// The same, where the handshake may fail.
    pub(crate) fn try_tls(&mut self, tls: impl Into<rustls::Connection>) -> io::Result<()> {
        let mut tls: rustls::Connection = tls.into();
        while tls.is_handshaking() {
            tls.complete_io(&mut self.socket)?;
        }
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// A second handle of the same plain socket, for a thread of its own.
    pub(crate) fn twin(&self) -> Self {
        assert!(self.tls.is_none(), "TLS has one owner");
        Self::new(match &self.socket {
            Socket::Tcp(tcp) => Socket::Tcp(tcp.try_clone().unwrap()),
            Socket::Unix(unix) => Socket::Unix(unix.try_clone().unwrap()),
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.local_addr().unwrap(),
            Socket::Unix(_) => panic!("a Unix socket has no address"),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).expect("bytes are taken");
    }

    /// Sends; the peer may be gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.write_all(bytes),
            Some(tls) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let taken = tls.writer().write(rest)?;
                    rest = &rest[taken..];
                    while tls.wants_write() {
                        tls.write_tls(&mut self.socket)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Sends bytes beneath TLS, as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("bytes are taken");
    }

    /// What comes next, at most `space.len()` bytes of it.
    fn read_some(&mut self, space: &mut [u8]) -> Result<usize, End> {
        let read = match &mut self.tls {
            None => self.socket.read(space),
            Some(tls) => read_tls(tls, &mut self.socket, space),
        };
        match read {
            Ok(0) => Err(End::Fin),
            Ok(count) => Ok(count),
            Err(error) => Err(end_of(&error)),
        }
    }

    fn fill(&mut self) -> Result<(), End> {
        let mut space = vec![0; 64 << 10];
        let count = self.read_some(&mut space)?;
        self.pending.extend_from_slice(&space[..count]);
        Ok(())
    }

    /// Exactly the next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.pending.len() < count {
            let before = self.pending.len();
            if let Err(end) = self.fill() {
                let text = String::from_utf8_lossy(&self.pending).into_owned();
                panic!("{end:?} after {before} of {count} bytes: {text:.300}");
            }
        }
        self.pending.drain(..count).collect()
    }

    /// Everything up to and with `last`.
    pub(crate) fn take_until(&mut self, last: &[u8]) -> Vec<u8> {
        let mut from = 0;
        loop {
            let found = memchr::memmem::find(&self.pending[from..], last);
            if let Some(at) = found {
                return self.pending.drain(..from + at + last.len()).collect();
            }
            from = self.pending.len().saturating_sub(last.len() - 1);
            if let Err(end) = self.fill() {
                let text = String::from_utf8_lossy(&self.pending).into_owned();
                panic!("{end:?} before {:?}: {text:.300}", String::from_utf8_lossy(last));
            }
        }
    }

    /// A head with its empty line.
    pub(crate) fn take_head(&mut self) -> String {
        String::from_utf8(self.take_until(b"\r\n\r\n")).expect("a head of UTF-8")
    }

    /// Everything that still comes, and how it ends.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.fill() {
                return (std::mem::take(&mut self.pending), end);
            }
        }
    }

    /// How it ends; before that nothing may come.
    pub(crate) fn end(&mut self) -> End {
        let (bytes, end) = self.rest();
        assert!(bytes.is_empty(), "bytes before {end:?}: {:?}", String::from_utf8_lossy(&bytes));
        end
    }

    /// Reads so many bytes and gives their SHA-256.
    pub(crate) fn digest(&mut self, count: usize) -> Vec<u8> {
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut left = count;
        let early = left.min(self.pending.len());
        sum.update(&self.pending.drain(..early).collect::<Vec<_>>());
        left -= early;
        let mut space = vec![0; 256 << 10];
        while left > 0 {
            let room = left.min(space.len());
            let got = self.read_some(&mut space[..room]);
            let got = got.unwrap_or_else(|end| panic!("{end:?} with {left} of {count} missing"));
            sum.update(&space[..got]);
            left -= got;
        }
        sum.finish().as_ref().to_vec()
    }

    /// Neither a byte nor an end comes for this long.
    pub(crate) fn stays_silent(&mut self, time: Duration) {
        assert!(self.pending.is_empty(), "bytes: {:?}", String::from_utf8_lossy(&self.pending));
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
        {
            self.socket.set_read_timeout(left);
            let mut space = [0; 1024];
            let read = self.socket.read(&mut space);
            self.socket.set_read_timeout(PATIENCE);
            match read {
                Err(error) if is_time_out(&error) => {}
                Ok(count) => panic!("{count} bytes (0: FIN) came: {:?}", &space[..count]),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Ends this direction: FIN, on TLS after `close_notify`.
    pub(crate) fn fin(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            while tls.wants_write() {
                tls.write_tls(&mut self.socket).expect("close_notify is taken");
            }
        }
        self.cut();
    }

    /// FIN, on TLS without `close_notify`.
    pub(crate) fn cut(&mut self) {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.shutdown(Shutdown::Write),
            Socket::Unix(unix) => unix.shutdown(Shutdown::Write),
        }
        .expect("a FIN can be sent");
    }

    /// Waits until the peer's kernel has acknowledged everything.
    pub(crate) fn until_acknowledged(&self) {
        let Socket::Tcp(tcp) = &self.socket else { return };
        wait_for("an acknowledgement", PATIENCE, || (unsent(tcp) == 0).then_some(()));
    }

    /// Sends this again and again until nothing more is taken, neither here nor on the way.
    pub(crate) fn until_full(&mut self, bytes: &[u8]) {
        self.socket.set_write_timeout(Duration::from_millis(400));
        loop {
            match self.try_send(bytes) {
                Ok(()) => {}
                Err(error) if is_time_out(&error) => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.socket.set_write_timeout(PATIENCE);
    }

    /// Waits until there is something to read, and leaves it there.
    pub(crate) fn until_readable(&self) {
        let readable = || match &self.socket {
            Socket::Tcp(tcp) => SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]),
            Socket::Unix(unix) => SockRef::from(unix).peek(&mut [MaybeUninit::uninit()]),
        };
        assert_eq!(uninterrupted(readable).unwrap(), 1);
    }

    /// Waits for a reset without reading.
    pub(crate) fn until_reset(&self) {
        let Socket::Tcp(tcp) = &self.socket else { panic!("a Unix socket cannot be reset") };
        let error = wait_for("a reset", PATIENCE, || tcp.take_error().unwrap());
        let reset = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(reset.contains(&error.kind()), "{error}");
    }

    /// Sends until the connection is broken.
    pub(crate) fn send_until_broken(&mut self) {
        wait_for("a broken connection", PATIENCE, || self.try_send(b"more").err());
    }

    /// Closes the socket as the kernel does it for a process that ends.
    pub(crate) fn close(self) {
        drop(self);
    }

    /// RST at once: what is unsent is lost.
    pub(crate) fn reset(self) {
        match &self.socket {
            Socket::Tcp(tcp) => SockRef::from(tcp).set_linger(Some(Duration::ZERO)).unwrap(),
            Socket::Unix(_) => panic!("a Unix socket cannot be reset"),
        }
    }

    /// Sends a fatal TLS alert (for a record that was never received).
    pub(crate) fn alert(&mut self) {
        let tls = self.tls.as_mut().expect("TLS");
        // A record of application data that no key fits.
        let mut bogus = vec![23, 3, 3, 0, 32];
        bogus.extend([0x5a; 32]);
        tls.read_tls(&mut &bogus[..]).expect("a record is taken");
        tls.process_new_packets().expect_err("the record is not valid");
        while tls.wants_write() {
            tls.write_tls(&mut self.socket).expect("an alert is taken");
        }
    }
}

impl Socket {
    fn set_read_timeout(&self, time: Duration) {
        match self {
            Self::Tcp(tcp) => tcp.set_read_timeout(Some(time)),
            Self::Unix(unix) => unix.set_read_timeout(Some(time)),
        }
        .unwrap();
    }

    fn set_write_timeout(&self, time: Duration) {
        match self {
            Self::Tcp(tcp) => tcp.set_write_timeout(Some(time)),
            Self::Unix(unix) => unix.set_write_timeout(Some(time)),
        }
        .unwrap();
    }
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| match self {
            Self::Tcp(tcp) => tcp.read(space),
            Self::Unix(unix) => unix.read(space),
        })
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            Self::Unix(unix) => unix.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A process that is stopped and goes on finds its waiting calls interrupted (signal(7)).
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn read_tls(
    tls: &mut rustls::Connection,
    socket: &mut Socket,
    space: &mut [u8],
) -> io::Result<usize> {
    loop {
        match tls.reader().read(space) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(socket)?;
        tls.process_new_packets().map_err(io::Error::other)?;
    }
}

/// Bytes that the peer's kernel has not acknowledged, as `/proc/net/tcp` says.
fn unsent(tcp: &TcpStream) -> u64 {
    let (local, peer) = (tcp.local_addr().unwrap().port(), tcp.peer_addr().unwrap().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |field: &str| field.split(':').nth(1).map(|hex| u16::from_str_radix(hex, 16));
    let ours = table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is = port(fields[1]) == Some(Ok(local)) && port(fields[2]) == Some(Ok(peer));
        is.then(|| u64::from_str_radix(fields[4].split(':').next().unwrap(), 16).unwrap())
    });
    ours.expect("the socket is in the kernel's table")
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn end_of(error: &io::Error) -> End {
    assert!(!is_time_out(error), "nothing came for {PATIENCE:?}");
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::AlertReceived(alert)), _) => End::Alert(format!("{alert:?}")),
        (None, io::ErrorKind::UnexpectedEof) => End::Truncated,
        (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => End::Reset,
        _ => panic!("{error}"),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}
