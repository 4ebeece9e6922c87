//! One tap between a scripted upstream and raw clients, and what it recorded.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;
use wstap::session::{Record, State};
use wstap::store::{Filter, Listed, Reader};

use crate::support::tap::Wstap;
use crate::support::wait_for;
use crate::tls;
use crate::wire::{Conn, PATIENCE, Socket};

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What the two legs are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Tcp,
    TlsListener,
    TlsUpstream,
    BothTls,
    Unix,
}

impl Shape {
    pub(crate) const fn client_is_tls(self) -> bool {
        matches!(self, Self::TlsListener | Self::BothTls)
    }

    pub(crate) const fn upstream_is_tls(self) -> bool {
        matches!(self, Self::TlsUpstream | Self::BothTls)
    }
}

/// Where the scripted upstream listens.
#[derive(Debug)]
pub(crate) enum Gateway {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Gateway {
    pub(crate) fn tcp() -> Self {
        Self::Tcp(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    pub(crate) fn unix(path: PathBuf) -> Self {
        Self::Unix(UnixListener::bind(&path).unwrap(), path)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Tcp(listener) => listener.local_addr().unwrap(),
            Self::Unix(..) => panic!("a Unix socket has no address"),
        }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        match self {
            Self::Tcp(_) => format!("{scheme}://{}", self.addr()),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection of the tap.
    pub(crate) fn accept(&self) -> Conn {
        let accepted = wait_for("a connection of the tap", PATIENCE, || {
            self.nonblocking(true);
            let accepted = match self {
                Self::Tcp(listener) => listener.accept().map(|(tcp, _)| Socket::Tcp(tcp)),
                Self::Unix(listener, _) => listener.accept().map(|(unix, _)| Socket::Unix(unix)),
            };
            accepted.ok()
        });
        match &accepted {
            Socket::Tcp(tcp) => tcp.set_nonblocking(false).unwrap(),
            Socket::Unix(unix) => unix.set_nonblocking(false).unwrap(),
        }
        Conn::new(accepted)
    }

    /// Whether the tap has dialled without having been accepted.
    pub(crate) fn nobody_came(&self) -> bool {
        self.nonblocking(true);
        match self {
            Self::Tcp(listener) => listener.accept().is_err(),
            Self::Unix(listener, _) => listener.accept().is_err(),
        }
    }

    fn nonblocking(&self, on: bool) {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(on).unwrap(),
            Self::Unix(listener, _) => listener.set_nonblocking(on).unwrap(),
        }
    }
}

/// A tap and its scripted surroundings.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) tap: Wstap,
    pub(crate) gateway: Gateway,
    shape: Shape,
    folder: TempDir,
    /// Held from a client's connect to the upstream's accept, so that the two belong together.
    pairing: Mutex<()>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Plain TCP, with more options of `wstap proxy`.
    pub(crate) fn with(options: &[&str]) -> Self {
        Self::of(Shape::Tcp, options)
    }

    pub(crate) fn of(shape: Shape, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = match shape {
            Shape::Unix => Gateway::unix(folder.path().join("gateway.sock")),
            Shape::Tcp | Shape::TlsListener | Shape::TlsUpstream | Shape::BothTls => Gateway::tcp(),
        };
        let mut all: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        if shape.client_is_tls() {
            let (cert, key) = (tls::cert_arg("server.crt"), tls::cert_arg("server.key"));
            all.extend(["--tls-cert".to_owned(), cert, "--tls-key".to_owned(), key]);
        }
        if shape.upstream_is_tls() {
            let ca = tls::cert_arg("ca.crt");
            all.extend(["--upstream-ca".to_owned(), ca]);
        }
        if shape == Shape::Unix {
            let path = folder.path().join("tap.sock").display().to_string();
            all.extend(["--listen".to_owned(), format!("unix:{path}")]);
        }
        let scheme = if shape.upstream_is_tls() { "wss" } else { "ws" };
        let tap = Wstap::start_with(&gateway.url(scheme), &all);
        Self { tap, gateway, shape, folder, pairing: Mutex::default() }
    }

    /// Dials this URL; whoever listens there is not part of the rig.
    pub(crate) fn towards(url: &str, options: &[&str]) -> Self {
        Self::before(Gateway::tcp(), url, options)
    }

    /// Dials this URL, which leads to `gateway` one way or another.
    pub(crate) fn before(gateway: Gateway, url: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tap = Wstap::start_with(url, options);
        Self { tap, gateway, shape: Shape::Tcp, folder, pairing: Mutex::default() }
    }

    /// A client.
    pub(crate) fn connect(&self) -> Conn {
        match self.shape {
            Shape::Tcp | Shape::TlsUpstream => Conn::tcp(self.tap.addr),
            Shape::TlsListener | Shape::BothTls => {
                Conn::tcp(self.tap.addr).with_tls(tls::client(&[]))
            }
            Shape::Unix => Conn::unix(&self.folder.path().join("tap.sock")),
        }
    }

    /// The tap's next connection to the upstream.
    pub(crate) fn accept(&self) -> Conn {
        let conn = self.gateway.accept();
        if self.shape.upstream_is_tls() { conn.with_tls(tls::server()) } else { conn }
    }

    /// A client that has sent these bytes, and the upstream connection that carries them.
    pub(crate) fn dial(&self, first: impl AsRef<[u8]>) -> (Conn, Conn) {
        let _paired = self.pairing.lock().unwrap();
        let mut client = self.connect();
        client.send(first);
        (client, self.accept())
    }

    /// A WebSocket session, open on both legs.
    pub(crate) fn session(&self, target: &str) -> (Conn, Conn) {
        self.session_with(target, "", SWITCHING)
    }

    pub(crate) fn session_with(&self, target: &str, more: &str, answer: &str) -> (Conn, Conn) {
        let head = upgrade(target, more);
        let (mut client, mut gateway) = self.dial(&head);
        assert_eq!(gateway.take_head(), head);
        gateway.send(answer);
        assert_eq!(client.take_head(), answer);
        (client, gateway)
    }

    /// The record of the ended session with this target; of several the newest.
    pub(crate) fn record(&self, target: &str) -> Record {
        self.find(target, |listed| listed.path.as_deref() == Some(target))
    }

    /// The record of the only session.
    pub(crate) fn only_record(&self) -> Record {
        let record = self.find("the only session", |_| true);
        let reader = Reader::open(&self.tap.store()).unwrap();
        let all = reader.list(&Filter::default()).unwrap();
        assert_eq!(all.len(), 1, "{all:#?}");
        record
    }

    /// As many ended sessions as there have to be, oldest first.
    pub(crate) fn records(&self, count: usize) -> Vec<Record> {
        let reader = Reader::open(&self.tap.store()).unwrap();
        let found = wait_for("the records", PATIENCE, || {
            let mut found = reader.list(&Filter::default()).unwrap();
            found.retain(|listed| listed.state == State::Ended);
            (found.len() >= count).then_some(found)
        });
        assert_eq!(found.len(), count, "{found:#?}");
        found.iter().map(|listed| reader.record(listed.id).unwrap()).collect()
    }

    fn find(&self, what: &str, wanted: impl Fn(&Listed) -> bool) -> Record {
        let reader = Reader::open(&self.tap.store()).unwrap();
        let id = wait_for(&format!("the record of {what}"), PATIENCE, || {
            let all = reader.list(&Filter::default()).unwrap();
            let found = all.into_iter().rev().find(|listed| wanted(listed));
            found.filter(|listed| listed.state == State::Ended).map(|listed| listed.id)
        });
        reader.record(id).unwrap()
    }
}

/// The request head of an upgrade.
pub(crate) fn upgrade(target: &str, more: &str) -> String {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: gateway.test\r\n");
    write!(
        head,
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
    .unwrap();
    head
}

/// So many header lines.
pub(crate) fn headers(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, n| {
        write!(lines, "X-{n}: {n}\r\n").unwrap();
        lines
    })
}
