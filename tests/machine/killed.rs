//! `kill -9` under load: what a client saw end is in the store, whatever the moment.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use wstap::session::State;

use crate::client::Client;
use crate::ground::Ground;
use crate::records::{assert_orderly, assert_whole, by_path, number};
use crate::support::wait_for;
use crate::tap::{Start, Tap};
use crate::watch::Watch;

const KILLS: u64 = 5;
const SHORT: usize = 24;
/// A client that comes and goes does so this often: what is promised is no matter of how much the
/// machine can do.
const EVERY: Duration = Duration::from_millis(40);
const LONG: usize = 8;
/// An end is in the file this long after it.
const ENDED: Duration = Duration::from_millis(50);
/// The newest frames of an open session may be missing.
const FRAMES: Duration = Duration::from_secs(1);

/// What the clients saw of every session, by its path.
type Sight = Arc<Mutex<HashMap<String, Seen>>>;

#[derive(Debug, Default)]
struct Seen {
    upgraded: Option<Instant>,
    echoes: Vec<Instant>,
    ended: Option<Instant>,
}

#[test]
fn what_ended_before_a_kill_is_in_the_store() {
    let ground = Ground::new();
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store.sqlite");
    let mut random = fastrand::Rng::new();
    let mut start = Start::new(ground.upstream, &store);
    (start.more, start.favoured) = (&["--quiet"], true);
    let mut before = HashMap::new();
    for round in 0..KILLS {
        let mut tap = start.tap();
        let still_open = number(&store, "SELECT count(*) FROM sessions WHERE state = 'open'");
        assert_eq!(still_open, 0, "a new tap marks what the killed one left open");
        let mut load = Load::start(&ground, &tap, round);
        wait_for("a session that ended", Duration::from_secs(20), || {
            load.seen(|seen| seen.values().any(|one| one.ended.is_some())).then_some(())
        });
        thread::sleep(Duration::from_millis(random.u64(0..2500)));
        let late = load.watch.stop();
        let killed_at = Instant::now();
        tap.kill();
        let seen = load.end();
        check(&store, &seen, killed_at, late);
        let ended = seen.values().filter(|one| one.ended.is_some()).count();
        eprintln!("kill {round}: {ended} of {} sessions had ended; {late:?} late", seen.len());
        before.extend(seen);
    }
    drop(start.tap());
    assert_whole(&store);
    let records = by_path(&store);
    assert!(records.values().all(|record| record.state != State::Open));
    assert!(records.len() <= before.len() + usize::try_from(KILLS).expect("few") * SHORT);
}

fn check(store: &Path, seen: &HashMap<String, Seen>, killed_at: Instant, late: Duration) {
    assert_whole(store);
    let records = by_path(store);
    let long_before = |at: &Instant| *at + ENDED + late < killed_at;
    for (path, one) in seen {
        let record = records.get(path);
        let frames = one.echoes.len() as u64;
        if one.ended.as_ref().is_some_and(long_before) {
            let record = record.unwrap_or_else(|| panic!("{path} is missing: {one:?}"));
            assert_orderly(record, frames + 1);
        } else if one.ended.is_none() && one.upgraded.as_ref().is_some_and(long_before) {
            let record = record.unwrap_or_else(|| panic!("{path} is missing: {one:?}"));
            // A client that had not read its end yet cannot say which of the two it is.
            let closing = record.state == State::Ended && record.close.code == Some(1000);
            assert!(closing || record.state == State::Interrupted, "{path}: {record:#?}");
            let old = one.echoes.iter().filter(|at| **at + FRAMES + late < killed_at).count();
            for stored in [record.frames.c2s.frames, record.frames.s2c.frames] {
                assert!(stored >= old as u64, "{path}: {stored} frames, {old} are old");
                assert!(stored <= frames + 2, "{path}: {stored} frames, {frames} came back");
            }
        }
    }
    assert!(records.values().all(|record| record.state != State::Open));
}

/// Clients that come and go, clients that stay, and a watch over the machine.
struct Load {
    seen: Sight,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    watch: Watch,
    handle: tokio::runtime::Handle,
}

impl Load {
    fn start(ground: &Ground, tap: &Tap, round: u64) -> Self {
        let seen = Sight::default();
        let handle = ground.runtime.handle().clone();
        let spawn = |client: usize| {
            let (seen, addr) = (Arc::clone(&seen), tap.addr);
            handle.spawn(async move {
                let name = format!("/round-{round}/client-{client}");
                // The end of the tap is the end of its clients.
                come_and_go(&seen, addr, name, client < LONG).await.ok();
            })
        };
        let tasks = (0..LONG + SHORT).map(spawn).collect();
        Self { seen, tasks, watch: Watch::start(tap.child.pid()), handle }
    }

    fn seen<T>(&self, look: impl FnOnce(&mut HashMap<String, Seen>) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every client has noticed that the tap is gone.
    fn end(mut self) -> HashMap<String, Seen> {
        for task in self.tasks.drain(..) {
            self.handle.block_on(task).expect("clients do not panic");
        }
        self.seen(std::mem::take)
    }
}

async fn come_and_go(
    seen: &Sight,
    tap: SocketAddr,
    name: String,
    long: bool,
) -> std::io::Result<()> {
    let mut turns = tokio::time::interval(EVERY);
    for number in 0_u64.. {
        turns.tick().await;
        session(seen, tap, format!("{name}/{number}"), long).await?;
    }
    Ok(())
}

async fn session(seen: &Sight, tap: SocketAddr, path: String, long: bool) -> std::io::Result<()> {
    let note = |what: &dyn Fn(&mut Seen, Instant)| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        what(seen.entry(path.clone()).or_default(), Instant::now());
    };
    let mut client = Client::connect(tap, &path).await?;
    note(&|one, now| one.upgraded = Some(now));
    let messages = if long { usize::MAX } else { fastrand::usize(0..8) };
    for number in 0..messages {
        client.echo(&vec![7; number * 31 % 1000]).await?;
        note(&|one, now| one.echoes.push(now));
    }
    client.close().await?;
    note(&|one, now| one.ended = Some(now));
    Ok(())
}
