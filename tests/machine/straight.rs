//! Both ends of one session as blocking sockets, for streams that are as fast as they can be.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ring::digest::{Context, Digest, SHA256};

use crate::wire;

/// Neither end waits longer for a byte.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that accepts when it is told to.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
}

/// The ends of an open session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        Self { listener }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("its address")
    }

    /// Opens a session through the tap.
    pub(crate) fn session(&self, tap: SocketAddr, path: &str) -> Session {
        let mut client = TcpStream::connect(tap).expect("the tap listens");
        client.write_all(wire::request(path).as_bytes()).expect("a request");
        let (mut server, _) = self.listener.accept().expect("the tap dials");
        for end in [&client, &server] {
            end.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        }
        assert_eq!(head(&mut server), wire::request(path));
        server.write_all(wire::switching().as_bytes()).expect("an answer");
        assert_eq!(head(&mut client), wire::switching());
        Session { client, server }
    }
}

/// Reads up to the empty line, a byte at a time so that nothing behind it is taken.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head is text")
}

/// Bytes that no two megabytes of have in common.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

/// Reads to the end; how many bytes that were, and their hash.
pub(crate) fn read_all(stream: &mut TcpStream) -> (u64, Digest) {
    let mut hash = Context::new(&SHA256);
    let mut chunk = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        match stream.read(&mut chunk).expect("bytes or an end") {
            0 => return (bytes, hash.finish()),
            count => {
                hash.update(&chunk[..count]);
                bytes += count as u64;
            }
        }
    }
}
