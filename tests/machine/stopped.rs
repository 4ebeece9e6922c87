//! SIGTERM under load: an orderly end for the tap, and an end in the record for every session.

use std::time::{Duration, Instant};

use tempfile::tempdir;
use tokio::task::JoinSet;
use wstap::session::{EndingKind, State};

use crate::client::Client;
use crate::ground::Ground;
use crate::records::{by_path, number};
use crate::support::wait_for;
use crate::tap::Start;

const CLIENTS: u64 = 64;
const DRAIN: Duration = Duration::from_secs(1);
const LEAVE: Duration = Duration::from_secs(5);

#[test]
fn sessions_that_a_stopping_tap_cuts_are_marked_as_cut() {
    let ground = Ground::new();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let mut start = Start::new(ground.upstream, &store);
    start.more = &["--quiet", "--drain", "1s"];
    let mut tap = start.tap();
    let addr = tap.addr;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn_on(load(addr, client), ground.runtime.handle());
    }
    let ended = "SELECT count(*) FROM sessions WHERE state = 'ended'";
    wait_for("load", Duration::from_secs(20), || (number(&store, ended) > 100).then_some(()));

    let told = Instant::now();
    let status = tap.child.terminate();
    let took = told.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < DRAIN + LEAVE, "{took:?}");
    let ended_well: u64 = ground.runtime.block_on(clients.join_all()).into_iter().sum();

    let records = by_path(&store);
    let (mut cut, mut well) = (0, 0);
    for record in records.values() {
        assert_eq!(record.state, State::Ended, "{record:#?}");
        let last = record.endings.last().map(|ending| &ending.kind);
        assert!(last.is_some(), "no end: {record:#?}");
        match record.close.code {
            Some(1000) => well += 1,
            _ if matches!(last, Some(EndingKind::CutByWstap { .. })) => cut += 1,
            _ => panic!("neither ended nor cut: {record:#?}"),
        }
    }
    eprintln!("{took:?}: {cut} sessions were cut, {well} had ended");
    assert!(cut >= CLIENTS / 2, "{cut} were cut");
    assert!(well >= ended_well, "{well} are recorded, {ended_well} were seen");
}

/// Odd clients stay, even ones come again and again; how many sessions ended as they should.
async fn load(tap: std::net::SocketAddr, client: u64) -> u64 {
    for number in 0_u64.. {
        let session = async {
            let mut session = Client::connect(tap, &format!("/{client}/{number}")).await?;
            session.echo(b"hello").await?;
            if client % 2 == 1 {
                loop {
                    session.echo(b"still here").await?;
                }
            }
            session.close().await
        };
        if session.await.is_err() {
            return number;
        }
    }
    0
}
