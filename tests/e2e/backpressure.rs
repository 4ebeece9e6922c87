//! A reader that stops makes the writer stop, and the tap holds next to nothing meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ring::digest;

use crate::frame;
use crate::memory::{peak, stays_flat};
use crate::noise::Noise;
use crate::rig::{Rig, Shape};
use crate::support::wait_for;
use crate::wire::{Conn, End, PATIENCE};

const ALL: usize = 256 << 20;
const FLAT: u64 = 16 << 20;
/// No progress for this long is a standstill.
const STILL: Duration = Duration::from_millis(700);

/// Sends legal frames of 1 MiB, and says how far it is.
fn flood(to: &mut Conn, from_client: bool, sent: &AtomicUsize) -> Vec<u8> {
    let payload = Noise::new(7).bytes(1 << 20);
    let make = if from_client { frame::from_client } else { frame::from_gateway };
    let frame = make(frame::BINARY, payload);
    let mut sum = digest::Context::new(&digest::SHA256);
    while sent.load(Ordering::Relaxed) < ALL {
        for piece in frame.chunks(64 << 10) {
            to.send(piece);
            sent.fetch_add(piece.len(), Ordering::Relaxed);
        }
        sum.update(&frame);
    }
    sum.finish().as_ref().to_vec()
}

fn until_it_stands_still(sent: &AtomicUsize) -> usize {
    let (mut last, mut since) = (0, Instant::now());
    wait_for("the writer to stop", PATIENCE, || {
        let now = sent.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (now > 0 && since.elapsed() > STILL).then_some(now)
    })
}

fn stops_and_goes(shape: Shape, from_client: bool) {
    let rig = Rig::of(shape, &[]);
    let (client, gateway) = rig.session("/flood");
    let (mut writer, mut reader) = if from_client { (client, gateway) } else { (gateway, client) };
    let before = peak(&rig.tap);
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let sum = flood(&mut writer, from_client, &sent);
            writer.fin();
            (sum, writer)
        });
        let stopped_at = until_it_stands_still(&sent);
        assert!(stopped_at < ALL / 4, "{stopped_at} bytes were taken with nobody reading");
        // Once more in the middle.
        let first = reader.take(100 << 20);
        until_it_stands_still(&sent);
        let mut sum = digest::Context::new(&digest::SHA256);
        sum.update(&first);
        let (rest, end) = reader.rest();
        sum.update(&rest);
        let (wanted, mut writer) = writing.join().unwrap();
        assert_eq!((sum.finish().as_ref(), end), (&wanted[..], End::Fin));
        assert_eq!(first.len() + rest.len(), sent.load(Ordering::Relaxed));
        reader.fin();
        assert_eq!(writer.end(), End::Fin);
    });
    stays_flat(&rig.tap, before, FLAT);
    let record = rig.record("/flood");
    let traffic = if from_client { &record.frames.c2s } else { &record.frames.s2c };
    assert_eq!(traffic.bytes, sent.load(Ordering::Relaxed) as u64);
    assert_eq!((traffic.largest, record.gap), (1 << 20, None));
}

#[test]
fn a_client_that_stops_reading_stops_the_gateway() {
    stops_and_goes(Shape::Tcp, false);
}

#[test]
fn a_gateway_that_stops_reading_stops_the_client() {
    stops_and_goes(Shape::Unix, true);
}
