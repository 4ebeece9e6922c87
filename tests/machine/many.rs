//! Five thousand sessions at once.

use std::sync::Arc;
use std::time::Duration;

use tempfile::tempdir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::ground::Ground;
use crate::records::{assert_orderly, by_path};
use crate::tap::Start;

const SESSIONS: usize = 5000;
/// A backlog of clients is not what is measured.
const AT_ONCE: usize = 200;
/// KiB
const MEMORY: u64 = 120 << 10;

#[test]
fn five_thousand_sessions_are_open_at_once_and_all_recorded() {
    let ground = Ground::new();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let mut start = Start::new(ground.upstream, &store);
    start.more = &["--quiet"];
    let mut tap = start.tap();
    let idle = tap.memory();

    let addr = tap.addr;
    let clients = ground.runtime.block_on(each(0..SESSIONS, move |number| async move {
        let mut client = Client::connect(addr, &format!("/{number}")).await.expect("an upgrade");
        client.echo(format!("hello from {number}").as_bytes()).await.expect("an echo");
        client
    }));
    let open = tap.memory();
    assert_eq!(clients.len(), SESSIONS);
    ground
        .runtime
        .block_on(each(clients, |client| async { client.close().await.expect("an end") }));
    let ended = tap.memory();
    eprintln!(
        "memory of the tap: {idle} KiB idle, {open} KiB with {SESSIONS} sessions, {ended} KiB after"
    );
    assert!(open.max(ended) < MEMORY, "{idle} KiB idle, {open} KiB open, {ended} KiB after");
    assert!(tap.child.terminate().success());

    let records = by_path(&store);
    assert_eq!(records.len(), SESSIONS);
    for number in 0..SESSIONS {
        let record = records.get(&format!("/{number}"));
        assert_orderly(record.unwrap_or_else(|| panic!("session {number} is missing")), 2);
    }
}

/// Does the same with each, a few at a time.
async fn each<A, B, F>(all: impl IntoIterator<Item = A>, of: impl Fn(A) -> F) -> Vec<B>
where
    F: Future<Output = B> + Send + 'static,
    B: Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for one in all {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("never closed");
        let of_one = of(one);
        tasks.spawn(async move {
            let done = tokio::time::timeout(Duration::from_mins(1), of_one).await;
            drop(turn);
            done.expect("in time")
        });
    }
    tasks.join_all().await
}
