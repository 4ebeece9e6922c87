//! A reader that stops makes the writer stop, and costs the tap no memory.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ring::digest::{Context, Digest, SHA256};
use tempfile::tempdir;

use crate::ground::take_turn;
use crate::straight::{Server, noise, read_all};
use crate::support::wait_for;
use crate::tap::{Start, Tap};
use crate::wire::{BINARY, header};

const FRAMES: u64 = 256;
const FRAME: usize = 1 << 20;
/// What the sockets' buffers on the way take, both legs, with room to spare.
const BUFFERED: u64 = 64 << 20;
/// KiB above an idle tap.
const MEMORY: u64 = 40 << 10;
/// The writer is taken to have stopped when nothing moved for so long.
const STILL: Duration = Duration::from_secs(1);

#[test]
fn a_reader_that_stops_stops_the_writer_in_both_directions() {
    let _turn = take_turn();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let server = Server::start();
    let tap = Start::new(server.addr(), &store).tap();
    let idle = tap.memory();

    let up = server.session(tap.addr, "/up");
    let down = server.session(tap.addr, "/down");
    let mut streams =
        [Stream::start(up.client, up.server, true), Stream::start(down.server, down.client, false)];
    let most = until_still(&tap, &streams);
    eprintln!("memory of the tap: {idle} KiB idle, {most} KiB at most while readers stood still");
    assert!(most < idle + MEMORY, "{idle} KiB idle, {most} KiB while readers stood still");
    for stream in &mut streams {
        stream.read_on();
    }
}

/// The most memory that the tap had until both writers stood still.
fn until_still(tap: &Tap, streams: &[Stream; 2]) -> u64 {
    let (mut most, mut before, mut since) = (0, [0; 2], Instant::now());
    wait_for("two writers that stand still", Duration::from_mins(1), || {
        most = most.max(tap.memory());
        let now = streams.each_ref().map(|stream| stream.written.load(Ordering::Relaxed));
        if now != before {
            (before, since) = (now, Instant::now());
        }
        (since.elapsed() > STILL).then_some(())
    });
    for written in before {
        assert!(written > 0 && written < BUFFERED, "{written} bytes were taken");
    }
    most
}

/// 256 MiB on their way.
struct Stream {
    written: Arc<AtomicU64>,
    writer: Option<thread::JoinHandle<Digest>>,
    reader: TcpStream,
}

impl Stream {
    fn start(mut from: TcpStream, reader: TcpStream, masked: bool) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let writer = thread::spawn(move || {
            let mut hash = Context::new(&SHA256);
            for number in 0..FRAMES {
                let frame = [header(BINARY, FRAME, masked), noise(number, FRAME)].concat();
                for piece in frame.chunks(64 << 10) {
                    from.write_all(piece).expect("the reader reads in the end");
                    hash.update(piece);
                    count.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            }
            from.shutdown(Shutdown::Write).expect("an end");
            hash.finish()
        });
        Self { written, writer: Some(writer), reader }
    }

    fn read_on(&mut self) {
        let (bytes, came) = read_all(&mut self.reader);
        let sent = self.writer.take().expect("read once").join().expect("writers do not panic");
        assert_eq!(bytes, self.written.load(Ordering::Relaxed));
        assert_eq!(came.as_ref(), sent.as_ref(), "other bytes came than were sent");
    }
}
