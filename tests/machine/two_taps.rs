//! Two taps and many readers at one store.

use std::net::SocketAddr;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::tempdir;
use tokio::task::JoinSet;
use wstap::store::Reader;

use crate::client::Client;
use crate::ground::Ground;
use crate::records::{assert_orderly, assert_whole, by_path, number};
use crate::support::wait_for;
use crate::tap::{Start, ask};

const CLIENTS: u64 = 16;
const SESSIONS: u64 = 40;
const MESSAGES: u64 = 20;

#[test]
fn two_taps_write_to_one_store_while_it_is_read() {
    let ground = Ground::new();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let start = Start::new(ground.upstream, &store);
    let mut taps = [start.tap(), start.tap()];
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        for (number, tap) in taps.iter().enumerate() {
            clients.spawn_on(load(tap.addr, number, client), ground.runtime.handle());
        }
    }

    let ended = "SELECT count(*) FROM sessions WHERE state = 'ended'";
    wait_for("an end", Duration::from_secs(20), || (number(&store, ended) > 0).then_some(()));
    no_reader_holds_a_writer_up(&store, ended);
    let mut reads = 0;
    while !clients.is_empty() {
        let run = ask(&["sessions", "--json"], &store);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        reads += 1;
        while let Some(client) = clients.try_join_next() {
            client.expect("every session is as it should be");
        }
    }
    for tap in &mut taps {
        assert!(tap.child.terminate().success());
        for bad in ["WARN", "ERROR"] {
            assert_eq!(tap.said(&[bad]), 0, "{:#?}", tap.child.stderr.all());
        }
    }
    eprintln!("read {reads} times meanwhile");

    assert_whole(&store);
    let lost = Reader::open(&store).expect("the store opens").gaps().expect("its gaps");
    assert_eq!(lost, []);
    let records = by_path(&store);
    assert_eq!(records.len() as u64, 2 * CLIENTS * SESSIONS);
    for record in records.values() {
        assert_orderly(record, MESSAGES + 1);
    }
}

/// A transaction that goes on for as long as it takes others to write.
fn no_reader_holds_a_writer_up(store: &std::path::Path, ended: &str) {
    let slow = Connection::open(store).expect("the store opens");
    slow.execute_batch("BEGIN").expect("a transaction");
    let look = || slow.query_row(ended, [], |row| row.get::<_, i64>(0)).expect("a look");
    let then = look();
    wait_for("commits beside a reader", Duration::from_secs(20), || {
        (number(store, ended) > then + 20).then_some(())
    });
    assert_eq!(look(), then, "the reader sees one moment");
}

async fn load(tap: SocketAddr, number: usize, client: u64) {
    for session in 0..SESSIONS {
        let path = format!("/tap-{number}/{client}/{session}");
        let mut session = Client::connect(tap, &path).await.expect("an upgrade");
        for message in 0..MESSAGES {
            session.echo(format!("message {message}").as_bytes()).await.expect("an echo");
        }
        session.close().await.expect("an end");
    }
}
