//! The disk of the store is full: bytes go on, the loss is said once and counted.

use std::time::Duration;

use crate::client::Client;
use crate::disk::Disk;
use crate::ground::Ground;
use crate::records::{assert_orderly, assert_whole, by_path};
use crate::straight::noise;
use crate::tap::Start;

/// Room for what waited in memory while nothing could be written, twice: log and file.
const DISK: u32 = 128;
/// More than may wait in memory, kept as base64 in both directions.
const MESSAGES: u64 = 1500;
const MESSAGE: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_full_disk_stops_no_byte_and_its_loss_is_counted() {
    let ground = Ground::new();
    let disk = Disk::mount(DISK);
    let store = disk.store();
    let mut start = Start::new(ground.upstream, &store);
    start.more = &["--capture", "all"];
    let mut tap = start.tap();
    let echoes = |client: &mut Client, messages: std::ops::Range<u64>| {
        ground.runtime.block_on(async {
            for number in messages {
                client.echo(&noise(number, MESSAGE)).await.expect("the bytes that were sent");
            }
        });
    };
    let connect =
        |path: &str| ground.runtime.block_on(Client::connect(tap.addr, path)).expect("an upgrade");
    let close = |client: Client| ground.runtime.block_on(client.close()).expect("an end");

    let mut through = connect("/through");
    echoes(&mut through, 0..10);
    close(connect("/before"));
    disk.fill();
    echoes(&mut through, 10..MESSAGES);
    close(connect("/while-full"));
    tap.child.stderr.first(PATIENCE, |line| line.contains("the store cannot be written"));
    disk.empty();
    tap.child.stderr.first(PATIENCE, |line| line.contains("the store can be written again"));
    echoes(&mut through, 0..10);
    close(connect("/after"));
    close(through);
    assert!(tap.child.terminate().success());

    let all = tap.child.stderr.all();
    assert_eq!(tap.said(&["the store cannot be written"]), 1, "{all:#?}");
    assert_eq!(tap.said(&["the store can be written again"]), 1, "{all:#?}");
    let judge = tap.said(&["could not be judged"]);
    assert!(judge <= 1 && tap.said(&["WARN"]) + tap.said(&["ERROR"]) == judge + 2, "{all:#?}");
    assert_whole(&store);
    let records = by_path(&store);
    assert_orderly(&records["/before"], 1);
    assert_orderly(&records["/after"], 1);
    let through = &records["/through"];
    eprintln!("lost: {:?}", through.gap);
    let gap = through.gap.expect("a gap");
    let kept = through.messages.len() as u64;
    assert!(gap.events > 0 && kept + gap.events >= 2 * (MESSAGES + 10), "{kept} kept, {gap:?}");
    assert_eq!(through.frames.s2c.frames, MESSAGES + 11, "totals are kept whatever was lost");
}
