//! tshark beside the tap: what it finds in the packets of either leg is what the store holds.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wstap::session::Direction::{self, ClientToServer, ServerToClient};
use wstap::websocket::accept_for;

use crate::support::child::{OwnedChild, Run};
use crate::support::record;
use crate::support::tap::Wstap;
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_mins(1);
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// A frame as tshark and the store both tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    /// FIN, RSV1-3 and opcode (RFC 6455 §5.2).
    first: u8,
    masked: bool,
    len: u64,
}

/// What one direction of one leg carried.
#[derive(Debug, Default, PartialEq, Eq)]
struct Way {
    frames: Vec<Shape>,
    close_codes: Vec<u16>,
}

/// Legal frames, and some that no peer should send.
fn script() -> Vec<(Direction, Vec<u8>)> {
    let plain = |first, payload: &[u8]| frame(first, None, payload);
    let masked = |first, payload: &[u8]| frame(first, Some([7, 77, 0, 177]), payload);
    let close = |code: u16, reason: &str| [&code.to_be_bytes(), reason.as_bytes()].concat();
    vec![
        (ClientToServer, masked(0x81, b"{\"hello\":1}")),
        (ServerToClient, plain(0x82, &[0xff; 200])),
        (ServerToClient, plain(0x01, b"first ")),
        (ServerToClient, plain(0x89, b"are you there")),
        (ClientToServer, masked(0x8a, b"are you there")),
        (ServerToClient, plain(0x80, b"last")),
        (ClientToServer, masked(0x82, &[1; 70_000])),
        (ClientToServer, masked(0x81, b"")),
        // Two in one segment.
        (ServerToClient, [plain(0x81, b"one"), plain(0x81, b"two")].concat()),
        // RSV1 without an extension, all reserved bits, reserved opcodes.
        (ClientToServer, masked(0xc1, b"not compressed")),
        (ServerToClient, plain(0xf2, b"reserved bits")),
        (ClientToServer, masked(0x83, b"reserved data")),
        (ServerToClient, plain(0x8b, b"reserved control")),
        // A client that does not mask and a server that does.
        (ClientToServer, plain(0x81, b"in clear")),
        (ServerToClient, masked(0x81, b"masked")),
        // Five bytes with a length of sixteen bits.
        (ServerToClient, [&[0x82, 126, 0, 5][..], b"width"].concat()),
        (ServerToClient, plain(0x88, &close(4001, "gateway auth changed"))),
        (ClientToServer, masked(0x88, &close(1000, ""))),
    ]
}

fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mask_bit: u8 = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(mask_bit | u8::try_from(len).unwrap()),
        len @ ..0x1_0000 => {
            frame.push(mask_bit | 0x7e);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(mask_bit | 0x7f);
            frame.extend(u64::try_from(len).unwrap().to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or_default();
    frame.extend(key.iter().flatten());
    frame.extend(payload.iter().zip(key_bytes.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

#[test]
fn both_legs_carry_the_frames_that_the_store_holds() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("lo.pcapng");
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let upstream = server.local_addr().unwrap();
    let tap = Wstap::start(&format!("ws://{upstream}"));
    let ports = [tap.addr.port(), upstream.port()];
    let _capture = capture(&file, ports);

    talk(&tap, &server);

    let session = record::only(&tap);
    let stored = Direction::BOTH.map(|direction| Way {
        frames: session
            .frames
            .iter()
            .filter(|frame| frame.direction == direction)
            .map(|frame| Shape { first: frame.first, masked: frame.masked, len: frame.len })
            .collect(),
        close_codes: session
            .record
            .close_frames()
            .iter()
            .filter(|close| close.from == direction)
            .filter_map(|close| close.code)
            .collect(),
    });
    assert_eq!(stored.each_ref().map(|way| way.frames.len()), [8, 11]);
    assert_eq!(stored.each_ref().map(|way| way.close_codes.clone()), [vec![1000], vec![4001]]);
    // Packets reach the file a little after they were sent.
    let legs = wait_for("all frames in the capture", PATIENCE, || {
        let legs = ports.map(|port| dissect(&file, ports, port));
        let frames: usize = legs.iter().flatten().map(|way| way.frames.len()).sum();
        (frames >= 2 * (8 + 11)).then_some(legs)
    });
    assert_eq!(legs[0], legs[1], "the legs differ");
    assert_eq!(legs[0], stored, "tshark and the store differ");
}

/// Plays the script through the tap, one step after the other, and closes both ends.
fn talk(tap: &Wstap, server: &TcpListener) {
    let mut client = TcpStream::connect(tap.addr).unwrap();
    client.set_nodelay(true).unwrap();
    let head = format!(
        "GET /oracle HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
        tap.addr
    );
    client.write_all(head.as_bytes()).unwrap();
    let mut gateway = server.accept().unwrap().0;
    gateway.set_nodelay(true).unwrap();
    expect(&mut gateway, head.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_for(KEY)
    );
    gateway.write_all(answer.as_bytes()).unwrap();
    expect(&mut client, answer.as_bytes());
    for (direction, bytes) in script() {
        let (from, to) = match direction {
            ClientToServer => (&mut client, &mut gateway),
            ServerToClient => (&mut gateway, &mut client),
        };
        from.write_all(&bytes).unwrap();
        expect(to, &bytes);
    }
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).expect("the bytes come through");
    assert_eq!(got, bytes);
}

/// tshark, writing down what the loopback carries on these ports from now on.
fn capture(file: &Path, ports: [u16; 2]) -> OwnedChild {
    let mut command = Command::new("tshark");
    command
        .args(["-i", "lo", "-f", &format!("tcp port {} or tcp port {}", ports[0], ports[1])])
        .arg("-w")
        .arg(file);
    let child = OwnedChild::spawn(&mut command);
    child.stderr.first(PATIENCE, |line| line.contains("Capture started"));
    child
}

/// What tshark finds on the leg whose listening end has this port, client to server first.
fn dissect(file: &Path, ports: [u16; 2], port: u16) -> [Way; 2] {
    const FIELDS: [&str; 8] = [
        "websocket.fin",
        "websocket.rsv",
        "websocket.opcode",
        "websocket.mask",
        "websocket.payload_length",
        "websocket.payload_length_ext_16",
        "websocket.payload_length_ext_64",
        "websocket.payload.close.status_code",
    ];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", "websocket", "-T", "fields"]);
    for port in ports {
        command.args(["-d", &format!("tcp.port=={port},http")]);
    }
    for field in ["tcp.srcport", "tcp.dstport"].iter().chain(&FIELDS) {
        command.args(["-e", field]);
    }
    let run = Run::of(&mut command, PATIENCE);
    let mut ways = <[Way; 2]>::default();
    for line in run.stdout.lines() {
        let columns: Vec<Vec<&str>> = line
            .split('\t')
            .map(|column| column.split(',').filter(|value| !value.is_empty()).collect())
            .collect();
        let [source, target, fields @ ..] = columns.as_slice() else { continue };
        let is_ours = |column: &[&str]| column.first() == Some(&port.to_string().as_str());
        if is_ours(target) {
            ways[ClientToServer.index()].add(fields);
        } else if is_ours(source) {
            ways[ServerToClient.index()].add(fields);
        }
    }
    ways
}

impl Way {
    /// Adds the frames of one packet: a column for each field, a value for each frame that has it.
    fn add(&mut self, columns: &[Vec<&str>]) {
        let numbers: Vec<Vec<u64>> = columns
            .iter()
            .map(|column| column.iter().map(|value| number(value)).collect())
            .collect();
        let [fin, rsv, opcode, mask, short, long, longest, codes] = numbers.as_slice() else {
            panic!("{columns:?}");
        };
        let (mut long, mut longest) = (long.iter(), longest.iter());
        for (at, &short) in short.iter().enumerate() {
            let len = match short {
                126 => *long.next().expect("a length of sixteen bits"),
                127 => *longest.next().expect("a length of sixty-four bits"),
                short => short,
            };
            let first = fin[at] << 7 | rsv[at] << 4 | opcode[at];
            let first = u8::try_from(first).expect("one byte");
            self.frames.push(Shape { first, masked: mask[at] == 1, len });
        }
        self.close_codes.extend(codes.iter().map(|&code| u16::try_from(code).unwrap()));
    }
}

fn number(text: &str) -> u64 {
    let digits = text.strip_prefix("0x");
    digits
        .map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16))
        .unwrap_or_else(|_| u64::from(text == "True"))
}
