//! Too few descriptors: clients wait, and are served when others leave.

use std::time::Duration;

use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::ground::Ground;
use crate::records::{assert_orderly, by_path};
use crate::tap::Start;

const DESCRIPTORS: u32 = 64;
const CLIENTS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_tap_out_of_descriptors_lets_clients_wait() {
    let ground = Ground::new();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let mut start = Start::new(ground.upstream, &store);
    start.descriptors = DESCRIPTORS;
    let mut tap = start.tap();
    let addr = tap.addr;
    let mut coming = JoinSet::new();
    for number in 0..CLIENTS {
        let client = async move { Client::connect(addr, &format!("/{number}")).await };
        coming.spawn_on(client, ground.runtime.handle());
    }
    tap.child.stderr.first(PATIENCE, |line| line.contains("accepts no clients for now"));

    // Whoever is let in leaves at once, so that the next one can come in.
    let served = ground.runtime.block_on(async {
        let mut served = 0;
        while let Some(client) = coming.join_next().await {
            let mut client = client.expect("clients do not panic").expect("an upgrade");
            client.echo(b"hello").await.expect("an echo");
            client.close().await.expect("an end");
            served += 1;
        }
        served
    });
    assert_eq!(served, CLIENTS);
    tap.child.stderr.first(PATIENCE, |line| line.contains("accepts clients again"));
    assert_eq!(tap.said(&["WARN"]) + tap.said(&["ERROR"]), 0, "{:#?}", tap.child.stderr.all());
    assert!(tap.child.terminate().success());

    let records = by_path(&store);
    assert_eq!(records.len(), CLIENTS);
    for record in records.values() {
        assert_orderly(record, 2);
    }
}
