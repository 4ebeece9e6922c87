//! Two gigabytes through one session: memory stays what it was.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Instant;

use tempfile::tempdir;

use crate::ground::take_turn;
use crate::records::by_path;
use crate::straight::{Server, noise};
use crate::tap::Start;
use crate::wire::{BINARY, header};

const FRAMES: u64 = 2048;
const FRAME: usize = 1 << 20;
/// KiB
const MEMORY: u64 = 64 << 10;

#[test]
fn memory_stays_flat_over_a_long_stream() {
    let _turn = take_turn();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let server = Server::start();
    let mut tap = Start::new(server.addr(), &store).tap();
    let mut session = server.session(tap.addr, "/long");
    let frame = [header(BINARY, FRAME, false), noise(1, FRAME)].concat();

    let started = Instant::now();
    let most = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..FRAMES {
                session.server.write_all(&frame).expect("the client reads");
            }
            session.server.shutdown(Shutdown::Write).expect("an end");
        });
        let mut came = vec![0; frame.len()];
        let mut most = 0;
        for number in 0..FRAMES {
            session.client.read_exact(&mut came).expect("a frame");
            assert!(came == frame, "frame {number} is not as it was sent");
            most = most.max(tap.memory());
        }
        most
    });
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("memory of the tap: {most} KiB at most in a stream of 2 GiB, {seconds:.1} s");
    assert!(most < MEMORY, "{most} KiB");

    assert_eq!(session.client.read(&mut [0]).expect("an end"), 0);
    drop(session);
    assert!(tap.child.terminate().success());
    let records = by_path(&store);
    let sent = &records["/long"].frames.s2c;
    assert_eq!((sent.frames, sent.largest), (FRAMES, FRAME as u64));
    assert_eq!(sent.bytes, FRAMES * frame.len() as u64);
}
